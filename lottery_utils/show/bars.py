"""Bars of scores, a panel a task: baselines, the full model, subnetworks pruned and retrained (paper, figure 3)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

from .scores import choose, sizes, summary
from .style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    TEXT,
    bar_colour,
    empty_figure,
    legend_below,
    panels,
)

BASELINES = ("majority", "bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned", "full")
BAR = 0.8


def subnetwork_bars(results: pd.DataFrame, table: pd.DataFrame, method: str) -> Figure:
    """Scores of majority, full model and the subnetworks of one method, pruned and retrained (paper, figure 3).

    `results` as from `scores.results`, `table` as from `Study.table`: the surviving share of prunable weights in
    each title comes from its searches. A bar is the mean over seeds, dots are the seeds.
    """
    parts = (choose(results, subnetwork="majority"), choose(results, treatment="full"), choose(results, method))
    frame = pd.concat(parts)
    frame = frame[frame["task"].isin(results.loc[results["treatment"] == "full", "task"])]
    if frame.empty:
        return empty_figure("Nothing to show: no full model is stored.")
    share = sizes(table)
    share = share[share["method"] == method].set_index("task")
    titles = {
        task: f"{title}: {_percent(share.loc[task, 'share_prunable'], share.loc[task, 'share_prunable_std'])} left"
        for task, title in zip(frame["task"], frame["title"])
        if task in share.index
    }
    figure = score_bars(frame, titles)
    figure.suptitle(f"{METHOD_NAMES[method]}; in the titles, the share of prunable weights left", fontsize=9)
    return figure


def baseline_bars(results: pd.DataFrame) -> Figure:
    """The full model beside majority, bag of words and the same network trained from random weights."""
    frame = results[results["treatment"].isin(["full", "baseline"])]
    if frame.empty:
        return empty_figure("Nothing to show: no full model is stored.")
    return score_bars(frame, {})


def score_bars(frame: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """One panel a task, one bar for each row of `scores.summary(frame)`: nothing is listed by hand.

    `titles` replaces the titles of some tasks. Panels of one metric share their score axis, which holds 0.
    """
    means = summary(frame)
    means = means.assign(order=means["subnetwork"].map(place_of)).sort_values(["order", "treatment"], kind="stable")
    tasks = list(dict.fromkeys(frame["task"]))
    groups = list(dict.fromkeys(means["subnetwork"]))
    figure, axes = panels(len(tasks), height=1.95)
    limits = {metric: _limits(scores) for metric, scores in frame.groupby("metric")["score"]}
    before = None
    for ax, task in zip(axes, tasks):
        rows = means[means["task"] == task]
        draw_bars(ax, rows, frame[frame["task"] == task], groups)
        metric = rows["metric"].iloc[0]
        ax.set_ylim(*limits[metric])
        ax.yaxis.set_major_locator(MultipleLocator(0.25 if np.diff(limits[metric]) < 1.3 else 0.5))
        if not ax.get_subplotspec().is_first_col() and limits[metric] == limits[before]:
            ax.set_yticklabels([])  # the axis is that of the panel to the left
        before = metric
        ax.set_title(titles.get(task, rows["title"].iloc[0]), fontsize=9)
        ax.set_ylabel(METRIC_NAMES[metric], fontsize=8)
    legend_below(figure, legend_of(means))
    return figure


def draw_bars(ax: Axes, means: pd.DataFrame, seeds: pd.DataFrame, groups: list[str]) -> None:
    """Bars of one task at the places of `groups`; retrained to the right of pruned, the seeds as dots."""
    least = means.loc[means["subnetwork"] == "majority", "mean"]
    if len(least):
        ax.axhline(least.iloc[0], color="#8A8A8A", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    for row in means.itertuples():
        place, width = _bar_place(row.treatment, groups.index(row.subnetwork))
        ax.bar(place, row.mean, width, color=bar_colour(row.subnetwork, row.treatment), zorder=2, label=_label(row))
        own = seeds[(seeds["subnetwork"] == row.subnetwork) & (seeds["treatment"] == row.treatment)]["score"]
        if row.count > 1:
            spread = np.linspace(-0.22, 0.22, row.count) * width
            ax.scatter(place + spread, own, s=9, color="white", edgecolors=TEXT, linewidths=0.7, zorder=3)
    ax.axhline(0, color="#8A8A8A", linewidth=0.8)
    ax.set_xticks(range(len(groups)), [tick_label(g) for g in groups], fontsize=8 if len(groups) < 6 else 7)
    ax.set_xlim(-0.6, len(groups) - 0.4)
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="x", length=0)
    there = set(means["subnetwork"])
    for place, group in enumerate(groups):
        if group not in there:
            ax.text(place, 0.03, "gap", ha="center", va="bottom", fontsize=8, color="#6E6E6E", rotation=90)


def tick_label(subnetwork: str) -> str:
    """A short name, on two lines where it has two parts; the legend has the whole one."""
    if subnetwork == "random_layer":  # it stands beside random
        return "by\nlayer"
    return NAMES[subnetwork].removesuffix("-survivors").replace(" ", "\n", 1)


def legend_of(means: pd.DataFrame) -> list:
    """Legend entries for the conditions that are there."""
    conditions = means.drop_duplicates(["subnetwork", "treatment"])
    handles = [Patch(facecolor=bar_colour(r.subnetwork, r.treatment), label=_label(r)) for r in conditions.itertuples()]
    if (means["count"] > 1).any():
        dot = {"marker": "o", "linestyle": "", "markersize": 4, "markerfacecolor": "white", "color": TEXT}
        handles.append(Line2D([], [], **dot, label="one seed"))
    return handles


def _label(row) -> str:
    plain = row.treatment in ("full", "baseline")
    return NAMES[row.subnetwork] if plain else f"{NAMES[row.subnetwork]}, {row.treatment}"


def place_of(subnetwork: str) -> int:
    """Baselines, then the full model, then subnetworks."""
    order = (*BASELINES, *(name for name in COLOURS if name not in BASELINES))
    return order.index(subnetwork)


def _bar_place(treatment: str, group: int) -> tuple[float, float]:
    """Centre and width of a bar: pruned and retrained share their group's place."""
    if treatment == "pruned":
        return group - BAR / 4, BAR / 2
    return (group + BAR / 4, BAR / 2) if treatment == "retrained" else (group, BAR)


def _limits(scores: pd.Series) -> tuple[float, float]:
    """From 0, or just below the lowest score, to 1, or just above the highest."""
    low, high = scores.min(), scores.max()
    return (low - 0.05 if low < 0 else 0.0), max(1.0, high) + 0.02


def _percent(mean: float, std: float) -> str:
    return f"{100 * mean:.0f} %" if np.isnan(std) else f"{100 * mean:.0f} ± {100 * std:.0f} %"
