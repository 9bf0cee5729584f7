"""Is one kind of subnetwork better than another? Paired by task and seed, with an interval over tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .scores import choose, with_kept

LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """Mean difference of two conditions in shares of the full score, its 95 % interval over tasks, and wins.

    `wins` counts tasks where the first is ahead on the seeds' mean. The interval is NaN with one task.
    """

    mean: float
    low: float
    high: float
    wins: int
    tasks: int

    @property
    def verdict(self) -> str:
        """"shown", "opposite", "open" (the interval holds 0) or "untestable" (fewer than two tasks)."""
        if self.tasks < 2:
            return "untestable"
        if self.low > 0:
            return "shown"
        return "opposite" if self.high < 0 else "open"


def compare(frame: pd.DataFrame, method: str, first: tuple[str, str], second: tuple[str, str]) -> Comparison:
    """Compare two (subnetwork, treatment) of `method`, such as ("good", "pruned") and ("random", "pruned").

    Seeds are paired within a task and averaged; tasks are the sample of the interval (Student's t). Tasks that
    lack one of the two for every seed are left out.
    """
    frame = with_kept(frame)
    pairs = [choose(frame, method, *condition).set_index(["task", "seed"])["kept"] for condition in (first, second)]
    difference = (pairs[0] - pairs[1]).dropna().groupby("task").mean()
    n = len(difference)
    if n == 0:
        return Comparison(np.nan, np.nan, np.nan, 0, 0)
    return Comparison(float(difference.mean()), *interval(difference), int((difference > 0).sum()), n)


def interval(values: pd.Series) -> tuple[float, float]:
    """The 95 % interval (Student's t) of the mean of `values`, one a task; NaN for fewer than two."""
    n = len(values)
    if n < 2:
        return np.nan, np.nan
    from scipy.special import stdtrit  # Student's t, without the second that scipy.stats takes to load

    mean = float(values.mean())
    half = float(stdtrit(n - 1, 0.5 + LEVEL / 2) * values.std(ddof=1) / np.sqrt(n))
    return mean - half, mean + half
