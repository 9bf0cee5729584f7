"""Scores of subnetworks and baselines: tidy, and summarised over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..experiment.cells import NO_SEED
from .frames import shown_title

TREATMENT = {
    "finetune": "full",
    "baseline": "baseline",
    "score": "pruned",
    "retrain": "retrained",
    "retrain_longer": "retrained longer",
}
CONDITION = ["method", "subnetwork", "treatment"]
RESULT = ["task", "title", "metric", "seed", *CONDITION, "score"]
Condition = tuple[str, str, str]  # method, subnetwork, treatment
SHARES = ("heads", "mlps", "prunable", "all")


def results(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of a study's table (`experiment.tables.COLUMNS`) as columns `RESULT`, one row a task, seed and condition.

    Conditions are (method, subnetwork, treatment): treatment is one of `TREATMENT`'s values.
    The majority score, the same for all seeds, is one row of seed 0 for each task. Subnetworks of degenerate
    searches are left out: they are gaps, no numbers.
    """
    table = _titled(table)
    rows = table[table["stage"].isin(TREATMENT) & ~table["degenerate"].astype(bool) & table["score"].notna()]
    rows = rows[(rows["stage"] != "baseline") | (rows["subnetwork"] != "majority")]
    rows = rows.assign(treatment=rows["stage"].map(TREATMENT))[RESULT]
    least = table.drop_duplicates("task").assign(method="", subnetwork="majority", treatment="baseline", seed=NO_SEED)
    least = least.assign(score=least["majority"])[RESULT]
    frame = pd.concat([least, rows], ignore_index=True)
    place = {task: i for i, task in enumerate(table["task"].drop_duplicates())}
    return frame.sort_values("task", key=lambda c: c.map(place), kind="stable", ignore_index=True)


def _titled(table: pd.DataFrame) -> pd.DataFrame:
    titles = [shown_title(*row) for row in zip(table["task"], table["partial"], table["demo"], strict=True)]
    return table.assign(title=titles)


def choose(frame: pd.DataFrame, method: str = "", subnetwork: str = "", treatment: str = "") -> pd.DataFrame:
    """Rows of the conditions named; an empty name takes all."""
    for column, value in (("method", method), ("subnetwork", subnetwork), ("treatment", treatment)):
        if value:
            frame = frame[frame[column] == value]
    return frame


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean score, sample standard deviation (NaN for one seed) and number of seeds of each task and condition."""
    keys = ["task", "title", "metric", *CONDITION]
    return frame.groupby(keys, sort=False)["score"].agg(["mean", "std", "count"]).reset_index()


def mean_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean score over seeds: a row a task, in order, a column a condition; NaN where a task has none."""
    return frame.pivot_table(index="task", columns=CONDITION, values="score", sort=False)


def columns_of(conditions: Sequence[Condition]) -> pd.MultiIndex:
    """`conditions` as columns of frames that have one for each."""
    return pd.MultiIndex.from_tuples(conditions, names=CONDITION)


def sizes(table: pd.DataFrame) -> pd.DataFrame:
    """Surviving shares of the good subnetworks, one row a task and method.

    Columns share_NAME and share_NAME_std (sample deviation over seeds) for heads, mlps, prunable weights and all
    weights, and n; degenerate searches are left out. m-pruning has no shares of heads and MLPs (NaN).
    """
    table = _titled(table)
    rows = table[(table["stage"] == "search") & ~table["degenerate"].astype(bool)]
    if rows.empty:
        return pd.DataFrame(columns=["task", "title", "method", "n"])
    columns = [f"share_{name}" for name in SHARES]
    rows = rows.astype({name: float for name in columns})
    grouped = rows.groupby(["method", "task", "title"], sort=False)[columns]
    spread = grouped.std().add_suffix("_std")
    return grouped.mean().join(spread).join(grouped.size().rename("n")).reset_index()
