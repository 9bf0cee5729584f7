"""Do tasks share components? Surviving components that two tasks have in common, and how many chance would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import NO_SEED
from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.show.frames import SURVIVAL
from lottery_utils.show.heatmaps import tasks_in_common

from .coefficients import NAN, chance_pair_jaccard, masks_of, mean_pair_jaccard

OVERLAP = ("component", "task_a", "title_a", "task_b", "title_b", "mean_shared", "chance_mean")
BETWEEN = ("task", "title", "component", "jaccard", "chance")
PERMUTATIONS = 1999


def shared(masks_a: np.ndarray, masks_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Components kept in both and how many random masks of their sizes would share, n_a n_b / N, seed by seed.

    Twice (seeds,) from two masks of bool (seeds, components).
    """
    return (masks_a & masks_b).sum(axis=1), masks_a.sum(axis=1) * masks_b.sum(axis=1) / masks_a.shape[1]


def task_overlap(survival: pd.DataFrame) -> pd.DataFrame:
    """Surviving components that two tasks share: columns `OVERLAP`, both orders and the diagonal.

    `survival` as from `show.frames.component_survival`. The same seed is compared in both tasks; means are over the
    seeds that both have. On the diagonal, mean_shared is how many the task keeps and chance_mean is NaN. Pairs without
    a common seed have no row.
    """
    titles, rows = dict(zip(survival["task"], survival["title"])), []
    for component in ("head", "mlp"):
        masks = masks_of(survival, component)
        for a, b in product(masks, repeat=2):
            if pair := _of_common_seeds(masks[a], masks[b]):
                both, chance = (each.mean() for each in shared(*pair))
                rows.append((component, a, titles[a], b, titles[b], both, chance if a != b else NAN))
    return pd.DataFrame(rows, columns=list(OVERLAP))


def _of_common_seeds(first: Mapping[int, np.ndarray], second: Mapping[int, np.ndarray]) -> list[np.ndarray]:
    """Two ways' masks of the seeds that both have, (seeds, components) each; [] without such a seed."""
    common = [seed for seed in first if seed in second]
    return [np.stack([masks[seed] for seed in common]) for masks in (first, second)] if common else []


@dataclass(frozen=True)
class OverlapTest:
    """`observed` components shared by two tasks, mean over pairs of tasks and seeds, beside what chance gives.

    p is that of sharing more, p_fewer that of sharing fewer, both one-sided: (1 + permutations at least as extreme) /
    (1 + `permutations`). chance is the mean of n_a n_b / N, low and
    high are the middle 95 % of the permutations. Without a pair of tasks the numbers are NaN and `tasks` is 0.
    """

    p: float
    observed: float
    permutations: int
    p_fewer: float = NAN
    chance: float = NAN
    low: float = NAN
    high: float = NAN
    tasks: int = 0

    @property
    def excess(self) -> tuple[float, float, float]:
        """Shared over chance, minus 1, and that number less what the middle 95 % of the permutations add to chance.

        NaN where the masks are empty.
        """
        if not self.chance > 0:
            return NAN, NAN, NAN
        ends = (self.observed - self.high, self.observed - self.low)
        return self.observed / self.chance - 1, ends[0] / self.chance, ends[1] / self.chance


def overlap_test(survival: pd.DataFrame, component: str, permutations: int = PERMUTATIONS) -> OverlapTest:
    """Do tasks share more components than chance? `sharing_test` of the masks in `survival`."""
    return sharing_test(masks_of(survival, component), numpy_generator_for("overlap", component), permutations)


def sharing_test(
    masks: Mapping[str, Mapping[int, np.ndarray]], rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> OverlapTest:
    """Do tasks share more, or fewer, components than chance? `masks` are bool by task and seed, all of one size.

    A permutation places the components of a task anew, in the same way for all its seeds: seeds of a task are alike,
    and taken as independent they would make chance look too sure of itself. Sizes stay. Nothing is drawn when no seed
    has two tasks.
    """
    seeds = list(dict.fromkeys(seed for of_task in masks.values() for seed in of_task))
    there = np.array([[seed in of_task for seed in seeds] for of_task in masks.values()], bool)
    pairs = int(_pairs_sharing(there[..., None])) if masks else 0
    if not pairs:
        return OverlapTest(NAN, NAN, 0)
    nothing = np.zeros_like(next(mask for of_task in masks.values() for mask in of_task.values()), bool)
    votes = np.array([[np.ravel(of_task.get(seed, nothing)) for seed in seeds] for of_task in masks.values()], bool)
    observed, null = int(_pairs_sharing(votes)), _shared_when_placed_anew(votes, rng, permutations)
    more, fewer = ((1 + int(hits.sum())) / (1 + permutations) for hits in (null >= observed, null <= observed))
    sizes = votes.sum(axis=2)
    chance = float((sizes.sum(axis=0) ** 2 - (sizes**2).sum(axis=0)).sum()) / (2 * votes.shape[2] * pairs)
    low, high = np.quantile(null / pairs, (0.025, 0.975))
    tasks = int(there[:, there.sum(axis=0) > 1].any(axis=1).sum())
    return OverlapTest(more, observed / pairs, permutations, fewer, chance, float(low), float(high), tasks)


def _shared_when_placed_anew(votes: np.ndarray, rng: np.random.Generator, permutations: int) -> np.ndarray:
    """`_pairs_sharing` of `votes` (tasks, seeds, components), each task's components in another order, (permutations,).

    In chunks of about two million votes.
    """
    (tasks, _, total), chunk, counts = votes.shape, max(1, 2_000_000 // votes.size), []
    for start in range(0, permutations, chunk):
        drawn = min(chunk, permutations - start)
        order = rng.permuted(np.broadcast_to(np.arange(total), (drawn, tasks, total)), axis=2)
        many = np.broadcast_to(votes, (drawn, *votes.shape))
        counts.append(_pairs_sharing(np.take_along_axis(many, order[:, :, None, :], axis=3)))
    return np.concatenate(counts)


def _pairs_sharing(votes: np.ndarray) -> np.ndarray:
    """Pairs of tasks that both keep a component, summed over seeds and components: `votes` (..., tasks, seeds, N).

    c tasks with a component in common are c (c - 1) / 2 pairs that share it, so pairs need not be gone through.
    """
    tasks = votes.sum(axis=-3)
    return (tasks * (tasks - 1)).sum(axis=(-1, -2)) // 2


def super_survivors(survival: pd.DataFrame) -> pd.DataFrame:
    """Components that survive in every seed of a task, as one more mask: columns `show.frames.SURVIVAL`, seed 0.

    Of tasks that have every seed, and only when there are two seeds or more: one mask alone has none.
    """
    if survival["seed"].nunique() < 2:
        return pd.DataFrame(columns=list(SURVIVAL))
    rows = survival[survival["task"].isin(tasks_in_common(survival))]
    keys = ["task", "title", "component", "layer", "head"]
    return rows.groupby(keys, sort=False, dropna=False)["kept"].min().reset_index().assign(seed=NO_SEED)[list(SURVIVAL)]


def jaccard_between(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """How alike two ways to prune are: columns `BETWEEN`, the same task and seed compared, one row a task and kind.

    Jaccard index of the two masks and its chance level for their sizes, means over the seeds that both have. Kinds of
    components that are not in both frames have no row.
    """
    titles, rows = dict(zip(first["task"], first["title"])), []
    for component in ("head", "mlp"):
        masks, others = (masks_of(frame, component) for frame in (first, second))
        for task, title in titles.items():
            if both := _of_common_seeds(masks.get(task, {}), others.get(task, {})):
                likeness = [(mean_pair_jaccard(pair), chance_pair_jaccard(pair)) for pair in np.stack(both, axis=1)]
                rows.append((task, title, component, *pd.DataFrame(likeness).mean()))
    return pd.DataFrame(rows, columns=list(BETWEEN))
