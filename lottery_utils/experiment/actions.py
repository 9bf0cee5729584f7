"""What several stages do: load trained weights, prune, train, evaluate, measure sizes and times."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from safetensors.torch import load_file
from torch import nn

from ..models.compact import compact
from ..pruning.masks import ModelSizes, StructuredMask
from ..tasks.metrics import predictions_from_logits
from ..training.evaluate import predict
from ..training.finetune import finetune
from . import bench
from .cells import COMPARED, Cell, full, mask_source
from .recover import checkpoint_of
from .stage import Mask, Result, Work


def train(
    work: Work, result: Result, model: nn.Module, data: bench.Examples, weight_mask=None, longer: int = 1
) -> None:
    """Fine-tune in place, `longer` times the usual epochs, keep the course of the loss, and evaluate."""
    model.to(work.device)
    result.notes += [model.checkpoint_note] if model.checkpoint_note else []
    key = (work.cell.task, work.cell.seed)
    with timed(result, "train"):
        log = finetune(
            model, data.train, work.preset, key, weight_mask=weight_mask, name=work.cell.name, longer=longer,
            cuda_graphs=work.cuda_graphs,
        )
    result.notes += log.notes
    result.trajectory = {"loss": np.array(log.losses, np.float64), "epochs": np.array([log.epochs], np.int64)}
    evaluate(work, result, model, data)


def evaluate(work: Work, result: Result, model: nn.Module, data: bench.Examples) -> None:
    """Predict the dev set."""
    with timed(result, "evaluate"):
        result.model = model
        result.logits = predict(model.to(work.device), data.dev, work.preset.precision)
        result.predictions = predictions_from_logits(data.task, result.logits)


def mask_of(work: Work, result: Result) -> Mask:
    """The mask a score or retrain cell runs under; whether its search was degenerate goes into the result."""
    source = mask_source(work.cell)
    result.degenerate = work.record(source)["degenerate"]
    return work.mask(source)


def prune(model: nn.Module, mask: Mask) -> nn.Module:
    """The model under `mask`: physically smaller for components, with zeros for weights."""
    if isinstance(mask, StructuredMask):
        return compact(model, mask.heads, mask.mlps, inplace=True)
    return mask.apply_(model)


def fine_tuned(work: Work, result: Result) -> tuple[nn.Module, bench.Examples]:
    """The fine-tuned full model, on the CPU, and the data; says so in a note where its weights differ."""
    with timed(result, "load"):
        path, notes = checkpoint_of(work, full(work.cell.task, work.cell.seed))
        model, data = work.classifier(), work.examples()
        model.load_state_dict(load_file(path))
    result.notes += notes
    return model, data


def set_size(result: Result, sizes: ModelSizes, mask: Mask | None) -> None:
    """Set how much of the model is there: shares of 1 and counts; heads and MLPs are None for single weights."""
    heads, mlps = sizes.layers * sizes.heads, sizes.layers
    kept_heads, kept_mlps, gone = heads, mlps, 0
    result.shares = {"heads": 1.0, "mlps": 1.0, "prunable": 1.0, "all": 1.0}
    if isinstance(mask, StructuredMask):
        kept_heads, kept_mlps = mask.size
        gone = (heads - kept_heads) * sizes.per_head + (mlps - kept_mlps) * sizes.per_mlp
        result.shares = mask.shares(sizes)
    elif mask is not None:
        kept_heads = kept_mlps = None
        gone = mask.total - mask.size
        result.shares = {"heads": None, "mlps": None, **mask.shares(sizes)}
    result.counts = {
        "heads": kept_heads,
        "heads_total": heads,
        "mlps": kept_mlps,
        "mlps_total": mlps,
        "weights": sizes.prunable - gone,
        "weights_total": sizes.prunable,
        "parameters": sizes.total - gone,
        "parameters_total": sizes.total,
    }


@contextmanager
def timed(result: Result, what: str) -> Iterator[None]:
    """Add the block's seconds to those of `what`."""
    begin = time.perf_counter()
    try:
        yield
    finally:
        result.seconds[what] = result.seconds.get(what, 0.0) + time.perf_counter() - begin


def trained(work: Work, result: Result, cell: Cell) -> nn.Module:
    """The model of a finetune or retrain cell as it was after training, in eval mode on the cell's device.

    Retrained weights are not stored: they are made again where the store's scratch folder does not have them, and a
    note says so where their logits are not the recorded ones.
    """
    path, notes = checkpoint_of(work, cell)
    model = dataclasses.replace(work, cell=cell).classifier()
    if cell.stage == "retrain":
        model = prune(model, work.mask(mask_source(cell)))
    model.load_state_dict(load_file(path))
    result.notes += notes
    return model.to(work.device).eval()


def masks_of(work: Work, seed: int) -> dict[str, Mask]:
    """The masks of the good, random and bad subnetworks of task, method and seed; empty after a degenerate search."""
    cells = {name: mask_source(Cell(work.cell.task, seed, "score", work.cell.method, name)) for name in COMPARED}
    if work.record(cells["good"])["degenerate"]:
        return {}
    return {name: work.mask(cell) for name, cell in cells.items()}


def networks(work: Work, result: Result, masks: dict[str, Mask], retrained: bool = True) -> dict[str, nn.Module]:
    """The full model of the cell's seed, and each subnetwork as ``good.pruned`` and (if so) ``good.retrained``."""
    cell = work.cell
    models = {"full": trained(work, result, full(cell.task, cell.seed))}
    for name, mask in masks.items():
        models[f"{name}.pruned"] = prune(copy.deepcopy(models["full"]), mask)
    for name in masks if retrained else ():
        models[f"{name}.retrained"] = trained(work, result, Cell(cell.task, cell.seed, "retrain", cell.method, name))
    return models
