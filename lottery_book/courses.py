"""Chapters 2, 3 and 13: courses over steps or sizes, of structured and magnitude searches, as lines of means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.experiment.study import Study
from lottery_utils.show.frames import courses_of, final_step, joined
from lottery_utils.show.heatmaps import NOTHING
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    QUIET,
    SEED_SHADES,
    WIDTH,
    empty_figure,
    legend_below,
    outer_labels,
    panels,
)

COURSE = ("task", "title", "seed", "step", "phase", "score", "target", "passed", "heads", "mlps", "weights", "final")
PHASES = {
    1: ("1", "#E9EEF4"),
    2: ("2", "#FAF3E0"),
    3: ("3", "#F6E9EB"),
    4: ("heads", "#FAF3E0"),
    5: ("MLPs", "#F6E9EB"),
}
LEFT = {"heads": (COLOURS["good"], ()), "mlps": (COLOURS["random"], (3, 1.5))}
PASSED = {"color": COLOURS["full"], "marker": "o", "markersize": 4}
MARKS = {"good subnetwork": "D", "below the target": "X"}
TARGET = {"linestyle": "--", "linewidth": 1}
Looks = Mapping[str, tuple[str | tuple, tuple[float, ...]]]  # by a line's name its colour and dashes, () for none


def draw_lines(
    ax: Axes, rows: pd.DataFrame, x: str, y: str, line: str, looks: Looks, band: bool = False, **more
) -> None:
    """Draw the mean of column `y` at each `x`, one for each name in column `line`; all of `looks`, the first on top.

    With `band` a tint spans the lowest and the highest row; `more` is for seaborn.
    """
    names = [name for name in looks if name in set(rows[line])][::-1]
    colours, dashes = ({name: looks[name][i] or "" for name in names} for i in (0, 1))
    same = {"hue": line, "hue_order": names, "palette": colours, "style": line, "style_order": names, "dashes": dashes}
    span = {"errorbar": ("pi", 100), "err_kws": {"alpha": 0.16, "linewidth": 0}} if band else {"errorbar": None}
    sns.lineplot(rows, x=x, y=y, **same, **span, linewidth=1.5, legend=False, ax=ax, **more)
    ax.set(xlabel="", ylabel="")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)


def handles_of(looks: Looks, labels: Mapping[str, str], there: Iterable[str]) -> list[Line2D]:
    """The legend's lines of the names that are `there`, as `labels` call them."""
    there = set(there)
    return [
        Line2D([], [], color=colour, linestyle=(0, dashes) if dashes else "-", linewidth=1.5, label=labels[name])
        for name, (colour, dashes) in looks.items()
        if name in there
    ]


def search_course(study: Study, method: str) -> pd.DataFrame:
    """The searches step by step: columns `COURSE`, one row a task, seed and step; step 0 is the full model.

    heads, mlps and weights are the shares left, NaN where the method does not count in them; score is the
    search score on the dev set; phase is 0 for magnitude pruning; `final` marks the good subnetwork's step.
    """
    frames = []
    for search in courses_of(study, method):
        t = search.arrays
        steps = np.arange(len(t["score"]))
        if method == "structured":
            parts = {"phase": t["phase"], "heads": t["heads"].mean(axis=(1, 2)), "mlps": t["mlps"].mean(axis=1)}
        else:
            parts = {"phase": 0, "weights": t["share"]}
        parts |= {"step": steps, "score": t["score"], "passed": t["passed"], "target": float(t["target"][0])}
        frames.append(pd.DataFrame({**search.same, **parts, "final": steps == final_step(t)}))
    return joined(frames, COURSE)


def structured_course(course: pd.DataFrame, task: str) -> Figure:
    """The structured search of one task step by step, one column per seed: score above, what is left below.

    `course` as from `search_course`. The target is dashed, phases are shaded and numbered (1 heads and
    MLPs, 2 heads in half steps, 3 MLPs), crosses are masks that fell below the target.
    """
    rows = course[course["task"] == task]
    if rows.empty:
        return empty_figure(NOTHING)
    colours, seeds = dict(zip(MARKS, (COLOURS["good"], COLOURS["bad"]))), rows.groupby("seed", sort=False)
    figure = Figure(figsize=(min(WIDTH, 2.8 + 2.6 * len(seeds)), 4.4), layout="constrained")
    axes = figure.subplots(2, len(seeds), sharex="col", sharey="row", squeeze=False, height_ratios=(3, 2))
    for (above, below), (seed, of_seed) in zip(axes.T, seeds, strict=True):
        _shade((above, below), of_seed)
        sns.lineplot(of_seed[of_seed["passed"]], x="step", y="score", linewidth=1.1, ax=above, **PASSED)
        _mark(above, of_seed, x="step", hue="mark", palette=colours)
        above.axhline(of_seed["target"].iloc[0], color=QUIET, **TARGET)
        above.set(ylabel="dev score of the search")
        above.set_title(f"seed {seed}", fontsize=9)
        above.yaxis.grid(True, color=GRID, linewidth=0.6)
        above.margins(y=0.14)
        shares = of_seed.melt("step", list(LEFT), "part", "share")
        shares["share"] = 100 * shares["share"].astype(float)
        draw_lines(below, shares, "step", "share", "part", LEFT, drawstyle="steps-mid")
        below.set(ylim=(0, 105), xlabel="step", ylabel="left (%)")
        below.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(f"{rows['title'].iloc[0]}: the structured search", fontweight="bold", fontsize=10)
    lines = [Line2D([], [], **PASSED, label="score, passed")]  # a line joins them, since a search goes on from these
    lines += [*_mark_handles(colours), Line2D([], [], color=QUIET, **TARGET, label="target")]
    legend_below(figure, lines + handles_of(LEFT, {"heads": "heads left", "mlps": "MLPs left"}, LEFT))
    return figure


def _shade(axes: tuple[Axes, Axes], of_seed: pd.DataFrame) -> None:
    """Tint the phases of a search, and number them above."""
    for phase, steps in of_seed[of_seed["phase"] > 0].groupby("phase")["step"]:
        (text, tint), left, right = PHASES[phase], steps.min() - 0.5, steps.max() + 0.5
        for ax in axes:
            ax.axvspan(left, right, color=tint, linewidth=0, zorder=0)
        place = {"transform": axes[0].get_xaxis_transform(), "ha": "center", "va": "top", "fontsize": 8}
        axes[0].text((left + right) / 2, 1.0, text, **place)


def magnitude_courses(course: pd.DataFrame) -> Figure:
    """The magnitude searches: dev score against the share of weights kept, one panel per task, one line per seed.

    `course` as from `search_course`. Crosses are masks below the target, diamonds the good subnetworks.
    """
    if course.empty:
        return empty_figure(NOTHING)
    tasks = course.assign(kept=100 * course["weights"].astype(float)).groupby("task", sort=False)
    colours = dict(zip(dict.fromkeys(course["seed"]), cycle(SEED_SHADES)))
    figure, axes = panels(len(tasks), height=1.9)
    for ax, (_, rows) in zip(axes, tasks, strict=True):
        look = {"data": rows, "x": "kept", "hue": "seed", "palette": colours, "legend": False, "ax": ax}
        sns.lineplot(**look, y="score", linewidth=1.2)
        sns.lineplot(**look, y="target", alpha=0.8, **TARGET)
        _mark(ax, rows, x="kept", hue="seed", palette=colours)
        ax.set(title=rows["title"].iloc[0], xlabel="", ylabel="", xlim=(102, max(0.0, rows["kept"].min() - 4)))
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    outer_labels(figure, axes, "prunable weights kept (%)", "dev score of the search")
    handles = [Line2D([], [], color=colour, label=f"seed {seed}") for seed, colour in colours.items()]
    handles += _mark_handles(dict.fromkeys(MARKS, QUIET)) + [Line2D([], [], color=QUIET, **TARGET, label="target")]
    legend_below(figure, handles)
    return figure


def _mark(ax: Axes, rows: pd.DataFrame, **look) -> None:
    """Mark the good subnetwork and the masks below the target among the steps of searches."""
    good, failed = MARKS
    rows = rows.assign(mark=np.where(rows["final"], good, np.where(rows["passed"], "", failed)))
    rows = rows[rows["mark"] != ""]
    sns.scatterplot(rows, y="score", style="mark", markers=MARKS, s=36, zorder=3, legend=False, ax=ax, **look)


def _mark_handles(colours: dict[str, str]) -> list[Line2D]:
    look = {"linestyle": "", "markersize": 6}
    return [Line2D([], [], color=colours[name], marker=mark, label=name, **look) for name, mark in MARKS.items()]
