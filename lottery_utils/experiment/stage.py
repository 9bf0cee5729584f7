"""What several stages do: load trained weights, prune, train, evaluate, measure sizes and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from safetensors.torch import load_file
from torch import nn

from ..models.compact import compact
from ..pruning.masks import StructuredMask, WeightMask, model_sizes
from ..tasks.metrics import majority_score, predictions_from_logits
from ..training.evaluate import predict
from ..training.finetune import finetune
from . import loaded
from .cells import full, mask_source, upstream
from .identity import seed_for
from .remade import checkpoint_of, recorded_mask
from .work import Mask, Result, Work


@contextmanager
def timed(result: Result, what: str) -> Iterator[None]:
    """Add the block's seconds to those of `what`."""
    begin = time.perf_counter()
    try:
        yield
    finally:
        result.seconds[what] = result.seconds.get(what, 0.0) + time.perf_counter() - begin


def untrained(work: Work, result: Result, init: str = "pretrained") -> tuple[nn.Module, loaded.Examples]:
    """The model before any training, on the CPU, and the data."""
    with timed(result, "load"):
        return work.classifier(init), work.examples()


def fine_tuned(work: Work, result: Result) -> tuple[nn.Module, loaded.Examples]:
    """The fine-tuned full model, on the CPU, and the data; says so in a note where its weights differ."""
    with timed(result, "load"):
        path, notes = checkpoint_of(work, full(work.cell.task, work.cell.seed))
        model, data = work.classifier(), work.examples()
        model.load_state_dict(load_file(path))
    result.notes += notes
    return model, data


def train(
    work: Work, result: Result, model: nn.Module, data: loaded.Examples, mask: Mask | None = None, longer: int = 1
) -> None:
    """Fine-tune in place, pruned by `mask` and `longer` times the usual epochs; keep the loss's course, and evaluate.

    Components are cut out; single weights stay at mask x weight.
    """
    set_size(result, model, mask)
    weights = mask.weights if isinstance(mask, WeightMask) else None
    model = (prune(model, mask) if isinstance(mask, StructuredMask) else model).to(work.device)
    result.notes += [model.checkpoint_note] if model.checkpoint_note else []
    key = (work.cell.task, work.cell.seed)
    with timed(result, "train"):
        log = finetune(
            model, data.train, work.preset, key, weight_mask=weights, longer=longer, cuda_graphs=work.cuda_graphs
        )
    result.notes += log.notes
    result.trajectory = {"loss": np.array(log.losses, np.float64), "epochs": np.array([log.epochs], np.int64)}
    evaluate(work, result, model, data)


def evaluate(work: Work, result: Result, model: nn.Module, data: loaded.Examples) -> None:
    """Predict the dev set, or the examples that stand in its place."""
    with timed(result, "evaluate"):
        result.model = model
        result.logits = predict(model.to(work.device), data.dev, work.preset.precision)
        if data.answers is None:
            result.predictions = predictions_from_logits(data.task, result.logits)
        else:
            result.predictions, result.trajectory = data.answers(result.logits)


def by_method(
    work: Work, result: Result, structured: Callable, magnitude: Callable
) -> tuple[nn.Module, loaded.Examples, Any]:
    """The fine-tuned model, the data, and what the function for the cell's method finds in them.

    Whether there was nothing to search goes into the result.
    """
    model, data = fine_tuned(work, result)
    least, seed = majority_score(data.task, data.dev.labels), seed_for(work.address(), "score")
    given = (model.to(work.device), data.dev, data.task, work.preset, least)
    with timed(result, work.cell.stage):
        if work.cell.method == "structured":
            found = structured(*given, seed=seed)
        else:
            found = magnitude(*given, train=data.train, seed=seed)
    result.degenerate = not found.searchable
    return model, data, found


def mask_of(work: Work, result: Result) -> Mask:
    """The mask a score or retrain cell runs under; whether its search was degenerate goes into the result."""
    source = mask_source(work.cell)
    result.degenerate = work.record(source)["degenerate"]
    return recorded_mask(work, source, result.notes)


def masks_found(work: Work, result: Result) -> list[Mask]:
    """The masks of the searches that the cell reads; whether one of these was degenerate goes into the result."""
    searches = [cell for cell in upstream(work.cell, work.preset.seeds) if cell.stage == "search"]
    result.degenerate = any(work.record(cell)["degenerate"] for cell in searches)
    return [recorded_mask(work, cell, result.notes) for cell in searches]


def prune(model: nn.Module, mask: Mask) -> nn.Module:
    """The model under `mask`: physically smaller for components, with zeros for weights."""
    if isinstance(mask, StructuredMask):
        return compact(model, mask.heads, mask.mlps, inplace=True)
    return mask.apply_(model)


def set_size(result: Result, model: nn.Module, mask: Mask | None = None) -> None:
    """Set how much of the whole `model` the mask keeps: shares of 1 and counts; without heads and MLPs for weights."""
    sizes = model_sizes(model)
    heads, mlps = sizes.layers * sizes.heads, sizes.layers
    mask = mask or StructuredMask.full(sizes.layers, sizes.heads)
    if isinstance(mask, StructuredMask):
        kept_heads, kept_mlps = mask.size
        gone = (heads - kept_heads) * sizes.per_head + (mlps - kept_mlps) * sizes.per_mlp
    else:
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
