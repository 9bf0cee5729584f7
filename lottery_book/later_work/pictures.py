"""The pictures of the sections: effects, the score without a few dimensions, and what two rankings of weights share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.study import Study
from lottery_utils.show.heatmaps import LAYERS, colour_bar
from lottery_utils.show.style import COLOURS, IMPORTANCE_MAP, TEXT, WIDTH, empty_figure, legend_below, say

from ..evidence import framed
from ..sources import NO_RECORD, Source
from .sections import LARGEST, RANDOM, Key, of_stage, outlier_scores, subnetwork_scores, tidy
from .stage import KEPT, KINDS
from .works import Sections, forest_of_sources, ways_of

DIMENSIONS = {LARGEST: COLOURS["bad"], RANDOM: COLOURS["random"]}
GOOD = ("good", "s-pruning, pruned")  # the way and condition of the subnetworks that stand beside them
AT = {"c": "of weights kept: ", "d": "of heads removed: ", "g": "threshold "}  # before the condition of a section
SHARES = (1e-6, 1e-4, 1e-2, 1.0)  # marked on the axis
KEPT_SHOWN = 0.5  # of the weights, in the map of what two rankings share


def section_forest(sources: Sequence[Source], found: Sections, letter: str) -> Figure:
    """All effects of a section, one panel per source: a ring is a task."""

    def label(key: Key) -> str:
        return f"{ways_of(key)}\n{AT.get(letter, '')}{key[2]}".rstrip()

    rows = {source.kind: {label(key): each for key, each in found[source.kind][letter].items()} for source in sources}
    if not any(rows.values()):
        return empty_figure(f"{NO_RECORD}: this needs training, by the commands at the end of the page")
    return forest_of_sources(sources, rows)


def dimensions(sources: Sequence[Source]) -> Figure:
    """Lead kept against the share of all weights that is removed: LayerNorm dimensions, and what good leaves out."""
    figure, axes = _panels(sources, 2.9)
    for ax, source in zip(axes, sources, strict=True):
        without, pruned = without_dimensions(source.study), beside_good(source.study)
        if without.empty:
            say(ax, NO_RECORD)
            continue
        same = {"x": "removed", "y": "lead", "ax": ax, "legend": False}
        lines = {"data": without, "hue": "way", "palette": DIMENSIONS, "errorbar": None}
        sns.lineplot(**same, **lines, units="task", estimator=None, linewidth=0.6, alpha=0.35)
        sns.lineplot(**same, **lines, marker="o", markersize=5, linewidth=1.6)
        sns.scatterplot(**same, data=pruned, color=COLOURS["good"], s=14, alpha=0.5)
        mean = pruned[["removed", "lead"]].mean()
        ax.plot(mean["removed"], mean["lead"], "o", color=COLOURS["good"], markersize=7)
        ax.set(xscale="log", xlim=(1e-7, 1), xlabel="share of all weights removed", ylabel="")
        ax.set_xticks(SHARES, [f"{100 * share:g}\N{NO-BREAK SPACE}%" for share in SHARES])
        ax.minorticks_off()
        ax.axhline(0, color="#8A8A8A", linewidth=0.8, zorder=0)
        ax.axhline(1, color="#8A8A8A", linewidth=0.8, zorder=0)
        ax.yaxis.set_major_formatter(PercentFormatter(1, 0, "\N{NO-BREAK SPACE}%"))
    axes[0].set_ylabel("lead kept, nothing retrained")
    mark = {"marker": "o", "linestyle": "-", "markersize": 5}
    handles = [Line2D([], [], color=colour, **mark, label=way) for way, colour in DIMENSIONS.items()]
    handles.append(Line2D([], [], color=COLOURS["good"], marker="o", linestyle="", label="good subnetwork, pruned"))
    handles.append(Line2D([], [], color=TEXT, linewidth=0.6, alpha=0.5, label="one task"))
    legend_below(figure, handles, 4)
    return figure


def without_dimensions(study: Study | None) -> pd.DataFrame:
    """Mean over seeds: columns task, way, removed (share of all weights, in [0, 1]) and lead kept."""
    frame = tidy(study, outlier_scores)
    shares: dict[int, float] = {}  # tasks differ in the classifier only, so those of one do for all
    for _, _, arrays in of_stage(study, "outliers"):
        shares |= dict(zip(arrays["count"].tolist(), arrays["share"].tolist(), strict=True))
    frame = frame.assign(removed=frame["at"].map(shares).astype(float), lead=frame["points"] / 100)
    return frame.groupby(["task", "way", "removed"], sort=False)["lead"].mean().reset_index()


def beside_good(study: Study | None) -> pd.DataFrame:
    """Good subnetworks, pruned, mean over seeds: columns task, removed (share of all weights) and lead kept."""
    way, at = GOOD
    frame = tidy(study, subnetwork_scores)
    frame = frame[(frame["way"] == way) & (frame["at"] == at)]
    cells = [Cell(row.task, row.seed, "score", "structured", way) for row in frame.itertuples()]
    removed = [1 - study.record(cell)["shares"]["all"] for cell in cells]
    frame = frame.assign(removed=np.array(removed, float), lead=frame["points"] / 100)
    return frame.groupby("task", sort=False)[["removed", "lead"]].mean().reset_index()


def good_lacks(source: Source) -> str:
    """The share of all weights that good subnetworks lack, mean over tasks, such as "26 %"."""
    return _share(beside_good(source.study)["removed"].mean())


def shared_in_words(source: Source) -> str:
    """What the two rankings remove alike, mean over layers and kinds of matrix, such as "99 %"."""
    shared = jaccard_by_matrix(source.study)
    return NO_RECORD if shared is None else _share(shared.mean())


def _share(value: float) -> str:
    return NO_RECORD if np.isnan(value) else f"{100 * value:.0f}\N{NO-BREAK SPACE}%"


def unshared_weights(sources: Sequence[Source]) -> Figure:
    """What pruning by pre-trained and by fine-tuned magnitudes does not share: layers by kinds of matrix.

    Of the weights that either removes the share that only one does, in per cent, mean over tasks and seeds, where
    `KEPT_SHOWN` of all weights stay.
    """
    figure, axes = _panels(sources, 3.0)
    norm = Normalize(0, 15)
    for ax, source in zip(axes, sources, strict=True):
        shared = jaccard_by_matrix(source.study)
        if shared is None:
            say(ax, NO_RECORD)
            continue
        rows = range(1, len(shared) + 1)
        look = {"cmap": IMPORTANCE_MAP, "norm": norm, "cbar": False, "linewidths": 0.6, "linecolor": "white"}
        values = {"annot": True, "fmt": ".1f", "annot_kws": {"fontsize": 6.5}}
        sns.heatmap(100 * (1 - shared), ax=ax, xticklabels=KINDS, yticklabels=rows, **look, **values)
        ax.invert_yaxis()
        ax.tick_params(length=0)
        ax.tick_params(axis="x", rotation=40)
        ax.tick_params(axis="y", rotation=0)
    axes[0].set_ylabel(LAYERS)
    colour_bar(figure, axes, norm, IMPORTANCE_MAP, "removed weights not shared (%)")
    return figure


def jaccard_by_matrix(study: Study | None) -> np.ndarray | None:
    """Jaccard index of the weights that both rankings remove, (L, 6) in the order of `KINDS`; None without records."""
    cells = [arrays["removed"][KEPT.index(KEPT_SHOWN)] for _, _, arrays in of_stage(study, "origins")]
    if not cells:
        return None
    tuned, pretrained, both, _ = np.moveaxis(np.stack(cells).astype(float), -1, 0)
    return (both / (tuned + pretrained - both)).mean(axis=0)


def _panels(sources: Sequence[Source], height: float) -> tuple[Figure, list[Axes]]:
    """One panel per source, in its look."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(1, len(sources), sharey=False, squeeze=False)[0].tolist()
    for ax, source in zip(axes, sources, strict=True):
        framed(ax, source.kind, source.name)
    return figure, axes
