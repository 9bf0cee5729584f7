"""From rows of examples to logits, on the leanest path that a model allows."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from ..models.lean import Lean, is_lean
from .batches import Encoded, collate, pack

Forward = Callable[[np.ndarray], tuple[torch.Tensor, np.ndarray]]
WORTH_IT = 0.8  # share of the vocabulary in use above which training the whole table is as good


def forward_of(model: nn.Module, data: Encoded, device: torch.device, lean: Lean | None = None) -> Forward:
    """A function from rows (B,) to logits (B, C) and the rows in the logits' order.

    Classifiers of known families compute on packed examples; any other model, and one with hooks, is called as
    `model(**inputs).logits` with padded batches.
    """
    if lean is None and is_lean(model):
        lean = Lean(model)

    def forward(rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        if lean is None:
            return model(**collate(data, rows, device).inputs).logits, rows
        batch, rows = pack(data, rows, device)
        return lean(batch), rows

    return forward


@contextlib.contextmanager
def trained_parts(
    model: nn.Module, data: Encoded, device: torch.device, weight_decay: float
) -> Iterator[tuple[Forward, list[nn.Parameter]]]:
    """The forward function to train `model` with, and the parameters that training moves.

    Rows of the word table that no example uses get no gradient, and Adam leaves them where they are; so a table of the
    words in use is trained in its place and put back at the end. With weight decay unused rows move too.
    """
    params = [p for p in model.parameters() if p.requires_grad and p.numel()]
    if not is_lean(model):
        yield forward_of(model, data, device), params
        return
    lean = Lean(model)
    used = np.unique(data.ids)
    words = lean.words
    if weight_decay or not words.requires_grad or len(used) > WORTH_IT * len(words):
        yield forward_of(model, data, device, lean), params
        return
    rows = torch.from_numpy(used.astype(np.int64)).to(device)
    lean.words = nn.Parameter(words.detach()[rows].clone())
    data = dataclasses.replace(data, ids=np.searchsorted(used, data.ids).astype(np.int32), pad=0)
    try:
        yield forward_of(model, data, device, lean), [lean.words if p is words else p for p in params]
    finally:
        with torch.no_grad():
            words[rows] = lean.words
