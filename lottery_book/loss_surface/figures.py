"""Figures of loss surfaces: slices, squares, sharpness, straight paths between networks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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

from .frames import Compared, planes, with_every
from .names import NETWORKS, SIZES, SUBNETWORKS, SURFACES, WITHIN

NOTHING = "Nothing to show: no loss surface is stored."
SHARE = "loss, 1 = knowing nothing"
TOP = 3.0  # shares above which slices and squares are cut off
ONE = {"color": "#4A4A4A", "linewidth": 1.1, "linestyle": ":"}  # the line of knowing nothing
PAIR_COLOURS = {"full": COLOURS["full"], **{name: COLOURS[name] for name in SUBNETWORKS}}


def network_name(name: str) -> str:
    """Such as "good, retrained"; a full model has no treatment."""
    kind, _, how = name.partition(".")
    return f"{NAMES[kind]}, {how}" if how else NAMES[kind]


def network_look(name: str) -> dict:
    """Retrained networks have a full line, pruned ones a dashed, lighter one."""
    kind, _, how = name.partition(".")
    dashes = {"linestyle": (0, (3, 1.6))} if how == "pruned" else {}
    return {"color": lighter(COLOURS[kind], 0.75) if dashes else COLOURS[kind], "linewidth": 1.5, **dashes}


def slices(lines: pd.DataFrame, method: str) -> Figure:
    """The loss along random directions, a panel a task, a line a network: mean over directions and seeds.

    `lines` as from `frames.lines`; lines end where they leave the panel.
    """
    rows = lines[lines["method"] == method]
    if rows.empty:
        return empty_figure(NOTHING)
    titles = list(dict.fromkeys(rows["title"]))
    figure, axes = panels(len(titles), height=1.9)
    for ax, title in zip(axes, titles):
        own = rows[rows["title"] == title]
        for name in NETWORKS:
            mean = own[own["network"] == name].groupby("size")["loss"].mean()
            if len(mean):
                ax.plot(mean.index, mean, zorder=3 if name == "full" else 2, **network_look(name))
        seeds = own["seed"].nunique()
        ax.set_title(f"{title} ({seeds} seed{'s' if seeds != 1 else ''})")
        top = min(TOP, max(1.2, 1.05 * own["loss"].max()))
        ax.set_ylim(0, top)
        ax.set_xlim(min(SIZES), max(SIZES))
        ax.axhline(1, **ONE)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    outer_labels(figure, axes, "size of the step", SHARE)
    figure.suptitle(METHOD_NAMES[method], fontsize=9)
    there = [name for name in NETWORKS if name in set(rows["network"])]
    handles = [Line2D([], [], label=network_name(name), **network_look(name)) for name in there]
    legend_below(figure, [*handles, Line2D([], [], label="knowing nothing", **ONE)], 4)
    return figure


def surfaces(found: list[Compared], seed: int) -> Figure:
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
    bar = figure.colorbar(ScalarMappable(norm, IMPORTANCE_MAP), ax=axes, fraction=0.04, pad=0.02, extend="max")
    bar.set_label(SHARE)
    bar.outline.set_visible(False)
    return figure


def _square(ax: Axes, values: np.ndarray, sizes: np.ndarray, norm: Normalize) -> None:
    step = (sizes[1] - sizes[0]) / 2
    extent = (sizes[0] - step, sizes[-1] + step, sizes[0] - step, sizes[-1] + step)
    shown = np.minimum(values.T, TOP)
    ax.imshow(shown, origin="lower", extent=extent, cmap=IMPORTANCE_MAP, norm=norm, interpolation="nearest")
    ax.contour(sizes, sizes, values.T, levels=(0.25, 0.5, 1.0), colors="#222222", linewidths=0.6)
    middle = values[len(sizes) // 2, len(sizes) // 2]
    ax.text(0, 0, f"{middle:.2f}", ha="center", va="center", fontsize=7)
    ax.set_xticks([-1, 0, 1])
    ax.set_yticks([-1, 0, 1])


def path_lines(table: pd.DataFrame, method: str) -> Figure:
    """The loss on straight paths, a panel a pair: a thin line a task (mean over seeds), a thick one their mean.

    One seed above, two seeds below. `table` as from `frames.paths`; tasks are those that have every path.
    """
    rows = with_every(table[table["method"] == method], "pair")
    if rows.empty:
        return empty_figure(NOTHING)
    pairs = [f"{a}-{b}" for a, b in WITHIN] + [f"next seed: {name}" for name in PAIR_COLOURS]
    pairs = [pair for pair in pairs if pair in set(rows["pair"])]
    figure, axes = panels(len(pairs), height=1.5, columns=len(WITHIN))
    top = min(TOP, 1.05 * rows.groupby(["title", "pair", "point"])["loss"].mean().max())
    for ax, pair in zip(axes, pairs):
        means = rows[rows["pair"] == pair].groupby(["title", "point"], sort=False)["loss"].mean().unstack(0)
        colour = PAIR_COLOURS[pair.removeprefix("next seed: ").split("-")[0]]
        ax.plot(means.index, means, color=lighter(colour, 0.45), linewidth=0.8)
        ax.plot(means.index, means.mean(axis=1), color=colour, linewidth=2)
        ax.set_title(pair_name(pair).replace(", ", ",\n"), fontsize=8)
        ax.axhline(1, **ONE)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, top)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    outer_labels(figure, axes, "place on the path", SHARE)
    note(figure, f"{METHOD_NAMES[method]}; {rows['title'].nunique()} tasks, mean over seeds")
    return figure


def pair_name(pair: str) -> str:
    """Such as "good to bad" and "good to good, next seed"."""
    kind = pair.removeprefix("next seed: ")
    return " to ".join(pair.split("-")) if kind == pair else f"{kind} to {kind}, next seed"
