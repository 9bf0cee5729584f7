"""Ways to rank at equal size: score against what is left, by task and on average, and beside the paper's way."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.methods import METHODS
from lottery_utils.pruning.stopping import stop_rule
from lottery_utils.show.forest import forest
from lottery_utils.show.lines import Looks, draw_lines, handles_of
from lottery_utils.show.style import (
    COLOURS,
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
RANKS: Looks = {
    "gate": (COLOURS["good"], ()),
    "taylor": (COLOURS["bad"], ()),
    "output": (COLOURS["super"], (5, 1.5)),
    "entropy": (COLOURS["random"], (3, 1, 1, 1)),
    "global": (COLOURS["good"], ()),
    "layer": (COLOURS["super"], (5, 1.5)),
    "snip": (COLOURS["bad"], ()),
    "random": ("#8A8A8A", (1.5, 1.5)),
}
TITLES = {
    "lead": "lead kept:\nminus the paper's",
    "target": "falls under 90 %\nlater",
    "middle": "under half of the\nlead later",
    "lead above random": "lead kept:\nminus random",
}
PREFIX = {"structured": "s", "magnitude": "m"}
SIZE = {"structured": "heads, and MLPs, left (%)", "magnitude": "prunable weights left (%)"}
MARK = {"color": "#6E6E6E", "linewidth": 0.9}


def task_curves(frame: pd.DataFrame, method: str, threshold: float = 0.9) -> Figure:
    """Score on dev against the size, a panel a task, a line a way to rank, mean over seeds; bands span the seeds.

    `frame` as from `frames.curves`. Dashed is the search's target, dotted the midpoint between the full and
    the majority score, the lower edge the majority score where curves stay above it.
    """
    rows = frame[frame["method"] == method]
    if rows.empty:
        return empty_figure(NOTHING)
    figure, axes = panels(rows["task"].nunique(), height=1.75)
    for ax, (_, own) in zip(axes, rows.groupby("task", sort=False), strict=True):
        draw_lines(ax, own.assign(left=100 * own["size"]), "left", "score", "name", looks_of(own["name"]), band=True)
        once = own.drop_duplicates("seed")
        full, least = once["full"].mean(), once["majority"].mean()
        target = np.mean([stop_rule(f, m, threshold).target for f, m in zip(once["full"], once["majority"])])
        for level, style in ((target, "--"), ((full + least) / 2, ":"), (least, "-")):
            ax.axhline(level, linestyle=style, **MARK)
        ax.set_title(own["title"].iloc[0])
        ax.set_xlim(100, 0)
    outer_labels(figure, axes, SIZE[method], "dev score of the search")
    marks = [("--", "target of the search"), (":", "midpoint"), ("-", "majority score")]
    handles = [*_legend(rows), *(Line2D([], [], linestyle=style, label=text, **MARK) for style, text in marks)]
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
        of_seeds = 100 * rows.groupby(["name", "size", "seed"], sort=False)[["share", "lead"]].mean()
        of_seeds = of_seeds.round({"share": 9}).reset_index()  # sums may differ in their last bit
        draw_lines(ax, of_seeds, "share", "lead", "name", looks_of(rows["name"]), band=True)
        for level, style in ((0, "-"), (100, "-"), (50, ":")):
            ax.axhline(level, linestyle=style, **MARK)
        ax.set_xlim(100, 0)
        ax.set_title(f"{METHOD_NAMES[method]} ({over_tasks(rows)})")
        ax.set_xlabel(SIZE["magnitude"])
        ax.legend(handles=_legend(rows), loc="lower left", fontsize=8)
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


def looks_of(names: Iterable[str]) -> Looks:
    """Colour and dashes of ways to rank, each once; one of the user's has a colour of its own."""
    own = {name: (SEED_SHADES[5 + sum(map(ord, name)) % 3], ()) for name in names}
    return {name: RANKS.get(name, look) for name, look in own.items()}


def _legend(rows: pd.DataFrame) -> list[Line2D]:
    looks = looks_of(rows["name"])
    return handles_of(looks, {name: short(name) for name in looks}, looks)


def short(name: str) -> str:
    """A way to rank as shown: one of the user's without its folder."""
    known = {known for methods in METHODS.values() for known in methods}
    return name if name in known else name.rpartition("/")[2]


def over_tasks(rows: pd.DataFrame) -> str:
    """What a panel's means are over."""
    n = rows["task"].nunique()
    return f"mean over {n} tasks" if n != 1 else "1 task"
