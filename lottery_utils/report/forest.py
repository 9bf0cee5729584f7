"""Paired differences, a row each: tasks as dots, their mean with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..analysis.paired import Paired
from .style import COLOURS, GRID, WIDTH, empty_figure, legend_below

DOT = {"marker": "o", "linestyle": "", "markersize": 4, "markerfacecolor": "none", "markeredgecolor": "#8A8A8A"}
MEAN = {"color": COLOURS["good"], "marker": "D", "markersize": 5.5, "linewidth": 2.2}


def differences(found: Mapping[str, Paired], label: str) -> Figure:
    """Differences in `label` by row: a dot a task (mean over seeds), a diamond their mean, a bar its interval."""
    if not found:
        return empty_figure("Nothing to show: there are no two networks to compare.")
    figure = Figure(figsize=(WIDTH, 0.34 * len(found) + 1.3), layout="constrained")
    ax = figure.subplots()
    for place, one in enumerate(found.values()):
        ax.plot(one.by_task.to_numpy(), np.full(len(one.by_task), place), zorder=2, **DOT)
        low, high = one.found.low, one.found.high
        if np.isfinite(low):
            ax.plot([low, high], [place, place], color=MEAN["color"], linewidth=MEAN["linewidth"], zorder=3)
        ax.plot(one.found.mean, place, MEAN["marker"], color=MEAN["color"], markersize=MEAN["markersize"], zorder=4)
    ax.axvline(0, color="#8A8A8A", linewidth=0.8, zorder=1)
    ax.set_yticks(range(len(found)), list(found))
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(label)
    legend_below(figure, [Line2D([], [], **DOT, label="a task"), Line2D([], [], **MEAN, label="mean, 95 % interval")])
    return figure
