"""Stages landscape and surface: the loss around and between full, good, random and bad networks."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from lottery_utils.experiment.cells import Cell, full
from lottery_utils.experiment.stage import prune, set_size, timed
from lottery_utils.experiment.work import Mask, Result, Work
from lottery_utils.models.compact import dense
from lottery_utils.training.batches import Encoded, take
from lottery_utils.training.device import derived_seed

from ..networks import masks_of, networks, trained
from .loss import Direction, direction, line, loss_of_knowing_nothing, noise_like, path, plane
from .names import ACROSS, SIZES, SURFACE_REACH, SURFACE_SHARE, SURFACES, WITHIN


def run_landscape(work: Work, result: Result) -> None:
    """Slices of the loss around each network, and the loss on straight paths between them.

    The arrays: `rows` (N,) of the dev examples; `nothing` (1,), the loss of the best constant answer; for each of
    `names.NETWORKS` ``line.NAME`` (directions, sizes), see `loss.line`, whose middle is the loss
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
