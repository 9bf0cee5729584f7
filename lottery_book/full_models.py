"""Chapter 1: what the full model reaches, and by how much it leads a constant answer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.frames import choose, columns_of, mean_scores, summary
from lottery_utils.show.tables import dressed

from .side_by_side import ENDS, by_task
from .sources import NO_RECORD, Source

CEILING = 0.95


def full_and_majority(source: Source) -> pd.DataFrame:
    """Mean score of the full model and the majority score: one row per task with both; columns full, majority, lead."""
    if source.results.empty:
        return pd.DataFrame(columns=["full", "majority", "lead"], dtype=float)
    wide = mean_scores(source.results).reindex(columns=columns_of(ENDS)).set_axis(["majority", "full"], axis=1).dropna()
    return wide.assign(lead=wide["full"] - wide["majority"])


def score_on(source: Source, task: str, model: str = "full", places: int = 3, absent: str = NO_RECORD) -> str:
    """The mean score over seeds of "full" or "majority" on one task, or `absent` where it is not known."""
    scores = full_and_majority(source)[model]
    return f"{scores[task]:.{places}f}" if task in scores else absent


def full_scores(source: Source) -> dict[str, str]:
    """The full model's score by task, mean ± deviation."""
    if source.results.empty:
        return {}
    if "std" in source.results:  # means over seeds already
        rows = choose(source.results, treatment="full").rename(columns={"score": "mean"})
    else:
        rows = summary(choose(source.results, treatment="full"))
    spread = [f" ± {std:.3f}" if std == std else "" for std in rows["std"]]
    return {task: f"{mean:.3f}{each}" for task, mean, each in zip(rows["task"], rows["mean"], spread, strict=True)}


def at_ceiling(source: Source) -> str:
    """On how many of the tasks with a lead the full model has `CEILING` or more: "6 of 8"."""
    scores = full_and_majority(source)
    leading = scores[scores["lead"] > 0]
    return f"{(leading['full'] >= CEILING).sum()} of {len(leading)}"


def full_table(sources: Sequence[Source]) -> Styler:
    """The full model's score, mean ± sample deviation over seeds, by source."""
    table = by_task({source.name: full_scores(source) for source in sources})
    caption = "The full model's dev scores in the tasks' metrics, mean ± sample deviation over seeds."
    return dressed(table, caption, "full-models")
