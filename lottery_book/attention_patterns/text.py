"""Table and sentences about attention patterns; the words follow from the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.glue import as_percent, listed
from lottery_utils.show.tables import GAP, dressed
from lottery_utils.tasks.registry import shown_task

from .frames import Reading, macro_f1
from .names import KINDS, PATTERNS
from .survival import Correlation, correlate

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from lottery_utils.experiment.study import Study

CHOICES = {  # label: what survives, the unit, whether heads are compared within their layer
    "good, by head": ("good", "head", False),
    "good, by head of a layer": ("good", "head", True),
    "super-survivor, by head": ("super", "head", False),
    "super-survivor, by map": ("super", "map", False),
}


def all_correlations(shares: pd.DataFrame) -> dict[str, Correlation]:
    """Correlations of heterogeneous attention with survival for both kinds and all `CHOICES`, by label."""
    return {
        f"{kind}: {label}": correlate(shares[shares["kind"] == kind], *choice)
        for kind in KINDS
        for label, choice in CHOICES.items()
    }


def published_correlations(numbers: dict[str, float]) -> dict[str, float]:
    """The paper's r by the label of our row that is counted as theirs was; `numbers` from `published.text_numbers`."""
    return {f"{kind}: super-survivor, by map": numbers[f"heterogeneous_survival_r_{kind}"] for kind in KINDS}


def correlation_table(found: dict[str, Correlation], published: dict[str, float]) -> Styler:
    """r with both intervals and the number of observations, and the published r where one is comparable."""
    rows = [
        {
            "attention: survival, unit": label,
            "r": _number(one.r),
            "clustered 95 % interval": _interval(one.low, one.high),
            "as if independent": _interval(one.naive_low, one.naive_high),
            "observations": f"{one.observations:,}" if one.observations else GAP,
            "published r": _number(published.get(label, np.nan), 3),
        }
        for label, one in found.items()
    ]
    caption = "Heterogeneous attention and survival, Pearson's r. The last column is the paper's."
    return dressed(pd.DataFrame(rows), caption, "pattern-survival")


def correlation_sentence(one: Correlation) -> str:
    """What r and its clustered interval say, in words."""
    if np.isnan(one.r):
        return "This run cannot say: there are no patterns of a searched model, or they do not vary."
    if np.isnan(one.low):
        return f"r is {one.r:+.2f}; with so little data there is no interval."
    text = f"r is {one.r:+.2f}, 95 % interval {one.low:+.2f} to {one.high:+.2f} (drawing {one.over} anew)"
    if one.low > 0:
        return f"Heads with more heterogeneous attention survive more often here: {text}."
    if one.high < 0:
        return f"Heads with more heterogeneous attention survive less often here: {text}."
    return f"This run does not show that heterogeneous heads survive more, or less, often: {text}."


def examples_sentence(study: Study, found: list[Reading]) -> str:
    """How many examples were read, and for which tasks none or only few were long enough."""
    if not found:
        return "No attention patterns are stored yet."
    preset = study.preset
    text = (
        f"Each task and seed has up to {preset.attention_examples} dev examples, drawn at random from those of "
        f"{preset.attention_min_tokens} to {preset.attention_max_tokens} tokens"
    )
    few = {one.title: len(one.arrays["rows"]) for one in found if len(one.arrays["rows"]) < preset.attention_examples}
    if few:
        text += f"; there are fewer for {listed([f'{title} ({n})' for title, n in few.items()])}"
    gaps = [one.title for one in found if one.survivors is None]
    missing = [shown_task(task).title for task in preset.tasks if task not in {one.task for one in found}]
    if gaps:
        text += f"; {listed(list(dict.fromkeys(gaps)))} has no super-survivors, as its full model was not searched"
    if missing:
        text += f"; {listed(missing)}: not computed"
    return text + "."


def f1_sentence(found: dict[tuple[str, str], np.ndarray], numbers: dict[str, float]) -> str:
    """F1 of the classifiers here and the published one, which is about other maps and labels."""
    if not found:
        return "No classifier has been trained yet."
    parts = [f"{macro_f1(counts):.2f} on {kind} maps {test}" for (kind, test), counts in found.items()]
    theirs = [f"{numbers[f'pattern_f1_{kind}']:.2f} ({kind})" for kind in KINDS]
    return (
        f"Macro F1 on held-out maps drawn by rule: {listed(parts)}. The paper reports {listed(theirs)} on maps "
        "labelled by people, on the set by which the network was chosen; the numbers are not about the same thing."
    )


def false_block_sentence(shares: pd.DataFrame) -> str:
    """How often single sentences, which have no second one to be divided from, are called block all the same."""
    tasks = {name: shown_task(name) for name in shares["task"].unique()}
    single = [name for name, task in tasks.items() if len(task.columns) == 1]
    rows = shares[shares["task"].isin(single) & (shares["heads"] == "all") & (shares["weights"] == "fine-tuned")]
    if rows.empty:
        return "With single sentences one could tell how often a map is called block wrongly; this run has none."
    blocks = rows[rows["pattern"] == "block"]
    said = listed([f"{as_percent(blocks[blocks['kind'] == kind]['share'].mean())} ({kind})" for kind in KINDS])
    return (
        "A single sentence has nothing to be divided into blocks, so what is called block on "
        f"{listed(list(dict.fromkeys(rows['title'])))} is mostly an error, here {said} of all maps: "
        "that far may shares be off."
    )


def share_sentence(shares: pd.DataFrame, weights: str = "fine-tuned") -> str:
    """The most frequent type of all heads, and the type in which super-survivors differ most, raw and normed."""
    parts = []
    for kind in KINDS:
        means = {
            key: rows.groupby("pattern")["share"].mean().reindex(PATTERNS, fill_value=0.0)
            for key, rows in shares[shares["kind"] == kind].groupby(["weights", "heads"], sort=False)
        }
        if (weights, "all") not in means:
            continue
        whole = means[weights, "all"]
        text = f"Of the {kind} maps of all heads {as_percent(whole.max())} are {whole.idxmax()}"
        if (weights, "super") in means:
            apart = means[weights, "super"] - whole
            most = apart.abs().idxmax()
            text += f"; among super-survivors {most} is at {as_percent(whole[most] + apart[most])} instead of "
            text += as_percent(whole[most])
        parts.append(text + ".")
    return " ".join(parts) or "There are no patterns to describe."


def _number(value: float, places: int = 2) -> str:
    return GAP if np.isnan(value) else f"{value:+.{places}f}"


def _interval(low: float, high: float) -> str:
    return GAP if np.isnan(low) or np.isnan(high) else f"{low:+.2f} to {high:+.2f}"
