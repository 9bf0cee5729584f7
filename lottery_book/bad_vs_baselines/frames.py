"""Bad subnetworks and simple models in one unit, the lead kept; and what longer fine-tuning adds to it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lottery_utils.show.leads import Condition
from lottery_utils.show.scores import CONDITION, choose, summary
from lottery_utils.show.stats import Effect, effect, lead_kept

from .. import published

BASELINES = ("bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned")
BAD: tuple[Condition, ...] = (("structured", "bad", "retrained"), ("magnitude", "bad", "retrained"))
COMPARED: tuple[Condition, ...] = (*(("", name, "baseline") for name in BASELINES), *BAD)


def leads(results: pd.DataFrame) -> pd.DataFrame:
    """Lead kept of the conditions `COMPARED`: a row a task and condition, `task`, `method` ... `treatment`, `lead`.

    `results` as from `scores.results`; seeds are averaged first. All conditions are over the same tasks: those whose
    full model leads and that have each condition there is.
    """
    means = summary(results)
    ends = means[means["subnetwork"].isin(["majority", "full"])]
    ends = ends.pivot(index="task", columns="subnetwork", values="mean").reindex(columns=["majority", "full"])
    compared = [condition in COMPARED for condition in means[CONDITION].itertuples(index=False, name=None)]
    rows = means[np.array(compared, bool)].join(ends, on="task")
    rows = rows.assign(lead=lead_kept(rows["mean"], rows["majority"], rows["full"])).dropna(subset=["lead"])
    there = rows.groupby("task")["lead"].transform("size")
    return rows[there == len(rows[CONDITION].drop_duplicates())][["task", *CONDITION, "lead"]]


def above_majority(results: pd.DataFrame) -> tuple[int, int]:
    """On how many tasks bad subnetworks of s-pruning, retrained, beat the majority score, and of how many tasks."""
    rows = leads(results[results["subnetwork"].isin(["majority", "full"]) | (results["method"] == "structured")])
    return int((rows["lead"] > 0).sum()), len(rows)


def over(results: pd.DataFrame, baseline: str) -> Effect:
    """How far bad subnetworks of s-pruning, retrained, are above a baseline, in points of lead; the sample is tasks."""
    wide = leads(results).pivot(index="task", columns=["method", "subnetwork"], values="lead")
    pair = ("structured", "bad"), ("", baseline)
    return effect(100 * (wide[pair[0]] - wide[pair[1]])) if {*pair} <= {*wide} else Effect()


def longer_effect(results: pd.DataFrame, method: str) -> Effect:
    """What longer fine-tuning adds to the lead kept by bad subnetworks of a method, in points; paired by task, seed."""
    usual, longer = (
        choose(results, method, "bad", how).set_index(["task", "seed"])["score"]
        for how in ("retrained", "retrained longer")
    )
    ends = {name: choose(results, subnetwork=name).groupby("task")["score"].mean() for name in ("majority", "full")}
    lead = (ends["full"] - ends["majority"]).where(lambda width: width > 0)
    gained = (longer - usual).dropna()
    return effect(100 * gained / lead.reindex(gained.index.get_level_values("task")).to_numpy())


def spread_of_bad(task: str) -> float:
    """Published sample deviation over seeds of a task's bad subnetwork of s-pruning, retrained."""
    rows = choose(published.results(), *BAD[0])
    return float(rows.set_index("task")["std"][task])


def good_over_bad() -> float:
    """Published ratio of the mean |w| of good and of bad m-subnetworks, mean over seeds and tasks but WNLI."""
    levels = published.magnitude_levels()
    return float(levels[levels["task"] != "wnli"].groupby("task")["good_over_bad"].mean().mean())
