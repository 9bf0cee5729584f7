"""Nested magnitude masks, all in one byte a weight: how many of them keep it.

Weights do not change during a search, so its masks are cuts of one order of |w|, a threshold each for the whole
encoder. Equal weights go in model order; torch.nn.utils.prune leaves the choice among them open.
"""

from __future__ import annotations

import numpy as np
import torch

from ..switch import faster
from .masks import WeightMask


def global_threshold(weights: dict[str, torch.Tensor], pruned: int, largest_first: bool = False) -> WeightMask:
    """The mask without the `pruned` smallest |w| of the whole encoder: one threshold for all matrices (section 3.1).

    `weights`: name to tensor, in model order. With `largest_first` the largest go instead.
    """
    sizes = torch.cat([w.detach().abs().flatten().cpu() for w in weights.values()])
    kept = torch.ones(len(sizes), dtype=torch.bool)
    kept[sizes.argsort(stable=True, descending=largest_first)[:pruned]] = False
    parts = kept.split([w.numel() for w in weights.values()])
    return WeightMask({name: part.view(w.shape) for part, (name, w) in zip(parts, weights.items())})


def survivals(weights: dict[str, torch.Tensor], counts: list[int], largest_first: bool) -> dict[str, np.ndarray]:
    """For each weight the number of masks that keep it, uint8, end to end; one mask for each of `counts`."""
    survived = {name: np.zeros(w.numel(), np.uint8) for name, w in weights.items()}
    for count in counts:
        for name, kept in global_threshold(weights, count, largest_first).weights.items():
            survived[name] += kept.flatten().numpy()
    return survived


class Levels:
    """The masks after `counts` weights are gone, which must not fall; with `largest_first` the largest |w| go first.

    `weights`: name to tensor, in model order. `survived`: for each weight the number of masks that keep it. Raises
    ValueError for counts out of range or falling.
    """

    def __init__(self, weights: dict[str, torch.Tensor], counts: list[int], largest_first: bool = False):
        total = sum(w.numel() for w in weights.values())
        if sorted(counts) != list(counts) or (counts and not 0 <= counts[0] <= counts[-1] <= total):
            raise ValueError(f"counts must rise within 0 and {total}, got {counts}")
        if len(counts) > 255:
            raise ValueError(f"at most 255 masks at once, got {len(counts)}")
        given = weights, list(counts), largest_first
        self.survived = faster("survivals", *given) or survivals(*given)
        self.shapes = {name: w.shape for name, w in weights.items()}

    def mask(self, level: int) -> WeightMask:
        """The mask after `counts[level]` weights are gone."""
        kept = {name: torch.from_numpy(survived > level) for name, survived in self.survived.items()}
        return WeightMask({name: part.view(self.shapes[name]) for name, part in kept.items()})
