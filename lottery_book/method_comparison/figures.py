"""Ways to rank at equal size: score against what is left, by task and on average, and beside the paper's way."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.methods import METHODS
from lottery_utils.pruning.stopping import stop_rule
from lottery_utils.show.forest import forest
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    SEED_SHADES,
    WIDTH,
    empty_figure,
    legend_below,
    outer_labels,
    panels,
)

from .frames import FIELDS, compared
from .standings import QUANTITIES, Standing

NOTHING = "Nothing to show: no curve is stored, or no full model is clearly above the majority score."
RANKS = {  # colour, dashes
    "gate": (COLOURS["good"], "-"),
    "taylor": (COLOURS["bad"], "-"),
    "output": (COLOURS["super"], (0, (5, 1.5))),
    "entropy": (COLOURS["random"], (0, (3, 1, 1, 1))),
    "global": (COLOURS["good"], "-"),
    "layer": (COLOURS["super"], (0, (5, 1.5))),
    "snip": (COLOURS["bad"], "-"),
    "random": ("#8A8A8A", (0, (1.5, 1.5))),
}
TITLES = {
    "lead": "lead kept:\nminus the paper's",
    "target": "falls under 90 %\nlater",
    "middle": "under half of the\nlead later",
    "lead above random": "lead kept:\nminus random",
}
PREFIX = {"structured": "s", "magnitude": "m"}
MARK = {"color": "#6E6E6E", "linewidth": 0.9}
BAND = {"alpha": 0.16, "linewidth": 0}


def task_curves(frame: pd.DataFrame, method: str, threshold: float = 0.9) -> Figure:
    """Score on dev against the size, a panel a task, a line a way to rank, mean over seeds; bands span the seeds.

    `frame` as from `frames.curves`. Dashed is the search's target, dotted the midpoint between the full and
    the majority score, the lower edge the majority score where curves stay above it.
    """
    rows = frame[frame["method"] == method]
    if rows.empty:
        return empty_figure(NOTHING)
    tasks = list(dict.fromkeys(rows["task"]))
    figure, axes = panels(len(tasks), height=1.75)
    for ax, task in zip(axes, tasks):
        own = rows[rows["task"] == task]
        found = own.groupby(["name", "size"], sort=False)["score"].agg(["mean", "min", "max"])
        for name in dict.fromkeys(own["name"]):
            line = found.loc[name].sort_index()
            ax.fill_between(100 * line.index, line["min"], line["max"], color=look(name)["color"], **BAND)
            ax.plot(100 * line.index, line["mean"], linewidth=1.3, **look(name))
        once = own.drop_duplicates("seed")
        full, least = once["full"].mean(), once["majority"].mean()
        target = np.mean([stop_rule(f, m, threshold).target for f, m in zip(once["full"], once["majority"])])
        ax.axhline(target, linestyle="--", **MARK)
        ax.axhline((full + least) / 2, linestyle=":", **MARK)
        ax.axhline(least, linestyle="-", **{**MARK, "linewidth": 0.6})
        ax.set_title(own["title"].iloc[0])
        ax.set_xlim(100, 0)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    outer_labels(figure, axes, _size_label(method), "dev score of the search")
    marks = [("--", "target of the search"), (":", "midpoint"), ("-", "majority score")]
    handles = [*handles_of(rows), *(Line2D([], [], linestyle=style, label=text, **MARK) for style, text in marks)]
    legend_below(figure, handles, columns=4)
    return figure


def mean_curves(frame: pd.DataFrame) -> Figure:
    """The lead over the majority score that is kept, mean over tasks, a panel a method, a line a way to rank.

    Bands span the means of each seed alone. The horizontal axis is the share of prunable weights left, which is the
    same for all lines of a panel.
    """
    frame = compared(frame)
    methods = [method for method in FIELDS if (frame["method"] == method).any()]
    if not methods:
        return empty_figure(NOTHING)
    figure = Figure(figsize=(WIDTH if len(methods) > 1 else 4.6, 3.4), layout="constrained")
    for ax, method in zip(figure.subplots(1, len(methods), sharey=True, squeeze=False)[0], methods):
        rows = frame[frame["method"] == method]
        for name in dict.fromkeys(rows["name"]):
            own = rows[rows["name"] == name]
            line = own.groupby("size")[["share", "lead"]].mean()
            seeds = 100 * own.groupby(["size", "seed"])["lead"].mean().unstack()
            colour = look(name)["color"]
            ax.fill_between(100 * line["share"], seeds.min(axis=1), seeds.max(axis=1), color=colour, **BAND)
            ax.plot(100 * line["share"], 100 * line["lead"], linewidth=1.6, **look(name))
        for level in (0, 100):
            ax.axhline(level, **{**MARK, "linewidth": 0.6})
        ax.axhline(50, linestyle=":", **MARK)
        ax.set_xlim(100, 0)
        ax.set_title(f"{METHOD_NAMES[method]} ({over_tasks(rows)})")
        ax.set_xlabel("prunable weights left (%)")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.legend(handles=handles_of(rows), loc="lower left", fontsize=8)
    figure.axes[0].set_ylabel("lead over the majority score kept (%)")
    return figure


def standing_forest(found: list[Standing]) -> Figure:
    """The differences of `standings` with their intervals: a row a way to rank, a panel for each of `QUANTITIES`."""
    rows = {f"{PREFIX[one.method]}: {short(one.name)}": one for one in found if not one.is_paper}
    by_quantity = {
        TITLES[quantity]: {label: one.effects[quantity] for label, one in rows.items() if quantity in one.effects}
        for quantity in QUANTITIES
    }
    return forest(by_quantity, "points", absent="\N{EN DASH}") if rows else empty_figure(NOTHING)


def look(name: str) -> dict:
    """Colour and dashes of a way to rank; one of the user's has a colour of its own."""
    colour, dashes = RANKS.get(name, (SEED_SHADES[5 + sum(map(ord, name)) % 3], "-"))
    return {"color": colour, "linestyle": dashes}


def handles_of(rows: pd.DataFrame) -> list[Line2D]:
    """The lines of a legend, one a way to rank in `rows`."""
    return [Line2D([], [], label=short(name), **look(name)) for name in dict.fromkeys(rows["name"])]


def short(name: str) -> str:
    """A way to rank as shown: one of the user's without its folder."""
    known = {known for methods in METHODS.values() for known in methods}
    return name if name in known else name.rpartition("/")[2]


def _size_label(method: str) -> str:
    return "heads, and MLPs, left (%)" if method == "structured" else "prunable weights left (%)"


def over_tasks(rows: pd.DataFrame) -> str:
    """What a panel's means are over."""
    n = rows["task"].nunique()
    return f"mean over {n} tasks" if n != 1 else "1 task"
