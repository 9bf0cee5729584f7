"""Tables of the chapter on pre-training without language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show import effects as shown
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import NAMES
from lottery_utils.show.tables import GAP, dressed, percent

from .figures import CORPUS_NAMES
from .frames import BAD, FULL, GOOD, RANDOM, parted
from .text import records_of

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from lottery_utils.experiment.study import Study


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
                "tokens": f"{log['tokens']:,}",
                "masked words": f"{log['masked']:,}",
                "held-out accuracy": f"{held['masked_words']:.3f}" if held else GAP,
                "held-out loss (nats)": f"{held['masked_words_loss']:.2f}" if held else GAP,
                "CPU time": f"{log['cpu_seconds'] / 60:.1f} min" if log["step"] else GAP,
            }
        )
    caption = "The budget of each pre-training, and how well it then guesses masked words of its own corpus."
    return dressed(pd.DataFrame(rows), caption, "pretraining-budget")


def score_table(frame: pd.DataFrame) -> Styler:
    """A row a corpus and model, a column a task: mean ± sample deviation over runs and seeds."""
    named = {FULL: "full model", GOOD: "good, retrained", RANDOM: "random, retrained", BAD: "bad, retrained"}
    named |= {(name, "pruned"): f"{name}, pruned" for name in ("good", "random", "bad")}
    titles = frame.drop_duplicates("task").set_index("task")["title"]
    rows = []
    for corpus in dict.fromkeys(frame["corpus"]):
        for (subnetwork, treatment), name in named.items():
            own = frame[(frame["corpus"] == corpus) & (frame["subnetwork"] == subnetwork)]
            scores = own[own["treatment"] == treatment].groupby("task")["score"]
            cells = {titles[task]: _spread(values) for task, values in scores}
            rows.append({"pre-trained on": CORPUS_NAMES[corpus], "model": name, **cells})
    columns = ["pre-trained on", "model", *titles]
    caption = (
        "Dev scores, mean ± sample deviation over runs of pre-training and seeds. Means of subnetworks are over those "
        "that were searched; a gap: there was nothing to search."
    )
    return dressed(pd.DataFrame(rows, columns=columns), caption, "pretraining-scores")


def _spread(values: pd.Series) -> str:
    return f"{values.mean():.3f}" + (f" ± {values.std():.3f}" if len(values) > 1 else "")


def provenance_table(studies: Mapping[str, Study]) -> Styler:
    """What the records were computed on: one table for all models."""
    first = next(iter(studies.values())).provenance()
    found = {name: records_of(study) for name, study in studies.items()}
    prints = {name: own[0]["inputs"]["model"][:12] for name, own in found.items() if own}
    records = [record for own in found.values() for record in own]
    dates = sorted(record[key][:16].replace("T", " ") for record in records for key in ("started", "ended"))
    rows = {
        "preset": first["preset"],
        "models": ", ".join(f"{name} ({value})" for name, value in prints.items()),
        "cells": f"{len(records)} stored, {sum(record['seconds'] for record in records):,.0f} s of computing in all",
        "device": "; ".join(dict.fromkeys(record["device"] for record in records)),
        "computed": f"{dates[0]} to {dates[-1]} UTC" if dates else GAP,
        "versions": ", ".join(f"{name} {' and '.join(v)}" for name, v in first["versions"].items()),
        "commit": ", ".join(dict.fromkeys(_commit(record) for record in records)),
    }
    frame = pd.DataFrame({"": list(rows), "this run": list(rows.values())})
    caption = "What the numbers of this chapter were computed on; models with the first digits of their fingerprints."
    return dressed(frame, caption, "pretraining-provenance", wrapped=True)


def effect_table(effects: Mapping[tuple, Effect], caption: str, name: str) -> Styler:
    """`effects.effect_table` with the names of pre-trainings and subnetworks."""
    named = {(CORPUS_NAMES[key[0]], NAMES.get(key[-1], key[-1]) if key[1:] else NAMES["full"]): one
             for key, one in effects.items()}
    return shown.effect_table(named, caption, name, ("pre-trained on", ""))


def coverage_table(found: pd.DataFrame, before: str = "", name: str = "pretraining-coverage") -> Styler:
    """How many runs and seeds of each task were searched, and what the good subnetworks keep on average over tasks.

    `before` begins the caption.
    """
    rows = []
    for corpus, own in found.groupby("corpus", sort=False):
        cells = {row.title: f"{row.searched} of {row.stored}" if row.stored else GAP for row in own.itertuples()}
        kept = {title: percent(own[column].mean(), np.nan) for column, title in
                (("heads", "heads kept"), ("mlps", "MLPs kept"), ("weights", "weights kept"))
                if found[column].notna().any()}
        rows.append({"pre-trained on": CORPUS_NAMES[corpus], **cells, **kept})
    caption = before + (
        "Runs and seeds with good, random and bad subnetworks: the full model beats the majority score, and the search "
        "can remove something; and what these good subnetworks keep, mean over tasks."
    )
    return dressed(pd.DataFrame(rows), caption, name)


def _commit(record: dict) -> str:
    return (record["commit"] or GAP)[:10] + (" with changes" if record["dirty"] else "")
