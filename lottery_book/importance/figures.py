"""Importance as distributions: where the first step cuts, what each later step takes, how the order drifts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lottery_utils.show.heatmaps import NOTHING
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    WIDTH,
    empty_figure,
    empty_panel,
    legend_below,
    lighter,
    outer_labels,
    panels,
    seed_colours,
)

from .decisions import cuts, first_cut

FATES = {  # what became of a component, from least to most lasting
    "first": ("removed in the first step", COLOURS["bad"]),
    "later": ("removed later", lighter(COLOURS["bad"], 0.4)),
    "good": ("in the good subnetwork", COLOURS["good"]),
}
CUT = {"color": "#222222", "linestyle": "--", "linewidth": 1.0}
HEAD_LABEL = "importance (a layer's heads have the L2 norm 1)"
MLP_LABEL = "importance (largest MLP = 1)"
BINS = 20


def head_histograms(decided: pd.DataFrame, missing: Iterable[str] = ()) -> Figure:
    """Importance of the heads in the full model, a panel a task, seeds together, with each seed's first cut.

    `decided` as from `decisions.decisions`; colours say what became of the heads. `missing` are titles of tasks
    without a search: their panels say so. (The paper's histogram of importance.)
    """
    first, missing = first_cut(decided, "head"), list(missing)
    if first.empty:
        return empty_figure(NOTHING)
    titles, lines = dict(zip(first["task"], first["title"])), _cut_of(first)
    figure, axes = panels(len(titles) + len(missing), height=1.75)
    for ax, (task, title) in zip(axes, titles.items()):
        rows = first[first["task"] == task]
        edges = np.linspace(0, rows["importance"].max() * 1.0001 or 1.0, BINS + 1)
        below = np.zeros(BINS)
        for fate, colour in ((name, FATES[name][1]) for name in FATES):
            counts = np.histogram(rows.loc[_fate(rows) == fate, "importance"], edges)[0]
            look = {"align": "edge", "color": colour, "edgecolor": "white", "linewidth": 0.3}
            ax.bar(edges[:-1], counts, np.diff(edges), below, **look)
            below += counts
        for cut in lines.loc[lines["task"] == task, "cut"]:
            ax.axvline(cut, **{**CUT, "linewidth": 0.8})
        ax.set_title(f"{title} ({_seeds(rows['seed'].nunique())})")
        ax.set_xlim(left=0)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.yaxis.get_major_locator().set_params(integer=True)
    for ax, title in zip(axes[len(titles) :], missing):
        empty_panel(ax, title)
    outer_labels(figure, axes, "importance", "heads")
    legend_below(figure, _fate_legend(), columns=4)
    return figure


def mlp_strips(decided: pd.DataFrame, missing: Iterable[str] = ()) -> Figure:
    """Importance of the MLPs when the first of them goes, a panel a task, a line of dots a seed, with the cut."""
    first, missing = first_cut(decided, "mlp"), list(missing)
    if first.empty:
        return empty_figure("Nothing to show: no search removes an MLP.")
    titles, lines = dict(zip(first["task"], first["title"])), _cut_of(first)
    figure, axes = panels(len(titles) + len(missing), height=1.1 + 0.12 * first["seed"].nunique())
    for ax, (task, title) in zip(axes, titles.items()):
        rows = first[first["task"] == task]
        seeds = list(dict.fromkeys(rows["seed"]))
        for place, seed in enumerate(seeds):
            own = rows[rows["seed"] == seed]
            colours = [FATES[fate][1] for fate in _fate(own)]
            ax.axhline(place, color=GRID, linewidth=0.6, zorder=0)
            ax.scatter(own["importance"], np.full(len(own), place), c=colours, s=26, edgecolors="white", linewidths=0.5)
            for cut in lines.loc[(lines["task"] == task) & (lines["seed"] == seed), "cut"]:
                ax.plot([cut, cut], [place - 0.35, place + 0.35], **CUT)
        ax.set_yticks(range(len(seeds)), [str(seed) for seed in seeds])
        ax.set_ylim(len(seeds) - 0.4, -0.6)
        ax.set_xlim(-0.03, 1.06)
        ax.set_title(title)
        ax.tick_params(axis="y", length=0)
    for ax, title in zip(axes[len(titles) :], missing):
        empty_panel(ax, title)
    outer_labels(figure, axes, "importance", "seed")
    legend_below(figure, _fate_legend(), columns=4)
    return figure


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
        _dots(ax, own[~own["removed"]], COLOURS["good"])
        _dots(ax, own[own["removed"]], COLOURS["bad"])
        for cut in lines[lines["component"] == component].itertuples():
            ax.plot([cut.cut, cut.cut], [cut.step - 0.38, cut.step + 0.38], **{**CUT, "linestyle": "-"})
        ax.set_xlim(left=0)
        ax.set_xlabel(label)
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
    tasks, colours = list(dict.fromkeys(drift["task"])), seed_colours(drift["seed"])
    figure, axes = panels(len(tasks), height=1.7)
    low = min(0.0, float(drift["correlation"].min())) - 0.05
    for ax, task in zip(axes, tasks):
        rows = drift[drift["task"] == task]
        for seed, own in rows.groupby("seed", sort=False):
            ax.plot(own["step"], own["correlation"], color=colours[seed], marker="o", markersize=2.5, linewidth=1.2)
        ax.axhline(0, color="#8A8A8A", linewidth=0.7)
        ax.set_ylim(low, 1.05)
        ax.set_title(rows["title"].iloc[0])
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.xaxis.get_major_locator().set_params(integer=True)
    outer_labels(figure, axes, "search step", "rank correlation with the full model")
    legend_below(figure, [Line2D([], [], color=c, label=f"seed {seed}") for seed, c in colours.items()])
    return figure


def _dots(ax: Axes, rows: pd.DataFrame, colour: str) -> None:
    ax.scatter(rows["importance"], rows["step"], s=16, color=colour, alpha=0.75, linewidths=0)


def _fate(rows: pd.DataFrame) -> pd.Series:
    """Name of each row's entry in `FATES`. What a failed first step takes away comes back and may stay."""
    gone = rows["removed"] & ~rows["final"]
    return pd.Series(np.where(rows["final"], "good", np.where(gone, "first", "later")), index=rows.index)


def _cut_of(first: pd.DataFrame) -> pd.DataFrame:
    return cuts(first).dropna(subset="cut")


def _fate_legend() -> list:
    handles = [Patch(color=colour, label=label) for label, colour in FATES.values()]
    return [*handles, Line2D([], [], **CUT, label="cut, a line a seed")]


def _seeds(n: int) -> str:
    return f"{n} seed" + ("s" if n != 1 else "")
