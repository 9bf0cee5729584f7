"""Published, the real study and this run in one figure, on the same axes: lead kept, scores, what survives."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.dots import lead_dots, legend_of_dots
from lottery_utils.show.heatmaps import LAYERS, colour_bar, draw_map, maps_of_tasks
from lottery_utils.show.leads import SUBNETWORKS, TREATMENTS, Condition
from lottery_utils.show.scores import CONDITION, summary
from lottery_utils.show.style import (
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    SOURCES,
    SURVIVAL_MAP,
    WIDTH,
    framed,
    legend_below,
    panels,
    say,
)
from lottery_utils.show.survival import ComponentMap
from lottery_utils.show.tables import GAP, dressed
from lottery_utils.tasks.registry import shown_task

from .sources import NO_RECORD, Source, common_task, count

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

ROWS = {"structured": "heads, MLPs", "magnitude": "weights"}
ENDS = (("", "majority", "baseline"), ("", "full", "full"))
SURVIVAL_LABEL = {
    "structured": "share of seeds\nthat keep it",
    "magnitude": "share of its weights kept,\nmean over seeds",
}
LEAD_AXIS = "lead kept (0\N{NO-BREAK SPACE}%: a constant answer, 100\N{NO-BREAK SPACE}%: the full model)"


def conditions_of(method: str) -> list[Condition]:
    """A constant answer, the full model, and the subnetworks of a method, pruned and retrained."""
    return [*ENDS, *((method, name, how) for how in TREATMENTS for name in SUBNETWORKS)]


def headline(sources: Sequence[Source], methods: Sequence[str] = tuple(ROWS)) -> Figure:
    """Lead kept by good, random and bad subnetworks: columns are `sources`, rows `methods` (paper, figure 3)."""
    figure = Figure(figsize=(WIDTH, 0.75 + 1.6 * len(methods)), layout="constrained")
    grid = figure.subplots(len(methods), len(sources), sharex=True, sharey=True, squeeze=False)
    for axes, method in zip(grid, methods, strict=True):
        for ax, source in zip(axes, sources, strict=True):
            framed(ax, source.kind, f"{source.name}\n{source.evidence(method)}")
            lead_dots(ax, source.of(method), source.absent, _missing(source))
        axes[0].set_ylabel(f"{METHOD_NAMES[method]}: {ROWS[method]}", fontsize=9, fontweight="bold")
    grid[-1][len(sources) // 2].set_xlabel(LEAD_AXIS, fontsize=9)
    legend_below(figure, legend_of_dots(), 4)
    return figure


def survival_maps(sources: Sequence[Source], method: str, task: str = "") -> Figure:
    """What good subnetworks of one task keep of each head and MLP, a panel a source (paper, figure 1).

    Without `task` the paper's QNLI, or while a source does not have it, one that most of them have.
    """
    task = task or common_task(sources, method)
    maps = [source.maps(method).get(task) for source in sources]
    seeds = [f", {count(each.n, 'seed')}" if each else "" for each in maps]
    titles = [source.title_of(task) + text for source, text in zip(sources, seeds, strict=True)]
    norm = _norm(method, [each for each in maps if each])
    return _grid([list(zip(sources, maps, titles, strict=True))], norm, SURVIVAL_LABEL[method])


def survival_across_tasks(sources: Sequence[Source]) -> Figure:
    """In what share of the tasks each head and MLP survives s-pruning, mean over seeds (paper, figure 2)."""
    return maps_across_tasks({"": {source: source.map_across_tasks() for source in sources}})


def maps_across_tasks(rows: Mapping[str, Mapping[Source, tuple[ComponentMap, int] | None]]) -> Figure:
    """The same for several ways to prune, a row each: maps of numbers of tasks, and of how many tasks, by source."""
    drawn = {}
    for name, counted in rows.items():
        for source, each in counted.items():
            told = f"{count(each[1], 'task')}, {count(each[0].n, 'seed')}" if each else ""
            shown = each and ComponentMap(each[0].mean / each[1], each[0].std / each[1], each[0].n)
            drawn.setdefault(name, []).append((source, shown, ", ".join(filter(None, (name, told)))))
    return _grid(list(drawn.values()), Normalize(0, 1), "share of tasks\nin which it survives")


def scores(sources: Sequence[Source], conditions: Sequence[Condition], tasks: Container[str] | None = None) -> Figure:
    """Mean dev scores of `conditions`: a panel for each task, a row a condition, a mark a source (paper, figure 3).

    Pruned, retrained and baselines are rows of their own; the demo's tasks are only like those whose panel they share.
    `tasks` are those to show, by default all there are.
    """
    frames = [(source, summary(source.results)) for source in sources if len(source.results)]
    names = dict.fromkeys(task for _, means in frames for task in means["task"] if tasks is None or task in tasks)
    titles = {task: shown_task(task).title for task in names}
    figure, grid = panels(len(titles), 0.6 + 0.17 * len(conditions), sharey=True)
    for ax, (task, title) in zip(grid, titles.items(), strict=True):
        for source, means in frames:
            _marks(ax, source, means[means["task"] == task].set_index(CONDITION)["mean"], conditions)
        ax.set_title(f"{title}: {METRIC_NAMES[shown_task(task).main_metric]}", fontsize=8.5)
        ax.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="y", length=0, labelsize=7.5)
    with_method = len({method for method, _, _ in conditions if method}) > 1
    labels = [named(condition, with_method) for condition in conditions]
    grid[0].set_yticks(range(len(conditions)), labels, fontsize=7.5)
    grid[0].set_ylim(len(conditions) - 0.4, -0.6)
    legend_below(figure, [Line2D([], [], **_mark(source), label=source.name) for source, _ in frames], 3)
    return figure


def _marks(ax: Axes, source: Source, means: pd.Series, conditions: Sequence[Condition]) -> None:
    """One source's mean scores on a task, those that are there."""
    places = [place for place, condition in enumerate(conditions) if condition in means.index]
    ax.plot([means[conditions[place]] for place in places], places, **_mark(source))


def _mark(source: Source) -> dict:
    look = SOURCES[source.kind]
    return {"marker": look["marker"], "color": look["edge"], "markerfacecolor": look["face"], "linestyle": "", "ms": 5}


def named(condition: Condition, with_method: bool = False) -> str:
    """Such as "good, retrained"; with its method where conditions of both stand side by side."""
    method, subnetwork, treatment = condition
    parts = [METHOD_NAMES[method]] if with_method and method else []
    parts += [treatment] if treatment not in ("full", "baseline") else []
    return ", ".join([NAMES[subnetwork], *parts])


def score_table(source: Source, conditions: Sequence[Condition]) -> Styler:
    """Mean dev scores of one source: a row a task, a column for each of `conditions` that the source has."""
    means = summary(source.results) if len(source.results) else pd.DataFrame(columns=["task", *CONDITION, "mean"])
    by_task = means.set_index(["task", *CONDITION])["mean"]
    there = [condition for condition in conditions if condition in set(by_task.index.droplevel("task"))]
    with_method = len({method for method, _, _ in conditions if method}) > 1
    rows = [
        {"task": source.title_of(task)}
        | {named(each, with_method): _number(by_task.get((task, *each), np.nan)) for each in there}
        for task in dict.fromkeys(means["task"])
    ]
    caption = f"{source.name}: dev scores in the tasks' metrics, means over seeds."
    return dressed(pd.DataFrame(rows, columns=None if rows else ["task"]), caption, f"scores-{source.kind}")


def _number(value: float) -> str:
    return GAP if np.isnan(value) else f"{value:.3f}"


def all_survival_maps(source: Source, method: str) -> Figure:
    """The maps of all tasks of one source, stamped with it (paper, appendix)."""
    maps = source.maps(method)
    titled = {source.title_of(task): each for task, each in maps.items()}
    figure = maps_of_tasks(titled, _norm(method, maps.values()), SURVIVAL_MAP, SURVIVAL_LABEL[method])
    return source.stamp(figure)


def _grid(rows: Sequence[Sequence[tuple[Source, ComponentMap | None, str]]], norm: Normalize, label: str) -> Figure:
    """Maps on one scale, each in its source's frame under its title: a column a source."""
    figure = Figure(figsize=(WIDTH, 0.1 + 2.9 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for ax, (source, shown, title) in zip(axes, row, strict=True):
            if shown is None:
                say_empty(ax, source)
            else:
                draw_map(ax, shown, norm, SURVIVAL_MAP)
            framed(ax, source.kind, f"{source.name}\n{title}")
            ax.set_xlabel("head", fontsize=8)
        axes[0].set_ylabel(LAYERS, fontsize=8)
    colour_bar(figure, list(grid.ravel()), norm, SURVIVAL_MAP, label)
    return figure


def say_empty(ax: Axes, source: Source, why: str = "") -> None:
    """A panel without a result: the reason, by default that there is no record, and the command that makes it."""
    say(ax, why or _missing(source))


def _missing(source: Source) -> str:
    return f"{NO_RECORD}\n{source.filled_by}"


def _norm(method: str, maps) -> Normalize:
    """0 to 1 for survival; shares of weights lie close together, so their own range is the scale."""
    values = [each.mean.ravel() for each in maps]
    if method == "structured" or not values:
        return Normalize(0, 1)
    low, high = np.nanmin(np.concatenate(values)), np.nanmax(np.concatenate(values))
    return Normalize(low, high if high > low else low + 1e-6)
