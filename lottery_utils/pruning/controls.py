"""Controls of exactly the good subnetwork's size: random, bad, inverted; and super-survivors (protocol: Controls).

A structured control is a function in `STRUCTURED` by its name, which `presets.Subnetwork` lists too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import and_

import numpy as np
import torch

from .masks import Levels, StructuredMask, WeightMask

Generator = np.random.Generator


def structured_control(
    kind: str, good: StructuredMask, rng: Generator, sizes: str = "equal", seeds: list[StructuredMask] | None = None
) -> StructuredMask:
    """The control `kind` of a good structured subnetwork, drawn from `rng`.

    `sizes="bernoulli"` is the authors' draw of the random one. The super-survivors and their controls (`super`,
    `super_random`, `super_bad`) are of `seeds`, the good masks of every seed. Raises KeyError for an unknown kind.
    """
    if kind in SUPER:
        return SUPER[kind](seeds, rng)
    if kind == "random" and sizes == "bernoulli":
        return random_in_expectation(good, rng)
    return STRUCTURED[kind](good, rng)


def random(good: StructuredMask, rng: Generator) -> StructuredMask:
    """Any heads and MLPs, as many of each as `good` keeps."""
    return StructuredMask(_shuffled(good.heads, rng), _shuffled(good.mlps, rng))


def random_in_expectation(good: StructuredMask, rng: Generator) -> StructuredMask:
    """Each head and MLP with the share that `good` keeps: as many only in expectation (the authors' scripts)."""
    heads = rng.random(good.heads.shape) < good.heads.mean()
    return StructuredMask(heads, rng.random(len(good.mlps)) < good.mlps.mean())


def random_by_layer(good: StructuredMask, rng: Generator) -> StructuredMask:
    """In each layer any heads, as many as `good` keeps there, and its MLPs, of which a layer has one.

    What is random is which heads, not how many in which layer.
    """
    return StructuredMask(np.stack([_shuffled(layer, rng) for layer in good.heads]), good.mlps.copy())


def bottom_layers(good: StructuredMask, rng: Generator) -> StructuredMask:
    """As many heads and MLPs as `good` keeps, from the lowest layer up (Sajjad et al. 2020 drop the top ones)."""

    def lowest(kept: np.ndarray) -> np.ndarray:
        return (np.arange(kept.size) < kept.sum()).reshape(kept.shape)

    return StructuredMask(lowest(good.heads), lowest(good.mlps))


def bad(good: StructuredMask, rng: Generator) -> StructuredMask:
    """As many as `good` keeps of what it prunes; where that is too few, filled up with good ones, at random."""

    def pruned_first(kept: np.ndarray) -> np.ndarray:
        return _fill(_draw(~kept, int(kept.sum()), rng), kept, int(kept.sum()), rng)

    return StructuredMask(pruned_first(good.heads), pruned_first(good.mlps))


def inverted(good: StructuredMask, rng: Generator) -> StructuredMask:
    """Exactly what `good` prunes."""
    return ~good


STRUCTURED: dict[str, Callable[[StructuredMask, Generator], StructuredMask]] = {
    "random": random, "random_layer": random_by_layer, "bottom_layers": bottom_layers, "bad": bad,
    "inverted": inverted,
}  # fmt: skip


def super_survivors(seeds: list[StructuredMask], rng: Generator | None = None) -> StructuredMask:
    """What is good in all seeds; `rng` is not needed."""
    return reduce(and_, seeds)


def super_bad(seeds: list[StructuredMask], rng: Generator) -> StructuredMask:
    """As many as super-survivors, of what is pruned in every seed, filled up with other non-survivors at random."""
    return _beside_survivors(seeds, rng, of_pruned=True)


def super_random(seeds: list[StructuredMask], rng: Generator) -> StructuredMask:
    """As many as super-survivors, of neither these nor `super_bad`'s; filled up with the latter where too few."""
    return _beside_survivors(seeds, rng, of_pruned=False)


SUPER: dict[str, Callable[[list[StructuredMask], Generator], StructuredMask]] = {
    "super": super_survivors, "super_bad": super_bad, "super_random": super_random,
}  # fmt: skip


def _draw(pool: np.ndarray, amount: int, rng: Generator) -> np.ndarray:
    """A bool array like `pool` with `amount` of its members, uniformly."""
    chosen = np.zeros(pool.size, bool)
    chosen[rng.permutation(np.flatnonzero(pool))[:amount]] = True
    return chosen.reshape(pool.shape)


def _shuffled(kept: np.ndarray, rng: Generator) -> np.ndarray:
    return _draw(np.ones_like(kept), int(kept.sum()), rng)


def _fill(base: np.ndarray, pool: np.ndarray, size: int, rng: Generator) -> np.ndarray:
    """`base` with members of `pool` added at random until it has `size`."""
    return base | _draw(pool & ~base, size - int(base.sum()), rng)


def _beside_survivors(seeds: list[StructuredMask], rng: Generator, of_pruned: bool) -> StructuredMask:
    best, always_pruned = super_survivors(seeds), reduce(and_, [~mask for mask in seeds])
    parts = []
    for survivors, pruned in ((best.heads, always_pruned.heads), (best.mlps, always_pruned.mlps)):
        size = min(int(survivors.sum()), int((~survivors).sum()))  # there may be fewer others than super-survivors
        worst = _fill(_draw(pruned, size, rng), ~survivors, size, rng)
        rest = _draw(~survivors & ~worst, size, rng)
        part = worst if of_pruned else _fill(rest, worst, size, rng)
        # all others are taken and still too few: the size is kept, super-survivors fill up
        parts.append(_fill(part, survivors, int(survivors.sum()), rng))
    return StructuredMask(*parts)


def magnitude_control(
    kind: str, good: WeightMask, scores: dict[str, torch.Tensor], generator: torch.Generator
) -> WeightMask:
    """The control `kind` of a good magnitude subnetwork, the same number of weights.

    random: weights drawn uniformly over all prunable ones. random_layer: the same, with good's number in each matrix
    and bias. bad: the largest |score| go, the smallest stay. inverted: exactly what good prunes. `scores`: what the
    search ranked by, the fine-tuned model's prunable weights.
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
