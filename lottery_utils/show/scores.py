"""Scores of subnetworks and baselines: tidy, summarised over seeds, related to the full model's."""

from __future__ import annotations

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
USUAL = ("full", "baseline", "pruned", "retrained")  # treatments that every task gets
CONDITION = ["method", "subnetwork", "treatment"]
RESULT = ["task", "title", "metric", "seed", *CONDITION, "score"]
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


def summary(frame: pd.DataFrame, value: str = "score") -> pd.DataFrame:
    """Mean, sample standard deviation (NaN for one seed) and number of seeds of each task and condition."""
    keys = ["task", "title", "metric", *CONDITION]
    return frame.groupby(keys, sort=False)[value].agg(["mean", "std", "count"]).reset_index()


def with_kept(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with `kept`: the score as a share of the full model's for the same task and seed.

    NaN where there is no full model of that seed or its score is not above 0; for rows without a seed (seed 0)
    the full model's mean over seeds stands in.
    """
    full = frame[frame["treatment"] == "full"]
    by_seed, by_task = full.set_index(["task", "seed"])["score"], full.groupby("task")["score"].mean()
    pairs = list(zip(frame["task"], frame["seed"]))
    base = [by_seed.get(pair, by_task.get(pair[0]) if pair[1] == NO_SEED else None) for pair in pairs]
    base = pd.Series(base, index=frame.index, dtype=float)
    return frame.assign(kept=frame["score"] / base.where(base > 0))


def complete_tasks(frame: pd.DataFrame, method: str) -> list[str]:
    """Tasks with every seed of every condition that `frame` holds for `method`, and of the full model.

    Averages over these tasks mix no task with all its seeds and one with some, and compare conditions over the same
    tasks. With `method` "" the full model's rows alone decide. Tasks are in order; what only some tasks get (longer
    retraining) does not count, nor does a condition without seeds (a baseline of seed 0).
    """
    rows = frame[(frame["seed"] != NO_SEED) & ((frame["method"] == method) | (frame["treatment"] == "full"))]
    rows = rows[rows["treatment"].isin(USUAL)]
    if not method:
        rows = rows[rows["treatment"] == "full"]
    elif (rows["method"] == "").all():
        return []
    seeds = set(frame.loc[frame["seed"] != NO_SEED, "seed"])
    wanted = {(*condition, seed) for condition in rows[CONDITION].itertuples(index=False, name=None) for seed in seeds}
    there = rows.groupby("task", sort=False)[[*CONDITION, "seed"]].apply(
        lambda own: wanted <= set(own.itertuples(index=False, name=None))
    )
    return [task for task, whole in there.items() if whole]


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
