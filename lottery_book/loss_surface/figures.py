"""Figures of loss surfaces: slices, squares, straight paths between networks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.frames import Reading
from lottery_utils.show.heatmaps import colour_bar
from lottery_utils.show.lines import draw_lines, handles_of
from lottery_utils.show.style import (
    COLOURS,
    GAP,
    GRID,
    IMPORTANCE_MAP,
    METHOD_NAMES,
    NAMES,
    WIDTH,
    empty_figure,
    legend_below,
    lighter,
    note,
    outer_labels,
    panels,
)

from .frames import planes, with_every
from .names import ACROSS, NETWORKS, SIZES, SURFACES, WITHIN

NOTHING = "Nothing to show: no loss surface is stored."
SHARE = "loss, 1 = knowing nothing"
TOP = 3.0  # shares above which slices and squares are cut off
PAIRS = {f"{a}-{b}": a for a, b in WITHIN} | {f"next seed: {name}": name for name in ACROSS}  # where a path begins
ONE = {"color": "#4A4A4A", "linewidth": 1.1, "linestyle": ":"}  # the line of knowing nothing


def network_name(name: str) -> str:
    """Such as "good, retrained"; a full model has no treatment."""
    kind, _, how = name.partition(".")
    return f"{NAMES[kind]}, {how}" if how else NAMES[kind]


def network_look(name: str) -> tuple:
    """Retrained networks have a full line, pruned ones a dashed, lighter one."""
    kind, _, how = name.partition(".")
    return (lighter(COLOURS[kind], 0.75), (3, 1.6)) if how == "pruned" else (COLOURS[kind], ())


LOOKS = {name: network_look(name) for name in NETWORKS}


def slices(lines: pd.DataFrame, method: str) -> Figure:
    """The loss along random directions, a panel a task, a line a network: mean over directions and seeds.

    `lines` as from `frames.lines`; lines end where they leave the panel.
    """
    rows = lines[lines["method"] == method]
    if rows.empty:
        return empty_figure(NOTHING)
    figure, axes = panels(rows["title"].nunique(), height=1.9)
    for ax, (title, own) in zip(axes, rows.groupby("title", sort=False), strict=True):
        draw_lines(ax, own, "size", "loss", "network", LOOKS)
        seeds = own["seed"].nunique()
        ax.set_title(f"{title} ({seeds} seed{'s' if seeds != 1 else ''})")
        ax.set(xlim=(min(SIZES), max(SIZES)), ylim=(0, min(TOP, max(1.2, 1.05 * own["loss"].max()))))
        ax.axhline(1, **ONE)
    outer_labels(figure, axes, "size of the step", SHARE)
    figure.suptitle(METHOD_NAMES[method], fontsize=9)
    handles = handles_of(LOOKS, {name: network_name(name) for name in NETWORKS}, rows["network"])
    legend_below(figure, [*handles, Line2D([], [], label="knowing nothing", **ONE)], 4)
    return figure


def surfaces(found: list[Reading], seed: int) -> Figure:
    """The loss on a square of two random directions: a row a network, a column a task, of one seed.

    `found` are readings of surface cells. All squares share one scale, cut off at `TOP`; contour lines are at 0.25,
    0.5 and 1 times the loss of knowing nothing; the number in the middle is the loss of the network itself.
    """
    found = [one for one in found if one.seed == seed]
    if not found:
        return empty_figure(NOTHING)
    drawn = [planes(one) for one in found]
    names = [name for name in SURFACES if any(name in squares for squares in drawn)]
    width = min(WIDTH, 1.6 + 1.9 * len(found))
    figure = Figure(figsize=(width, 1.75 * len(names) + 0.5), layout="constrained")
    axes = figure.subplots(len(names), len(found), squeeze=False, sharex=True, sharey=True)
    norm = Normalize(0, TOP)
    for column, (one, squares) in enumerate(zip(found, drawn)):
        for ax, name in zip(axes[:, column], names):
            if name in squares:
                _square(ax, squares[name], one.arrays["sizes"], norm)
            else:
                ax.set_facecolor(GAP)
                ax.text(0.5, 0.5, "gap", transform=ax.transAxes, ha="center", va="center", color="#6E6E6E")
            ax.set_box_aspect(1)
            ax.spines[:].set_visible(False)
            ax.tick_params(length=2, labelsize=7)
        axes[0, column].set_title(one.title)
    for ax, name in zip(axes[:, 0], names):
        ax.set_ylabel(network_name(name), fontsize=8)
    figure.supxlabel("size of the step along the first direction (across) and the second (up)", fontsize=8)
    colour_bar(figure, list(axes.ravel()), norm, IMPORTANCE_MAP, f"{SHARE}; darkest: {TOP:g} or more")
    return figure


def _square(ax: Axes, values: np.ndarray, sizes: np.ndarray, norm: Normalize) -> None:
    ax.pcolormesh(sizes, sizes, values.T, cmap=IMPORTANCE_MAP, norm=norm)
    ax.contour(sizes, sizes, values.T, levels=(0.25, 0.5, 1.0), colors="#222222", linewidths=0.6)
    middle = values[len(sizes) // 2, len(sizes) // 2]
    ax.text(0, 0, f"{middle:.2f}", ha="center", va="center", fontsize=7)
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])


def path_lines(table: pd.DataFrame, method: str) -> Figure:
    """The loss on straight paths, a panel a pair: a thin line a task (mean over seeds), a thick one their mean.

    One seed above, two seeds below. `table` as from `frames.paths`; tasks are those that have every path.
    """
    rows = with_every(table[table["method"] == method], "pair")
    if rows.empty:
        return empty_figure(NOTHING)
    means = rows.groupby(["pair", "title", "point"])["loss"].mean().reset_index()
    pairs = [pair for pair in PAIRS if pair in set(rows["pair"])]
    figure, axes = panels(len(pairs), height=1.5, columns=len(WITHIN))
    for ax, pair in zip(axes, pairs, strict=True):
        own, colour = means[means["pair"] == pair], COLOURS[PAIRS[pair]]
        same = {"x": "point", "y": "loss", "errorbar": None, "ax": ax}
        sns.lineplot(own, units="title", estimator=None, color=lighter(colour, 0.45), linewidth=0.8, **same)
        sns.lineplot(own, color=colour, linewidth=2, **same)
        ax.set_title(pair_name(pair).replace(", ", ",\n"), fontsize=8)
        ax.axhline(1, **ONE)
        ax.set(xlim=(0, 1), ylim=(0, min(TOP, 1.05 * means["loss"].max())), xlabel="", ylabel="")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    outer_labels(figure, axes, "place on the path", SHARE)
    note(figure, f"{METHOD_NAMES[method]}; {rows['title'].nunique()} tasks, mean over seeds")
    return figure


def pair_name(pair: str) -> str:
    """Such as "good to bad" and "good to good, next seed"."""
    kind = pair.removeprefix("next seed: ")
    return " to ".join(pair.split("-")) if kind == pair else f"{kind} to {kind}, next seed"
