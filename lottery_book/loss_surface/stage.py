"""Stages landscape and surface: the loss around and between full, good, random and bad networks.

It is that on a fixed part of a data set: in slices around a model's weights, and on the straight way to another's.
Slices go along random directions in weight space, filter-normalised (Li et al. 2018, arXiv 1712.09913). A filter is a
row of a weight matrix of the encoder: all that feeds one unit. Only these move; biases, LayerNorms, embeddings, pooler
and classifier stay, and so does what a mask removed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from lottery_utils.experiment.cells import COMPARED, Cell, full
from lottery_utils.experiment.stage import prune, set_size, timed
from lottery_utils.experiment.work import Mask, Result, Work
from lottery_utils.models.anatomy import anatomy
from lottery_utils.models.compact import dense
from lottery_utils.training.batches import Encoded, take
from lottery_utils.training.device import derived_seed
from lottery_utils.training.evaluate import batch_loss, predict

from ..networks import masks_of, networks, restored, trained

# sizes of a step, relative to the norm of the filter it moves (Li et al. 2018); close together near 0
SIZES = (-1.0, -0.7, -0.4, -0.2, 0.0, 0.2, 0.4, 0.7, 1.0)
POINTS = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)  # places on a path, 0 and 1 are its ends
SURFACE_REACH = 1.0  # a surface goes from minus to plus this size
SURFACE_SHARE = 0.5  # of the examples, as a surface has many more points

SUBNETWORKS = COMPARED
ORDERED = (("good", "random"), ("random", "bad"), ("good", "bad"))  # pairs in which the first is said to be better
TREATMENTS = ("pruned", "retrained")
NETWORKS = ("full", *(f"{name}.{how}" for how in TREATMENTS for name in SUBNETWORKS))
SURFACES = ("full", *(f"{name}.retrained" for name in SUBNETWORKS))
# paths between models of one seed (subnetworks retrained), and between models of this and the next seed
WITHIN = (("good", "bad"), ("good", "random"), ("random", "bad"), ("full", "good"), ("full", "bad"))
ACROSS = ("full", *SUBNETWORKS)

Direction = dict[str, torch.Tensor]


def run_landscape(work: Work, result: Result) -> None:
    """Slices of the loss around each network, and the loss on straight paths between them.

    The arrays: `rows` (N,) of the dev examples; `nothing` (1,), the loss of the best constant answer; for each of
    `NETWORKS` ``line.NAME`` (directions, sizes), see `line`, whose middle is the loss
    where the network is; for paths ``path.A-B`` (points,) of `WITHIN` and ``next.A`` of `ACROSS`, to the same network
    of the seed `next_seed` (1,). All networks of a task get the same examples and all of a seed parts of the same
    directions. After a degenerate search only the full model is there.
    """
    masks, found, examples = _prepare(work, result, 1.0)
    with timed(result, "lines"):
        for name, (model, ways) in _with_ways(work, found, masks, work.preset.landscape_directions):
            result.trajectory[f"line.{name}"] = line(model, examples, ways, SIZES)
    with timed(result, "paths"):
        ends = {name: dense(found[f"{name}.retrained"]) for name in masks} | {"full": found["full"]}
        for a, b in WITHIN:
            if a in ends and b in ends:
                result.trajectory[f"path.{a}-{b}"] = path(ends[a], ends[b], examples)
        _to_next_seed(work, result, ends, examples)


def run_surface(work: Work, result: Result) -> None:
    """The loss on a square of two directions around the full and the retrained networks: ``plane.NAME`` (G, G).

    `sizes` (G,) are the steps along either direction, the first two of `run_landscape`; `rows` are the first half of
    its examples' number, drawn anew.
    """
    masks, found, examples = _prepare(work, result, SURFACE_SHARE)
    points = work.preset.landscape_grid
    sizes = np.linspace(-SURFACE_REACH, SURFACE_REACH, points)
    result.trajectory["sizes"] = sizes
    with timed(result, "planes"):
        for name, (model, ways) in _with_ways(work, found, masks, 2):
            if name in SURFACES:
                result.trajectory[f"plane.{name}"] = plane(model, examples, (ways[0], ways[1]), sizes)


def _prepare(work: Work, result: Result, share: float) -> tuple[dict[str, Mask], dict[str, nn.Module], Encoded]:
    cell, preset = work.cell, work.preset
    masks = masks_of(work, cell.seed)
    result.degenerate = not masks
    with timed(result, "load"):
        found, data = networks(work, result, masks), work.examples()
    set_size(result, found["full"])
    wanted = max(1, round(preset.landscape_examples * share))
    drawn = np.random.default_rng(derived_seed("landscape examples", cell.task, wanted)).permutation(len(data.dev))
    rows = np.sort(drawn[:wanted])
    examples = take(data.dev, rows)
    nothing = np.array([loss_of_knowing_nothing(examples.labels)])
    result.trajectory = {"rows": rows.astype(np.int64), "nothing": nothing}
    return masks, found, examples


def _with_ways(work: Work, found: dict[str, nn.Module], masks: dict[str, Mask], count: int):
    """Each network with its directions; those of one mask share the noise, as it is pruned like them."""
    whole, cell = found["full"], work.cell
    noises = []
    for k in range(count):
        seed = derived_seed("landscape direction", cell.task, cell.seed, k)
        noises.append(noise_like(whole, torch.Generator().manual_seed(seed)))
    pruned = {kind: [prune(copy.deepcopy(noise), mask) for noise in noises] for kind, mask in masks.items()}
    for name, model in found.items():
        own = pruned.get(name.partition(".")[0], noises)
        ways: list[Direction] = [direction(noise, model) for noise in own]
        yield name, (model, ways)


def _to_next_seed(work: Work, result: Result, ends: dict[str, nn.Module], examples: Encoded) -> None:
    cell, seed = work.cell, next_seed(work.preset.seeds, work.cell.seed)
    if seed is None:
        return
    result.trajectory["next_seed"] = np.array([seed], np.int64)
    there = masks_of(work, seed)
    for name in ACROSS:
        if name in ends and (name == "full" or name in there):
            kind = full(cell.task, seed) if name == "full" else Cell(cell.task, seed, "retrain", cell.method, name)
            other = dense(trained(work, result, kind))
            result.trajectory[f"next.{name}"] = path(ends[name], other, examples)


def next_seed(seeds: tuple[int, ...], seed: int) -> int | None:
    """The seed after `seed`, the first one after the last; None where that pair has been taken already, or is none."""
    at = seeds.index(seed)
    if len(seeds) < 2 or (len(seeds) == 2 and at):
        return None
    return seeds[(at + 1) % len(seeds)]


def mean_loss(model: nn.Module, examples: Encoded) -> float:
    """Mean loss of `examples` in fp32, dropout off: cross-entropy in nats, or squared error for scores."""
    return float(batch_loss(torch.from_numpy(predict(model, examples)), torch.from_numpy(examples.labels)))


def loss_of_knowing_nothing(labels: np.ndarray) -> float:
    """Loss of the best constant answer: the entropy of the labels, or their variance; the unit for other losses.

    0 when all labels are the same.
    """
    if labels.dtype.kind == "f":
        return float(labels.astype(np.float64).var())
    share = np.bincount(labels) / len(labels)
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())


def line(model: nn.Module, examples: Encoded, ways: list[Direction], sizes=SIZES) -> np.ndarray:
    """Loss after a step of each of `sizes` along each direction, (directions, sizes)."""
    at_zero = mean_loss(model, examples)
    found = np.full((len(ways), len(sizes)), at_zero)
    for k, way in enumerate(ways):
        for j, size in enumerate(sizes):
            if size:
                with moved(model, [(way, size)]):
                    found[k, j] = mean_loss(model, examples)
    return found


def plane(model: nn.Module, examples: Encoded, ways: tuple[Direction, Direction], sizes: np.ndarray) -> np.ndarray:
    """Loss after a step along both directions: (sizes of the first, sizes of the second)."""
    found = np.empty((len(sizes), len(sizes)))
    for i, first in enumerate(sizes):
        for j, second in enumerate(sizes):
            with moved(model, [(ways[0], float(first)), (ways[1], float(second))]):
                found[i, j] = mean_loss(model, examples)
    return found


@torch.no_grad()
def path(one: nn.Module, other: nn.Module, examples: Encoded, points=POINTS) -> np.ndarray:
    """Loss of the models between two of one shape, at (1 - t) times the weights of `one` plus t times `other`'s.

    All parameters are interpolated. `other` is left as it was, `one` too.
    """
    mine, theirs = dict(one.named_parameters()), dict(other.named_parameters())
    found = np.empty(len(points))
    with restored(mine.values()) as begin:
        for k, t in enumerate(points):
            for (name, p), start in zip(mine.items(), begin, strict=True):
                p.copy_(torch.lerp(start, theirs[name], t))
            found[k] = mean_loss(one, examples)
    return found


def filters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The encoder's prunable weight matrices of a whole or compact model, by name, without those cut to nothing."""
    found = anatomy(model).prunable_parameters()
    return {name: p for name, p in found.items() if p.dim() == 2 and p.numel()}


@torch.no_grad()
def noise_like(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy of the whole `model` with standard normal noise for filters.

    Pruned as the model is, it gives every subnetwork its part of one direction.
    """
    noise = copy.deepcopy(model).cpu()
    for p in filters(noise).values():
        p.normal_(generator=generator)
    return noise


def normalised(noise: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Each filter of `noise` (filters, inputs) scaled to the norm of that filter of `weights`; arrays do as well."""
    noise, weights = torch.as_tensor(noise), torch.as_tensor(weights)
    norms = noise.norm(dim=1, keepdim=True)
    return noise * (weights.norm(dim=1, keepdim=True) / norms.where(norms > 0, torch.ones_like(norms)))


@torch.no_grad()
def direction(noise: nn.Module, model: nn.Module) -> Direction:
    """The noise of each filter scaled to the norm of the model's filter: a step of size 1 is as large as the weights.

    `noise` is pruned as `model` is. Filters of zeros do not move. Raises KeyError or RuntimeError when they differ
    in shape.
    """
    drawn = filters(noise)
    return {name: normalised(drawn[name].to(p.device), p) for name, p in filters(model).items()}


@contextmanager
def moved(model: nn.Module, steps: list[tuple[Direction, float]]) -> Iterator[nn.Module]:
    """Within, the model's filters are moved by each direction times its size; afterwards they are bit for bit back."""
    named = dict(model.named_parameters())
    with restored(named[name] for name in {name for way, _ in steps for name in way}):
        with torch.no_grad():
            for way, size in steps:
                for name, d in way.items():
                    named[name].add_(d, alpha=size)
        yield model
