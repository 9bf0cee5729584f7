"""Chapter 6: bad subnetworks against simple models (paper, table 2), and fine-tuned for longer (appendix)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.frames import CONDITION, choose, columns_of, mean_scores
from lottery_utils.show.leads import Condition, leads_of
from lottery_utils.show.stats import Effect, effect, lead_kept
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    TEXT,
    WIDTH,
    empty_figure,
    legend_below,
    panels,
    say,
)

from .evidence import AXIS, draw_dots, dress, framed
from .side_by_side import ENDS, LEAD_AXIS, named
from .sources import NO_RECORD, NOT_IN_PAPER, PUBLISHED, Source, count

BASELINES = ("bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned")
BAD: tuple[Condition, ...] = (("structured", "bad", "retrained"), ("magnitude", "bad", "retrained"))
COMPARED: tuple[Condition, ...] = (*(("", name, "baseline") for name in BASELINES), *BAD)
LEVELS = {
    "full": {"color": TEXT, "linewidth": 0.9},
    "majority": {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))},
}
PRUNED = {"structured": COLOURS["bad"], "magnitude": COLOURS["random"]}
NOT_RELEASED = "printed, not released"


def compared(sources: Sequence[Source]) -> Figure:
    """Lead kept by simple models without pre-training and by bad subnetworks, retrained: one panel per source."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    axes = figure.subplots(1, len(sources), sharex=True, sharey=True, squeeze=False)[0]
    labels = [named(condition, with_method=True).removesuffix(", retrained") for condition in COMPARED]
    for ax, source in zip(axes, sources, strict=True):
        kept = leads(source.results)
        framed(ax, source.kind, f"{source.name}\n{count(len(kept), 'task')}")
        rows = kept.melt(value_name="lead")
        rows["place"] = [float(COMPARED.index(condition)) for condition in zip(*map(rows.get, CONDITION))]
        draw_dots(ax, rows.assign(shown=rows["lead"].clip(*AXIS)), hollow=False)
        for place, condition in enumerate(COMPARED):
            if condition not in kept:
                say(ax, _why_not(source, condition), place)
        dress(ax, labels, fontsize=7.5)
    axes[len(sources) // 2].set_xlabel(LEAD_AXIS, fontsize=9)
    return figure


def _why_not(source: Source, condition: Condition) -> str:
    if source.kind == PUBLISHED:
        return NOT_IN_PAPER if condition[1] == "bag_of_words" else NOT_RELEASED
    return NO_RECORD


def longer_lines(results: pd.DataFrame) -> Figure:
    """Bad subnetworks fine-tuned as usual and for longer, joined by a line for each seed; one panel per task."""
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
    names = {method: f"bad, {METHOD_NAMES[method]}, one seed" for method in PRUNED}
    handles = [Line2D([], [], marker="o", color=PRUNED[method], label=name) for method, name in names.items()]
    handles += [Line2D([], [], **look, label=NAMES[name]) for name, look in LEVELS.items()]
    legend_below(figure, handles, 4)
    return figure


def leads(results: pd.DataFrame) -> pd.DataFrame:
    """Lead kept of those of the conditions `COMPARED` that are there: one row per task, a column a condition.

    `results` as from `frames.results`; seeds are averaged first. All conditions are over the same tasks: those whose
    full model leads and that have each condition there is.
    """
    means = mean_scores(results).reindex(columns=columns_of([*ENDS, *COMPARED])).astype(float)
    majority, full = (means.pop(end) for end in ENDS)
    return means.apply(lead_kept, args=(majority, full)).dropna(axis=1, how="all").dropna()


def above_majority(results: pd.DataFrame) -> tuple[int, int]:
    """On how many tasks bad subnetworks of s-pruning, retrained, beat the majority score, and of how many tasks."""
    kept = leads(results[results["subnetwork"].isin(["majority", "full"]) | (results["method"] == "structured")])
    return int((kept > 0).sum().sum()), len(kept)


def over(results: pd.DataFrame, baseline: str) -> Effect:
    """How far bad subnetworks of s-pruning, retrained, are above a baseline, in points of lead; the sample is tasks."""
    kept, pair = leads(results), (BAD[0], ("", baseline, "baseline"))
    return effect(100 * (kept[pair[0]] - kept[pair[1]])) if {*pair} <= {*kept} else Effect()


def longer_effect(results: pd.DataFrame, method: str) -> Effect:
    """What longer fine-tuning adds to the lead kept by bad subnetworks of a method, in points; the sample is tasks."""
    usual, longer = ((method, "bad", how) for how in ("retrained", "retrained longer"))
    kept = leads_of(results, [usual, longer])
    return effect(100 * (kept[longer] - kept[usual]).astype(float))
