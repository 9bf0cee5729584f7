"""The numbers and tables of the chapter on pre-training without language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell
from lottery_utils.show.effects import effect_table
from lottery_utils.show.glue import as_percent
from lottery_utils.show.sentences import earlier_clause
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

from .figures import CORPUS_NAMES
from .frames import LEFT_OUT, STAGES, parted

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from lottery_utils.experiment.study import Study

SHORT = {"bad retrained above bad pruned": "bad: retraining"}
LOTTERY = ("points", "95 % interval", "p (Holm)", "tasks above 0", "verdict")


def reach(found: pd.DataFrame, corpus: str) -> str:
    """How often the full model of a corpus beats the majority score; `found` as from `frames.coverage`."""
    rows = found[(found["corpus"] == corpus) & ~found["task"].isin(LEFT_OUT)]
    return f"{rows['stored'].sum() - rows['degenerate'].sum()} of {rows['stored'].sum()}"


def guessed(logs: Mapping[str, dict], corpus: str) -> str:
    """Which share of the masked words of held-out texts a corpus' models guess, mean over its runs."""
    shares = [log["held_out"]["masked_words"] for name, log in logs.items() if parted(name)[0] == corpus]
    return as_percent(np.mean(shares) if shares else None)


def provenance(studies: Mapping[str, Study]) -> str:
    """What the records of all models took, and of which version they are."""
    seconds, earlier = 0.0, []
    for study in studies.values():
        for cell in study.cells([*STAGES, "control"]):
            record = None if cell.stage == "baseline" else study.record(cell)
            if record is not None:
                seconds += record["seconds"]
                earlier.append(study.is_earlier(Cell(**record["cell"])))
    return "; ".join([f"{seconds / 60:.0f} minutes on one thread", *earlier_clause(sum(earlier), len(earlier))])


def budget_table(logs: Mapping[str, dict]) -> Styler:
    """What each pre-training was given, and what it learned of its own corpus."""
    rows = []
    for name, log in logs.items():
        held = log["held_out"]
        rows.append(
            {
                "pre-trained on": CORPUS_NAMES[parted(name)[0]],
                "run": str(parted(name)[1]),
                "steps": f"{log['step']:,}",
                "texts": f"{log['texts']:,}",
                "accuracy": f"{held['masked_words']:.3f}" if held else GAP,
                "loss (nats)": f"{held['masked_words_loss']:.2f}" if held else GAP,
                "CPU minutes": f"{log['cpu_seconds'] / 60:.1f}" if log["step"] else GAP,
            }
        )
    caption = "The budget of each pre-training, and how well it guesses masked words of its corpus in texts held out."
    return dressed(pd.DataFrame(rows), caption, "pretraining-budget")


def score_table(scores: pd.DataFrame, searched: Mapping[str, pd.DataFrame]) -> Styler:
    """A row a task, a column a corpus: the full model's mean score, and how many of its searches had a result.

    `scores` as from `frames.all_scores`, `searched` by method as from `frames.coverage`.
    """
    means = scores[scores["subnetwork"].isin(["full", "majority"])].groupby(["task", "subnetwork", "corpus"])["score"]
    means, titles = means.mean(), scores.drop_duplicates("task").set_index("task")["title"]
    counts = [found.set_index(["task", "corpus"]) for found in searched.values()]
    rows = []
    for task, title in titles.items():
        row = {"task": title, "majority": f"{means[task, 'majority'].mean():.3f}"}
        for corpus in dict.fromkeys(scores["corpus"]):
            score = means.get((task, "full", corpus), np.nan)
            of_methods = [found.loc[(task, corpus)] for found in counts if (task, corpus) in found.index]
            tried = ", ".join(f"{one['searched']}/{one['stored']}" for one in of_methods)
            row[CORPUS_NAMES[corpus]] = GAP if np.isnan(score) else f"{score:.3f} ({tried})"
        rows.append(row)
    caption = (
        "Dev scores of the full models, mean over runs and seeds; in brackets how many searches of s-pruning and of "
        "m-pruning had a result. The others had nothing to search, or could remove nothing."
    )
    return dressed(pd.DataFrame(rows), caption, "pretraining-scores")


def lottery_table(effects: Mapping[str, Mapping[tuple, Effect]]) -> Styler:
    """The differences between subnetworks within each pre-training; `effects` by method as from `frames.within`."""
    flat = {
        (METHOD_NAMES[method], CORPUS_NAMES[corpus], SHORT.get(what, what)): effect
        for method, of_method in effects.items()
        for (corpus, what), effect in of_method.items()
    }
    caption = (
        "The differences between subnetworks within each pre-training. The third of each are bad subnetworks, "
        "retrained, above the same ones merely pruned."
    )
    rows = ("pruning", "pre-trained on", "difference")
    return effect_table(flat, caption, "pretraining-lottery", rows, columns=LOTTERY)
