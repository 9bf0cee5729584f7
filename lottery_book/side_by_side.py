"""Published, the real study and this run in one figure, on the same axes: lead kept, scores, what survives."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.frames import columns_of, mean_scores
from lottery_utils.show.heatmaps import LAYERS, ComponentMap, colour_bar, draw_map
from lottery_utils.show.leads import SUBNETWORKS, TREATMENTS, Condition
from lottery_utils.show.style import (
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    SURVIVAL_MAP,
    WIDTH,
    legend_below,
    panels,
    say,
)
from lottery_utils.show.tables import GAP
from lottery_utils.tasks.glue import shown_task

from .evidence import SOURCES, framed, lead_dots, legend_of_dots
from .sources import Source, common_task, count, in_order

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


def headline(
    sources: Sequence[Source], methods: Sequence[str] = tuple(ROWS), subnetworks: Sequence[str] = SUBNETWORKS
) -> Figure:
    """Lead kept by good, random and bad subnetworks: columns are `sources`, rows `methods` (paper, figure 3).

    `subnetworks` are those of each row, where `sources` have the leads of others (see `super_survivors.with_supers`).
    """
    figure = Figure(figsize=(WIDTH, 0.75 + 1.6 * len(methods)), layout="constrained")
    grid = figure.subplots(len(methods), len(sources), sharex=True, sharey=True, squeeze=False)
    for axes, method in zip(grid, methods, strict=True):
        for ax, source in zip(axes, sources, strict=True):
            framed(ax, source.kind, f"{source.name}\n{source.evidence(method)}")
            lead_dots(ax, source.of(method), source.absent, source.missing, subnetworks)
        axes[0].set_ylabel(f"{METHOD_NAMES[method]}\n{ROWS[method]}", fontsize=9, fontweight="bold")
    grid[-1][len(sources) // 2].set_xlabel(LEAD_AXIS, fontsize=9)
    legend_below(figure, legend_of_dots(), 4)
    return figure


def survival_maps(sources: Sequence[Source], method: str) -> Figure:
    """What good subnetworks of one task keep of each head and MLP, one panel per source (paper, figure 1).

    The task is the paper's QNLI, or while a source does not have it, one that most of them have. A source without it,
    as a run of your own task, shows its first one; the title of a panel names its task.
    """
    task, row = common_task(sources, method), []
    for source in sources:
        maps = source.maps(method)
        there = task if task in maps or not maps else next(iter(maps))
        shown = maps.get(there)
        row.append((source, shown, source.title_of(there) + (f", {count(shown.n, 'seed')}" if shown else "")))
    return _grid([row], _norm(method, [shown for _, shown, _ in row if shown]), SURVIVAL_LABEL[method])


def survival_across_tasks(sources: Sequence[Source]) -> Figure:
    """In what share of the tasks each head and MLP survives s-pruning, mean over seeds (paper, figure 2)."""
    return maps_across_tasks({"": {source: source.map_across_tasks() for source in sources}})


def maps_across_tasks(rows: Mapping[str, Mapping[Source, tuple[ComponentMap, int] | str | None]]) -> Figure:
    """The same for several ways to prune, a row each: maps of numbers of tasks, and of how many tasks, by source.

    A text says why there is none.
    """
    grid = []
    for name, row in rows.items():
        grid.append([])
        for source, counted in row.items():
            shown, told = counted, [name]
            if isinstance(counted, tuple):
                numbers, tasks = counted
                shown = ComponentMap(numbers.mean / tasks, numbers.std / tasks, numbers.n)
                told.append(f"{count(tasks, 'task')}, {count(numbers.n, 'seed')}")
            grid[-1].append((source, shown, ", ".join(filter(None, told))))
    return _grid(grid, Normalize(0, 1), "share of tasks\nin which it survives")


def scores(sources: Sequence[Source], conditions: Sequence[Condition], tasks: Container[str] | None = None) -> Figure:
    """Mean dev scores of `conditions`: one panel per task, row per condition, mark per source (paper, figure 3).

    Pruned, retrained and baselines are rows of their own; the demo's tasks are only like those whose panel they share.
    `tasks` are those to show, by default all there are.
    """
    means = {source: mean_scores(source.results) for source in sources if len(source.results)}
    shown = dict.fromkeys(task for frame in means.values() for task in frame.index if tasks is None or task in tasks)
    figure, grid = panels(len(shown), 0.6 + 0.17 * len(conditions), sharey=True)
    for ax, task in zip(grid, shown, strict=True):
        for source, frame in means.items():
            if task in frame.index:
                of_task = frame.reindex(columns=columns_of(conditions)).loc[task]
                ax.plot(of_task, range(len(conditions)), **mark_of(source))
        ax.set_title(f"{shown_task(task).title}: {METRIC_NAMES[shown_task(task).main_metric]}", fontsize=8.5)
        ax.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="y", length=0, labelsize=7.5)
    with_method = len({method for method, _, _ in conditions if method}) > 1
    names = [named(condition, with_method) for condition in conditions]
    grid[0].set_yticks(range(len(conditions)), names, fontsize=7.5)
    grid[0].set_ylim(len(conditions) - 0.4, -0.6)
    legend_below(figure, [Line2D([], [], **mark_of(source), label=source.name) for source in means], 3)
    return figure


def mark_of(source: Source) -> dict:
    """The mark that stands for a source, as `Axes.plot` takes it."""
    look = SOURCES[source.kind]
    return {"marker": look["marker"], "color": look["edge"], "markerfacecolor": look["face"], "linestyle": "", "ms": 5}


def named(condition: Condition, with_method: bool = False) -> str:
    """Such as "good, retrained"; with its method where conditions of both stand side by side."""
    method, subnetwork, treatment = condition
    parts = [METHOD_NAMES[method]] if with_method and method else []
    parts += [treatment] if treatment not in ("full", "baseline") else []
    return ", ".join([NAMES[subnetwork], *parts])


def by_task(columns: Mapping[str, Mapping[str, str] | pd.Series]) -> pd.DataFrame:
    """One row per task, a column for each of `columns`, whose texts are by task; a gap where there is none."""
    tasks = in_order(task for texts in columns.values() for task in texts.keys())
    texts = {name: [texts.get(task, GAP) for task in tasks] for name, texts in columns.items()}
    return pd.DataFrame({"task": [shown_task(task).title for task in tasks], **texts})


def all_survival_maps(sources: Sequence[Source], method: str) -> Figure:
    """The maps of all tasks on one scale: one row per task, one column per source (paper, appendix)."""
    maps = {source: source.maps(method) for source in sources}
    tasks = in_order(task for of_source in maps.values() for task in of_source)
    rows = [
        [(source, maps[source].get(task) or source.why_not(task, method), source.title_of(task)) for source in sources]
        for task in tasks
    ]
    norm = _norm(method, [shown for of_source in maps.values() for shown in of_source.values()])
    return _grid(rows, norm, SURVIVAL_LABEL[method], height=1.4, compact=True)


def _grid(
    rows: Sequence[Sequence[tuple[Source, ComponentMap | str | None, str]]],
    norm: Normalize,
    label: str,
    height: float = 2.9,
    compact: bool = False,
) -> Figure:
    """Maps on one scale, each in its source's frame under its title: one column per source, a row `height` inches.

    In the place of a map stands why there is none. A `compact` figure names sources and axes once, not at every map.
    """
    figure = Figure(figsize=(WIDTH, 0.1 + height * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for place, (axes, row) in enumerate(zip(grid, rows, strict=True)):
        for ax, (source, shown, title) in zip(axes, row, strict=True):
            if isinstance(shown, ComponentMap):
                draw_map(ax, shown, norm, SURVIVAL_MAP)
            else:
                say(ax, shown or source.missing)
            framed(ax, source.kind, title if compact and place else f"{source.name}\n{title}")
            ax.set_xlabel("" if compact and place < len(rows) - 1 else "head", fontsize=8)
        axes[0].set_ylabel("" if compact else LAYERS, fontsize=8)
    if compact:
        figure.supylabel(LAYERS, fontsize=8)
    colour_bar(figure, list(grid.ravel()), norm, SURVIVAL_MAP, label)
    return figure


def _norm(method: str, maps: Iterable[ComponentMap]) -> Normalize:
    """0 to 1 for survival; shares of weights lie close together, so their own range is the scale."""
    values = [each.mean.ravel() for each in maps]
    if method == "structured" or not values:
        return Normalize(0, 1)
    low, high = np.nanmin(np.concatenate(values)), np.nanmax(np.concatenate(values))
    return Normalize(low, high if high > low else low + 1e-6)
