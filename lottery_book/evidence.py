"""How the three sources of evidence look, and lead kept as dots: one per task, the mean over tasks, its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from lottery_utils.show.leads import SUBNETWORKS
from lottery_utils.show.stats import effect
from lottery_utils.show.style import COLOURS, GRID, NAMES, TEXT, say

# the three sources of evidence: each has one ground, frame and mark wherever it is shown
SOURCES = {
    "published": {"ground": "#F4F4F2", "edge": "#6E6E6E", "linestyle": (0, (5, 3)), "mark": "\u25c7", "marker": "D"},
    "real study": {"ground": "#FFFFFF", "edge": "#222222", "linestyle": "-", "mark": "\u25cf", "marker": "o"},
    "this run": {"ground": "#FBF6E9", "edge": "#8C6D1F", "linestyle": (0, (1, 1.5)), "mark": "\u25b7", "marker": ">"},
}
SOURCES["real study"]["face"] = SOURCES["real study"]["edge"]
SOURCES["published"]["face"] = SOURCES["this run"]["face"] = "white"
AXIS = (-0.75, 1.5)  # tasks farther out are triangles at its edge; above 1.1 stand the means as numbers
OFFSET = {"pruned": -0.2, "retrained": 0.2}  # of a treatment's line from the middle of its row
HOLLOW = "white"
MEAN_SIZE, TASK_SIZE = 7, 3.6


def framed(ax: Axes, source: str, title: str) -> None:
    """Give a panel the look of its source of evidence, one of `SOURCES`, whose mark begins the title, if it has one."""
    look = SOURCES[source]
    ax.set_facecolor(look["ground"])
    ax.spines[:].set(visible=True, color=look["edge"], linestyle=look["linestyle"], linewidth=0.9)
    ax.set_title(title and f"{look['mark']} {title}", fontsize=8, fontweight="normal")


def lead_dots(
    ax: Axes, leads: pd.DataFrame, absent: Mapping[str, str], empty: str = "gap", rows: Sequence[str] = SUBNETWORKS
) -> None:
    """Draw the lead kept by subnetworks of one method, rows of `show.leads.leads`: pruned hollow, retrained filled.

    `rows` are the kinds of subnetworks. A dot is a task, a mark the mean over tasks with its 95 % interval (Student's
    t), whose number in per cent is at the right.
    `absent` says why a kind of subnetwork is not there, `empty` why none is; without a word its row says "gap".
    """
    places = leads["subnetwork"].map(rows.index) + leads["treatment"].map(OFFSET)
    leads = leads.assign(place=places, shown=leads["lead"].clip(*AXIS))
    for treatment in OFFSET:
        draw_dots(ax, leads[leads["treatment"] == treatment], treatment == "pruned")
    kinds_shown = set(leads["subnetwork"])
    for place, name in enumerate(rows):
        if kinds_shown and name not in kinds_shown:
            say(ax, absent.get(name, "gap"), place)
    if not kinds_shown:
        say(ax, empty, (len(rows) - 1) / 2)
    dress(ax, [NAMES[name].replace(" ", "\n", 1) for name in rows])


def legend_of_dots() -> list[Line2D]:
    """Legend entries of `lead_dots`."""
    mark = {"marker": "o", "linestyle": "", "color": TEXT}
    return [
        Line2D([], [], **mark, markersize=MEAN_SIZE - 1, markerfacecolor=HOLLOW, label="pruned, mean over tasks"),
        Line2D([], [], **mark, markersize=MEAN_SIZE - 1, label="retrained, mean over tasks"),
        Line2D([], [], color=TEXT, linewidth=1.6, label="95 % interval"),
        Line2D([], [], **mark, markersize=TASK_SIZE, alpha=0.5, label="one task"),
    ]


def draw_dots(ax: Axes, rows: pd.DataFrame, hollow: bool) -> None:
    """Dots, means and intervals of `rows` with place, subnetwork, lead, and `shown`, the lead within `AXIS`."""
    if rows.empty:
        return
    colours = {name: COLOURS[name] for name in rows["subnetwork"]}
    same = {"data": rows, "y": "place", "hue": "subnetwork", "palette": colours, "orient": "h", "native_scale": True}
    same |= {"legend": False, "ax": ax}
    near = rows["lead"] == rows["shown"]
    dots = {"jitter": False, "linewidth": 0.6, "edgecolor": "face", "alpha": 0.5}
    sns.stripplot(**same | {"data": rows[near]}, x="shown", size=TASK_SIZE, **dots)
    sns.stripplot(**same | {"data": rows[~near]}, x="shown", size=TASK_SIZE + 1, marker="<", clip_on=False, **dots)
    look = {"linestyle": "none", "markersize": MEAN_SIZE, "markeredgewidth": 1.4, "err_kws": {"linewidth": 1.6}}
    look |= {"markerfacecolor": HOLLOW} if hollow else {}
    sns.pointplot(**same, x="lead", errorbar=_interval, **look)
    for place, mean in rows.groupby("place")["lead"].mean().items():
        _number(ax, mean, place)


def _interval(values: pd.Series) -> tuple[float, float]:
    """The 95 % interval of a mean over tasks, as all pages have it."""
    mean = effect(pd.Series(np.asarray(values)))
    return mean.low, mean.high


def _number(ax: Axes, mean: float, place: float) -> None:
    """The mean in per cent, at the right end of its line, on the panel's ground: no interval runs through it."""
    text = f"{round(100 * mean)}".replace("-", "\N{MINUS SIGN}")
    ground = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.6}
    ax.text(AXIS[1] - 0.05, place, text, fontsize=8, ha="right", va="center", color=TEXT, bbox=ground, zorder=6)


def dress(ax: Axes, rows: Sequence[str], fontsize: float = 9) -> None:
    """Axes, names of the rows and the lines of a constant answer and of the full model."""
    for share in (0, 1):
        ax.axvline(share, color="#8A8A8A", linewidth=0.9, zorder=0)
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.set(xlim=AXIS, ylim=(len(rows) - 0.5, -0.5), xlabel="", ylabel="")
    ax.set_xticks([-0.5, 0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, 0, "\N{NO-BREAK SPACE}%"))
    ax.set_yticks(range(len(rows)), rows, fontsize=fontsize)
    ax.tick_params(axis="y", length=0)
