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

from .names import CORPORA

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

STAGES = ("finetune", "search", "score", "retrain")
LEFT_OUT = ("wnli",)  # its dev labels contradict its train labels: who learns more scores less
FULL, GOOD, RANDOM, BAD = ("full", "full"), ("good", "retrained"), ("random", "retrained"), ("bad", "retrained")
GOOD_BAD = "good above bad"
WITHIN = {
    "good above random": (GOOD, RANDOM),
    GOOD_BAD: (GOOD, BAD),
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


def difference(frame: pd.DataFrame, first: str, second: str) -> Effect:
    """How far the full models of one pre-training are above those of another, judged alone."""
    return effect(points(frame, first, FULL) - points(frame, second, FULL))


def gains(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[str, Effect]:
    """How far each pre-training's full model is above the one without, by corpus."""
    return corrected({corpus: difference(frame, corpus, "none") for corpus in corpora if corpus != "none"})


def within(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[tuple, Effect]:
    """The lottery of each pre-training: keys (corpus, name of `WITHIN`)."""
    return corrected({(c, name): effect(_gap(frame, c, pair)) for c in corpora for name, pair in WITHIN.items()})


def _gap(frame: pd.DataFrame, corpus: str, pair: tuple) -> pd.Series:
    return points(frame, corpus, pair[0]) - points(frame, corpus, pair[1])


def coverage(studies: Mapping[str, Study], method: str = "structured") -> pd.DataFrame:
    """One row a corpus and task: searches stored, of these degenerate, without result (`whole`: nothing was removed)
    and with one (`searched`).

    Columns corpus, task, stored, searched, degenerate, whole.
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
            counts = {"stored": len(own), "searched": len(hit), "degenerate": int(degenerate.sum())}
            counts["whole"] = counts["stored"] - counts["searched"] - counts["degenerate"]
            rows.append({"corpus": corpus, "task": task, **counts})
    return pd.DataFrame(rows, columns=["corpus", "task", "stored", "searched", "degenerate", "whole"])
