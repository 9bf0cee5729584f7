"""The scorecard: the paper's claims against the authors' numbers and the runs made here, as a picture and a table."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lottery_utils.show.glue import listed
from lottery_utils.show.style import COLOURS, GRID, PUBLISHED, WIDTH, legend_below
from lottery_utils.show.tables import GAP, dressed

from .claims import CLAIMS, Claim
from .judge import Verdict

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

SHOWN = (-0.35, 1.15)  # the shares on the picture's axis; farther intervals end in an arrow
MARKS = {"supported": ("o", COLOURS["good"]), "undecided": ("o", "#6E6E6E"), "opposite": ("X", COLOURS["bad"])}
REGION = "#E7EEF5"
ROW = 0.43  # inches


def scorecard(columns: dict[str, list[Verdict]], published: tuple[str, ...] = ()) -> Figure:
    """A row a claim, a column a source: mean and 95 % interval over tasks, beside the region that supports the claim.

    `columns` are verdicts by title, each in the order of `CLAIMS`; those named in `published` are drawn as the
    paper's numbers are everywhere, never like ours.
    """
    figure = Figure(figsize=(WIDTH, ROW * len(CLAIMS) + 1.2), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for ax, (title, verdicts) in zip(panels, columns.items()):
        ax.set_title(title, fontsize=9)
        for row, verdict in enumerate(verdicts):
            _draw(ax, row, verdict, title in published)
        ax.set_xlim(*SHOWN)
        ax.set_xticks([0, 0.5, 1])
        ax.xaxis.grid(True, color=GRID, linewidth=0.6)
        ax.axvline(0, color="#8A8A8A", linewidth=0.8)
        ax.tick_params(axis="y", length=0)
    names = ["\n".join(textwrap.wrap(claim.text + (" †" if _chosen(claim) else ""), 44)) for claim in CLAIMS]
    panels[0].set_yticks(range(len(CLAIMS)), names, fontsize=7.5)
    panels[0].set_ylim(len(CLAIMS) - 0.5, -0.5)
    panels[len(panels) // 2].set_xlabel("share or difference of shares; agreement; correlation", fontsize=8)
    handles = [Patch(facecolor=REGION, label="supports the claim")]
    handles += [_handle(word) for word in MARKS]
    if published:
        handles.append(Line2D([], [], **_look("supported", True), label="the authors' numbers"))
    legend_below(figure, handles)
    return figure


def _draw(ax: Axes, row: int, verdict: Verdict, published: bool) -> None:
    if verdict.word == "not testable":
        ax.text(np.mean(SHOWN), row, "not testable", ha="center", va="center", fontsize=7, color="#6E6E6E")
        return
    low, high = max(verdict.claim.low, SHOWN[0]), min(verdict.claim.high, SHOWN[1])
    ax.fill_betweenx([row - 0.42, row + 0.42], low, high, color=REGION, linewidth=0, zorder=0)
    look = _look(verdict.word, published)
    ends = np.clip([verdict.effect.low, verdict.effect.high], *SHOWN)
    ax.plot(ends, [row, row], color=look["color"], linewidth=1.6, zorder=2, solid_capstyle="butt")
    beyond = verdict.effect.low < SHOWN[0], verdict.effect.high > SHOWN[1]
    for end, is_beyond, arrow in zip(ends, beyond, "<>"):
        if is_beyond:
            ax.plot(end, row, arrow, color=look["color"], markersize=4, clip_on=False, zorder=3)
    ax.plot(np.clip(verdict.effect.mean, *SHOWN), row, zorder=4, **look)


def _look(word: str, published: bool) -> dict:
    marker, colour = MARKS[word]
    if published:
        filled = {"color": PUBLISHED["edgecolor"], "marker": "D" if marker == "o" else marker}
        return {
            **filled,
            "linestyle": "",
            "markersize": 5,
            "markerfacecolor": "#B9B9B9" if word == "supported" else "white",
        }
    hollow = word == "undecided"
    face = {"markerfacecolor": "white"} if hollow else {}
    return {"color": colour, "marker": marker, "linestyle": "", "markersize": 6, **face}


def _handle(word: str) -> Line2D:
    text = {"supported": "supported", "undecided": "undecided", "opposite": "the opposite holds"}[word]
    return Line2D([], [], **_look(word, False), label=text)


def _chosen(claim: Claim) -> bool:
    return claim.key.endswith("_keeps")


def scorecard_table(columns: dict[str, list[Verdict]]) -> Styler:
    """Claim, what is measured, and for each source the verdict with mean, 95 % interval, corrected p and tasks."""
    rows = []
    for at, claim in enumerate(CLAIMS):
        row = {"claim": claim.text, "supported if": f"{claim.measure} {region(claim)}"}
        rows.append({**row, **{title: verdict_text(verdicts[at]) for title, verdicts in columns.items()}})
    caption = (
        "The claims in numbers: verdict, mean over tasks [95 % interval], p for either direction after Holm's "
        "correction over the claims that the column can test, and the number of tasks."
    )
    breaks = {"white-space": "normal", "min-width": "8em", "vertical-align": "top"}
    return dressed(pd.DataFrame(rows), caption, "scorecard", wrapped=True).set_properties(**breaks)


def remark_table() -> Styler:
    """How claims without a number of their own were read, and what limits the statistic."""
    rows = [{"claim": claim.text, "remark": claim.remark} for claim in CLAIMS if claim.remark]
    return dressed(pd.DataFrame(rows), "Remarks on single claims.", "scorecard-remarks", wrapped=True)


def region(claim: Claim) -> str:
    """The region that supports a claim, such as "above 0.9"."""
    if np.isinf(claim.high):
        return f"above {claim.low:g}"
    return f"below {claim.high:g}" if np.isinf(claim.low) else f"between {claim.low:g} and {claim.high:g}"


def verdict_text(verdict: Verdict) -> str:
    """A verdict as one line, such as "supported: 0.18 [0.11, 0.26], p = 0.004, 8 tasks"."""
    effect = verdict.effect
    if verdict.word == "not testable":
        tasks = f"{effect.tasks} task{'s' * (effect.tasks > 1)}"
        return f"not testable: {verdict.why}" + ("" if np.isnan(effect.mean) else f"; {effect.mean:.2f} on {tasks}")
    p = "p < 0.001" if effect.corrected < 0.001 else f"p = {effect.corrected:.3f}"
    return f"{verdict.word}: {effect.mean:.2f} [{effect.low:.2f}, {effect.high:.2f}], {p}, {effect.tasks} tasks"


def count_sentence(verdicts: list[Verdict]) -> str:
    """How many claims a source supports, leaves undecided, contradicts and cannot test."""
    words = ("supported", "undecided", "opposite", "not testable")
    counts = {word: sum(v.word == word for v in verdicts) for word in words}
    tested = len(verdicts) - counts["not testable"]
    if not tested:
        return f"none of the {len(verdicts)} claims can be tested"
    parts = [f"{counts['supported']} supported"]
    parts += [f"{counts['undecided']} undecided"] if counts["undecided"] else []
    parts += [f"for {counts['opposite']} the opposite holds"] if counts["opposite"] else []
    return f"of {len(verdicts)} claims {tested} can be tested: {listed(parts)}"


def named_sentence(verdicts: list[Verdict], word: str) -> str:
    """The claims with this verdict, in words; "none" when there is none."""
    return "; ".join(v.claim.text for v in verdicts if v.word == word) or GAP
