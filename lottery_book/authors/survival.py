"""Which heads and MLPs the released masks keep: by task, across tasks, shared between tasks, in every seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .release import GLUE, HEADS, LAYERS, SEEDS, Release

BY_TASK = ("family", "task", "component", "layer", "head", "mean_survival", "std_survival")
ACROSS = ("family", "component", "layer", "head", "mean_num_tasks", "std_num_tasks")
OVERLAP = ("family", "component", "task_a", "task_b", "mean_shared", "std_shared", "chance_mean")
SUPER = ("task", "super_heads", "super_mlps", "head_share_mean", "mlp_share_mean")
ACROSS_FAMILIES = ("heads", "mlps", "heads_mlps", "heads_mlps_on_train")
OVERLAP_FAMILIES = ("heads", "mlps", "heads_mlps", "heads_mlps_super")
GOOD = "heads_mlps"


def survival_by_task(release: Release) -> pd.DataFrame:
    """Mean over seeds of 0 and 1 (survives or not) and its sample deviation, one row a component; every family."""
    frames = []
    for family, task, component in sorted(release.masks):
        _, kept = release.stacked(family, task, component)
        named = {"family": family, "task": task, "component": component}
        frames.append(_per_component(named, kept.astype(float), ("mean_survival", "std_survival")))
    return joined(frames, BY_TASK)


def survival_across_tasks(release: Release) -> pd.DataFrame:
    """For each seed the number of the nine GLUE tasks in which a component survives; mean and sample deviation.

    A seed without a mask for each of the nine tasks is left out, and listed among the problems.
    """
    frames = []
    for family in ACROSS_FAMILIES:
        for component in ("head", "mlp"):
            per_task = [release.masks.get((family, task, component), {}) for task in GLUE]
            if not any(per_task):
                continue
            seeds = sorted(set.union(*map(set, per_task)))
            whole = [seed for seed in seeds if all(seed in found for found in per_task)]
            for seed in sorted(set(seeds) - set(whole)):
                reason = f"survival_across_tasks leaves out seed {seed} of {component}s: not there for all nine tasks"
                release.problems.add(release.root / "masks" / family, "left out", reason)
            if whole:
                counts = np.array([sum(found[seed].ravel().astype(float) for found in per_task) for seed in whole])
                named = {"family": family, "component": component}
                frames.append(_per_component(named, counts, ("mean_num_tasks", "std_num_tasks")))
    return joined(frames, ACROSS)


def task_overlap(release: Release) -> pd.DataFrame:
    """Components that survive in both of two tasks, the same seed in both: mean and sample deviation over seeds.

    All ordered pairs of a family's tasks, the diagonal too, where it is the number that survive. `chance_mean` is
    the mean of n_a n_b / N, what two random draws of these sizes share; empty on the diagonal.
    """
    rows = []
    for family in OVERLAP_FAMILIES:
        for component in ("head", "mlp"):
            tasks = [task for task in release.tasks(family) if (family, task, component) in release.masks]
            found = {task: release.stacked(family, task, component) for task in tasks}
            for a in tasks:
                for b in tasks:
                    first, second = _same_seeds(found[a], found[b])
                    shared = (first & second).sum(axis=1)
                    by_chance = first.sum(axis=1) * second.sum(axis=1) / first.shape[1]
                    chance = np.nan if a == b else _mean(by_chance)
                    rows.append((family, component, a, b, _mean(shared), _std(shared), chance))
    return pd.DataFrame(rows, columns=list(OVERLAP))


def super_survivors(release: Release) -> pd.DataFrame:
    """Heads and MLPs that survive in every seed of a task (joint masks), and their share of a good subnetwork.

    The share is (components in every seed) / (components this seed keeps), mean over seeds; a seed that keeps none
    has no share. A task that lacks a seed is left out: more would survive in fewer seeds.
    """
    rows = []
    for task in release.tasks(GOOD):
        counts, shares = [], []
        for component in ("head", "mlp"):
            seeds, kept = release.stacked(GOOD, task, component)
            if not set(SEEDS) <= set(seeds):
                break
            always, sizes = int(kept.all(axis=0).sum()), kept.sum(axis=1)
            counts.append(always)
            shares.append(_mean(always / sizes[sizes > 0]))
        if len(counts) == 2:
            rows.append((task, *counts, *shares))
        else:
            place = release.root / "masks" / GOOD / task
            release.problems.add(place, "left out", "super_survivors needs heads and MLPs of all five seeds")
    return pd.DataFrame(rows, columns=list(SUPER))


def masks_of_seeds(release: Release) -> pd.DataFrame:
    """Every joint mask's size, what it shares with the good one of its seed, and whether another seed has it too.

    Columns family, task, component, seed, kept, shared_with_good, same_as_seed: the first seed, in the paper's
    order, whose mask is identical. No table of `lottery import-authors`; the chapter uses it.
    """
    rows = []
    for family, task, component in sorted(release.masks):
        found, good = release.masks[family, task, component], release.masks.get((GOOD, task, component), {})
        order = [s for s in SEEDS if s in found] + sorted(set(found) - set(SEEDS))
        for seed in order:
            twin = next(other for other in order if np.array_equal(found[other], found[seed]))
            shared = int((found[seed] & good[seed]).sum()) if seed in good else pd.NA
            rows.append((family, task, component, seed, int(found[seed].sum()), shared, twin))
    columns = ["family", "task", "component", "seed", "kept", "shared_with_good", "same_as_seed"]
    return pd.DataFrame(rows, columns=columns).astype({"shared_with_good": "Int64"})


def joined(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """The frames below each other, or an empty one, with these columns in order."""
    if not frames:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(frames, ignore_index=True)[list(columns)]


def _per_component(named: dict, values: np.ndarray, columns: tuple[str, str]) -> pd.DataFrame:
    """One row a component from `values` (seeds, components), layers and heads counted from 0."""
    if named["component"] == "head":
        layer, head = np.divmod(np.arange(LAYERS * HEADS), HEADS)
    else:
        layer, head = np.arange(LAYERS), None
    place = {"layer": layer, "head": pd.array(head if head is not None else [pd.NA] * LAYERS, dtype="Int64")}
    std = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
    return pd.DataFrame({**named, **place, columns[0]: values.mean(axis=0), columns[1]: std})


def _same_seeds(a: tuple[list[int], np.ndarray], b: tuple[list[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    common = [seed for seed in a[0] if seed in b[0]]
    return a[1][[a[0].index(seed) for seed in common]], b[1][[b[0].index(seed) for seed in common]]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _std(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
