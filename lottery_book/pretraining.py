"""Does the lottery need a language? Scores of models pre-trained on different corpora, paired by task and seed.

The first of the questions that the paper left open. All differences are in points: 100 times the task's metric.
Seeds of a task are averaged, the tasks are the sample. A corpus may have been pre-trained on more than once, from other
first weights and texts: a `run`, paired as a seed is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from lottery_utils.experiment.study import Study
from lottery_utils.show.compute import here_or_above
from lottery_utils.show.effects import effect_table, forest
from lottery_utils.show.frames import RESULT, choose, joined, results
from lottery_utils.show.sentences import as_percent, earlier_clause
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.show.style import METHOD_NAMES

CORPORA = {  # the names of the models' folders, in words
    "language": "language",
    "shuffled": "shuffled words",
    "brackets": "brackets",
    "zipf": "Zipf noise",
    "none": "none",
}
WEIGHTS = "models/pretraining"  # in the repository: one folder per model
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
    places = {name: (pair[1], list(CORPORA).index(pair[0])) for name, pair in there.items() if pair}
    return sorted(places, key=places.get)


def pretraining_logs(folder: str | Path = WEIGHTS) -> dict[str, dict]:
    """What was written while pre-training, by model; those that are not at hand are left out."""
    paths = {name: here_or_above(folder) / name / "pretrain_log.json" for name in models_in(folder)}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}


def all_scores(studies: Mapping[str, Study], method: str = "structured") -> pd.DataFrame:
    """Scores of one method's path for each model: columns corpus, run and `frames.RESULT`.

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
    return joined(frames, ["corpus", "run", *RESULT])


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


def reach(studies: Mapping[str, Study], corpus: str, tasks: Iterable[str] = ()) -> tuple[int, int]:
    """How often the full model of a corpus beats the majority score, and how many there are; by default on all tasks.

    That is, how many searches of s-pruning had something to search, over runs and seeds, without the tasks `LEFT_OUT`.
    """
    tables = [study.table(["search"], ["structured"]) for name, study in studies.items() if parted(name)[0] == corpus]
    rows = pd.concat(tables)
    rows = rows[(rows["stage"] == "search") & ~rows["task"].isin(LEFT_OUT)]
    rows = rows[rows["task"].isin(list(tasks))] if tasks else rows
    return int((~rows["degenerate"].astype(bool)).sum()), len(rows)


def guessed(logs: Mapping[str, dict], corpus: str) -> str:
    """Which share of the masked words of held-out texts a corpus' models guess, mean over its runs."""
    shares = [log["held_out"]["masked_words"] for name, log in logs.items() if parted(name)[0] == corpus]
    return as_percent(np.mean(shares) if shares else None)


def provenance(studies: Iterable[Study]) -> str:
    """What the records of all models took, and of which version they are."""
    studies = list(studies)
    records = [record for study in studies for record in study.records()]
    earlier = set().union(*(study.earlier() for study in studies if study.stored))
    minutes = f"{sum(record['seconds'] for record in records) / 60:.0f} minutes on one thread"
    return "; ".join([minutes, *earlier_clause(sum(record["address"] in earlier for record in records), len(records))])


def start_and_lottery(gained: Mapping[str, Effect], lottery: Mapping[str, Mapping[tuple, Effect]]) -> Figure:
    """How far each full model is above the one without pre-training, and good subnetworks above bad ones.

    `gained` as from `gains`, `lottery` by method as from `within`.
    """
    panels = {"full model\nabove no pre-training": {CORPORA[corpus]: one for corpus, one in gained.items()}}
    for method, effects in lottery.items():
        title = f"{METHOD_NAMES[method]}, retrained:\ngood above bad"
        panels[title] = {CORPORA[corpus]: effects[corpus, what] for corpus, what in effects if what == GOOD_BAD}
    return forest(panels, "points", "pre-trained on", absent="\N{EN DASH}")


def lottery_table(lottery: Mapping[str, Mapping[tuple, Effect]]) -> Styler:
    """The differences between subnetworks within each pre-training, by method as from `within`."""
    effects = {
        (METHOD_NAMES[method], CORPORA[corpus], what): each
        for method, of_method in lottery.items()
        for (corpus, what), each in of_method.items()
    }
    caption = "The differences between subnetworks within each pre-training, in points."
    return effect_table(effects, caption, "pretraining-lottery", ("pruning", "pre-trained on", "difference"))
