"""The forest plot: effects with their intervals, a row a comparison, a panel a quantity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .stats import Effect
from .style import COLOURS, GRID, QUIET, TEXT, WIDTH, empty_figure, legend_below, say

MANY = 8  # rows; more of them stand closer
SIDES = {"above": COLOURS["good"], "below": COLOURS["bad"]}
TASK = {"marker": "o", "linestyle": "", "markersize": 4, "markerfacecolor": "none", "markeredgecolor": "#8A8A8A"}
MEAN = {"marker": "o", "linestyle": "", "markersize": 5.5}
THICK, THIN = {"linewidth": 2.0, "solid_capstyle": "butt"}, {"linewidth": 0.8, "alpha": 0.8}
Panels = Mapping[str, Mapping[str, Effect]]  # a panel's title to a row's label to its effect


def forest(
    panels: Panels,
    x: str,
    name: str = "",
    colours: Mapping[str, str] | None = None,
    absent: str = "gap",
    tasks: bool = False,
    same_scale: bool = False,
) -> Figure:
    """Effects as points with 95 % intervals over tasks, filled where the corrected p is at most 0.05.

    Thin lines are the bootstrap's intervals, or with `tasks` there is a ring for each task instead; the small number
    counts tasks. `x` names the axis, of one scale for all panels with `same_scale`; `name` names the rows, `colours`
    are rows' colours, and `absent` stands where a panel has no such row.
    """
    if not any(one.tasks for rows in panels.values() for one in rows.values()):
        return empty_figure("Nothing to show: no two conditions have a task and seed in common.")
    labels = list(dict.fromkeys(label for rows in panels.values() for label in rows))
    row = 0.34 if len(labels) <= MANY else 0.2  # inches
    figure = Figure(figsize=(WIDTH, row * len(labels) + 1.3), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, sharex=same_scale, squeeze=False)[0]
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        for place, label in enumerate(labels):
            if label in rows:
                _draw(ax, place, rows[label], (colours or {}).get(label), tasks)
            else:
                say(ax, absent, place)
        _dress(ax, title, len(labels))
        ax.set_xlabel(x, fontsize=8)
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set_ylabel(name)
    legend_below(figure, _handles(tasks), 4)
    return figure


def _dress(ax: Axes, title: str, rows: int) -> None:
    ax.axvline(0, color="#8A8A8A", linewidth=0.8, zorder=1)
    ax.set_title(title, fontsize=9)
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(rows - 0.5, -0.6)
    ax.margins(x=0.12)


def _handles(tasks: bool) -> list[Line2D]:
    thin = Line2D([], [], **TASK, label="one task") if tasks else Line2D([], [], color=QUIET, **THIN, label="bootstrap")
    return [
        Line2D([], [], color=QUIET, **MEAN, markerfacecolor="white", label="mean over tasks"),
        Line2D([], [], color=QUIET, **MEAN, label="corrected p at most 0.05"),
        Line2D([], [], color=QUIET, **THICK, label="95 % interval"),
        thin,
    ]


def _draw(ax: Axes, place: int, effect: Effect, colour: str | None, tasks: bool) -> None:
    if not effect.tasks:
        say(ax, "gap", place)
        return
    colour = colour or SIDES.get(effect.word, QUIET)
    if tasks:
        by_task = effect.by_task.to_numpy()
        ax.plot(by_task, np.full(len(by_task), place), zorder=2, **TASK)
    else:
        ax.plot(effect.bootstrap, [place + 0.22] * 2, color=colour, zorder=2, **THIN)
    ax.plot([effect.low, effect.high], [place, place], color=colour, zorder=2, **THICK)
    ax.plot(effect.mean, place, color=colour, zorder=3, **MEAN, markerfacecolor=colour if effect.decided else "white")
    look = {"xytext": (0, 4.5), "textcoords": "offset points", "fontsize": 6.5, "ha": "center", "color": TEXT}
    ax.annotate(f"{effect.tasks}", (effect.mean, place), **look)
