"""Bad subnetworks against simple models (paper, table 2), and what longer fine-tuning does to them (appendix)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.dots import AXIS, draw_dots, dress
from lottery_utils.show.leads import Condition
from lottery_utils.show.scores import CONDITION, choose
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
    say,
)

from ..side_by_side import LEAD_AXIS, named
from ..sources import NO_RECORD, NOT_IN_PAPER, NOT_RUN, PUBLISHED, Source, count
from .frames import COMPARED, leads

LEVELS = {
    "full": {"color": TEXT, "linewidth": 0.9},
    "majority": {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))},
}
PRUNED = {"structured": COLOURS["bad"], "magnitude": COLOURS["random"]}
NOT_RELEASED = "printed, not released"


def compared(sources: Sequence[Source]) -> Figure:
    """Lead kept by simple models without pre-training and by bad subnetworks, retrained: a panel a source."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.subplots(1, len(sources), sharex=True, sharey=True, squeeze=False)[0]
    labels = [named(condition, with_method=True).removesuffix(", retrained") for condition in COMPARED]
    for ax, source in zip(axes, sources, strict=True):
        rows = leads(source.results) if len(source.results) else pd.DataFrame(columns=["task", *CONDITION, "lead"])
        framed(ax, source.kind, f"{source.name}\n{count(rows['task'].nunique(), 'task')}")
        there = list(rows[CONDITION].itertuples(index=False, name=None))
        rows = rows.assign(place=[float(COMPARED.index(condition)) for condition in there])
        draw_dots(ax, rows.assign(shown=rows["lead"].clip(*AXIS)), hollow=False)
        for place, condition in enumerate(COMPARED):
            if condition not in there:
                say(ax, _why_not(source, condition), place)
        dress(ax, labels, fontsize=7.5)
    axes[len(sources) // 2].set_xlabel(LEAD_AXIS, fontsize=9)
    return figure


def _why_not(source: Source, condition: Condition) -> str:
    if source.kind == PUBLISHED:
        return NOT_IN_PAPER if condition[1] == "bag_of_words" else NOT_RELEASED
    return NOT_RUN if source.kind == "this run" else NO_RECORD


def longer_lines(results: pd.DataFrame) -> Figure:
    """Bad subnetworks fine-tuned as usual and for longer, joined by a line for each seed; a panel a task."""
    both = choose(results, subnetwork="bad")
    both = both[both["treatment"].isin(["retrained", "retrained longer"])]
    both = both[both.groupby(["task", "method", "seed"])["score"].transform("size") == 2]
    if both.empty:
        return empty_figure("Nothing to show: no bad subnetwork was fine-tuned for longer.")
    figure, axes = panels(both["task"].nunique(), height=2.0)
    same = {"x": "treatment", "y": "score", "hue": "method", "palette": PRUNED, "units": "seed", "estimator": None}
    for ax, (task, rows) in zip(axes, both.groupby("task", sort=False), strict=True):
        for name, look in LEVELS.items():
            ax.axhline(choose(results[results["task"] == task], subnetwork=name)["score"].mean(), **look)
        sns.lineplot(rows.sort_values("treatment"), **same, marker="o", markersize=4, legend=False, ax=ax)
        ax.set(xlim=(-0.25, 1.25), ylim=(min(0.0, rows["score"].min()) - 0.03, 1.05), xlabel="")
        ax.set_title(rows["title"].iloc[0])
        ax.set_ylabel(METRIC_NAMES[rows["metric"].iloc[0]], fontsize=8)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="x", length=0)
    handles = [Line2D([], [], marker="o", color=c, label=f"bad, {METHOD_NAMES[m]}, a seed") for m, c in PRUNED.items()]
    handles += [Line2D([], [], **look, label=NAMES[name]) for name, look in LEVELS.items()]
    legend_below(figure, handles, 4)
    return figure
