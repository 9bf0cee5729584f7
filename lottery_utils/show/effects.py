"""Effects as a table, in words, and as a forest plot: one row per comparison, one panel per quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .stats import Effect
from .style import COLOURS, GRID, QUIET, TEXT, WIDTH, empty_figure, legend_below, say
from .tables import GAP, dressed

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

MANY = 8  # rows; more of them stand closer
SIDES = {"above": COLOURS["good"], "below": COLOURS["bad"]}
TASK = {"marker": "o", "linestyle": "", "markersize": 4, "markerfacecolor": "none", "markeredgecolor": "#8A8A8A"}
MEAN = {"marker": "o", "linestyle": "", "markersize": 5.5}
THICK = {"linewidth": 2.0, "solid_capstyle": "butt"}
Panels = Mapping[str, Mapping[str, Effect]]  # a panel's title to a row's label to its effect


def effect_table(
    effects: Mapping[str | tuple[str, ...], Effect], caption: str, name: str, rows: tuple[str, ...] = ("difference",)
) -> Styler:
    """One row per effect: mean, interval, Holm's p, how many tasks it rests on, and the verdict.

    Keys are a row's labels, `rows` the heads of their columns.
    """
    lines = []
    for key, effect in effects.items():
        labels = dict(zip(rows, (key,) if isinstance(key, str) else key, strict=True))
        numbers = {
            "points": signed(effect.mean),
            "95 % interval": interval(effect.low, effect.high).replace(" ", "\N{NO-BREAK SPACE}"),
            "p (Holm)": p_value(effect.corrected),
            "tasks above 0": f"{effect.wins} of {effect.tasks}" if effect.tasks else GAP,
            "verdict": effect.word,
        }
        lines.append(labels | numbers)
    return dressed(pd.DataFrame(lines), caption, name)


def told(effect: Effect, unit: str = "points", places: int = 1, pairs: bool = True) -> str:
    """An effect in words: "+1.2 points (95 % interval −0.3 to +2.7; 8 tasks, 24 pairs of task and seed)"."""
    if not effect.tasks:
        return "not run"
    mean = f"{signed(effect.mean, places)} {unit}".rstrip()
    if np.isnan(effect.low):
        return f"{mean} on {effect.tasks} task{'s' if effect.tasks > 1 else ''}, too few for an interval"
    where = f"{effect.tasks} tasks" + (f", {effect.pairs} pairs of task and seed" if pairs and effect.pairs else "")
    return f"{mean} (95 % interval {interval(effect.low, effect.high, places)}; {where})"


def difference(effects: Mapping[str, Effect], label: str, places: int = 2) -> str:
    """One of several differences in words, such as "+0.10 (95 % interval +0.02 to +0.18; 8 tasks)"."""
    return told(effects[label], "", places, pairs=False) if label in effects else "not measured"


def signed(value: float, places: int = 1) -> str:
    """A number with its sign, a true minus and none before zero; a gap where there is none."""
    return GAP if np.isnan(value) else f"{round(value, places) + 0.0:+.{places}f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, places: int = 1) -> str:
    """An interval; a gap where there is none."""
    return GAP if np.isnan(low) else f"{signed(low, places)} to {signed(high, places)}"


def p_value(p: float) -> str:
    """A p as shown, never as zero; a gap where there is none."""
    return GAP if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def forest(
    panels: Panels, x: str, name: str = "", absent: str = "gap", same_scale: bool = False, gap: str = "gap"
) -> Figure:
    """Effects as points with 95 % intervals over tasks, filled where the corrected p is at most 0.05.

    A ring is a task, the small number counts them. `x` names the axis, of one scale for all panels with `same_scale`;
    `name` names the rows, `absent` stands where a panel has no such row, `gap` where its effect has no task.
    """
    if not any(effect.tasks for rows in panels.values() for effect in rows.values()):
        return empty_figure("Nothing to show: no two conditions have a task and seed in common.")
    labels = list(dict.fromkeys(label for rows in panels.values() for label in rows))
    row = 0.34 if len(labels) <= MANY or any("\n" in label for label in labels) else 0.2  # inches
    figure = Figure(figsize=(WIDTH, row * len(labels) + 1.3), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, sharex=same_scale, squeeze=False)[0]
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        for place, label in enumerate(labels):
            if label in rows and rows[label].tasks:
                _draw(ax, place, rows[label])
            else:
                say(ax, gap if label in rows else absent, place)
        dress_rows(ax)
        ax.set_title(title, fontsize=9)
        ax.set_ylim(len(labels) - 0.5, -0.6)
        ax.margins(x=0.12)
        ax.set_xlabel(x, fontsize=8)
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].set_ylabel(name)
    handles = [
        Line2D([], [], color=QUIET, **MEAN, markerfacecolor="white", label="mean over tasks, their number above"),
        Line2D([], [], color=QUIET, **MEAN, label="corrected p at most 0.05"),
        Line2D([], [], color=QUIET, **THICK, label="95 % interval"),
        Line2D([], [], **TASK, label="one task"),
    ]
    legend_below(figure, handles, 4)
    return figure


def dress_rows(ax: Axes) -> None:
    """The line of no effect, and a grid for rows of effects."""
    ax.axvline(0, color="#8A8A8A", linewidth=0.8, zorder=1)
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="y", length=0)


def draw_effect(ax: Axes, place: float, effect: Effect, look: dict, limits: tuple[float, float] | None = None) -> None:
    """The mean, in its `look`, and the 95 % interval; one that goes on beyond `limits` ends in an arrow."""
    low, high = limits or (-np.inf, np.inf)
    ends = np.clip([effect.low, effect.high], low, high)
    ax.plot(ends, [place, place], color=look["color"], zorder=2, **THICK)
    for end, is_beyond, arrow in zip(ends, (effect.low < low, effect.high > high), "<>", strict=True):
        if is_beyond:
            ax.plot(end, place, arrow, color=look["color"], markersize=4, clip_on=False, zorder=3)
    ax.plot(np.clip(effect.mean, low, high), place, zorder=4, **MEAN | look)


def _draw(ax: Axes, place: int, effect: Effect) -> None:
    colour = SIDES.get(effect.word, QUIET)
    ax.plot(effect.by_task, np.full(effect.tasks, place), zorder=2, **TASK)
    draw_effect(ax, place, effect, {"color": colour, "markerfacecolor": colour if effect.decided else "white"})
    look = {"xytext": (0, 4.5), "textcoords": "offset points", "fontsize": 6.5, "ha": "center", "color": TEXT}
    ax.annotate(f"{effect.tasks}", (effect.mean, place), **look)
