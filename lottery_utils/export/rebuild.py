"""The model behind a stored cell: made again by the cell's own stage and checked against its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UserError
from ..experiment.cells import Cell, mask_source, part_of
from ..experiment.identity import Key
from ..presets import limits_of
from ..tasks.load import halves, load_task

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ..experiment.study import Study
    from ..experiment.work import Mask

STAGES = ("finetune", "score", "retrain", "retrain_longer")


@dataclass(frozen=True)
class Rebuilt:
    """A cell's model (compact where components were pruned), its record, and how its outputs compare with the record.

    `same` of `examples` dev predictions are the recorded ones; `apart` is the largest difference of two logits.
    `logits` (N, C) are the recorded ones.
    """

    cell: Cell
    model: nn.Module
    record: dict
    same: int
    examples: int
    apart: float
    mask: Mask | None  # of the full model None
    logits: np.ndarray

    @property
    def agreement(self) -> str:
        """How predictions and logits compare with the recorded ones, in words."""
        logits = f"logits apart by at most {self.apart:.1e}" if self.apart else "every logit too"
        return f"{self.same} of {self.examples} dev predictions as recorded, {logits}"


def _with_model(cell: Cell) -> Cell:
    """`cell`, or for a search or control the model its mask makes of the fine-tuned weights."""
    if cell.stage in ("search", "control"):
        return Cell(cell.task, cell.seed, "score", cell.method, cell.subnetwork)
    if cell.stage not in STAGES:
        raise UserError(
            f"{cell.name} has no model to export; expected a cell of {', '.join(STAGES)}, search or control, "
            "such as mrpc/42/retrain/structured/good"
        )
    return cell


def rebuild(study: Study, cell: Cell) -> Rebuilt:
    """Run the cell's stage again, on this machine's device, and compare; training takes as long as it did.

    Raises UserError for a cell that has no model, when it or what it needs is not stored, or its search was degenerate:
    there is no subnetwork then.
    """
    from ..experiment.compute import steady
    from ..experiment.remade import recorded_mask
    from ..experiment.work import Work, run

    cell = _with_model(cell)
    record = study.record(cell)
    if record is None:
        raise UserError(f"{cell.name} is not stored in {study.store.root}; compute it with 'lottery run' first")
    if record["degenerate"]:
        raise UserError(f"{cell.name} is of a degenerate search: there is no subnetwork to export")
    inputs = record["inputs"]
    with steady():
        work = Work(cell, Key(study.preset, {"": inputs["model"], cell.task: inputs["data"]}), study.store)
        result = run(work)
        mask = None if cell.stage == "finetune" else recorded_mask(work, mask_source(cell))
    recorded = study.predictions(cell)
    same = int((np.asarray(recorded["predictions"]) == result.predictions).sum())
    apart = float(np.abs(recorded["logits"].astype(np.float64) - result.logits).max())
    model = result.model.cpu().eval()
    return Rebuilt(cell, model, record, same, len(result.predictions), apart, mask, recorded["logits"])


def sample(study: Study, cell: Cell, tokenizer, count: int, batch: int = 16) -> list[dict[str, torch.Tensor]]:
    """The first `count` examples that the cell was scored on, batched as by plain transformers."""
    preset = study.preset
    dev = load_task(cell.task, preset.data, limits_of(preset, cell.task)).dev
    part, rows = part_of(cell, preset.selection), np.arange(len(dev))
    if part in ("first", "second"):
        rows = halves(cell.task, len(dev))[part == "second"]
    texts = [dev.texts[row] for row in rows[:count]]
    look = {"truncation": True, "padding": True, "return_tensors": "pt"}
    columns = [[list(column) for column in zip(*texts[at : at + batch])] for at in range(0, len(texts), batch)]
    return [dict(tokenizer(*of_batch, **look)) for of_batch in columns]
