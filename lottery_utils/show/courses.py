"""Courses over steps: a structured search with its phases, magnitude searches, the training loss."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .heatmaps import NOTHING
from .style import COLOURS, GRID, WIDTH, empty_figure, legend_below, outer_labels, panels, seed_colours

PHASE_TINTS = {1: "#E9EEF4", 2: "#FAF3E0", 3: "#F6E9EB", 4: "#FAF3E0", 5: "#F6E9EB"}
PHASE_LABELS = {1: "1", 2: "2", 3: "3", 4: "heads", 5: "MLPs"}
HEADS_LINE = {"color": COLOURS["good"], "linewidth": 1.6}
MLPS_LINE = {"color": COLOURS["random"], "linewidth": 1.6, "linestyle": (0, (4, 2))}


def structured_course(course: pd.DataFrame, task: str) -> Figure:
    """The structured search of one task step by step, a column a seed: score above, what is left below.

    `course` as from `gather.search_course`. The target is dashed, phases are shaded and numbered (1 heads and
    MLPs, 2 heads in half steps, 3 MLPs), crosses are masks that fell below the target.
    """
    rows = course[course["task"] == task]
    if rows.empty:
        return empty_figure(NOTHING)
    seeds = list(dict.fromkeys(rows["seed"]))
    width = min(WIDTH, 2.8 + 2.6 * len(seeds))
    figure = Figure(figsize=(width, 4.4), layout="constrained")
    axes = figure.subplots(2, len(seeds), sharex="col", sharey="row", squeeze=False, height_ratios=(3, 2))
    for column, seed in enumerate(seeds):
        one = rows[rows["seed"] == seed].sort_values("step")
        above, below = axes[:, column]
        for ax in (above, below):
            _shade(ax, one, numbered=ax is above)
            ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        _scores(above, one)
        above.margins(y=0.14)
        below.step(one["step"], 100 * one["heads"], where="mid", **HEADS_LINE)
        below.step(one["step"], 100 * one["mlps"], where="mid", **MLPS_LINE)
        below.set_ylim(0, 105)
        below.set_xlabel("step")
        above.set_title(f"seed {seed}", fontsize=9)
        below.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set_ylabel("dev score of the search")
    axes[1, 0].set_ylabel("left (%)")
    figure.suptitle(f"{rows['title'].iloc[0]}: the structured search", fontweight="bold", fontsize=10)
    lines = [
        Line2D([], [], color=COLOURS["full"], marker="o", markersize=4, label="score, passed"),
        Line2D([], [], color=COLOURS["bad"], marker="x", linestyle="", markersize=6, label="below the target"),
        Line2D([], [], color=COLOURS["good"], marker="D", linestyle="", markersize=6, label="good subnetwork"),
        Line2D([], [], color="#6E6E6E", linestyle="--", linewidth=1, label="target"),
        Line2D([], [], **HEADS_LINE, label="heads left"),
        Line2D([], [], **MLPS_LINE, label="MLPs left"),
    ]
    legend_below(figure, lines)
    return figure


def _shade(ax: Axes, one: pd.DataFrame, numbered: bool) -> None:
    for phase, steps in one[one["phase"] > 0].groupby("phase")["step"]:
        left, right = steps.min() - 0.5, steps.max() + 0.5
        ax.axvspan(left, right, color=PHASE_TINTS[phase], linewidth=0, zorder=0)
        if numbered:
            place = ((left + right) / 2, 1.0)
            ax.text(*place, PHASE_LABELS[phase], transform=ax.get_xaxis_transform(), ha="center", va="top", fontsize=8)


def _scores(ax: Axes, one: pd.DataFrame) -> None:
    """The score at each step; a line joins the masks that passed, since a search goes on from these."""
    passed, failed = one[one["passed"]], one[~one["passed"]]
    ax.plot(passed["step"], passed["score"], color=COLOURS["full"], marker="o", markersize=3.5, linewidth=1.1)
    ax.plot(failed["step"], failed["score"], color=COLOURS["bad"], marker="x", markersize=6, linestyle="")
    good = one[one["final"]]
    ax.plot(good["step"], good["score"], color=COLOURS["good"], marker="D", markersize=6, linestyle="")
    ax.axhline(one["target"].iloc[0], color="#6E6E6E", linestyle="--", linewidth=1)


def magnitude_courses(course: pd.DataFrame) -> Figure:
    """The magnitude searches: dev score against the share of prunable weights kept, a panel a task, a line a seed.

    `course` as from `gather.search_course`. Crosses are masks below the target, diamonds the good subnetworks.
    """
    if course.empty:
        return empty_figure(NOTHING)
    tasks, colours = list(dict.fromkeys(course["task"])), seed_colours(course["seed"])
    figure, axes = panels(len(tasks), height=1.9)
    for ax, task in zip(axes, tasks):
        rows = course[course["task"] == task]
        for seed, one in rows.groupby("seed", sort=False):
            _magnitude_line(ax, one.sort_values("step"), colours[seed])
        ax.set_title(rows["title"].iloc[0])
        ax.set_xlim(102, max(0.0, 100 * rows["weights"].min() - 4))
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    outer_labels(figure, axes, "prunable weights kept (%)", "dev score of the search")
    handles = [Line2D([], [], color=colour, label=f"seed {seed}") for seed, colour in colours.items()]
    handles.append(Line2D([], [], color="#4A4A4A", marker="D", linestyle="", markersize=5, label="good subnetwork"))
    handles.append(Line2D([], [], color="#4A4A4A", marker="x", linestyle="", markersize=5, label="below the target"))
    handles.append(Line2D([], [], color="#4A4A4A", linestyle="--", linewidth=1, label="target"))
    legend_below(figure, handles)
    return figure


def _magnitude_line(ax: Axes, one: pd.DataFrame, colour: str) -> None:
    ax.plot(100 * one["weights"], one["score"], color=colour, linewidth=1.2)
    for rows, marker in ((one[one["final"]], "D"), (one[~one["passed"]], "x")):
        ax.plot(100 * rows["weights"], rows["score"], color=colour, marker=marker, markersize=5, linestyle="")
    ax.axhline(one["target"].iloc[0], color=colour, linestyle="--", linewidth=0.8, alpha=0.8)
