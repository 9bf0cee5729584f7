"""Chapters 7 and 8: how alike seeds' masks are, and what tasks share, beside what chance would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.heatmaps import colour_bar
from lottery_utils.show.style import COLOURS, GAP, GRID, WIDTH, framed, legend_below

from ..side_by_side import say_empty
from ..sources import Source

KINDS = {"head": "heads", "mlp": "MLPs"}
EXCESS_MAP = LinearSegmentedColormap.from_list("excess", ("#D58791", "#F6F6F2", "#7FA6CC"))
MEAN = {"color": COLOURS["good"], "marker": "D", "markersize": 5, "linestyle": "none"}
CHANCE = {"color": "#222222", "marker": "_", "markersize": 13, "markeredgewidth": 1.6, "linestyle": "none"}


def likeness(tables: Mapping[Source, pd.DataFrame]) -> Figure:
    """Mean Jaccard index of a task's masks and its chance level: a column a source, a row heads and MLPs.

    `tables` have component, title, jaccard, chance, one row a task and component; a table without rows is a gap.
    """
    figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
    grid = figure.subplots(len(KINDS), len(tables), squeeze=False)
    for axes, (component, name) in zip(grid, KINDS.items(), strict=True):
        for ax, (source, table) in zip(axes, tables.items(), strict=True):
            _dots(ax, table[table["component"] == component], source)
            framed(ax, source.kind, source.name)
            ax.tick_params(labelleft=ax is axes[0])
        axes[0].set_ylabel(f"{name}: Jaccard index", fontsize=8)
    names = {"mean over pairs": MEAN, "by chance, same sizes": CHANCE}
    legend_below(figure, [Line2D([], [], label=name, **look) for name, look in names.items()])
    return figure


def shared(tables: Mapping[Source, pd.DataFrame], components: Sequence[str] = tuple(KINDS)) -> Figure:
    """How many components two tasks share beyond chance: a column a source, a row a component.

    `tables` are columns `overlap.OVERLAP`. Blue: more than by chance, red: fewer, as a share of what the smaller of the
    two masks could share beyond chance. (The paper's figure of overlaps, and its appendix.)
    """
    figure = Figure(figsize=(WIDTH, 0.3 + 2.5 * len(components)), layout="constrained")
    grid = figure.subplots(len(components), len(tables), squeeze=False)
    norm = Normalize(-1, 1)
    for axes, component in zip(grid, components, strict=True):
        for ax, (source, table) in zip(axes, tables.items(), strict=True):
            _matrix(ax, table[table["component"] == component], source, norm)
            framed(ax, source.kind, f"{source.name}\n{KINDS[component]}")
    label = "shared beyond chance, share of the most possible"
    colour_bar(figure, list(grid.ravel()), norm, EXCESS_MAP, label)
    return figure


def _dots(ax: Axes, rows: pd.DataFrame, source: Source) -> None:
    """One panel of `likeness`."""
    if rows["jaccard"].notna().sum() == 0:
        say_empty(ax, source, "" if source.study is None else "it takes two seeds\nof a task")
        return
    rows = rows.assign(title=rows["title"].map(_short))
    for column, look in (("chance", CHANCE), ("jaccard", MEAN)):
        sns.pointplot(rows, x="title", y=column, errorbar=None, ax=ax, **look)
    ax.tick_params(axis="x", rotation=60, labelsize=7)
    ax.set(ylim=(-0.03, 1.05), xlabel="", ylabel="")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)


def _matrix(ax: Axes, rows: pd.DataFrame, source: Source, norm: Normalize) -> None:
    """One panel of `shared`; the diagonal is grey."""
    titles = list(dict.fromkeys(rows["title_a"]))
    if len(titles) < 2:
        say_empty(ax, source, "it takes two tasks\nof one seed")
        return
    kept = rows[rows["title_a"] == rows["title_b"]].set_index("title_a")["mean_shared"]
    most = np.minimum(rows["title_a"].map(kept), rows["title_b"].map(kept)) - rows["chance_mean"]
    excess = (rows["mean_shared"] - rows["chance_mean"]) / most.where(most > 0)
    wide = rows.assign(excess=excess).pivot(index="title_a", columns="title_b", values="excess")
    wide = wide.reindex(index=titles, columns=titles)
    look = {"cmap": EXCESS_MAP.with_extremes(bad=GAP), "cbar": False, "linewidths": 0.6, "linecolor": "white"}
    short = [_short(title) for title in titles]
    sns.heatmap(wide, ax=ax, norm=norm, xticklabels=short, yticklabels=short, **look)
    ax.tick_params(length=0, labelsize=7)
    ax.tick_params(axis="y", rotation=0)
    ax.set(xlabel="", ylabel="")


def _short(title: str) -> str:
    """A title without what the panel's own says already."""
    return title.removesuffix(" (partial)").removesuffix("-like")
