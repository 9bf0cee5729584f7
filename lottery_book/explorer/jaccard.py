"""How far two seeds of a task keep the same heads: Jaccard of good subnetworks beside chance, means over tasks."""

from __future__ import annotations

import pandas as pd

from ..sources import Source, count
from ..survivors import seed_jaccards


def heads_of_two_seeds(source: Source) -> pd.DataFrame:
    """`seed_jaccards` of tasks with two seeds: chance is that every seed draws as many heads as it keeps."""
    return seed_jaccards(source).dropna()


def number(overlaps: pd.DataFrame) -> str:
    """The mean overlap alone, for a badge."""
    return f"{overlaps['jaccard'].mean():.2f}" if len(overlaps) else "one seed so far"


def phrase(overlaps: pd.DataFrame) -> str:
    """Such as "0.51, by chance 0.39 (8 tasks)", or why there is none."""
    if overlaps.empty:
        return "it takes two seeds, which are not there yet"
    jaccard, chance = overlaps[["jaccard", "chance"]].mean()
    return f"{jaccard:.2f}, by chance {chance:.2f} ({count(len(overlaps), 'task')})"
