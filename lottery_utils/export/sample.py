"""A few of a task's dev examples as plain transformers makes a batch of them: what exported models are compared on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..experiment.cells import Cell
from ..models.images import load_image_reader
from ..models.load import load_tokenizer
from ..presets import limits_of
from ..tasks.images import open_image

if TYPE_CHECKING:
    from ..experiment.study import Study


def sample(study: Study, cell: Cell, count: int = 16) -> tuple[dict[str, torch.Tensor], object]:
    """The first dev examples, padded texts or images, and the tokenizer or image processor that made them."""
    from ..tasks.load import load_task

    preset = study.preset
    data = load_task(cell.task, preset.data, limits_of(preset, cell.task))
    if data.task.images:
        reader = load_image_reader(preset.model)
        images = [reader.coloured(open_image(path)) for path in data.dev.files[:count]]
        return dict(reader.processor(images=images, return_tensors="pt")), reader.processor
    columns = [list(column) for column in zip(*data.dev.texts[:count])]
    tokenizer = load_tokenizer(preset.model)
    length = min(preset.max_length, tokenizer.model_max_length)
    return dict(tokenizer(*columns, truncation=True, max_length=length, padding=True, return_tensors="pt")), tokenizer


def size_of(inputs: dict[str, torch.Tensor]) -> str:
    """How large one example of a batch is, for people: "16 tokens", or "224 x 224 pixels"."""
    if "pixel_values" in inputs:
        return "{} x {} pixels".format(*inputs["pixel_values"].shape[-2:])
    return f"{inputs['input_ids'].shape[1]} tokens"
