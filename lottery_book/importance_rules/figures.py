"""Pictures of how importances are summed: against the exact formula in the full model, and what searches make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.forest import forest
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import COLOURS, GRID, WIDTH, empty_figure, legend_below

from .frames import RULES, SUMS

LOOK = {"batched": (COLOURS["random"], "s", (0, (4, 1.5))), "running": (COLOURS["bad"], "o", "-")}
SUM_NAMES = {"batched": "batched: zeroed between batches", "running": "running: never zeroed"}
STUDIES = {"demo": "demo", "laptop": "real BERT, real GLUE"}
NOTHING = "Nothing to show: no importances are stored."


def batch_lines(frames: Mapping[str, pd.DataFrame], column: str, label: str, component: str = "heads") -> Figure:
    """A statistic of the sums against the batch size, a panel a study; dots are tasks, lines their mean.

    `frames` maps "demo" and "laptop" to frames as from `sums.full_model` or `sums.between_orders`.
    """
    frames = {name: frame[frame["component"] == component] for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure(NOTHING)
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    for ax, (name, frame) in zip(figure.subplots(1, len(frames), sharey=True, squeeze=False)[0], frames.items()):
        batches = [b for b in dict.fromkeys(frame["batch"]) if b] + [0]
        for at, rule in enumerate(SUMS):
            colour, marker, dashes = LOOK[rule]
            own = frame[frame["rule"] == rule].groupby(["task", "batch"], sort=False)[column].mean().unstack("batch")
            own = own[[b for b in batches if b in own]]
            places = np.arange(own.shape[1]) + 0.08 * (2 * at - 1)
            for values in own.to_numpy():
                ax.plot(places, values, marker, ms=2.8, color=colour, alpha=0.5, markeredgewidth=0)
            ax.plot(places, own.mean(), color=colour, marker=marker, ms=5, linestyle=dashes, linewidth=1.4)
        ax.set_xticks(range(len(batches)), [str(b) if b else "all" for b in batches])
        tasks, seeds = frame["task"].nunique(), frame["seed"].nunique()
        ax.set_title(f"{STUDIES.get(name, name)}: {_many(tasks, 'task')}, {_many(seeds, 'seed')}", fontsize=9)
        ax.set_xlabel("examples a batch")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    figure.axes[0].set_ylabel(label)
    handles = [
        Line2D([], [], color=LOOK[r][0], marker=LOOK[r][1], linestyle=LOOK[r][2], markersize=5, label=SUM_NAMES[r])
        for r in SUMS
    ]
    legend_below(figure, [*handles, Line2D([], [], marker="o", ms=3, linestyle="", color="#8A8A8A", label="one task")])
    return figure


def likeness_bars(
    alike: Mapping[str, pd.DataFrame], seeds: Mapping[str, pd.DataFrame], component: str = "head"
) -> Figure:
    """Jaccard index of each rule's masks with those of "exact", beside that of two seeds under "exact" and chance.

    `alike` and `seeds` as from `sums.alike` and `sums.seeds_alike`, a panel a study; bars are means over tasks, dots
    tasks.
    """
    alike = {n: f[f["component"] == component] for n, f in alike.items() if len(f)}
    if not alike:
        return empty_figure("Nothing to show: no two rules were searched.")
    rules = [rule for rule in RULES if any((f["rule"] == rule).any() for f in alike.values())]
    figure = Figure(figsize=(WIDTH, 0.3 * (len(rules) + 1) + 1.5), layout="constrained")
    for ax, (name, frame) in zip(figure.subplots(1, len(alike), sharey=True, squeeze=False)[0], alike.items()):
        other = other_seed(seeds[name], component, frame["task"])
        bars = {rule: frame[frame["rule"] == rule] for rule in rules} | {"another seed, exact": other}
        for place, own in enumerate(bars.values()):
            values = own["jaccard"].dropna()
            if values.empty:
                ax.text(0.02, place, "gap", va="center", fontsize=7.5, color="#6E6E6E")
                continue
            colour = COLOURS["inverted"] if own is other else COLOURS["good"]
            ax.barh(place, values.mean(), 0.66, color=colour, zorder=2)
            ax.plot(values, np.full(len(values), place), "o", ms=3, color="white", markeredgecolor="#222222",
                    markeredgewidth=0.6, zorder=3)
            ax.plot([own["chance"].mean()] * 2, [place - 0.42, place + 0.42], color="#222222", linewidth=1.2, zorder=4)
        ax.set_yticks(range(len(bars)), list(bars))
        ax.set_ylim(len(bars) - 0.5, -0.5)
        ax.set_xlim(0, 1.03)
        ax.tick_params(axis="y", length=0)
        ax.xaxis.grid(True, color=GRID, linewidth=0.6)
        ax.set_xlabel(f"Jaccard index of the surviving {'heads' if component == 'head' else 'MLPs'}", fontsize=8)
        ax.set_title(f"{STUDIES.get(name, name)}: {_many(frame['task'].nunique(), 'task')}", fontsize=9)
    dot = Line2D([], [], marker="o", ms=3.5, linestyle="", color="white", markeredgecolor="#222222", label="one task")
    legend_below(figure, [dot, Line2D([], [], color="#222222", linewidth=1.2, label="chance")])
    return figure


def other_seed(seeds: pd.DataFrame, component: str, tasks: Iterable[str]) -> pd.DataFrame:
    """The rows of `sums.seeds_alike` that another rule's masks are held against: exact ones, of the same tasks."""
    rows = seeds[(seeds["component"] == component) & (seeds["rule"] == "exact")]
    return rows[rows["task"].isin(set(tasks))]


def rule_forest(effects: Mapping[tuple, Effect], titles: Mapping[str, str], x: str) -> Figure:
    """Each rule minus "exact", a panel for each of `titles` (column to its title); see `effects.forest`."""
    rules = [rule for rule in RULES if any(key[0] == rule for key in effects)]
    there = {c: t for c, t in titles.items() if any(e.tasks for (_, column), e in effects.items() if column == c)}
    return forest({t: {r: effects.get((r, c), Effect()) for r in rules} for c, t in there.items()}, x)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count != 1 else "")
