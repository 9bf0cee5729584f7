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
    rule: str = "exact",
    precision: str = "fp32",
    batch: int = RELEASED_BATCH,
    order: np.ndarray | None = None,
) -> Importance:
    """Importance of every component under `mask`, removed ones too, raw, with the logits of the same pass.

    `rule`, `batch` and `order` as in `reduce_gradients`. The model is left as found.
    """
    with open_passes(model, data, precision, heads="gated", mlps="gated", keep=0) as passes:
        found = passes.run(mask)
        heads, mlps = (reduce_gradients(g, rule, batch, order) for g in passes.measure(found))
    return Importance(heads, mlps, found.logits)


def reduce_gradients(
    gradients: np.ndarray, rule: str, batch: int = RELEASED_BATCH, order: np.ndarray | None = None
) -> np.ndarray:
    """Scores from the gates' gradients of every example in data order, (N, ...) to (...).

    "exact": E_x |dL(x)/d gate|, the formula the paper prints. With g_b the mean gradient of batch b, of `batch`
    examples in `order` (rows, None: as they come): "batched" is mean_b |g_b|, a script that zeroes gradients between
    batches; "running" (and "released") is sum_b |sum_{b'<=b} g_b'|, one that does not, such as the authors'. In one
    batch of all examples both are |mean gradient|; "batched" with one example a batch is "exact".
    """
    if rule == "exact":
        return np.abs(gradients).mean(axis=0)
    if order is not None:
        gradients = gradients[order]
    starts = range(0, len(gradients), batch)
    means = np.stack([gradients[start : start + batch].mean(axis=0) for start in starts])
    return np.abs(means).mean(axis=0) if rule == "batched" else np.abs(np.cumsum(means, axis=0)).sum(axis=0)


def shuffled(examples: int, number: int | None) -> np.ndarray | None:
    """The order `number` of `examples` rows, the same for every model; None, the data's own, for None."""
    return None if number is None else np.random.default_rng(number).permutation(examples)


def normalise_heads(scores: np.ndarray) -> np.ndarray:
    """Divide each layer's head scores (L, H) by the layer's L2 norm over all its heads, removed ones included.

    Over living heads only, a layer's last head would always have importance 1 and could never go.
    """
    return scores / (np.sqrt((scores**2).sum(axis=1, keepdims=True)) + EPS)
