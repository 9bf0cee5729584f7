"""Importance as distributions: where the first step cuts, what each later step takes, how the order drifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lottery_utils.show.frames import example_task
from lottery_utils.show.heatmaps import NOTHING
from lottery_utils.show.lines import draw_lines, handles_of
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    WIDTH,
    empty_figure,
    framed,
    legend_below,
    lighter,
    outer_labels,
    panels,
    seed_colours,
)

from ..side_by_side import say_empty
from ..sources import Source, count
from .decisions import cuts, first_cut

FATES = {  # what became of a component, from least to most lasting
    "first": ("removed in the first step", COLOURS["bad"]),
    "later": ("removed later", lighter(COLOURS["bad"], 0.4)),
    "good": ("in the good subnetwork", COLOURS["good"]),
}
REMOVED = {False: COLOURS["good"], True: COLOURS["bad"]}
DOT = {"s": 16, "alpha": 0.75, "linewidth": 0}
CUT = {"color": "#222222", "linestyle": "--", "linewidth": 1.0}
HEAD_LABEL = "importance (a layer's heads have the L2 norm 1)"
MLP_LABEL = "importance (largest MLP = 1)"
BINS = 20


def cuts_by_source(sources: Sequence[Source], decided: Mapping[Source, pd.DataFrame]) -> Figure:
    """Importance of the heads in the full model of one task, a panel a source, with each seed's first cut.

    `decided` as from `decisions.decisions`, of the sources that have importances; colours say what became of the heads.
    (The paper's histogram of importance.)
    """
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots(1, len(sources), squeeze=False)[0]
    for ax, source in zip(axes, sources, strict=True):
        first = first_cut(decided[source], "head") if source in decided else None
        if first is None:
            say_empty(ax, source, "not released")
        elif first.empty:
            say_empty(ax, source)
        else:
            _histogram(ax, first[first["task"] == example_task(first)])
        about = "" if first is None or first.empty else _about(first[first["task"] == example_task(first)])
        framed(ax, source.kind, f"{source.name}\n{about}")
    axes[0].set_ylabel("heads")
    axes[len(axes) // 2].set_xlabel(HEAD_LABEL, fontsize=9)
    legend_below(figure, _fate_legend(), columns=4)
    return figure


def _histogram(ax: Axes, rows: pd.DataFrame) -> None:
    """One task's importances, stacked by what became of the heads, and the first cuts."""
    named = rows.assign(fate=_fate(rows).map({name: text for name, (text, _) in FATES.items()}))
    colours = dict(FATES.values())
    look = {"palette": colours, "hue_order": list(colours)[::-1], "edgecolor": "white", "linewidth": 0.3, "alpha": 1}
    sns.histplot(named, x="importance", hue="fate", multiple="stack", bins=BINS, legend=False, ax=ax, **look)
    for cut in cuts(rows)["cut"].dropna():
        ax.axvline(cut, **{**CUT, "linewidth": 0.8})
    ax.set(xlim=(0, None), xlabel="", ylabel="")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    ax.yaxis.get_major_locator().set_params(integer=True)


def _about(rows: pd.DataFrame) -> str:
    return f"{rows['title'].iloc[0]}, {count(rows['seed'].nunique(), 'seed')}"


def search_steps(decided: pd.DataFrame, task: str) -> Figure:
    """One search as a column of decisions: what each step could take, by importance, and took; heads and MLPs.

    The first seed of `task`. Steps run downwards; a step that fell below the target is tinted: the next one
    starts again from the mask before it.
    """
    rows = decided[decided["task"] == task]
    if rows.empty:
        return empty_figure(NOTHING)
    rows = rows[rows["seed"] == rows["seed"].iloc[0]]
    steps = rows.drop_duplicates("step")
    figure = Figure(figsize=(WIDTH, 1.5 + 0.27 * len(steps)), layout="constrained")
    heads, mlps = figure.subplots(1, 2, sharey=True, width_ratios=(5, 3))
    lines = cuts(rows)
    for ax, component, label in ((heads, "head", HEAD_LABEL), (mlps, "mlp", MLP_LABEL)):
        own = rows[rows["component"] == component]
        for step, passed in zip(steps["step"], steps["passed"]):
            if not passed:
                ax.axhspan(step - 0.5, step + 0.5, color="#F6E9EB", linewidth=0, zorder=0)
            ax.axhline(step, color=GRID, linewidth=0.5, zorder=0.5)
        sns.scatterplot(own, x="importance", y="step", hue="removed", palette=REMOVED, legend=False, ax=ax, **DOT)
        for cut in lines[lines["component"] == component].itertuples():
            ax.plot([cut.cut, cut.cut], [cut.step - 0.38, cut.step + 0.38], **{**CUT, "linestyle": "-"})
        ax.set_xlim(left=0)
        ax.set(xlabel=label, ylabel="")
    heads.set_title("heads")
    mlps.set_title("MLPs")
    heads.set_yticks(steps["step"], [f"{s} (phase {p})" for s, p in zip(steps["step"], steps["phase"])])
    heads.set_ylim(steps["step"].max() + 0.5, 0.5)
    heads.set_ylabel("search step")
    for ax in (heads, mlps):
        ax.tick_params(axis="y", length=0)
    name = f"{rows['title'].iloc[0]}, seed {rows['seed'].iloc[0]}: what each step takes"
    figure.suptitle(name, fontweight="bold", fontsize=10)
    handles = [
        Line2D([], [], color=COLOURS["good"], marker="o", linestyle="", markersize=5, label="stays"),
        Line2D([], [], color=COLOURS["bad"], marker="o", linestyle="", markersize=5, label="removed in this step"),
        Line2D([], [], **{**CUT, "linestyle": "-"}, label="the cut"),
        Patch(color="#F6E9EB", label="below the target: taken back"),
    ]
    legend_below(figure, handles, columns=4)
    return figure


def drift_lines(drift: pd.DataFrame) -> Figure:
    """How much of the full model's order of heads is left at each step, a panel a task, a line a seed.

    `drift` as from `decisions.drift`.
    """
    if drift.empty:
        return empty_figure(NOTHING)
    looks = {seed: (colour, ()) for seed, colour in seed_colours(drift["seed"]).items()}
    figure, axes = panels(drift["task"].nunique(), height=1.7)
    low = min(0.0, float(drift["correlation"].min())) - 0.05
    for ax, (_, rows) in zip(axes, drift.groupby("task", sort=False), strict=True):
        draw_lines(ax, rows, "step", "correlation", "seed", looks)
        ax.axhline(0, color="#8A8A8A", linewidth=0.7)
        ax.set_ylim(low, 1.05)
        ax.set_title(rows["title"].iloc[0])
        ax.xaxis.get_major_locator().set_params(integer=True)
    outer_labels(figure, axes, "search step", "rank correlation with the full model")
    legend_below(figure, handles_of(looks, {seed: f"seed {seed}" for seed in looks}, looks))
    return figure


def _fate(rows: pd.DataFrame) -> pd.Series:
    """Name of each row's entry in `FATES`. What a failed first step takes away comes back and may stay."""
    gone = rows["removed"] & ~rows["final"]
    return pd.Series(np.where(rows["final"], "good", np.where(gone, "first", "later")), index=rows.index)


def _fate_legend() -> list:
    handles = [Patch(color=colour, label=label) for label, colour in FATES.values()]
    return [*handles, Line2D([], [], **CUT, label="cut, a line a seed")]
