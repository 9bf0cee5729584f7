"""How far two seeds of a task keep the same heads: Jaccard of good subnetworks beside chance, means over tasks."""

from __future__ import annotations

from dataclasses import dataclass

from ..sources import Source, count
from ..survivors import seed_jaccards


@dataclass(frozen=True)
class Overlap:
    """Mean over tasks of the mean over pairs of seeds; `chance`: every seed draws as many heads as it keeps."""

    jaccard: float
    chance: float
    tasks: int


def heads_of_two_seeds(source: Source) -> Overlap | None:
    """The overlap under s-pruning; None where a source has no task with two seeds."""
    by_task = seed_jaccards(source).dropna()
    return Overlap(by_task["jaccard"].mean(), by_task["chance"].mean(), len(by_task)) if len(by_task) else None


def number(overlap: Overlap | None) -> str:
    """The overlap alone, for a badge."""
    return "one seed so far" if overlap is None else f"{overlap.jaccard:.2f}"


def phrase(overlap: Overlap | None) -> str:
    """Such as "0.51, by chance 0.39 (8 tasks)", or why there is none."""
    if overlap is None:
        return "it takes two seeds, which are not there yet"
    return f"{overlap.jaccard:.2f}, by chance {overlap.chance:.2f} ({count(overlap.tasks, 'task')})"
