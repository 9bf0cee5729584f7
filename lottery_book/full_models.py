"""Chapter 1: what the full model reaches, and by how much it leads a constant answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.show.scores import summary
from lottery_utils.show.tables import GAP, dressed
from lottery_utils.tasks.registry import shown_task

from .real_study.tables import full_scores
from .sources import NO_RECORD, Source

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

CEILING = 0.95


def full_and_majority(source: Source) -> pd.DataFrame:
    """Mean score of the full model and the majority score: a row a task that has both, columns full, majority, lead."""
    if source.results.empty:
        return pd.DataFrame(columns=["full", "majority", "lead"], dtype=float)
    means = summary(source.results)
    means = means[means["subnetwork"].isin(["full", "majority"])]
    wide = means.pivot(index="task", columns="subnetwork", values="mean").reindex(columns=["full", "majority"]).dropna()
    return wide.assign(lead=wide["full"] - wide["majority"])


def score_on(source: Source, task: str) -> str:
    """The full model's mean score on one task, or why there is none."""
    full = full_and_majority(source)["full"]
    return f"{full[task]:.3f}" if task in full else NO_RECORD


def at_ceiling(source: Source) -> str:
    """On how many of the tasks with a lead the full model has `CEILING` or more: "6 of 8"."""
    scores = full_and_majority(source)
    leading = scores[scores["lead"] > 0]
    return f"{(leading['full'] >= CEILING).sum()} of {len(leading)}"


def full_table(sources: Sequence[Source]) -> Styler:
    """The full model's score, mean ± sample deviation over seeds, by source."""
    by_source = {source.name: full_scores(source) for source in sources}
    tasks = dict.fromkeys(task for scores in by_source.values() for task in scores)
    rows = [
        {"task": shown_task(task).title} | {name: scores.get(task, GAP) for name, scores in by_source.items()}
        for task in tasks
    ]
    caption = "The full model's dev scores in the tasks' metrics, mean ± sample deviation over seeds."
    return dressed(pd.DataFrame(rows), caption, "full-models")
