"""Do tasks share components? Surviving components that two tasks have in common, and how many chance would give."""

from __future__ import annotations

import numpy as np

from .agreement import as_votes


def shared_counts(masks_a: np.ndarray, masks_b: np.ndarray) -> np.ndarray:
    """Components kept in both, seed by seed: (seeds,) from two bool (seeds, components), the same seed in a row.

    Raises ValueError when the shapes differ.
    """
    first, second = _same(masks_a, masks_b)
    return (first & second).sum(axis=1)


def shared_by_chance(masks_a: np.ndarray, masks_b: np.ndarray) -> np.ndarray:
    """How many would be shared if both were drawn at random with their sizes: n_a n_b / N for each seed, (seeds,)."""
    first, second = _same(masks_a, masks_b)
    return first.sum(axis=1) * second.sum(axis=1) / first.shape[1]


def _same(masks_a: np.ndarray, masks_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    first, second = as_votes(masks_a), as_votes(masks_b)
    if first.shape != second.shape:
        raise ValueError(f"masks must have the same shape, got {first.shape} and {second.shape}")
    return first, second
