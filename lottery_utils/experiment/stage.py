"""Running a stage, and what every stage function gets and fills in: the work to do, and the result."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ..errors import CellFailed, UserError
from ..places import function_at
from ..presets import Preset
from ..pruning.masks import StructuredMask, WeightMask, mask_from
from ..training.device import pick_device
from . import bench
from .cells import Cell, part_of
from .stage_table import STAGES
from .store import MASK, Store

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
    levels: dict[str, np.ndarray] | None = None  # of nested masks of weights, how many keep each: uint8, flat
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
    cuda_graphs: bool = False  # whether a GPU trains by replaying graphs

    def address(self, cell: Cell | None = None) -> str:
        """Address of `cell` (of the same task), by default of this one."""
        from .identity import address

        return address(cell or self.cell, self.preset, self.model_print, self.data_print)

    def examples(self) -> bench.Examples:
        """The task's tokenised examples; in the place of dev those that the cell reads or is scored on."""
        part = part_of(self.cell, self.preset.selection)
        return bench.examples(self.preset, self.cell.task, self.model_print, part)

    def classifier(self, init: str = "pretrained") -> nn.Module:
        """The classifier of (task, seed) before training, on the CPU."""
        return bench.classifier(self.preset, self.cell.task, self.cell.seed, self.model_print, init)

    def mask(self, cell: Cell) -> Mask:
        """The mask of a search or control cell, its checksum verified; made again where its record came without it."""
        from .recover import mask_again

        content = self.store.content(self.address(cell), MASK)
        where = f"the mask of {cell.name}"
        try:
            mask = mask_from(mask_again(self, cell) if content is None else content, where)
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
