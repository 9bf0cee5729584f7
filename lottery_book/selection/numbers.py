"""The numbers of the chapter on honest selection, short enough for a sentence, and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.effects import told
from lottery_utils.show.glue import as_percent, as_text
from lottery_utils.show.style import METHOD_NAMES, NAMES
from lottery_utils.show.tables import GAP, dressed, percent
from lottery_utils.tasks.hans import HEURISTICS

from .frames import CHOOSERS, Compared

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

NO_MASKS = "not searched"


def kept(compared: Compared, column: str) -> float:
    """Mean over tasks of "seen" or "unseen", a share of the full model's score on the same half."""
    return float(compared.half_scores.groupby("task")[column].mean().mean())


def kept_phrase(compared: Compared) -> str:
    """What subnetworks keep on the half that chose them and on the other."""
    return f"{as_percent(kept(compared, 'seen'))} against {as_percent(kept(compared, 'unseen'))}"


def effect_phrase(compared: Compared, name: str) -> str:
    """One of `Compared.effects` in words."""
    return told(compared.effects[name], pairs=False)


def likeness_phrase(alike: pd.DataFrame) -> str:
    """How alike the heads of two choosers' masks are, beside chance; `alike` as from `overlaps`."""
    heads = alike[alike["component"] == "head"] if len(alike) else alike
    if heads.empty:
        return NO_MASKS
    return f"{as_text(float(heads['jaccard'].mean()))}, by chance {as_text(float(heads['chance'].mean()))}"


def updates_phrase(compared: Compared, task: str = "stsb") -> str:
    """A full model's dev score and updates, trained on less and on all of train; means over seeds."""
    rows = compared.full_scores[compared.full_scores["task"] == task]
    if rows.empty:
        return "not in this run"
    mean = rows.mean(numeric_only=True)
    less = f"{mean['less']:.2f} after {mean['updates_less']:.0f} updates on fewer examples"
    return f"{less}, {mean['all']:.2f} after {mean['updates']:.0f} on all"


def halves_table(studies: Mapping[str, Compared]) -> Styler:
    """A row a study and task: scores on the half that chose and on the other, as shares of the full model's."""
    rows = []
    for name, compared in studies.items():
        for title, own in compared.half_scores.groupby("title", sort=False):
            seen, unseen = own["seen"].mean(), own["unseen"].mean()
            cells = {"measured on": name.partition(",")[0], "task": title, "chose the mask": f"{100 * seen:.1f} %"}
            cells |= {"other half": f"{100 * unseen:.1f} %", "difference": f"{100 * (seen - unseen):+.1f}"}
            rows.append(cells | {"weights kept": percent(own["weights"].mean(), np.nan)})
    caption = "Scores of good subnetworks as shares of the full model's on the same half; means over seeds and halves."
    return dressed(pd.DataFrame(rows or [{"task": GAP, "chose the mask": NO_MASKS}]), caption, "selection-halves")


def held_table(studies: Mapping[str, Compared]) -> Styler:
    """A row a study and task: good subnetworks of each chooser, and full models trained on all of train and on less."""
    rows = []
    for name, compared in studies.items():
        for title, own in compared.chosen.groupby("title", sort=False):
            means = own.groupby("chooser")[["good", "weights"]].mean().reindex(list(CHOOSERS))
            full = compared.full_scores[compared.full_scores["title"] == title]
            cells = {"measured on": name.partition(",")[0], "task": title}
            cells |= {f"good, {chooser}": percent(means.loc[chooser, "good"], np.nan) for chooser in CHOOSERS}
            cells |= {f"weights, {chooser}": percent(means.loc[chooser, "weights"], np.nan) for chooser in CHOOSERS}
            rows.append(cells | {f"full, {c} of train": _score(full[n]) for n, c in (("all", "all"), ("less", "less"))})
    caption = (
        "Masks chosen on dev and held out: the good ones' dev score as a share of the full model's, weights kept, "
    )
    caption += "and the full model's own dev score, trained on all of train and without the held-out examples."
    return dressed(pd.DataFrame(rows or [{"task": GAP, "good, dev": NO_MASKS}]), caption, "selection-chosen")


def hans_table(found: pd.DataFrame) -> Styler | None:
    """A row a network of MNLI: accuracy on HANS, by label and by heuristic, means over seeds; None without HANS."""
    rows = []
    for (method, subnetwork, how), own in found.groupby(["method", "subnetwork", "treatment"], sort=False):
        cells = {"pruning": METHOD_NAMES.get(method, ""), "model": NAMES[subnetwork], "": "" if how == "full" else how}
        cells |= {"HANS": own["score"].mean(), "entailment": own["entailment"].mean()}
        cells |= {"non-entailment": own["non_entailment"].mean()}
        cells |= {heuristic.replace("_", " "): own[heuristic].mean() for heuristic in HEURISTICS}
        rows.append({key: f"{value:.3f}" if isinstance(value, float) else value for key, value in cells.items()})
    caption = "Out of distribution: accuracy on HANS, whose examples punish a model that trusts word overlap. "
    caption += "Two classes, entailment against neutral or contradiction; means over seeds."
    return dressed(pd.DataFrame(rows), caption, "hans") if rows else None


def _score(values: pd.Series) -> str:
    return f"{values.mean():.3f}" if len(values) else GAP
