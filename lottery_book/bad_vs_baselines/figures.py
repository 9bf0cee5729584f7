"""Bad subnetworks against simple models (paper, table 2), and what longer fine-tuning does to them (appendix)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from lottery_utils.show.dots import AXIS
from lottery_utils.show.leads import Condition
from lottery_utils.show.scores import CONDITION, choose
from lottery_utils.show.stats import effect
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    TEXT,
    WIDTH,
    empty_figure,
    framed,
    legend_below,
    panels,
)

from ..side_by_side import LEAD_AXIS, named
from ..sources import NO_RECORD, NOT_IN_PAPER, NOT_RUN, PUBLISHED, Source, count
from .frames import COMPARED, leads

MAJORITY = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}
NOT_RELEASED = "printed, not released"


def compared(sources: Sequence[Source]) -> Figure:
    """Lead kept by simple models without pre-training and by bad subnetworks, retrained: a panel a source."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.subplots(1, len(sources), sharex=True, sharey=True, squeeze=False)[0]
    for ax, source in zip(axes, sources, strict=True):
        rows = leads(source.results) if len(source.results) else pd.DataFrame(columns=["task", *CONDITION, "lead"])
        framed(ax, source.kind, f"{source.name}\n{count(rows['task'].nunique(), 'task')}")
        for place, condition in enumerate(COMPARED):
            own = choose(rows, *condition)
            own = own.loc[own["method"] == condition[0], "lead"]
            _row(ax, place, own, condition) if len(own) else _say(ax, place, _why_not(source, condition))
        for share in (0, 1):
            ax.axvline(share, color="#8A8A8A", linewidth=0.9, zorder=0)
        ax.xaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="y", length=0)
    labels = [named(condition, with_method=True).removesuffix(", retrained") for condition in COMPARED]
    axes[0].set_yticks(range(len(COMPARED)), labels, fontsize=7.5)
    axes[0].set(xlim=AXIS, ylim=(len(COMPARED) - 0.5, -0.5), xticks=[-0.5, 0, 0.5, 1])
    axes[0].xaxis.set_major_formatter(PercentFormatter(1, 0, "\N{NO-BREAK SPACE}%"))
    axes[len(sources) // 2].set_xlabel(LEAD_AXIS, fontsize=9)
    return figure


def _row(ax: Axes, place: int, values: pd.Series, condition: Condition) -> None:
    """One dot per task, the mean over tasks with its 95 % interval, and the mean in per cent at the right."""
    colour, mean = COLOURS[condition[1]], effect(values.reset_index(drop=True))
    ax.plot(values.clip(*AXIS), [place] * len(values), "o", color=colour, markersize=3.6, alpha=0.5)
    ax.plot([mean.low, mean.high], [place, place], color=colour, linewidth=1.6)
    ax.plot(mean.mean, place, "o", color=colour, markersize=7)
    text = f"{100 * mean.mean:.0f}".replace("-", "\N{MINUS SIGN}")
    ax.text(AXIS[1] - 0.04, place, text, fontsize=8, ha="right", va="center", color=TEXT)


def _say(ax: Axes, place: int, text: str) -> None:
    look = {"ha": "center", "va": "center", "fontsize": 8, "color": "#6E6E6E", "style": "italic"}
    ax.text(0.5, place, text, transform=ax.get_yaxis_transform(), **look)


def _why_not(source: Source, condition: Condition) -> str:
    if source.kind == PUBLISHED:
        return NOT_IN_PAPER if condition[1] == "bag_of_words" else NOT_RELEASED
    return NOT_RUN if source.kind == "this run" else NO_RECORD


def longer_lines(results: pd.DataFrame) -> Figure:
    """Bad subnetworks fine-tuned as usual and for longer, joined by a line for each seed; a panel a task."""
    longer = choose(results, subnetwork="bad", treatment="retrained longer")
    tasks = list(dict.fromkeys(longer["task"]))
    if not tasks:
        return empty_figure("Nothing to show: no bad subnetwork was fine-tuned for longer.")
    methods = [name for name in METHOD_NAMES if (longer["method"] == name).any()]
    figure, axes = panels(len(tasks), height=2.0)
    for ax, task in zip(axes, tasks, strict=True):
        _longer_panel(ax, results[results["task"] == task], methods)
    dot = {"marker": "o", "markersize": 4, "color": COLOURS["bad"]}
    handles = [
        Line2D([], [], **dot, markerfacecolor="white", linestyle="", label="retrained"),
        Line2D([], [], **dot, linestyle="", label="retrained longer"),
        Line2D([], [], color=TEXT, linewidth=0.9, label=NAMES["full"]),
        Line2D([], [], **MAJORITY, label=NAMES["majority"]),
    ]
    legend_below(figure, handles, 4)
    return figure


def _longer_panel(ax: Axes, rows: pd.DataFrame, methods: Sequence[str]) -> None:
    """One task: the usual score at the left of each method's place, the longer-trained one at its right."""
    for name, look in (("full", {"color": TEXT, "linewidth": 0.9}), ("majority", MAJORITY)):
        ax.axhline(rows.loc[rows["subnetwork"] == name, "score"].mean(), **look)
    for place, method in enumerate(methods):
        usual, longer = (
            choose(rows, method, "bad", how).set_index("seed")["score"] for how in ("retrained", "retrained longer")
        )
        for seed in longer.index.intersection(usual.index):
            ends = [3 * place, 3 * place + 1.2]
            ax.plot(ends, [usual[seed], longer[seed]], color=COLOURS["bad"], linewidth=1.1, alpha=0.8)
            ax.plot(ends[0], usual[seed], "o", ms=4, color="white", markeredgecolor=COLOURS["bad"], zorder=3)
            ax.plot(ends[1], longer[seed], "o", ms=4, color=COLOURS["bad"], zorder=3)
    ax.set_xticks([3 * place + 0.6 for place in range(len(methods))], [METHOD_NAMES[name] for name in methods])
    ax.set(xlim=(-0.6, 3 * len(methods) - 1.2), ylim=(min(0.0, rows["score"].min()) - 0.03, 1.05))
    ax.set_title(rows["title"].iloc[0])
    ax.set_ylabel(METRIC_NAMES[rows["metric"].iloc[0]], fontsize=8)
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="x", length=0)
