"""Does the lottery need a language? Scores of models pre-trained on different corpora, paired by task and seed.

The first of the questions that the paper left open. All differences are in points: 100 times the task's metric.
Seeds of a task are averaged, the tasks are the sample. A corpus may have been pre-trained on more than once, from other
first weights and texts: a `run`, paired as a seed is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.show.scores import RESULT, choose, results
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.show.stored import here_or_above

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

CORPORA = ("language", "shuffled", "brackets", "zipf", "none")  # by the names of the models' folders
WEIGHTS = "models/pretraining"  # in the repository: a folder a model
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


def models_in(folder: str | Path = WEIGHTS) -> list[str]:
    """Names of the pre-trained models in a folder: first runs of all corpora, then the second ones."""
    there = {path.parent.name: parted(path.parent.name) for path in here_or_above(folder).glob("*/config.json")}
    places = {name: (pair[1], CORPORA.index(pair[0])) for name, pair in there.items() if pair}
    return sorted(places, key=places.get)


def pretraining_logs(folder: str | Path = WEIGHTS) -> dict[str, dict]:
    """What was written while pre-training, by model; those that are not at hand are left out."""
    paths = {name: here_or_above(folder) / name / "pretrain_log.json" for name in models_in(folder)}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}


def by_model(studies: Iterable[Study]) -> dict[str, Study]:
    """The studies by the names of their models' folders."""
    return {study.preset.model.rpartition("/")[2]: study for study in studies}


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
    rows = choose(frame[(frame["corpus"] == corpus) & ~frame["task"].isin(LEFT_OUT)], "", *condition)
    return 100 * rows.set_index(["task", "run", "seed"])["score"].astype(float)


def difference(frame: pd.DataFrame, first: str, second: str) -> Effect:
    """How far the full models of one pre-training are above those of another, judged alone."""
    return effect(points(frame, first, FULL) - points(frame, second, FULL))


def gains(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[str, Effect]:
    """How far each pre-training's full model is above the one without, by corpus."""
    return corrected({corpus: difference(frame, corpus, "none") for corpus in corpora if corpus != "none"})


def within(frame: pd.DataFrame, corpora: Iterable[str]) -> dict[tuple, Effect]:
    """The lottery of each pre-training: keys (corpus, name of `WITHIN`)."""
    gaps = {
        (corpus, name): points(frame, corpus, one) - points(frame, corpus, other)
        for corpus in corpora
        for name, (one, other) in WITHIN.items()
    }
    return corrected({key: effect(gap) for key, gap in gaps.items()})


def coverage(studies: Mapping[str, Study], method: str = "structured") -> pd.DataFrame:
    """One row a corpus and task: searches stored, of these degenerate, without result (`whole`: nothing was removed)
    and with one (`searched`).

    Columns corpus, task, stored, searched, degenerate, whole.
    """
    tables = [study.table(["search"], [method]).assign(corpus=parted(name)[0]) for name, study in studies.items()]
    table = pd.concat([table[table["stage"] == "search"] for table in tables])
    table["degenerate"] = table["degenerate"].astype(bool)
    table["searched"] = ~table["degenerate"] & (table["share_prunable"].astype(float) < 1)
    groups = table.groupby(["corpus", "task"])
    counts = groups[["searched", "degenerate"]].sum().assign(stored=groups.size())
    tasks = dict.fromkeys(task for study in studies.values() for task in study.preset.tasks)
    corpora = dict.fromkeys(parted(name)[0] for name in studies)
    every = pd.MultiIndex.from_product([corpora, tasks], names=["corpus", "task"])
    counts = counts.reindex(every, fill_value=0).astype(int)
    return counts.assign(whole=counts["stored"] - counts["searched"] - counts["degenerate"]).reset_index()
