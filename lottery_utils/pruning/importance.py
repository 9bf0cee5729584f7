"""Importance of heads and MLPs: how much the loss feels their gates (paper section 3.2; protocol section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..training.batches import Encoded
from .gated_passes import open_passes
from .masks import StructuredMask

RELEASED_BATCH = 64  # the authors' batch size in all stored searches
EPS = 1e-20


@dataclass(frozen=True)
class Importance:
    """Scores of one pass under one mask: heads float64 (L, H), mlps float64 (L,), and the pass's logits (N, C)."""

    heads: np.ndarray
    mlps: np.ndarray
    logits: np.ndarray


def importance(
    model: torch.nn.Module,
    data: Encoded,
    mask: StructuredMask,
    protocol: str = "exact",
    precision: str = "fp32",
    released_batch: int = RELEASED_BATCH,
) -> Importance:
    """Importance of every component under `mask`, removed ones too, raw, with the logits of the same pass.

    "exact": E_x |dL(x)/d gate|, the formula the paper prints. "released": what the authors' script computes:
    batches of 64 in data order, the batch-mean loss, gradients never zeroed, so I = sum_b |sum_{b'<=b} g_b'|.
    The model is left as found.
    """
    with open_passes(model, data, precision, heads="gated", mlps="gated", keep=0) as passes:
        found = passes.run(mask)
        heads, mlps = (reduce_gradients(g, protocol, released_batch) for g in passes.measure(found))
    return Importance(heads, mlps, found.logits)


def reduce_gradients(gradients: np.ndarray, protocol: str, released_batch: int = RELEASED_BATCH) -> np.ndarray:
    """Scores from the gates' gradients of every example in data order, (N, ...) to (...)."""
    if protocol == "exact":
        return np.abs(gradients).mean(axis=0)
    starts = range(0, len(gradients), released_batch)
    means = np.stack([gradients[start : start + released_batch].mean(axis=0) for start in starts])
    return np.abs(np.cumsum(means, axis=0)).sum(axis=0)


def normalise_heads(scores: np.ndarray, live: np.ndarray | None = None) -> np.ndarray:
    """Divide each layer's head scores (L, H) by the layer's L2 norm, over its `live` heads when given.

    The authors' norm takes in pruned heads too (their gradient at gate 0 is not zero).
    """
    counted = scores if live is None else np.where(live, scores, 0.0)
    return scores / (np.sqrt((counted**2).sum(axis=1, keepdims=True)) + EPS)
