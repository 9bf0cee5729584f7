"""A few of a task's dev examples as plain transformers makes a batch of them: what exported models are compared on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..experiment.cells import Cell
from ..models.load import load_tokenizer
from ..presets import limits_of

if TYPE_CHECKING:
    from ..experiment.study import Study


def sample(study: Study, cell: Cell, count: int = 16) -> tuple[dict[str, torch.Tensor], object]:
    """The first dev examples, padded, and the tokenizer that made them."""
    from ..tasks.load import load_task

    preset = study.preset
    data = load_task(cell.task, preset.data, limits_of(preset, cell.task))
    columns = [list(column) for column in zip(*data.dev.texts[:count])]
    tokenizer = load_tokenizer(preset.model)
    length = min(preset.max_length, tokenizer.model_max_length)
    return dict(tokenizer(*columns, truncation=True, max_length=length, padding=True, return_tensors="pt")), tokenizer
