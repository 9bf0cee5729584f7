"""Bad subnetworks against baselines: the better of the two methods for each task, as the paper's table 2 has it."""

from __future__ import annotations

import pandas as pd

from lottery_utils.show.scores import choose, summary

BASELINES = ("majority", "bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned")


def best_bad(results: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rows of the retrained bad subnetworks of each task's better method, and that method by task.

    `results` as from `scores.results`; the better method has the higher mean over seeds. The rows' method is ""
    so that tasks with different methods stay one condition.
    """
    rows = choose(results, subnetwork="bad", treatment="retrained")
    return _best(rows, rows.groupby(["task", "method"], sort=False)["score"].mean())


def best_bad_published(published: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """The same of `published.results`, whose rows are means over seeds already."""
    rows = choose(published, subnetwork="bad", treatment="retrained")
    return _best(rows, rows.set_index(["task", "method"])["mean"])


def _best(rows: pd.DataFrame, means: pd.Series) -> tuple[pd.DataFrame, dict[str, str]]:
    best = {task: own.idxmax()[1] for task, own in means.groupby("task", sort=False)}
    kept = rows[rows["method"] == rows["task"].map(best)]
    return kept.assign(method=""), best


def against(results: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """`results` cut to baselines, the best bad subnetwork and the full model of each task; the method by task."""
    bad, best = best_bad(results)
    others = results[results["subnetwork"].isin((*BASELINES, "full"))]
    frame = pd.concat([others, bad], ignore_index=True)
    place = {task: i for i, task in enumerate(results["task"].drop_duplicates())}
    return frame.sort_values("task", key=lambda c: c.map(place), kind="stable", ignore_index=True), best


def leads(frame: pd.DataFrame) -> pd.DataFrame:
    """How far bad subnetworks are above each baseline: one row a task, a column a baseline, in units of the metric.

    `frame` as from `against`; means over seeds; a baseline that is not there has no column.
    """
    wide = summary(frame).pivot(index=["task", "title"], columns="subnetwork", values="mean")
    if "bad" not in wide:
        return pd.DataFrame()
    wide = wide.reindex(frame.drop_duplicates("task").set_index(["task", "title"]).index)
    there = [name for name in BASELINES if name in wide]
    return wide[there].rsub(wide["bad"], axis=0)
