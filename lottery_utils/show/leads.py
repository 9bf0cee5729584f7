"""Lead kept by subnetworks: the scores of all tasks in one unit, with means whose rows are over the same tasks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from .frames import CONDITION, Condition, choose, columns_of
from .stats import Effect, effect, lead_kept

SUBNETWORKS = ("good", "random", "random_layer", "bad")
TREATMENTS = ("pruned", "retrained")
LEADS = ("task", "title", *CONDITION, "lead", "seeds")


def leads(results: pd.DataFrame, subnetworks: Sequence[str] = SUBNETWORKS) -> pd.DataFrame:
    """Lead kept by `subnetworks`, pruned and retrained: one row per task and condition, columns `LEADS`.

    `results` as from `frames.results`. The seeds of a task are averaged before their lead is taken: of single seeds a
    small lead of the full model would make any share. All conditions of a method are over the same tasks and seeds,
    those that have every condition which `results` hold of that method; `seeds` counts them. A task whose full model
    does not lead is left out.
    """
    rows = results[results["subnetwork"].isin(subnetworks) & results["treatment"].isin(TREATMENTS)]
    rows = _with_ends(rows, results)
    whole = [_whole(of_method) for _, of_method in rows.groupby("method", sort=False)]
    return _mean_leads(pd.concat(whole) if whole else rows)


def leads_of(results: pd.DataFrame, conditions: Sequence[Condition]) -> pd.DataFrame:
    """Lead kept by any `conditions`, one row per task, one column per condition; tasks and seeds that have them all.

    For what `leads` does not have: super-survivors, longer training, baselines with seeds. A task without one of
    `conditions` has no row.
    """
    columns = columns_of(conditions)
    if results.empty:
        return pd.DataFrame(columns=columns)
    rows = results[pd.MultiIndex.from_frame(results[CONDITION]).isin(columns)]
    frame = _mean_leads(_whole(_with_ends(rows, results)))
    return frame.pivot(index="task", columns=CONDITION, values="lead").reindex(columns=columns).dropna()


def lead_effects(frame: pd.DataFrame) -> dict[Condition, Effect]:
    """The mean lead kept of each condition of `leads`, with its interval over tasks."""
    groups = frame.groupby(CONDITION, sort=False)
    return {condition: effect(rows.set_index("task")["lead"]) for condition, rows in groups}


def _mean_leads(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns `LEADS` of rows with full and majority score: a task's seeds are averaged before its lead is taken."""
    groups = rows.groupby(["task", "title", *CONDITION], sort=False)
    means = groups[["score", "full", "majority"]].mean()
    lead = lead_kept(means["score"], means["majority"], means["full"])
    return means.assign(lead=lead, seeds=groups.size()).dropna().reset_index()[list(LEADS)]


def _with_ends(rows: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """`rows` with the full model's score of their task and seed and the majority score, where both are there."""
    full = choose(results, treatment="full").set_index(["task", "seed"])["score"]
    majority = choose(results, subnetwork="majority").groupby("task")["score"].mean()
    pairs = pd.MultiIndex.from_frame(rows[["task", "seed"]])
    rows = rows.assign(full=full.reindex(pairs).to_numpy(), majority=rows["task"].map(majority))
    numbers = dict.fromkeys(("score", "full", "majority"), float)  # no row has no type of its own
    return rows.astype(numbers).dropna(subset=["full", "majority"])


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of those tasks and seeds that have every condition there is among `rows`."""
    conditions_had = rows.groupby(["task", "seed"])["score"].transform("size")
    return rows[conditions_had == len(rows[CONDITION].drop_duplicates())]
