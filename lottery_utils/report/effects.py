"""Differences with their intervals: a row a comparison, a panel a quantity; and dots a task beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..analysis.pretraining import Effect
from .style import COLOURS, GRID, TEXT, WIDTH, empty_figure, legend_below

OPEN = "#6E6E6E"
Rows = Mapping[str, Mapping[str, Effect]]  # panel to row to effect


def forest(
    panels: Rows, x: str, name: str = "", colours: Mapping[str, str] | None = None, absent: str = "gap"
) -> Figure:
    """Effects as points with intervals over tasks: `panels` maps a panel's title to a row's label to its effect.

    Thick lines are 95 % intervals over tasks (Student's t), thin ones the bootstrap's; filled where Holm's corrected
    p is at most 0.05; the small number counts tasks. `x` names the axis, `name` the rows, `colours` rows' colours;
    `absent` stands where a panel has no such row.
    """
    if not any(one.tasks for rows in panels.values() for one in rows.values()):
        return empty_figure("Nothing to show: no two conditions have a task and seed in common.")
    labels = list(dict.fromkeys(label for rows in panels.values() for label in rows))
    figure = Figure(figsize=(WIDTH, 0.34 * len(labels) + 1.5), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        for place, label in enumerate(labels):
            if label in rows:
                _draw(ax, place, rows[label], (colours or {}).get(label))
            else:
                _say(ax, place, absent)
        ax.axvline(0, color="#8A8A8A", linewidth=0.8, zorder=1)
        ax.set_title(title, fontsize=9)
        ax.xaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(labels) - 0.5, -0.6)
        ax.margins(x=0.12)
        ax.set_xlabel(x, fontsize=8)
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set_ylabel(name)
    dot = {"marker": "o", "markersize": 5.5, "color": OPEN, "linestyle": ""}
    handles = [
        Line2D([], [], **dot, markerfacecolor="white", label="mean over tasks"),
        Line2D([], [], **dot, label="corrected p at most 0.05"),
        Line2D([], [], color=OPEN, linewidth=2.0, label="95 % interval"),
        Line2D([], [], color=OPEN, linewidth=0.8, label="bootstrap"),
    ]
    legend_below(figure, handles, 4)
    return figure


def _draw(ax: Axes, place: int, one: Effect, colour: str | None) -> None:
    if not one.tasks:
        _say(ax, place, "gap")
        return
    colour = colour or {"above": COLOURS["good"], "below": COLOURS["bad"]}.get(one.word, OPEN)
    ax.plot([one.boot_low, one.boot_high], [place + 0.22] * 2, color=colour, linewidth=0.8, alpha=0.8, zorder=2)
    ax.plot([one.low, one.high], [place, place], color=colour, linewidth=2.0, solid_capstyle="butt", zorder=2)
    face = colour if one.word in ("above", "below") else "white"
    ax.plot(one.mean, place, "o", ms=5.5, color=colour, markerfacecolor=face, zorder=3)
    look = {"xytext": (0, 4.5), "textcoords": "offset points", "fontsize": 6.5, "ha": "center", "color": TEXT}
    ax.annotate(f"{one.tasks}", (one.mean, place), **look)


def _say(ax: Axes, place: int, text: str) -> None:
    look = {"ha": "center", "va": "center", "fontsize": 7.5, "color": OPEN}
    ax.text(0.5, place, text, transform=ax.get_yaxis_transform(), **look)


def told(one: Effect, unit: str = "points") -> str:
    """An effect in words: "+1.2 points (95 % interval -0.3 to +2.7; 8 tasks, 24 pairs)"."""
    if not one.tasks:
        return "not run"
    if np.isnan(one.low):
        return f"{one.mean:+.1f} {unit} on {one.tasks} task{'s' if one.tasks > 1 else ''}, too few for an interval"
    where = f"{one.tasks} tasks" + (f", {one.pairs} pairs of task and seed" if one.pairs else "")
    return f"{one.mean:+.1f} {unit} (95 % interval {one.low:+.1f} to {one.high:+.1f}; {where})"
