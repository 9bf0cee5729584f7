"""Does the lottery need a language? Scores of models pre-trained on different corpora, paired by task and seed.

The first of the questions that the paper left open. All differences are in points: 100 times the task's metric.
Seeds of a task are averaged, the tasks are the sample. A corpus may have been pre-trained on more than once, from other
first weights and texts: a `run`, paired as a seed is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.show.scores import RESULT, results
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.tasks.registry import shown_task

from .names import CORPORA

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

STAGES = ("finetune", "search", "score", "retrain")
LEFT_OUT = ("wnli",)  # its dev labels contradict its train labels: who learns more scores less
FULL, GOOD, RANDOM, BAD = ("full", "full"), ("good", "retrained"), ("random", "retrained"), ("bad", "retrained")
WITHIN = {
    "good above random": (GOOD, RANDOM),
    "good above bad": (GOOD, BAD),
    "bad retrained above bad pruned": (BAD, ("bad", "pruned")),
}


def parted(model: str) -> tuple[str, int] | None:
    """Corpus and run of a model's name: "zipf" is the first run, "zipf-2" the second; None for other models."""
    corpus, _, run = model.partition("-")
    return (corpus, int(run or 1)) if corpus in CORPORA and (not run or run.isdecimal()) else None


def all_scores(studies: Mapping[str, Study], method: str = "structured") -> pd.DataFrame:
    """Scores of one method's path for each model: columns corpus, run and `scores.RESULT`.

    `studies` are by the names of their models. Subnetworks of degenerate searches are left out: gaps, no numbers; so
    are those of searches that could remove nothing, where good, random and bad are all the full model.
    """
    frames = []
    for name, study in studies.items():
        table = study.table(STAGES, [method])
        table = table[(table["stage"] == "finetune") | (table["share_prunable"].astype(float) < 1)]
        if len(table):
            corpus, run = parted(name)
            frames.append(results(table).assign(corpus=corpus, run=run))
    columns = ["corpus", "run", *RESULT]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def points(frame: pd.DataFrame, corpus: str, condition: tuple[str, str]) -> pd.Series:
    """100 x score of one corpus' (subnetwork, treatment), by task, run and seed, without the tasks `LEFT_OUT`."""
    rows = frame[(frame["corpus"] == corpus) & ~frame["task"].isin(LEFT_OUT)]
    rows = rows[(rows["subnetwork"] == condition[0]) & (rows["treatment"] == condition[1])]
    return 100 * rows.set_index(["task", "run", "seed"])["score"].astype(float)


def gains(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[tuple, Effect]:
    """How far each pre-training's full model is above the one without: keys (corpus,)."""
    start = points(frame, "none", FULL)
    return corrected({(c,): effect(points(frame, c, FULL) - start) for c in corpora if c != "none"})


def language_leads(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[tuple, Effect]:
    """How far the language's models are above each other pre-training's: keys (corpus, subnetwork), retrained."""
    conditions = (FULL, GOOD, RANDOM, BAD)
    own = {condition: points(frame, "language", condition) for condition in conditions}
    others = [corpus for corpus in corpora if corpus != "language"]
    return corrected({(c, one[0]): effect(own[one] - points(frame, c, one)) for c in others for one in conditions})


def within(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[tuple, Effect]:
    """The lottery of each pre-training: keys (corpus, name of `WITHIN`)."""
    return corrected({(c, name): effect(_gap(frame, c, pair)) for c in corpora for name, pair in WITHIN.items()})


def gap_differences(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[tuple, Effect]:
    """How much larger a gap of `WITHIN` is with the language than with each other pre-training: keys (corpus, name)."""
    others = [corpus for corpus in corpora if corpus != "language"]
    own = {name: _gap(frame, "language", pair) for name, pair in WITHIN.items()}
    found = {(c, name): effect(own[name] - _gap(frame, c, WITHIN[name])) for c in others for name in WITHIN}
    return corrected(found)


def _gap(frame: pd.DataFrame, corpus: str, pair: tuple) -> pd.Series:
    return points(frame, corpus, pair[0]) - points(frame, corpus, pair[1])


def coverage(studies: Mapping[str, Study], method: str = "structured") -> pd.DataFrame:
    """One row a corpus and task: searches stored, of these degenerate, without result (`whole`: nothing was removed)
    and with one (`searched`); kept shares of the latter.

    Columns corpus, task, title, stored, searched, degenerate, whole, heads, mlps, weights (means over runs and seeds,
    in [0, 1]; NaN where the method has no such share).
    """
    tables = {}
    for name, study in studies.items():
        table = study.table(["search"], [method])
        tables.setdefault(parted(name)[0], []).append(table[table["stage"] == "search"])
    tasks = dict.fromkeys(task for study in studies.values() for task in study.preset.tasks)
    rows = []
    for corpus, found in tables.items():
        for task in tasks:
            own = pd.concat([table[table["task"] == task] for table in found])
            degenerate = own["degenerate"].astype(bool)
            hit = own[~degenerate & (own["share_prunable"].astype(float) < 1)]
            kept = {name: hit[f"share_{column}"].astype(float).mean() for name, column in SHARES.items()}
            counts = {"stored": len(own), "searched": len(hit), "degenerate": int(degenerate.sum())}
            counts["whole"] = counts["stored"] - counts["searched"] - counts["degenerate"]
            rows.append({"corpus": corpus, "task": task, "title": shown_task(task).title, **counts, **kept})
    return pd.DataFrame(rows, columns=["corpus", "task", "title", "stored", "searched", "degenerate", "whole", *SHARES])


SHARES = {"heads": "heads", "mlps": "mlps", "weights": "prunable"}
