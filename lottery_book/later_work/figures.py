"""The chapter's pictures: effects beside each other, scores against what was removed, overlap by layer and matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from lottery_utils.show.forest import forest
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import COLOURS, NAMES, WIDTH, framed, legend_below, say

from ..sources import Source
from .frames import FULL, LARGEST, RANDOM, SEARCH, Key, Score, overlaps, sink_effects, tidy
from .origins import KINDS

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

WAYS = NAMES | {
    "exact": "importance",
    "fisher": "Fisher, by example",
    "fisher_32": "Fisher, batches of 32",
    "tokens": "importance, by token",
    "output": "output norm",
    "entropy": "attention entropy",
    FULL: FULL,
}
LINES = {LARGEST: "#BB5566", RANDOM: "#7A8B99", "exact": "#004488", "output": "#DDAA33", "entropy": "#33997A"}
LINES |= {"random": "#7A8B99"}
HEADLINE: dict[str, tuple[str, Key]] = {  # a row's label to the section and effect it is
    "a  good \N{MINUS SIGN} random by layer": ("a", ("good", "random_layer", "s-pruning, retrained")),
    "b  2 largest \N{MINUS SIGN} 2 random dimensions": ("b", (LARGEST, RANDOM, 2)),
    "c  pre-trained \N{MINUS SIGN} fine-tuned |w|": ("c", ("pre-trained", "fine-tuned", 0.7)),
    "d  output norm \N{MINUS SIGN} importance": ("d", ("output", "exact", 0.5)),
    "e  Fisher once \N{MINUS SIGN} full search": ("e", ("fisher", SEARCH, "")),
    "f  bottom layers \N{MINUS SIGN} random": ("f", ("bottom_layers", "random", "s-pruning, retrained")),
    "g  good at .98 \N{MINUS SIGN} full model": ("g", ("good", FULL, 0.98)),
}
POINTS = "difference, hundredths of the lead"
NO_RECORD = "no record yet"
Sections = Mapping[str, Mapping[str, Mapping[Key, Effect]]]  # by kind of source and letter


def headline(sources: Sequence[Source], found: Sections) -> Figure:
    """One effect of each section, a panel a source: a ring is a task."""
    rows = {
        source.kind: {label: found[source.kind][letter].get(key, Effect()) for label, (letter, key) in HEADLINE.items()}
        for source in sources
    }
    return _framed_forest(sources, rows, POINTS)


def section(sources: Sequence[Source], found: Sections, letter: str) -> Figure:
    """All effects of one section, a panel a source."""
    rows = {s.kind: {row_name(key): each for key, each in found[s.kind][letter].items()} for s in sources}
    return _framed_forest(sources, rows, POINTS)


def sinks(sources: Sequence[Source]) -> Figure:
    """Attention on [CLS] and [SEP] of heads that go minus that of heads that stay, by what ranks them."""
    found = {source.kind: sink_effects(source.study) for source in sources}
    rows = {
        kind: {f"{WAYS.get(way, way)}, {token}": each for (way, token), each in effects.items()}
        for kind, effects in found.items()
    }
    return _framed_forest(sources, rows, "difference in attention, %")


def curves(
    sources: Sequence[Source], scores: Callable[[Study], Iterable[Score]], x: str, marks: Sequence[str] = ()
) -> Figure:
    """Lead kept against what was removed: mean over tasks as lines, and the ways in `marks` as a mark for each task.

    With marks the axis is logarithmic.
    """
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    shown: dict[str, None] = {}
    for ax, source in zip(figure.subplots(1, len(sources), sharey=True, squeeze=False)[0], sources, strict=True):
        framed(ax, source.kind, source.name)
        frame = tidy(source.study, scores(source.study))
        if frame.empty:
            say(ax, NO_RECORD, 50)  # in the middle; the ticks are shared
            continue
        for way, rows in frame.groupby("way", sort=False):
            shown[way] = None
            step = 0 if way in marks else rows.groupby(["task", "seed"]).cumcount()  # sizes differ a little by task
            by_task = rows.assign(step=step).groupby(["step", "task"])[["at", "points"]].mean()
            shown_points = by_task if way in marks else by_task.groupby("step").mean()
            ax.plot(shown_points["at"], shown_points["points"], **_look(way, marks))
        ax.set_xlabel(x)
        if marks:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(numticks=5))
        ax.xaxis.set_major_formatter(lambda share, place: f"{100 * share:g}\N{NO-BREAK SPACE}%")
    figure.axes[0].set_ylabel("lead kept, %")
    legend_below(figure, [Line2D([], [], label=WAYS.get(way, way), **_look(way, marks)) for way in shown], 4)
    return figure


def overlap_maps(sources: Sequence[Source], kept: float) -> Figure:
    """Jaccard index of the weights removed by both magnitudes with a share `kept`, by layer and kind of matrix."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    for ax, source in zip(figure.subplots(1, len(sources), squeeze=False)[0], sources, strict=True):
        frame = overlaps(source.study).query("kept == @kept")
        if frame.empty:
            say(ax, NO_RECORD)
        else:
            table = frame.pivot(index="layer", columns="kind", values="jaccard")[list(KINDS)]
            names = {"xticklabels": [kind.replace(" ", "\n") for kind in KINDS], "yticklabels": table.index + 1}
            bar = {"label": "Jaccard index of what is removed", "shrink": 0.8}
            sns.heatmap(table, vmin=0, vmax=1, cmap="cividis", ax=ax, cbar_kws=bar, **names)
            ax.set(xlabel="", ylabel="layer")
            ax.tick_params(length=0, rotation=0, labelsize=7)
        framed(ax, source.kind, source.name)
    return figure


def row_name(key: Key) -> str:
    """An effect's key as words: the first way minus the second, and where."""
    first, second, at = key
    where = f", {at:g}" if isinstance(at, (int, float)) else f", {at}" if at else ""
    return f"{WAYS.get(first, first)} \N{MINUS SIGN} {WAYS.get(second, second)}{where}"


def _framed_forest(sources: Sequence[Source], rows: Mapping[str, Mapping[str, Effect]], x: str) -> Figure:
    figure = forest(rows, x, absent=NO_RECORD, tasks=True, same_scale=True)
    for ax, source in zip(figure.axes, sources, strict=False):
        if ax.lines:  # a figure that says why it is empty has no panels
            framed(ax, source.kind, source.name)
    return figure


def _look(way: str, marks: Sequence[str]) -> dict:
    if way in marks:
        return {"color": COLOURS[way], "marker": "D", "linestyle": "", "markersize": 4, "alpha": 0.8}
    return {"color": LINES[way], "marker": "o", "markersize": 4}
