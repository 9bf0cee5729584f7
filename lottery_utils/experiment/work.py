"""What a stage works with: the cell to compute and all it may read, and the result it fills in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ..places import function_at
from ..presets import Preset
from ..pruning.masks import StructuredMask, WeightMask
from ..tasks.load import TaskData
from ..training.device import pick_device
from . import loaded
from .cells import Cell, part_of
from .identity import Key
from .stage_table import STAGES
from .store import Store

Mask = StructuredMask | WeightMask


@dataclass
class Result:
    """What a stage found; `compute` makes the record of it.

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

    def examples(self) -> TaskData:
        """The task's data, tokenised where the model is read; in the place of dev what the cell is scored on."""
        preset, data_print = self.preset, self.key.prints[self.cell.task]
        if not self.cell.case.reads_model:
            return loaded.task_data(preset, self.cell.task, data_print)[0]
        part = part_of(self.cell, preset.selection)
        return loaded.examples(preset, self.cell.task, self.key.model, data_print, part)

    def classifier(self, init: str = "pretrained") -> nn.Module:
        """The classifier of (task, seed) before training, on the CPU."""
        return loaded.classifier(self.preset, self.cell.task, self.cell.seed, init)

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
