"""Pictures of how importances are summed: against the exact formula in the full model, and what searches make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.forest import forest
from lottery_utils.show.style import COLOURS, GRID, WIDTH, empty_figure, legend_below, say

from ..sources import count
from .frames import RULES, SUMS, Compared

LOOK = {"batched": (COLOURS["random"], "s", (0, (4, 1.5))), "running": (COLOURS["bad"], "o", "-")}
SUM_NAMES = {"batched": "batched: zeroed between batches", "running": "running: never zeroed"}
NOTHING = "Nothing to show: no importances are stored."
OTHER = "another seed, exact"
CHANCE = {"marker": "|", "markersize": 20, "markeredgewidth": 1.2}
PANELS = {"same size": "score at equal size", "weights": "weights kept"}


def batch_lines(frames: Mapping[str, pd.DataFrame], label: str) -> Figure:
    """Rank correlation of the heads' importances against the batch size, a panel a study; dots are tasks, lines means.

    `frames` maps a study's name to a frame as from `full_model` or `between_orders`.
    """
    frames = {name: frame[frame["component"] == "heads"] for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure(NOTHING)
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    for ax, (name, frame) in zip(figure.subplots(1, len(frames), sharey=True, squeeze=False)[0], frames.items()):
        batches = [b for b in dict.fromkeys(frame["batch"]) if b] + [0]
        for at, rule in enumerate(SUMS):
            colour, marker, dashes = LOOK[rule]
            of_task = frame[frame["rule"] == rule].groupby(["task", "batch"], sort=False)["correlation"].mean()
            own = of_task.unstack("batch")[[b for b in batches if b in set(frame["batch"])]]
            places = np.arange(own.shape[1]) + 0.08 * (2 * at - 1)
            for values in own.to_numpy():
                ax.plot(places, values, marker, ms=2.8, color=colour, alpha=0.5, markeredgewidth=0)
            ax.plot(places, own.mean(), color=colour, marker=marker, ms=5, linestyle=dashes, linewidth=1.4)
        ax.set_xticks(range(len(batches)), [str(b) if b else "all" for b in batches])
        tasks, seeds = frame["task"].nunique(), frame["seed"].nunique()
        ax.set_title(f"{name}\n{count(tasks, 'task')}, {count(seeds, 'seed')}", fontsize=9)
        ax.set_xlabel("examples a batch")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    figure.axes[0].set_ylabel(label)
    handles = [
        Line2D([], [], color=LOOK[r][0], marker=LOOK[r][1], linestyle=LOOK[r][2], markersize=5, label=SUM_NAMES[r])
        for r in SUMS
    ]
    legend_below(figure, [*handles, Line2D([], [], marker="o", ms=3, linestyle="", color="#8A8A8A", label="one task")])
    return figure


def likeness_bars(studies: Mapping[str, Compared]) -> Figure:
    """Jaccard index of each rule's heads with those of "exact", beside that of two seeds under "exact" and chance.

    A panel a study; bars are means over tasks, dots tasks.
    """
    alike = {name: one.alike[one.alike["component"] == "head"] for name, one in studies.items() if len(one.alike)}
    if not alike:
        return empty_figure("Nothing to show: no two rules were searched.")
    rules = [rule for rule in RULES if any((f["rule"] == rule).any() for f in alike.values())]
    bars = dict.fromkeys(rules, COLOURS["good"]) | {OTHER: COLOURS["inverted"]}
    figure = Figure(figsize=(WIDTH, 0.3 * len(bars) + 1.5), layout="constrained")
    for ax, (name, frame) in zip(figure.subplots(1, len(alike), sharey=True, squeeze=False)[0], alike.items()):
        other = other_seed(studies[name].seeds_alike, frame["task"])
        rows = pd.concat([frame, other.assign(rule=OTHER)]).dropna(subset=["jaccard"])
        same = {"data": rows[rows["rule"].isin(bars)], "y": "rule", "order": list(bars), "ax": ax}
        look = {"hue": "rule", "palette": bars, "width": 0.66, "saturation": 1, "errorbar": None, "legend": False}
        sns.barplot(**same, x="jaccard", **look)
        sns.stripplot(**same, x="jaccard", color="white", jitter=False, size=3.4, edgecolor="#222222", linewidth=0.6)
        sns.pointplot(**same, x="chance", color="#222222", linestyle="none", errorbar=None, **CHANCE)
        for place, rule in enumerate(bars):
            if rule not in set(rows["rule"]):
                say(ax, "gap", place)
        ax.set(xlim=(0, 1.03), ylabel="")
        ax.tick_params(axis="y", length=0)
        ax.xaxis.grid(True, color=GRID, linewidth=0.6)
        ax.set_xlabel("Jaccard index of the surviving heads", fontsize=8)
        ax.set_title(f"{name}\n{count(frame['task'].nunique(), 'task')}", fontsize=9)
    dot = Line2D([], [], marker="o", ms=3.5, linestyle="", color="white", markeredgecolor="#222222", label="one task")
    legend_below(figure, [dot, Line2D([], [], color="#222222", linewidth=1.2, label="chance")])
    return figure


def other_seed(seeds: pd.DataFrame, tasks: Iterable[str]) -> pd.DataFrame:
    """The rows of `seeds_alike` that another rule's heads are held against: exact ones, of the same tasks."""
    rows = seeds[(seeds["component"] == "head") & (seeds["rule"] == "exact")]
    return rows[rows["task"].isin(set(tasks))]


def effects_forest(studies: Mapping[str, Compared]) -> Figure:
    """Score at equal size and weights kept, each rule minus "exact": a panel for each study and quantity."""
    panels = {
        f"{title}\n{name.partition(',')[0]}": {
            rule: one.effects[rule, column] for rule in RULES if (rule, column) in one.effects
        }
        for name, one in studies.items()
        for column, title in PANELS.items()
    }
    return forest({title: rows for title, rows in panels.items() if rows}, "points: rule minus exact")
