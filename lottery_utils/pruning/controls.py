"""Controls of exactly the good subnetwork's size: random, bad, inverted; and super-survivors (protocol 5, 6)."""

from __future__ import annotations

from functools import reduce
from operator import and_

import numpy as np
import torch

from .levels import Levels
from .masks import StructuredMask, WeightMask

Generator = np.random.Generator


def structured_control(
    kind: str, good: StructuredMask, rng: Generator, sizes: str = "equal", seeds: list[StructuredMask] | None = None
) -> StructuredMask:
    """The control `kind` of a good structured subnetwork.

    random: any components, as many as good keeps (`sizes="bernoulli"`: the authors' draw, so many only in
    expectation). random_layer: in each layer as many heads as good keeps there, and good's MLPs, of which a layer has
    one: what is random is which heads, not how many in which layer. bottom_layers: as many heads and MLPs as good
    keeps, from the lowest layer up (Sajjad et al. 2020 drop the top ones). bad: the pruned components, cut down or,
    when too few, filled up with good ones, at random.
    inverted: exactly what good prunes. super: good in all of `seeds` (the good masks of every seed).
    super_bad: of super's size, from components pruned in every seed, filled up at random from those that are
    no super-survivors; super_random: of super's size, from neither of these two (from super_bad's when those
    are too few).
    """
    if kind in ("super", "super_random", "super_bad"):
        return _super(kind, seeds, rng)
    if kind == "inverted":
        return ~good
    if kind == "random_layer":
        return StructuredMask(np.stack([_random(layer, rng) for layer in good.heads]), good.mlps.copy())
    pick = {"random": _random, "bad": _bad, "bottom_layers": _bottom}[kind]
    if kind == "random" and sizes == "bernoulli":
        heads = rng.random(good.heads.shape) < good.heads.mean()
        return StructuredMask(heads, rng.random(len(good.mlps)) < good.mlps.mean())
    return StructuredMask(pick(good.heads, rng), pick(good.mlps, rng))


def _draw(pool: np.ndarray, amount: int, rng: Generator) -> np.ndarray:
    """A bool array like `pool` with `amount` of its members, uniformly."""
    chosen = np.zeros(pool.size, bool)
    chosen[rng.permutation(np.flatnonzero(pool))[:amount]] = True
    return chosen.reshape(pool.shape)


def _random(good: np.ndarray, rng: Generator) -> np.ndarray:
    return _draw(np.ones_like(good), int(good.sum()), rng)


def _bad(good: np.ndarray, rng: Generator) -> np.ndarray:
    size, pruned = int(good.sum()), ~good
    return _fill(_draw(pruned, size, rng), good, size, rng)


def _bottom(good: np.ndarray, rng: Generator) -> np.ndarray:
    return (np.arange(good.size) < good.sum()).reshape(good.shape)


def _fill(base: np.ndarray, pool: np.ndarray, size: int, rng: Generator) -> np.ndarray:
    """`base` with members of `pool` added at random until it has `size`."""
    return base | _draw(pool & ~base, size - int(base.sum()), rng)


def _super(kind: str, seeds: list[StructuredMask], rng: Generator) -> StructuredMask:
    survivors = reduce(and_, seeds)
    if kind == "super":
        return survivors
    parts = []
    for name in ("heads", "mlps"):
        best = getattr(survivors, name)
        size = min(int(best.sum()), int((~best).sum()))  # there may be fewer others than super-survivors
        always_pruned = ~reduce(np.logical_or, [getattr(mask, name) for mask in seeds])
        bad = _fill(_draw(always_pruned, size, rng), ~best, size, rng)
        rest = _draw(~best & ~bad, size, rng)
        part = bad if kind == "super_bad" else _fill(rest, bad, size, rng)
        # all others are taken and still too few: the size is kept, super-survivors fill up
        parts.append(_fill(part, best, int(best.sum()), rng))
    return StructuredMask(*parts)


def magnitude_control(
    kind: str, good: WeightMask, scores: dict[str, torch.Tensor], generator: torch.Generator
) -> WeightMask:
    """The control `kind` of a good magnitude subnetwork, the same number of weights.

    random: weights drawn uniformly over all prunable ones. random_layer: the same, with good's number in each matrix
    and bias. bad: the largest |score| go, the smallest stay.
    inverted: exactly what good prunes. `scores`: what the search ranked by, the fine-tuned model's prunable weights.
    """
    if kind == "inverted":
        return ~good
    pruned = good.total - good.size
    if kind == "bad":
        return Levels(scores, [pruned], largest_first=True).mask(0)
    if kind == "random_layer":
        return WeightMask({name: _drawn_like(value, generator) for name, value in good.weights.items()})
    kept = _drawn(good.total, pruned, generator)
    parts = kept.split([value.numel() for value in good.weights.values()])
    return WeightMask({name: part.view(value.shape) for part, (name, value) in zip(parts, good.weights.items())})


def _drawn(total: int, pruned: int, generator: torch.Generator) -> torch.Tensor:
    """Of `total` places `pruned` are False, uniformly."""
    kept = torch.ones(total, dtype=torch.bool)
    kept[torch.randperm(total, generator=generator, dtype=torch.int32)[:pruned]] = False  # half of int64's memory
    return kept


def _drawn_like(kept: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A mask of the same shape with as many kept, uniformly."""
    return _drawn(kept.numel(), int((~kept).sum()), generator).view(kept.shape)
