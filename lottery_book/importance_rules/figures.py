"""Pictures of how importances are summed: against the exact formula in the full model, and what searches make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.forest import forest
from lottery_utils.show.style import COLOURS, GRID, WIDTH, empty_figure, legend_below, say

from ..sources import count
from .frames import RULES, SUMS, Compared

COLOUR = {"batched": COLOURS["random"], "running": COLOURS["bad"]}
MARKER, DASHES = {"batched": "s", "running": "o"}, {"batched": (0, (4, 1.5)), "running": "-"}
SUM_NAMES = {"batched": "batched: zeroed between batches", "running": "running: never zeroed"}
ANOTHER_SEED = "another seed, exact"
NOTHING = "Nothing to show: no importances are stored."
PANELS = {"same size": "score at equal size", "weights": "weights kept"}
DOT = {"marker": "o", "color": "white", "edgecolor": "#222222", "linewidth": 0.6, "size": 3}
CHANCE = {"color": "#222222", "linestyle": "none", "marker": "|", "markersize": 17, "markeredgewidth": 1.2}


def batch_lines(frames: Mapping[str, pd.DataFrame], label: str) -> Figure:
    """Rank correlation of the heads' importances against the batch size, a panel a study; dots are tasks, lines means.

    `frames` maps a study's name to a frame as from `full_model` or `between_orders`.
    """
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure(NOTHING)
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    for ax, (name, frame) in zip(figure.subplots(1, len(frames), sharey=True, squeeze=False)[0], frames.items()):
        of_task = frame.groupby(["task", "rule", "batch"])["correlation"].mean().reset_index()
        sizes = [*(str(size) for size in sorted(set(of_task["batch"])) if size), "all"]
        of_task["batch"] = of_task["batch"].astype(str).replace("0", "all")
        same = {"x": "batch", "order": sizes, "y": "correlation", "hue": "rule", "hue_order": SUMS, "palette": COLOUR}
        sns.stripplot(of_task, **same, dodge=True, jitter=False, size=2.8, alpha=0.5, legend=False, ax=ax)
        look = {"markers": list(MARKER.values()), "linestyles": list(DASHES.values()), "linewidth": 1.4}
        sns.pointplot(of_task, **same, **look, dodge=0.4, errorbar=None, markersize=5, legend=False, ax=ax)
        tasks, seeds = frame["task"].nunique(), frame["seed"].nunique()
        ax.set_title(f"{name}\n{count(tasks, 'task')}, {count(seeds, 'seed')}", fontsize=9)
        ax.set(xlabel="examples a batch", ylabel=label)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    handles = [
        Line2D([], [], color=COLOUR[r], marker=MARKER[r], linestyle=DASHES[r], markersize=5, label=SUM_NAMES[r])
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
    figure = Figure(figsize=(WIDTH, 0.3 * (len(rules) + 1) + 1.5), layout="constrained")
    same = {"y": "rule", "order": [*rules, ANOTHER_SEED]}
    colours = dict.fromkeys(rules, COLOURS["good"]) | {ANOTHER_SEED: COLOURS["inverted"]}
    for ax, (name, frame) in zip(figure.subplots(1, len(alike), sharey=True, squeeze=False)[0], alike.items()):
        other = other_seed(studies[name].seeds_alike, frame["task"]).assign(rule=ANOTHER_SEED)
        rows, bars = pd.concat([frame, other]), {"hue": "rule", "palette": colours, "saturation": 1, "legend": False}
        sns.barplot(rows, **same, **bars, x="jaccard", errorbar=None, width=0.66, ax=ax)
        sns.stripplot(rows, **same, **DOT, x="jaccard", jitter=False, ax=ax)
        sns.pointplot(rows, **same, **CHANCE, x="chance", errorbar=None, ax=ax)
        for place, rule in enumerate(same["order"]):
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
    """The rows of `seeds_alike` that another rule's heads are held against, of the same tasks."""
    return seeds[seeds["task"].isin(set(tasks))]


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
