"""Differences between two networks of the same task and seed, with an interval over tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .compare import LEVEL, Comparison
from .judge import LEAST, holm, p_of_mean


@dataclass(frozen=True)
class Paired:
    """A comparison and what it rests on: the mean difference over seeds of each task, by title."""

    found: Comparison
    by_task: pd.Series


def paired(frame: pd.DataFrame, value: str, first: str, second: str, column: str = "network") -> Paired:
    """Compare `value` of the rows whose `column` is `first` with those of `second`, paired by task and seed.

    `frame` has task, title, seed, `column` and `value`, one row each. Seeds are averaged within a task; tasks are the
    sample of the interval (Student's t). What lacks one of the two is left out.
    """
    wide = frame.pivot_table(index=["title", "seed"], columns=column, values=value, sort=False)
    if first not in wide or second not in wide:
        return Paired(Comparison(np.nan, np.nan, np.nan, 0, 0), pd.Series(dtype=float))
    by_task = (wide[first] - wide[second]).dropna().groupby("title", sort=False).mean()
    return Paired(over_tasks(by_task), by_task)


def over_tasks(by_task: pd.Series) -> Comparison:
    """Mean of one number a task, its 95 % interval (NaN with one task), and on how many tasks it is above 0."""
    n = len(by_task)
    if n == 0:
        return Comparison(np.nan, np.nan, np.nan, 0, 0)
    mean, half = float(by_task.mean()), np.nan
    if n > 1:
        from scipy.special import stdtrit

        half = float(stdtrit(n - 1, 0.5 + LEVEL / 2) * by_task.std(ddof=1) / np.sqrt(n))
    return Comparison(mean, mean - half, mean + half, int((by_task > 0).sum()), n)


def against(frame: pd.DataFrame, value: str, pairs: Mapping[str, tuple[str, str]]) -> dict[str, Paired]:
    """`paired` for several pairs of networks, by label; pairs without a number are left out."""
    found = {label: paired(frame, value, *pair) for label, pair in pairs.items()}
    return {label: one for label, one in found.items() if one.found.tasks}


def settled(found: Mapping[str, Paired]) -> list[str]:
    """Labels of the differences from 0 that hold up to Holm's correction for all of `found` that have three tasks."""
    p = {label: p_of_mean(one.by_task.to_numpy()) for label, one in found.items() if one.found.tasks >= LEAST}
    corrected = dict(zip(p, holm(list(p.values())), strict=True))
    return [label for label, value in corrected.items() if value <= 1 - LEVEL]
