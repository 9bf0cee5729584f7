"""The numbers of the chapter on honest selection, short enough for a sentence, and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.show.glue import as_percent, as_text
from lottery_utils.show.style import METHOD_NAMES, NAMES
from lottery_utils.show.tables import dressed

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
    heads = {"seen": "chose the mask", "unseen": "other half", "difference": "difference", "weights": "weights kept"}
    frames = {}
    for name, compared in studies.items():
        means = compared.half_scores.groupby("title", sort=False)[["seen", "unseen", "weights"]].mean()
        means = means.assign(difference=100 * (means["seen"] - means["unseen"]))
        frames[name] = means[list(heads)].rename(columns=heads)
    formats = dict.fromkeys(("chose the mask", "other half"), lambda share: f"{100 * share:.1f} %")
    formats |= {"difference": "{:+.1f}", "weights kept": as_percent}
    caption = "Scores of good subnetworks as shares of the full model's on the same half; means over seeds and halves."
    return dressed(_joined(frames), caption, "selection-halves", formats=formats)


def held_table(studies: Mapping[str, Compared]) -> Styler:
    """A row a study and task: good subnetworks of each chooser, and full models trained on all of train and on less."""
    shares = {f"{value}, {chooser}": (value, chooser) for value in ("good", "weights") for chooser in CHOOSERS}
    heads = {"all": "full, all of train", "less": "full, less of train"}
    frames = {}
    for name, compared in studies.items():
        means = compared.chosen.groupby(["title", "chooser"], sort=False)[["good", "weights"]].mean().unstack("chooser")
        means = means.reindex(columns=list(shares.values())).set_axis(list(shares), axis=1)
        full = compared.full_scores.groupby("title")[list(heads)].mean().rename(columns=heads)
        frames[name] = means.join(full)
    formats = dict.fromkeys(shares, as_percent) | dict.fromkeys(heads.values(), "{:.3f}")
    caption = (
        "Masks chosen on dev and held out: the good ones' dev score as a share of the full model's, weights kept, "
        "and the full model's own dev score, trained on all of train and without the held-out examples."
    )
    return dressed(_joined(frames), caption, "selection-chosen", formats=formats)


def _joined(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Frames with a row a task, of several studies, in one, with the studies' names; or that there is none."""
    there = {name.partition(",")[0]: frame for name, frame in frames.items() if len(frame)}
    if not there:
        return pd.DataFrame({"measured on": [NO_MASKS]})
    return pd.concat(there, names=["measured on", "task"]).reset_index()


def hans_table(found: pd.DataFrame) -> Styler | None:
    """A row a network of MNLI: accuracy on HANS, by label and by heuristic, means over seeds; None without HANS."""
    if found.empty:
        return None
    keys, heads = ["method", "subnetwork", "treatment"], {"score": "HANS", "non_entailment": "non-entailment"}
    means = found.drop(columns="seed").groupby(keys, sort=False).mean().rename(columns=heads)
    means = means.rename(columns=lambda name: name.replace("_", " "))
    formats = dict.fromkeys(means, "{:.3f}")
    frame = means.reset_index().rename(columns={"method": "pruning", "subnetwork": "model", "treatment": ""})
    frame = frame.replace({"pruning": METHOD_NAMES, "model": NAMES, "": {"full": ""}})
    caption = "Out of distribution: accuracy on HANS, whose examples punish a model that trusts word overlap. "
    caption += "Two classes, entailment against neutral or contradiction; means over seeds."
    return dressed(frame, caption, "hans", formats=formats)
