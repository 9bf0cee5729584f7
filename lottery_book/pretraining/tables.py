"""Tables of the chapter on pre-training without language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.effects import interval, p_value, signed
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

from .figures import CORPUS_NAMES
from .frames import parted

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

SHORT = {"bad retrained above bad pruned": "bad: retraining"}


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
    rows = [
        {
            "pruning": METHOD_NAMES[method],
            "pre-trained on": CORPUS_NAMES[corpus],
            "difference": SHORT.get(what, what),
            "points": signed(effect.mean),
            "95 % interval": interval(effect.low, effect.high),
            "p (Holm)": p_value(effect.corrected),
            "tasks above 0": f"{effect.wins} of {effect.tasks}" if effect.tasks else GAP,
            "verdict": effect.word,
        }
        for method, of_method in effects.items()
        for (corpus, what), effect in of_method.items()
    ]
    caption = (
        "The differences between subnetworks within each pre-training. The third of each are bad subnetworks, "
        "retrained, above the same ones merely pruned."
    )
    return dressed(pd.DataFrame(rows), caption, "pretraining-lottery")
