"""Survival of heads and MLPs: over the seeds of a task, and over tasks (paper, figures 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class ComponentMap:
    """Mean and sample standard deviation of each component, (L, H + 1): a layer's heads, then its MLP; NaN is a gap.

    The deviations are all NaN when `n`, the number of seeds, is 1: one value has none.
    """

    mean: np.ndarray
    std: np.ndarray
    n: int

    @property
    def heads(self) -> np.ndarray:
        """The means of heads, (L, H)."""
        return self.mean[:, :-1]

    @property
    def mlps(self) -> np.ndarray:
        """The means of MLPs, (L,)."""
        return self.mean[:, -1]


def as_map(rows: pd.DataFrame, n: int) -> ComponentMap:
    """A row a component (layer, head, which is NaN for MLPs, mean, std) over `n` seeds, as arrays."""
    place = rows.assign(head=rows["head"].astype(float).fillna(np.inf))
    stats = (place.pivot(index="layer", columns="head", values=stat) for stat in ("mean", "std"))
    return ComponentMap(*(table.to_numpy(dtype=float) for table in stats), n=n)


def over_seeds(survival: pd.DataFrame, task: str) -> ComponentMap:
    """Mean and deviation over the seeds of `task` (columns as `frames.SURVIVAL`).

    For s-pruning the mean is the share of seeds in which a component survives. Raises KeyError when the
    task has no row.
    """
    rows = survival[survival["task"] == task]
    if rows.empty:
        raise KeyError(task)
    return _over_seeds(rows)


def tasks_in_common(survival: pd.DataFrame) -> list[str]:
    """Tasks that every seed has, in order; counts over tasks are comparable between seeds for these only."""
    counts = survival.groupby("task", sort=False)["seed"].nunique()
    return counts.index[counts == survival["seed"].nunique()].tolist()


def over_tasks(survival: pd.DataFrame) -> tuple[ComponentMap, int] | None:
    """For each seed the number of tasks in which a component survives, mean and deviation over seeds; and of how many.

    Counts the tasks of `tasks_in_common`; None when there is none.
    """
    tasks = tasks_in_common(survival)
    if not tasks:
        return None
    rows = survival[survival["task"].isin(tasks)]
    counts = rows.groupby(["layer", "head", "seed"], dropna=False, sort=False)["kept"].sum()
    return _over_seeds(counts.reset_index()), len(tasks)


def _over_seeds(rows: pd.DataFrame) -> ComponentMap:
    """Rows with one value for each component and seed, as arrays."""
    stats = rows.groupby(["layer", "head"], dropna=False, sort=False)["kept"].agg(["mean", "std"])
    return as_map(stats.reset_index(), rows["seed"].nunique())


@dataclass(frozen=True)
class Stability:
    """Heads of a model that survive in all seeds, mean over tasks.

    `chance` is how many would survive in all seeds if each seed drew its heads at random, as many as it kept.
    """

    heads: int
    always: float
    chance: float
    seeds: int
    tasks: int


def stability(survival: pd.DataFrame) -> Stability | None:
    """How far the seeds' structured masks agree on heads, over tasks that have them all; None with one seed."""
    seeds, heads = survival["seed"].nunique(), survival[survival["component"] == "head"]
    rows = heads[heads["task"].isin(tasks_in_common(survival))]
    if seeds < 2 or rows.empty:
        return None
    kept = rows.pivot(index=["task", "layer", "head"], columns="seed", values="kept").astype(float)
    always, size = (kept == 1).all(axis=1).groupby("task").sum(), kept.groupby("task").size()
    chance = size * kept.groupby("task").mean().prod(axis=1)
    return Stability(int(size.iloc[0]), always.mean(), chance.mean(), seeds, len(size))
