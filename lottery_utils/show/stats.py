"""The statistics of every comparison: numbers of tasks and seeds become one `Effect` over tasks.

Seeds of a task are averaged and tasks are the sample: mean, Student's interval and t-test over tasks, Holm's correction
over all effects that answer one question, and a word for what follows.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import pandas as pd

LEVEL = 0.95  # of intervals; a corrected p of at most 1 - LEVEL decides
LEAST = 3  # tasks; two give no interval worth the name
UNDECIDED, UNTESTED = "undecided", "not testable"
Key = TypeVar("Key", bound=Hashable)
Number = TypeVar("Number", float, pd.Series)


@dataclass(frozen=True)
class Effect:
    """A mean over tasks: its 95 % interval (Student's t), two-sided p, and p corrected for its family (`corrected`).

    `side` is where the mean lies, "above" or "below" 0, or "inside" or "outside" a region. `wins` counts tasks above 0
    by more than rounding, `pairs` the numbers of tasks and seeds, which are `values`. `runs` are the means of each run
    of pre-training alone, where there are several. What cannot be computed is NaN: interval and p with fewer than
    three tasks, all with none.
    """

    mean: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    corrected: float = np.nan
    side: str = ""
    wins: int = 0
    tasks: int = 0
    pairs: int = 0
    runs: tuple[float, ...] = ()
    values: pd.Series = field(default_factory=lambda: pd.Series(dtype=float), repr=False, compare=False)

    @property
    def word(self) -> str:
        """`side` where the corrected p is at most 0.05 and `runs` agree, else "undecided"; or "not testable"."""
        if np.isnan(self.corrected):
            return UNTESTED
        if self.corrected > 1 - LEVEL or any(run * self.mean <= 0 for run in self.runs):
            return UNDECIDED
        return self.side

    @property
    def decided(self) -> bool:
        """Whether `word` says on which side the mean lies."""
        return self.word not in (UNDECIDED, UNTESTED)

    @property
    def by_task(self) -> pd.Series:
        """The mean over seeds of each task."""
        return _by_task(self.values)


def effect(values: pd.Series, region: tuple[float, float] | None = None) -> Effect:
    """The effect of numbers indexed by task and seed, and perhaps run, or by task alone; NaN does not count.

    It is tested against 0, or with `region` against its edges: a mean is "inside" where every finite edge is rejected,
    "outside" where it lies beyond one. `corrected` is p as long as the effect is judged alone; see `corrected`.
    """
    values = values.dropna()
    means = _by_task(values).to_numpy()
    count = len(means)
    if count == 0:
        return Effect()
    mean = float(means.mean())
    summary = Effect(
        mean, wins=int((means.round(9) > 0).sum()), tasks=count, pairs=len(values), runs=_runs(values), values=values
    )
    if count < LEAST:
        return summary
    from scipy.special import stdtrit  # Student's t, without the second that scipy.stats takes to load

    error = float(means.std(ddof=1)) / np.sqrt(count)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * error
    p, is_inside = _tested(mean, error, count - 1, region or (0, np.inf))
    side = ("inside" if is_inside else "outside") if region else ("above" if is_inside else "below")
    return replace(summary, low=mean - half, high=mean + half, p=p, corrected=p, side=side)


def corrected(effects: Mapping[Key, Effect]) -> dict[Key, Effect]:
    """The same effects with Holm's correction over those of them that can be tested."""
    tested = [key for key, each in effects.items() if not np.isnan(each.p)]
    values = dict(zip(tested, holm([effects[key].p for key in tested]), strict=True))
    return {key: replace(each, corrected=values.get(key, np.nan)) for key, each in effects.items()}


def holm(p: list[float]) -> list[float]:
    """Holm's step-down corrected p values, in the order given."""
    order, stepped = np.argsort(p), np.empty(len(p))
    stepped[order] = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))
    return stepped.clip(max=1).tolist()


def paired(frame: pd.DataFrame, value: str, first: str, second: str, column: str = "network") -> Effect:
    """The effect of `value` in rows whose `column` is `first`, minus rows where it is `second`, same task and seed.

    `frame` has title, seed, `column` and `value`, one row each; tasks go by their titles. What lacks one of the two is
    left out.
    """
    wide = frame.pivot_table(index=["title", "seed"], columns=column, values=value, sort=False)
    if first not in wide or second not in wide:
        return Effect()
    return effect((wide[first] - wide[second]).rename_axis(["task", "seed"]))


def paired_effects(frame: pd.DataFrame, value: str, pairs: Mapping[str, tuple[str, str]]) -> dict[str, Effect]:
    """`paired` for several pairs of networks, by label, each judged alone; pairs without a number are left out."""
    effects = {label: paired(frame, value, *pair) for label, pair in pairs.items()}
    return {label: each for label, each in effects.items() if each.tasks}


def settled(effects: Mapping[Key, Effect]) -> list[Key]:
    """Keys of the effects that are decided with Holm's correction over all of them."""
    return [key for key, each in corrected(effects).items() if each.decided]


def lead_kept(score: Number, majority: Number, full: Number) -> Number:
    """Share of the full model's lead over the majority score that a score keeps: 0 a constant answer, 1 the full model.

    (score - majority) / (full - majority), the unit in which scores of tasks are averaged; NaN where there is no lead.
    """
    lead = full - majority
    return (score - majority) / np.where(lead > 0, lead, np.nan)


def _by_task(values: pd.Series) -> pd.Series:
    return values.groupby(level="task" if "task" in values.index.names else 0, sort=False).mean()


def _runs(values: pd.Series) -> tuple[float, ...]:
    """The mean over tasks of each run; () where there is one run."""
    if "run" not in values.index.names:
        return ()
    of_runs = values.groupby(["run", "task"]).mean().groupby("run").mean()
    return tuple(float(mean) for mean in of_runs) if len(of_runs) > 1 else ()


def _tested(mean: float, error: float, free: int, region: tuple[float, float]) -> tuple[float, bool]:
    """Two-sided p of a mean with its standard error, and whether it lies inside `region` rather than outside.

    Twice the smaller of two one-sided p, since either could have come out. To lie inside, every finite edge must be
    rejected; to lie outside, one of them, for which Bonferroni corrects.
    """
    from scipy.special import stdtr

    low, high = region
    distances = [mean - low] * bool(np.isfinite(low)) + [high - mean] * bool(np.isfinite(high))
    t = [distance / error if error > 0 else np.sign(distance) * 1e300 for distance in distances]
    p_inside = max(float(stdtr(free, -value)) for value in t)
    p_outside = len(t) * min(float(stdtr(free, value)) for value in t)
    return min(1.0, 2 * min(p_inside, p_outside)), p_inside < p_outside
