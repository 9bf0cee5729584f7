"""Survival of heads and MLPs: over the seeds of a task, and over tasks (paper, figures 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

PLACE = ["component", "layer", "head"]


@dataclass(frozen=True)
class ComponentMap:
    """Mean and sample standard deviation of each head, (L, H), and each MLP, (L,); NaN is a gap.

    The deviations are all NaN when `n`, the number of seeds, is 1: one value has none.
    """

    heads: np.ndarray
    mlps: np.ndarray
    heads_std: np.ndarray
    mlps_std: np.ndarray
    n: int


def over_seeds(survival: pd.DataFrame, task: str) -> ComponentMap:
    """Mean and deviation over the seeds of `task` (columns as `frames.SURVIVAL`).

    For s-pruning the mean is the share of seeds in which a component survives. Raises KeyError when the
    task has no row.
    """
    rows = survival[survival["task"] == task]
    if rows.empty:
        raise KeyError(task)
    return _map(rows, "kept")


def tasks_in_common(survival: pd.DataFrame) -> list[str]:
    """Tasks that every seed has, in order; counts over tasks are comparable between seeds for these only."""
    seeds = survival["seed"].nunique()
    counts = survival.groupby("task", sort=False)["seed"].nunique()
    return [task for task, n in counts.items() if n == seeds]


def over_tasks(survival: pd.DataFrame) -> tuple[ComponentMap, int] | None:
    """For each seed the number of tasks in which a component survives, mean and deviation over seeds; and of how many.

    Counts the tasks of `tasks_in_common`; None when there is none.
    """
    tasks = tasks_in_common(survival)
    if not tasks:
        return None
    rows = survival[survival["task"].isin(tasks)]
    counts = rows.groupby([*PLACE, "seed"], dropna=False, sort=False)["kept"].sum().reset_index()
    return _map(counts, "kept"), len(tasks)


def _map(rows: pd.DataFrame, value: str) -> ComponentMap:
    """Rows with one value for each component and seed, as arrays."""
    table = rows.groupby(PLACE, dropna=False, sort=False)[value].agg(["mean", "std"]).reset_index()
    return as_map(table, rows["seed"].nunique())


def as_map(table: pd.DataFrame, n: int) -> ComponentMap:
    """A row a component (component, layer, head, mean, std) over `n` seeds, as arrays."""
    heads = table[table["component"] == "head"].pivot(index="layer", columns="head")
    mlps = table[table["component"] == "mlp"].set_index("layer").reindex(heads.index)
    arrays = (part[stat].to_numpy(dtype=float) for stat in ("mean", "std") for part in (heads, mlps))
    return ComponentMap(*arrays, n=n)


@dataclass(frozen=True)
class Stability:
    """Heads of a model that survive in all seeds, in none, or in some; means over tasks.

    `chance` is how many would survive in all seeds if each seed drew its heads at random, as many as it kept.
    """

    heads: int
    always: float
    never: float
    chance: float
    seeds: int
    tasks: int

    @property
    def depends(self) -> float:
        """Heads that survive in some seeds but not in all."""
        return self.heads - self.always - self.never


def stability(survival: pd.DataFrame) -> Stability | None:
    """How far the seeds' structured masks agree on heads, over tasks that have them all; None with one seed."""
    found, seeds = [], survival["seed"].nunique()
    for _, rows in survival[survival["component"] == "head"].groupby("task", sort=False):
        kept = rows.pivot(index=["layer", "head"], columns="seed", values="kept").to_numpy()
        if kept.shape[1] == seeds > 1:
            share = kept.mean(axis=1)
            found.append((len(kept), (share == 1).sum(), (share == 0).sum(), len(kept) * kept.mean(axis=0).prod()))
    if not found:
        return None
    heads, always, never, chance = np.array(found, float).mean(axis=0)
    return Stability(int(heads), always, never, chance, seeds, len(found))
