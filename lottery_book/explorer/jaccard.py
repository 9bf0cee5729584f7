"""How far two seeds of a task keep the same heads: Jaccard of good subnetworks beside chance, means over tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lottery_utils.show.frames import component_survival

from .. import published
from ..agreement.coefficients import chance_pair_jaccard, mean_pair_jaccard, votes_of
from ..sources import JOINT, PUBLISHED, Source


@dataclass(frozen=True)
class Overlap:
    """Mean over tasks of the mean over pairs of seeds; `chance`: every seed draws as many heads as it keeps."""

    jaccard: float
    chance: float
    tasks: int


def heads_of_two_seeds(source: Source) -> Overlap | None:
    """The overlap under s-pruning; None where a source has no task with two seeds.

    Tasks without a lead over a constant answer are left out: there is nothing to keep, so searches end anywhere.
    """
    pairs = _published(source) if source.kind == PUBLISHED else _measured(source)
    if not pairs:
        return None
    jaccard, chance = np.mean(pairs, axis=0)
    return Overlap(float(jaccard), float(chance), len(pairs))


def number(overlap: Overlap | None) -> str:
    """The overlap alone, for a badge."""
    return "one seed so far" if overlap is None else f"{overlap.jaccard:.2f}"


def phrase(overlap: Overlap | None) -> str:
    """Such as "0.51, by chance 0.39 (8 tasks)", or why there is none."""
    if overlap is None:
        return "it takes two seeds, which are not there yet"
    tasks = f"{overlap.tasks} task{'s' if overlap.tasks > 1 else ''}"
    return f"{overlap.jaccard:.2f}, by chance {overlap.chance:.2f} ({tasks})"


def _published(source: Source) -> list[tuple[float, float]]:
    rows = published.seed_agreement()
    rows = rows[(rows["family"] == JOINT) & (rows["component"] == "head") & rows["task"].isin(source.leads["task"])]
    return list(zip(rows["mean_pair_jaccard"], rows["chance_pair_jaccard"], strict=True))


def _measured(source: Source) -> list[tuple[float, float]]:
    if source.study is None:
        return []
    survival = component_survival(source.study, "structured")
    votes = [votes_of(survival, task, "head") for task in dict.fromkeys(survival["task"])]
    return [(mean_pair_jaccard(seeds), chance_pair_jaccard(seeds)) for seeds in votes if len(seeds) > 1]
