"""Dev examples as plain transformers makes batches of them: what exported models are compared on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ..experiment.cells import Cell, part_of
from ..models.load import load_tokenizer
from ..presets import limits_of
from ..tasks.selection import halves

if TYPE_CHECKING:
    from ..experiment.study import Study


Batch = dict[str, torch.Tensor]


def sample(study: Study, cell: Cell, count: int = 16, batch: int = 16) -> tuple[list[Batch], object]:
    """The first `count` examples that the cell was scored on, padded, in batches; and the tokenizer that made them."""
    from ..tasks.load import load_task

    preset = study.preset
    data = load_task(cell.task, preset.data, limits_of(preset, cell.task))
    part, rows = part_of(cell, preset.selection), np.arange(len(data.dev))
    if part in ("first", "second"):
        rows = halves(cell.task, len(data.dev))[part == "second"]
    texts = [data.dev.texts[row] for row in rows[:count]]
    tokenizer = load_tokenizer(preset.model)
    tokenizer.model_max_length = min(preset.max_length, tokenizer.model_max_length)  # is saved with it
    made = []
    for begin in range(0, len(texts), batch):
        columns = [list(column) for column in zip(*texts[begin : begin + batch])]
        made.append(dict(tokenizer(*columns, truncation=True, padding=True, return_tensors="pt")))
    return made, tokenizer
