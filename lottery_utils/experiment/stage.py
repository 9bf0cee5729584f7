"""What a stage works with: the work to do, the result it fills in, and what several stages do.

Load trained weights, prune, train, evaluate, measure sizes and times. Records are shared without the fine-tuned weights
and large masks, and retrained weights are never stored: where they are needed, they are made again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load
from safetensors.torch import load_file, save_file
from torch import nn

from ..disk import sha256
from ..errors import CellFailed, UserError
from ..models.compact import compact
from ..places import function_at
from ..presets import Preset
from ..pruning.masks import StructuredMask, WeightMask, mask_from, model_sizes
from ..tasks.hans import to_hans
from ..tasks.metrics import majority_score, predictions_from_logits
from ..training.device import pick_device
from ..training.evaluate import predict
from ..training.finetune import finetune
from . import loaded
from .cells import Cell, full, mask_source, part_of, upstream
from .identity import Key, seed_for
from .locks import claim
from .stage_table import STAGES
from .store import CHECKPOINT, MASK, PREDICTIONS, Store

Mask = StructuredMask | WeightMask


@dataclass
class Result:
    """What a stage found; `work.compute` makes the record of it.

    `model` is what was evaluated; logits (N, C) and predictions (N,) are per dev example; `search_score` is set
    where no predictions are.
    """

    model: nn.Module | None = None
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
    """One cell to compute and all it may read: the study's key, which holds the preset, and the store."""

    cell: Cell
    key: Key
    store: Store
    device: torch.device = field(default_factory=pick_device)
    cuda_graphs: bool = False  # whether a GPU trains by replaying graphs

    @property
    def preset(self) -> Preset:
        """The preset of the study."""
        return self.key.preset

    def address(self, cell: Cell | None = None) -> str:
        """Address of `cell`, by default of this one."""
        return self.key.address(cell or self.cell)

    def examples(self) -> loaded.Examples:
        """The task's tokenised examples; in the place of dev those that the cell reads or is scored on."""
        part = part_of(self.cell, self.preset.selection)
        return loaded.examples(self.preset, self.cell.task, self.key.model, part)

    def classifier(self, init: str = "pretrained") -> nn.Module:
        """The classifier of (task, seed) before training, on the CPU."""
        return loaded.classifier(self.preset, self.cell.task, self.cell.seed, self.key.model, init)

    def mask(self, cell: Cell, notes: list[str] | None = None) -> Mask:
        """The mask of a search or control cell, its checksum verified; made again where its record came without it.

        Made again it must be the recorded one. Where there are `notes` to say so, as many weights are enough: which lie
        next to a threshold hangs on the last bit of the fine-tuned weights, and that on the processor.
        """
        content = self.store.content(self.address(cell), MASK)
        where = f"the mask of {cell.name}"
        try:
            mask = mask_from(_mask_again(self, cell, notes) if content is None else content, where)
            kind = StructuredMask if cell.method == "structured" else WeightMask
            if not isinstance(mask, kind):
                raise UserError(f"{where}: expected a {kind.__name__}, got a {type(mask).__name__}")
            return mask
        except UserError as error:  # a stored file, not the user's: this cell fails, the others go on
            raise CellFailed(f"{self.cell.name}: {error} (see 'lottery verify')") from None

    def record(self, cell: Cell) -> dict:
        """The record of a cell upstream."""
        record = self.store.read(self.address(cell))
        if record is None:
            raise RuntimeError(f"{self.cell.name}: {cell.name} is not stored")
        return record


def run(work: Work) -> Result:
    """Compute the cell's result by its stage's function; raises CellFailed or UserError with a line that says why."""
    result = Result()
    function_at(STAGES[work.cell.stage].function)(work, result)
    return result


def _made_again(work: Work, cell: Cell, name: str, save: Callable[[Result, Path], None]) -> Path:
    """A file of a cell in its scratch folder, where the cell's stage makes it unless it is there."""
    path = work.store.scratch(work.address(cell)) / name
    if not path.is_file():
        part = path.with_name(f"{name}.{os.getpid()}")
        save(run(replace(work, cell=cell)), part)
        os.replace(part, path)
    return path


def _mask_again(work: Work, cell: Cell, notes: list[str] | None) -> bytes:
    """The mask file of a search or control cell made again; raises CellFailed where `Work.mask` cannot take it."""
    path = _made_again(work, cell, MASK, lambda result, path: result.mask.save(path, {"cell": cell.name}))
    content, record = path.read_bytes(), work.record(cell)
    if sha256(path) == record["files"][MASK]:
        return content
    mask, lost = mask_from(content, str(path)), f"the mask of {cell.name} was not stored"
    if notes is not None and isinstance(mask, WeightMask) and mask.size == record["counts"]["weights"]:
        notes.append(f"{lost} and was made again: as many weights, but not all of them the recorded ones")
        return content
    raise CellFailed(f"{work.cell.name}: {lost} and comes out differently here; compute it in another results folder")


def checkpoint_of(work: Work, cell: Cell) -> tuple[Path, list[str]]:
    """Path of the weights that `cell`, a finetune or retrain cell, ended with, and notes for whoever uses them.

    Weights made again that come out bit for bit as recorded go back into the store; others stay beside it, in a scratch
    folder, and a note says how far their logits are from the recorded ones, unless they are these.
    """
    address, store = work.address(cell), work.store
    if (path := store.checkpoint(address)) is not None:
        return path, []
    with claim(store.root, f"{address}.weights", wait=True):  # another worker may be making them
        if (path := store.checkpoint(address)) is not None:
            return path, []
        path = _made_again(work, cell, CHECKPOINT, lambda result, path: _save_weights(work, cell, result, path))
        if store.restore(address, path):
            return store.folder(address) / CHECKPOINT, []
    with safe_open(path, "np") as file:
        apart = float((file.metadata() or {}).get("apart", 0.0))
    note = f"the weights of {cell.name} were not stored and were made again; their logits differ from the recorded ones"
    return path, [f"{note} by up to {apart:.3g}"] if apart else []


def _save_weights(work: Work, cell: Cell, result: Result, path: Path) -> None:
    """Write a cell's weights; others than the recorded ones with how far their logits are `apart`."""
    kept = result.checkpoint if result.checkpoint is not None else result.model.state_dict()
    weights = {name: value.detach().cpu().contiguous() for name, value in kept.items()}
    save_file(weights, path)
    if sha256(path) != work.record(cell)["files"].get(CHECKPOINT):
        recorded = load(work.store.content(work.address(cell), PREDICTIONS))["logits"]
        apart = float(np.abs(recorded.astype(np.float64) - result.logits).max())
        save_file(weights, path, {"apart": repr(apart)})


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
            model, data.train, work.preset, key, weight_mask=weights, name=work.cell.name, longer=longer,
            cuda_graphs=work.cuda_graphs,
        )
    result.notes += log.notes
    result.trajectory = {"loss": np.array(log.losses, np.float64), "epochs": np.array([log.epochs], np.int64)}
    evaluate(work, result, model, data)


def evaluate(work: Work, result: Result, model: nn.Module, data: loaded.Examples) -> None:
    """Predict the dev set; where HANS stands there, the course is `heuristic` (N,): what each example is about."""
    with timed(result, "evaluate"):
        result.model = model
        result.logits = predict(model.to(work.device), data.dev, work.preset.precision)
        if data.heuristics is None:
            result.predictions = predictions_from_logits(data.task, result.logits)
        else:
            result.predictions, result.trajectory = to_hans(result.logits), {"heuristic": data.heuristics}


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
    return work.mask(source, result.notes)


def masks_found(work: Work, result: Result) -> list[Mask]:
    """The masks of the searches that the cell reads; whether one of these was degenerate goes into the result."""
    searches = [cell for cell in upstream(work.cell, work.preset.seeds) if cell.stage == "search"]
    result.degenerate = any(work.record(cell)["degenerate"] for cell in searches)
    return [work.mask(cell, result.notes) for cell in searches]


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
