"""The stages: one function each, from the results of the cells upstream to a `Result`.

finetune -> search -> control -> score / retrain, and the baselines beside them. Training randomness depends
on (task, seed) only, so that a full and a retrained run share classifier, data order and dropout.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from ..models.compact import compact
from ..presets import Preset
from ..pruning.controls import magnitude_control, structured_control
from ..pruning.magnitude import magnitude_search
from ..pruning.masks import ModelSizes, StructuredMask, WeightMask, load_mask, model_sizes
from ..pruning.structured import structured_search
from ..tasks.metrics import majority_score, predictions_from_logits
from ..training.baselines import bag_of_words, majority
from ..training.device import pick_device
from ..training.evaluate import predict
from ..training.finetune import finetune
from . import bench
from .cells import SUPER, Cell, full, mask_source, upstream
from .identity import generator_for, numpy_generator_for
from .recover import checkpoint_of
from .store import MASK, Store

Mask = StructuredMask | WeightMask


@dataclass
class Result:
    """What a stage found; `work.compute` makes the record of it.

    logits (N, C) and predictions (N,) are per dev example; `search_score` is set where no predictions are.
    """

    logits: np.ndarray | None = None
    predictions: np.ndarray | None = None
    search_score: float | None = None
    mask: Mask | None = None
    trajectory: dict[str, np.ndarray] = field(default_factory=dict)
    checkpoint: dict[str, torch.Tensor] | None = None
    shares: dict[str, float | None] = field(default_factory=dict)
    counts: dict[str, int | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    degenerate: bool = False
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """One cell to compute and all it may read: the preset, fingerprints, the store, every cell's address."""

    cell: Cell
    preset: Preset
    model_print: str
    data_print: str
    store: Store
    device: torch.device = field(default_factory=pick_device)

    def address(self, cell: Cell | None = None) -> str:
        """Address of `cell` (of the same task), by default of this one."""
        from .identity import address

        return address(cell or self.cell, self.preset, self.model_print, self.data_print)

    def examples(self) -> bench.Examples:
        """The task's tokenised examples."""
        return bench.examples(self.preset, self.cell.task, self.model_print)

    def classifier(self, init: str = "pretrained") -> nn.Module:
        """The classifier of (task, seed) before training, on the CPU."""
        return bench.classifier(self.preset, self.cell.task, self.cell.seed, self.model_print, init)

    def mask(self, cell: Cell) -> Mask:
        """The stored mask of a search or control cell, its checksum verified."""
        return load_mask(self.store.file(self.address(cell), MASK))

    def record(self, cell: Cell) -> dict:
        """The record of a cell upstream."""
        record = self.store.read(self.address(cell))
        if record is None:
            raise RuntimeError(f"{self.cell.name}: {cell.name} is not stored")
        return record


def run(work: Work) -> Result:
    """Compute the cell's result; raises CellFailed or UserError with a line that names what is wrong."""
    result = Result()
    STAGE_FUNCTIONS[work.cell.stage](work, result)
    return result


def run_finetune(work: Work, result: Result) -> None:
    """Fine-tune the full pre-trained model; its weights are kept for searches and scores."""
    with _timed(result, "load"):
        model, data = work.classifier(), work.examples()
    _size(result, model_sizes(model), None)
    _train(work, result, model, data)
    result.checkpoint = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def run_baseline(work: Work, result: Result) -> None:
    """Score a baseline: the majority class, bag of words, or the same network trained from random weights."""
    if work.cell.subnetwork == "random_init":
        with _timed(result, "load"):
            model, data = work.classifier(init="random"), work.examples()
        _size(result, model_sizes(model), None)
        _train(work, result, model, data)
        return
    with _timed(result, "load"):
        preset = work.preset
        texts = bench.task_data(work.cell.task, preset.data, preset.train_limit, preset.dev_limit)
    with _timed(result, "train"):
        predict_dev = {"majority": majority, "bag_of_words": bag_of_words}[work.cell.subnetwork]
        result.predictions = np.asarray(predict_dev(texts))


def run_search(work: Work, result: Result) -> None:
    """Search the good subnetwork of the fine-tuned model on the dev set."""
    model, data = _fine_tuned(work, result)
    search = {"structured": structured_search, "magnitude": magnitude_search}[work.cell.method]
    least = majority_score(data.task, data.dev.labels)
    with _timed(result, "search"):
        found = search(model.to(work.device), data.dev, data.task, work.preset, least)
    result.mask, result.trajectory, result.degenerate = found.mask, found.trajectory, not found.searchable
    result.notes += found.notes
    result.search_score = float(found.trajectory["score"][np.flatnonzero(found.trajectory["passed"])[-1]])
    _size(result, model_sizes(model), found.mask)


def run_control(work: Work, result: Result) -> None:
    """Draw a subnetwork to compare the good one with; its randomness comes from the cell's own address."""
    cell, key = work.cell, work.address()
    searches = [c for c in upstream(cell, work.preset.seeds) if c.stage == "search"]
    masks = [work.mask(c) for c in searches]
    result.degenerate = any(work.record(c)["degenerate"] for c in searches)
    if cell.method == "structured":
        model, good = work.classifier(), masks[0]
        seeds = masks if cell.subnetwork in SUPER else None
        rng = numpy_generator_for(key, "control")
        result.mask = structured_control(cell.subnetwork, good, rng, work.preset.random_sizes, seeds)
    else:
        from ..models.anatomy import anatomy

        model, _ = _fine_tuned(work, result)
        parameters = {name: p.detach() for name, p in anatomy(model).prunable_parameters().items()}
        result.mask = magnitude_control(cell.subnetwork, masks[0], parameters, generator_for(key, "control"))
    _size(result, model_sizes(model), result.mask)


def run_score(work: Work, result: Result) -> None:
    """Score the fine-tuned weights under the mask, without training: "pruned" in the paper."""
    mask = _mask(work, result)
    model, data = _fine_tuned(work, result)
    _size(result, model_sizes(model), mask)
    _evaluate(work, result, _prune(model, mask), data)


def run_retrain(work: Work, result: Result) -> None:
    """Fine-tune the pre-trained weights under the mask; the mask stays fixed."""
    mask = _mask(work, result)
    with _timed(result, "load"):
        model, data = work.classifier(), work.examples()
    _size(result, model_sizes(model), mask)
    if isinstance(mask, StructuredMask):
        _train(work, result, _prune(model, mask), data)
    else:
        _train(work, result, model, data, mask.weights)


STAGE_FUNCTIONS = {
    "finetune": run_finetune,
    "baseline": run_baseline,
    "search": run_search,
    "control": run_control,
    "score": run_score,
    "retrain": run_retrain,
}


def _train(work: Work, result: Result, model: nn.Module, data: bench.Examples, weight_mask=None) -> None:
    """Fine-tune in place, keep the course of the loss, and evaluate."""
    model.to(work.device)
    key = (work.cell.task, work.cell.seed)
    with _timed(result, "train"):
        log = finetune(model, data.train, work.preset, key, weight_mask=weight_mask, name=work.cell.name)
    result.trajectory = {"loss": np.array(log.losses, np.float64), "epochs": np.array([log.epochs], np.int64)}
    _evaluate(work, result, model, data)


def _evaluate(work: Work, result: Result, model: nn.Module, data: bench.Examples) -> None:
    with _timed(result, "evaluate"):
        result.logits = predict(model.to(work.device), data.dev, work.preset.precision)
        result.predictions = predictions_from_logits(data.task, result.logits)


def _mask(work: Work, result: Result) -> Mask:
    source = mask_source(work.cell)
    result.degenerate = work.record(source)["degenerate"]
    return work.mask(source)


def _prune(model: nn.Module, mask: Mask) -> nn.Module:
    """The model under `mask`: physically smaller for components, with zeros for weights."""
    if isinstance(mask, StructuredMask):
        return compact(model, mask.heads, mask.mlps, inplace=True)
    return mask.apply_(model)


def _fine_tuned(work: Work, result: Result) -> tuple[nn.Module, bench.Examples]:
    """The fine-tuned full model, on the CPU, and the data; says so in a note where its weights differ."""
    with _timed(result, "load"):
        path, notes = checkpoint_of(work, full(work.cell.task, work.cell.seed))
        model, data = work.classifier(), work.examples()
        model.load_state_dict(load_file(path))
    result.notes += notes
    return model, data


def _size(result: Result, sizes: ModelSizes, mask: Mask | None) -> None:
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
def _timed(result: Result, what: str) -> Iterator[None]:
    begin = time.perf_counter()
    try:
        yield
    finally:
        result.seconds[what] = result.seconds.get(what, 0.0) + time.perf_counter() - begin
