"""Do tasks share components? Surviving components that two tasks have in common, and how many chance would give."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from ..experiment.cells import NO_SEED
from ..experiment.identity import numpy_generator_for
from .agreement import NAN, PermutationTest, as_votes, chance_pair_jaccard, mean_pair_jaccard, votes_of
from .gather import SURVIVAL
from .survival import tasks_in_common

OVERLAP = (
    "component",
    "task_a",
    "title_a",
    "task_b",
    "title_b",
    "seeds",
    "mean_shared",
    "std_shared",
    "chance_mean",
)
SUPER = ("task", "title", "component", "seeds", "total", "mean_kept", "super_survivors", "chance")
BETWEEN = ("task", "title", "component", "seeds", "jaccard", "std", "chance")
PERMUTATIONS = 1999


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


def task_overlap(survival: pd.DataFrame) -> pd.DataFrame:
    """Surviving components that two tasks share: columns `OVERLAP`, both orders and the diagonal.

    `survival` as from `gather.component_survival(study, "structured")`. The same seed is compared in both tasks;
    mean, sample deviation (n - 1) and chance are over the seeds that both have. On the diagonal, mean_shared is
    how many the task keeps and chance_mean is NaN. Pairs without a common seed have no row.
    """
    titles, rows = dict(zip(survival["task"], survival["title"])), []
    seeds = {task: list(dict.fromkeys(survival.loc[survival["task"] == task, "seed"])) for task in titles}
    for component in ("head", "mlp"):
        votes = {task: dict(zip(seeds[task], votes_of(survival, task, component))) for task in titles}
        for a, b in product(titles, repeat=2):
            common = [seed for seed in seeds[a] if seed in seeds[b]]
            if not common:
                continue
            pair = [np.stack([votes[task][seed] for seed in common]) for task in (a, b)]
            shared, chance = shared_counts(*pair), shared_by_chance(*pair).mean() if a != b else NAN
            spread = shared.std(ddof=1) if len(shared) > 1 else NAN
            rows.append((component, a, titles[a], b, titles[b], len(common), shared.mean(), spread, chance))
    return pd.DataFrame(rows, columns=list(OVERLAP))


def overlap_test(survival: pd.DataFrame, component: str, permutations: int = PERMUTATIONS) -> PermutationTest:
    """Do tasks share more components than chance? One-sided, components permuted in each task and seed alone.

    The statistic, `observed`, is the number of components two tasks share, mean over pairs of tasks and seeds.
    p is NaN when no seed has two tasks.
    """
    rng = numpy_generator_for("overlap", component)
    rows = survival[survival["component"] == component]
    by_seed = []
    for seed, own in rows.groupby("seed", sort=False):
        votes = np.concatenate([votes_of(own, task, component, [seed]) for task in dict.fromkeys(own["task"])])
        by_seed += [votes] if len(votes) > 1 else []
    pairs = sum(len(votes) * (len(votes) - 1) / 2 for votes in by_seed)
    if not pairs:
        return PermutationTest(NAN, NAN, 0)
    # c components in common give c (c - 1) / 2 pairs that share it, so pairs need not be gone through
    observed = sum(_pairs_sharing(votes) for votes in by_seed)
    count = sum(
        sum(_pairs_sharing(rng.permuted(votes, axis=1)) for votes in by_seed) >= observed for _ in range(permutations)
    )
    return PermutationTest((1 + count) / (1 + permutations), observed / pairs, permutations)


def _pairs_sharing(votes: np.ndarray) -> int:
    """Summed over components, the pairs of rows of `votes` (rows, components) that both keep it."""
    tasks = votes.sum(axis=0)
    return int((tasks * (tasks - 1)).sum()) // 2


def super_survivors(survival: pd.DataFrame) -> pd.DataFrame:
    """Components that survive in every seed of a task, as one more mask: columns `gather.SURVIVAL`, seed 0.

    Of tasks that have every seed, and only when there are two seeds or more: one mask alone has none.
    """
    if survival["seed"].nunique() < 2:
        return pd.DataFrame(columns=list(SURVIVAL))
    rows = survival[survival["task"].isin(tasks_in_common(survival))]
    keys = ["task", "title", "component", "layer", "head"]
    return rows.groupby(keys, sort=False, dropna=False)["kept"].min().reset_index().assign(seed=NO_SEED)[list(SURVIVAL)]


def super_counts(survival: pd.DataFrame) -> pd.DataFrame:
    """How many super-survivors a task has: columns `SUPER`, one row a task and kind of component.

    chance is how many would survive in every seed if each drew as many as it kept at random: N times the product
    of n_s / N. mean_kept is the mean size of a single seed's mask.
    """
    rows = []
    there = super_survivors(survival)
    for task, title in dict(zip(there["task"], there["title"])).items():
        for component in ("head", "mlp"):
            votes = votes_of(survival, task, component)
            chance = votes.shape[1] * votes.mean(axis=1).prod()
            counts = (votes.sum(axis=1).mean(), int(votes.all(axis=0).sum()), chance)
            rows.append((task, title, component, *votes.shape, *counts))
    return pd.DataFrame(rows, columns=list(SUPER))


def jaccard_between(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """How alike two ways to prune are: columns `BETWEEN`, the same task and seed compared, one row a task and kind.

    Jaccard index of the two masks, its chance level for their sizes, mean and sample deviation over the seeds that
    both have. Kinds of components that are not in both frames have no row.
    """
    titles, rows = dict(zip(first["task"], first["title"])), []
    for component in ("head", "mlp"):
        parts = [frame[frame["component"] == component] for frame in (first, second)]
        for task, title in titles.items():
            seeds = [list(dict.fromkeys(part.loc[part["task"] == task, "seed"])) for part in parts]
            common = [seed for seed in seeds[0] if seed in seeds[1]]
            if not common:
                continue
            pairs = np.stack([votes_of(part, task, component, common) for part in parts], axis=1)
            found = pd.Series([mean_pair_jaccard(pair) for pair in pairs])
            chance = pd.Series([chance_pair_jaccard(pair) for pair in pairs])
            rows.append((task, title, component, len(common), found.mean(), found.std(), chance.mean()))
    return pd.DataFrame(rows, columns=list(BETWEEN))
