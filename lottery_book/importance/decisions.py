"""The structured search seen as decisions: which components each step could take, by what importance, and took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.frames import final_step, searches, title_of
from lottery_utils.show.glue import as_percent

from ..sources import NO_RECORD

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

DECISIONS = (
    "task",
    "title",
    "seed",
    "step",
    "phase",
    "passed",
    "component",
    "layer",
    "head",
    "importance",
    "removed",
    "final",
)
DRIFT = ("task", "title", "seed", "step", "left", "correlation")


def decisions(study: Study | None) -> pd.DataFrame:
    """Every search step with the components it could remove: columns `DECISIONS`, one row a step and component.

    A step starts from the last mask that passed, with importances measured under that mask (the protocol
    `released`, at a change of phase, uses those of the mask that failed). `removed` marks what the step takes
    away, `passed` whether the result stayed above the target, `final` what the good subnetwork keeps. Heads'
    importances are divided by their layer's L2 norm, MLPs' by the largest of the step.
    """
    frames = []
    for cell, record in searches(study, "structured") if study else ():
        t = study.trajectory(cell)
        if t is None:
            continue
        same = {"task": cell.task, "title": title_of(record), "seed": cell.seed}
        good = final_step(t)
        for step in range(1, len(t["score"])):
            base = int(np.flatnonzero(t["passed"][:step])[-1])
            source = step - 1 if study.preset.importance == "released" else base
            facts = {"step": step, "phase": int(t["phase"][step]), "passed": bool(t["passed"][step])}
            for component, masks, scores in (
                ("head", t["heads"], t["head_importance"]),
                ("mlp", t["mlps"], t["mlp_importance"]),
            ):
                there, score = masks[base].astype(bool), scores[source].astype(float)
                largest = np.nanmax(score[there], initial=0.0)  # "released" has none for an MLP that comes back
                if component == "mlp" and largest > 0:
                    score = score / largest
                place = np.nonzero(there)
                column = place[1].astype(float) if component == "head" else np.nan
                own = {"layer": place[0], "head": column, "importance": score[there]}
                own |= {"removed": ~masks[step][there].astype(bool), "final": masks[good][there].astype(bool)}
                frames.append(pd.DataFrame({**same, **facts, "component": component, **own}))
    if not frames:
        return pd.DataFrame(columns=list(DECISIONS))
    return pd.concat(frames, ignore_index=True)[list(DECISIONS)]


def cuts(decided: pd.DataFrame) -> pd.DataFrame:
    """Where each step cuts: columns task, title, seed, step, component, cut; steps that remove none have no row.

    cut lies halfway between the most important component removed and the least important one left. Components
    are removed over all layers, so one value separates them; NaN when nothing is left.
    """
    keys = ["task", "title", "seed", "step", "component"]
    highest = decided[decided["removed"]].groupby(keys, sort=False)["importance"].max()
    lowest = decided[~decided["removed"]].groupby(keys, sort=False)["importance"].min()
    return ((highest + lowest.reindex(highest.index)) / 2).rename("cut").reset_index()


def first_cut(decided: pd.DataFrame, component: str) -> pd.DataFrame:
    """The rows of the first step of each search that removes a `component` ("head" or "mlp").

    For heads this is the full model; a shallow model's first steps may take no MLP.
    """
    rows = decided[decided["component"] == component]
    step = rows[rows["removed"]].groupby(["task", "seed"], sort=False)["step"].min().rename("first").reset_index()
    rows = rows.merge(step, on=["task", "seed"])
    return rows[rows["step"] == rows["first"]].drop(columns="first").reset_index(drop=True)


def drift(decided: pd.DataFrame) -> pd.DataFrame:
    """How far heads keep their order in importance: columns `DRIFT`, one row a step of a search.

    Spearman's correlation, over the heads a step starts from, of their importance now with that in the full
    model; `left` is the share of heads there. NaN with fewer than three heads or equal importances.
    """
    rows, keys = [], ["layer", "head"]
    heads = decided[decided["component"] == "head"]
    for (task, title, seed), search in heads.groupby(["task", "title", "seed"], sort=False):
        steps = search.pivot(index=keys, columns="step", values="importance")
        left, likeness = steps.notna().mean(), steps.corr("spearman", min_periods=3)[1]
        rows += [(task, title, seed, step, left[step], likeness[step]) for step in steps]
    return pd.DataFrame(rows, columns=list(DRIFT))


def one_look(decided: pd.DataFrame) -> pd.DataFrame:
    """Would one look have done? Columns task, title, seed, same, chance.

    same is the share of the good subnetwork's heads that are among the most important ones, as many, of the full
    model; chance is what a random choice of as many heads would give.
    """
    rows = []
    first = decided[(decided["component"] == "head") & (decided["step"] == 1)]
    for (task, title, seed), own in first.groupby(["task", "title", "seed"], sort=False):
        kept = int(own["final"].sum())
        if 0 < kept < len(own):
            top = own.nlargest(kept, "importance")["final"].mean()
            rows.append((task, title, seed, top, kept / len(own)))
    return pd.DataFrame(rows, columns=["task", "title", "seed", "same", "chance"])


def one_look_phrase(decided: pd.DataFrame) -> str:
    """The share of good heads that one look at the full model names, beside chance: "81 %, by chance 47 %"."""
    look = one_look(decided)
    if look.empty:
        return NO_RECORD
    means = look.groupby("task")[["same", "chance"]].mean().mean()
    return f"{as_percent(means['same'])}, by chance {as_percent(means['chance'])}"


def near_cut_phrase(decided: pd.DataFrame) -> str:
    """How many heads the first step removes, and how many stay near the cut, such as "14 go, 40 stay"."""
    first = first_cut(decided, "head")
    if first.empty:
        return NO_RECORD
    gone, stay = first[first["removed"]], first[~first["removed"]]
    keys = ["task", "seed"]
    edge = gone.groupby(keys)["importance"].max().rename("edge")
    near = stay.merge(edge.reset_index(), on=keys)
    near = near[near["importance"] < 2 * near["edge"]].groupby(keys).size().reindex(edge.index, fill_value=0).mean()
    removed = gone.groupby(keys).size().mean()
    return f"{removed:.0f} go, {near:.0f} stay"


def seeds_phrase(decided: pd.DataFrame) -> str:
    """The rank correlation of two seeds' importances in the full model, mean over tasks."""
    between = seeds_correlation(decided)["correlation"]
    return f"{between.mean():.2f}" if between.notna().any() else "it takes two seeds"


def seeds_correlation(decided: pd.DataFrame) -> pd.DataFrame:
    """Do seeds rank heads alike in the full model? Columns task, title, correlation.

    Mean Spearman correlation over the pairs of seeds; tasks with one seed have no row.
    """
    rows = []
    first = decided[(decided["component"] == "head") & (decided["step"] == 1)]
    for (task, title), own in first.groupby(["task", "title"], sort=False):
        likeness = own.pivot(index=["layer", "head"], columns="seed", values="importance").corr("spearman").to_numpy()
        if len(likeness) > 1:
            rows.append((task, title, likeness[np.triu_indices(len(likeness), 1)].mean()))
    return pd.DataFrame(rows, columns=["task", "title", "correlation"])
