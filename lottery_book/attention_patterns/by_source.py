"""Chapter 9: how much heterogeneous attention survivors have, published, in the real study and in this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.effects import interval, signed
from lottery_utils.show.glue import as_percent
from lottery_utils.show.style import COLOURS, GRID, WIDTH, framed, legend_below
from lottery_utils.show.tables import GAP, dressed
from lottery_utils.tasks.registry import shown_task

from .. import published
from ..side_by_side import say_empty
from ..sources import NO_RECORD, PUBLISHED, Source
from .frames import pattern_counts, pattern_shares, readings
from .rules import KINDS, WEIGHTS
from .survival import Correlation, correlate, head_shares

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

SHARES = ("weights", "heads", "kind", "task", "title", "pattern", "share")
OF_CONDITION = {  # the published conditions: weights, heads (the authors cut the model)
    f"{weights}, {said}": (weights, heads)
    for weights in WEIGHTS
    for said, heads in (("all heads", "all"), ("super-survivors", "super, cut"))
}
MARKS = {"all": ("all heads", "white"), "super, cut": ("super-survivors, all else cut", COLOURS["super"])}
CHOICES = {  # label: what survives, the unit, whether heads are compared within their layer
    "good, by head": ("good", "head", False),
    "good, by head of a layer": ("good", "head", True),
    "super-survivor, by head": ("super", "head", False),
    "super-survivor, by map": ("super", "map", False),
}
PATTERN = "heterogeneous"


def shares_of(source: Source) -> pd.DataFrame:
    """Share of each type of attention, mean over seeds: columns `SHARES`, one row a task, condition and type."""
    if source.kind == PUBLISHED:
        rows = published.attention_shares().rename(columns={"attention": "kind"})
        pairs = rows["condition"].map(OF_CONDITION)
        return rows.assign(weights=pairs.str[0], heads=pairs.str[1])[list(SHARES)]
    if source.study is None:
        return pd.DataFrame(columns=list(SHARES))
    return pattern_shares(pattern_counts(readings(source.study)))[list(SHARES)]


def heterogeneous(tables: Mapping[Source, pd.DataFrame], kind: str, weights: Sequence[str] = WEIGHTS[:1]) -> Figure:
    """Share of heterogeneous maps by task, all heads and super-survivors: a column a source, a row fine-tuned or not.

    `kind` is "raw" or "normed". (The paper's attention figure, b and c, and its appendix.)
    """
    figure = Figure(figsize=(WIDTH, 0.6 + 2.0 * len(weights)), layout="constrained")
    grid = figure.subplots(len(weights), len(tables), squeeze=False)
    for axes, weight in zip(grid, weights, strict=True):
        for ax, (source, table) in zip(axes, tables.items(), strict=True):
            chosen = (table["weights"] == weight) & (table["kind"] == kind) & (table["pattern"] == PATTERN)
            _dots(ax, table[chosen], source)
            framed(ax, source.kind, f"{source.name}\n{weight}, {kind}")
    look = {"marker": "o", "linestyle": "", "color": COLOURS["super"], "markersize": 5}
    legend_below(figure, [Line2D([], [], **look, markerfacecolor=face, label=text) for text, face in MARKS.values()])
    return figure


def mean_heterogeneous(table: pd.DataFrame, heads: str, kind: str = "raw") -> str:
    """The mean over tasks of the share of heterogeneous maps in fine-tuned models."""
    return _mean_share(table, heads, kind, PATTERN)


def false_blocks(table: pd.DataFrame, kind: str) -> str:
    """How often a single sentence, which cannot be divided into blocks, is called block: an error of the classifier."""
    single = [name for name in table["task"].unique() if len(shown_task(name).columns) == 1]
    return _mean_share(table[table["task"].isin(single)], "all", kind, "block")


def _mean_share(table: pd.DataFrame, heads: str, kind: str, pattern: str) -> str:
    chosen = {"weights": WEIGHTS[0], "heads": heads, "kind": kind, "pattern": pattern}
    share = table.loc[(table[list(chosen)] == list(chosen.values())).all(axis=1), "share"]
    return as_percent(share.mean()) if len(share) else NO_RECORD


def correlations(source: Source) -> dict[str, Correlation]:
    """Correlations of heterogeneous attention with survival for both kinds and all `CHOICES`, by label."""
    shares = head_shares(source.study, readings(source.study))
    return {
        f"{kind}: {label}": correlate(shares[shares["kind"] == kind], *choice)
        for kind in KINDS
        for label, choice in CHOICES.items()
    }


def published_correlations() -> dict[str, float]:
    """The paper's r by the label of our row that is counted as theirs was."""
    numbers = published.text_numbers()
    return {f"{kind}: super-survivor, by map": numbers[f"heterogeneous_survival_r_{kind}"] for kind in KINDS}


def correlation_table(ours: Mapping[str, Correlation], printed: Mapping[str, float]) -> Styler:
    """r with its clustered interval and the number of observations, and the published r where one is comparable."""
    rows = [
        {
            "attention: survival, unit": label,
            "r": signed(each.r, 2),
            "95 % interval": interval(each.low, each.high, 2),
            "observations": f"{each.observations:,}" if each.observations else GAP,
            "published r": signed(printed.get(label, np.nan), 3),
        }
        for label, each in ours.items()
    ]
    caption = "Heterogeneous attention and survival in this run, Pearson's r. The last column is the paper's."
    return dressed(pd.DataFrame(rows), caption, "pattern-survival")


def told(correlation: Correlation) -> str:
    """r with its interval: "−0.21 (95 % interval −0.35 to −0.07)"."""
    if np.isnan(correlation.r):
        return NO_RECORD
    limits = interval(correlation.low, correlation.high, 2)
    return signed(correlation.r, 2) + ("" if limits == GAP else f" (95 % interval {limits})")


def _dots(ax: Axes, rows: pd.DataFrame, source: Source) -> None:
    """One panel of `heterogeneous`: a row a task."""
    if rows.empty:
        say_empty(ax, source)
        return
    rows = rows.assign(title=rows["title"].str.removesuffix(" (partial)"))
    for heads, (_, face) in MARKS.items():
        look = {"color": COLOURS["super"], "markerfacecolor": face, "marker": "o", "linestyle": "none", "markersize": 5}
        own = rows[rows["heads"] == heads]
        sns.pointplot(own, x="share", y="title", order=rows["title"].unique(), errorbar=None, ax=ax, **look)
    ax.set(xlim=(0, 1), ylabel="")
    ax.set_xlabel("share of maps", fontsize=8)
    ax.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="y", length=0, labelsize=7)
