"""Logits and losses over a whole split."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..models.lean import is_lean
from .batches import Encoded, eval_batches, packed_batches
from .forward import forward_of

CHUNK = 4096  # tokens that go through the model together on a CPU


def model_device(model: torch.nn.Module) -> torch.device:
    """The device the model's parameters are on."""
    return next(model.parameters()).device


def batch_loss(logits: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Cross-entropy for class labels (int64), squared error for targets (float32); logits (B, C) or (B, 1)."""
    if labels.dtype == torch.float32:
        return F.mse_loss(logits.float().squeeze(-1), labels, reduction=reduction)
    return F.cross_entropy(logits.float(), labels, reduction=reduction)


@torch.inference_mode()
def predict(model: torch.nn.Module, encoded: Encoded, precision: str = "fp32") -> np.ndarray:
    """Logits of every example, float32 (N, C), dropout off; the model is left in the mode it was in."""
    was_training = model.training
    model.eval()
    device = model_device(model)
    forward = forward_of(model, encoded, device, precision)
    out: np.ndarray | None = None
    packs = device.type == "cpu" and is_lean(model, encoded)
    for rows in packed_batches(encoded, CHUNK) if packs else eval_batches(encoded):
        logits, rows = forward(rows)
        logits = logits.float().cpu().numpy()
        if out is None:
            out = np.empty((len(encoded), logits.shape[1]), np.float32)
        out[rows] = logits
    model.train(was_training)
    return out
