"""Logits and losses over a whole split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F

from ..switch import faster
from .batches import Encoded, collate, eval_batches
from .device import autocast, precision_of

TOKENS = 8192  # that go through the model together


def model_device(model: torch.nn.Module) -> torch.device:
    """The device the model's parameters are on."""
    return next(model.parameters()).device


def batch_loss(logits: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Cross-entropy for class labels (int64), squared error for targets (float32); logits (B, C) or (B, 1)."""
    if labels.dtype == torch.float32:
        return F.mse_loss(logits.float().squeeze(-1), labels, reduction=reduction)
    return F.cross_entropy(logits.float(), labels, reduction=reduction)


class PlainForward:
    """A model and a split: the model is called as it is, hooks included, on padded batches."""

    def __init__(self, model: torch.nn.Module, data: Encoded, precision: str = "fp32"):
        self.model, self.data, self.device = model, data, model_device(model)
        self.precision = precision_of(model, precision)

    def batches(self, tokens: int) -> Iterator[np.ndarray]:
        """All rows once, longest first, with little padding."""
        return eval_batches(self.data, tokens)

    def __call__(self, rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        """From rows (B,) to logits (B, C) and the rows in their order, with the weights and in the mode of now."""
        with autocast(self.device, self.precision):
            return self.model(**collate(self.data, rows, self.device).inputs).logits, rows


def forward_of(model: torch.nn.Module, data: Encoded, precision: str = "fp32") -> PlainForward:
    """How `model` computes the examples of `data`: plainly, or by what does the same as fast as it can be done."""
    return faster("forward", model, data, precision) or PlainForward(model, data, precision)


@torch.inference_mode()
def predict(model: torch.nn.Module, encoded: Encoded, precision: str = "fp32") -> np.ndarray:
    """Logits of every example, float32 (N, C), dropout off; the model is left in the mode it was in."""
    was_training = model.training
    model.eval()
    forward, parts, order = forward_of(model, encoded, precision), [], []
    for rows in forward.batches(TOKENS):
        logits, rows = forward(rows)
        parts.append(logits.float().cpu().numpy())
        order.append(rows)
    model.train(was_training)
    return in_order(parts, order)


def in_order(parts: list[np.ndarray], rows: list[np.ndarray]) -> np.ndarray:
    """What batches gave (B, ...), end to end in the order of the data; `rows` (B,) are those of each batch."""
    return np.concatenate(parts)[np.argsort(np.concatenate(rows))]
