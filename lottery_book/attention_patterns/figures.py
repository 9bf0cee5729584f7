"""Figures of attention patterns: the types, the classifier's confusion, shares, survival (paper, section 5)."""

from __future__ import annotations

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.frames import Reading
from lottery_utils.show.style import (
    COLOURS,
    GAP,
    GRID,
    IMPORTANCE_MAP,
    SURVIVAL_MAP,
    WIDTH,
    empty_figure,
    legend_below,
    say,
)
from lottery_utils.tasks.registry import shown_task

from .frames import TESTS, macro_f1
from .rules import KINDS, PATTERNS, draw_maps
from .survival import Correlation

NOTHING = "Nothing to show: no attention patterns are stored."
CLUSTERED = {"color": COLOURS["good"], "linewidth": 2.2}
INDEPENDENT = {"color": "#8A8A8A", "linewidth": 1.0}
PRINTED = {"marker": "D", "markersize": 7, "linestyle": "", "markerfacecolor": "none", "markeredgecolor": "#6E6E6E"}
DRAWN = 14  # tokens of the drawn examples


def types(found: list[Reading], seed: int = 6) -> Figure:
    """The five types: one map drawn by rule for each kind, and maps of the models that were so named.

    The models' maps are one at random for each type, from the first task of single sentences and the first of pairs;
    a type that no map was named is a gap. Rows of a map are the tokens that look.
    """
    rows = [(f"by rule,\n{kind}", _by_rule(kind, seed)) for kind in KINDS]
    first = {len(shown_task(one.task).columns): one for one in reversed(found)}
    for one in (first[number] for number in sorted(first)):
        rows += [(f"{one.title},\n{kind}", _of_model(one, k)) for k, kind in enumerate(KINDS)]
    figure = Figure(figsize=(WIDTH, 1.28 * len(rows) + 0.4), layout="constrained")
    axes = figure.subplots(len(rows), len(PATTERNS), squeeze=False)
    for line, (label, maps) in zip(axes, rows):
        for ax, pattern, values in zip(line, PATTERNS, maps):
            ax.set_xticks([])
            ax.set_yticks([])
            if values is None:
                ax.set_facecolor(GAP)
                ax.set_box_aspect(1)
                say(ax, "gap")
            else:
                ax.imshow(values, cmap=IMPORTANCE_MAP, vmin=0, vmax=values.max(), interpolation="nearest")
            if ax.get_subplotspec().is_first_row():
                ax.set_title(pattern, fontsize=9)
        line[0].set_ylabel(label, fontsize=8)
    return figure


def _by_rule(kind: str, seed: int) -> list[np.ndarray]:
    drawn = draw_maps(len(PATTERNS), DRAWN, kind, np.random.default_rng(seed), (0.0, 0.15))
    return [drawn.maps[int(np.flatnonzero(drawn.labels == label)[0])] for label in range(len(PATTERNS))]


def _of_model(one: Reading, kind: int) -> list[np.ndarray | None]:
    maps = []
    for label in range(len(PATTERNS)):
        n = int(one.arrays["example_tokens"][kind, label])
        maps.append(one.arrays["example_maps"][kind, label, :n, :n].astype(float) if n else None)
    return maps


def confusion(found: dict[tuple[str, str], np.ndarray]) -> Figure:
    """What the classifiers say of held-out maps drawn by rule, rows true: shares of each row, and the macro F1."""
    if not found:
        return empty_figure(NOTHING)
    figure = Figure(figsize=(WIDTH, 6.2), layout="constrained")
    axes = figure.subplots(len(KINDS), len(TESTS), sharex=True, sharey=True)
    names = [pattern.replace("+", "+\n") for pattern in PATTERNS]
    look = {"cmap": SURVIVAL_MAP, "vmin": 0, "vmax": 1, "cbar": False, "fmt": "", "annot_kws": {"fontsize": 8}}
    look |= {"xticklabels": names, "yticklabels": PATTERNS, "square": True}
    for ax, ((kind, test), counts) in zip(axes.ravel(), found.items(), strict=True):
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        marks = np.where(counts > 0, np.char.mod("%.2f", share), "")
        sns.heatmap(share, annot=marks, ax=ax, **look)
        ax.set_title(f"{kind}, {test}: F1 {macro_f1(counts):.2f}", fontsize=9)
        ax.tick_params(length=0)
        ax.tick_params(axis="x", rotation=35)
    figure.supxlabel("what the classifier says", fontsize=9)
    figure.supylabel("what the rule drew", fontsize=9)
    return figure


def correlations(found: dict[str, Correlation], published: dict[str, float]) -> Figure:
    """Pearson's r of heterogeneous attention and survival: clustered interval thick, independent one thin.

    `found` by the row's label; `published` r, by the same label, is a hollow mark. Rows without a number are gaps.
    """
    if not found or all(np.isnan(one.r) for one in found.values()):
        return empty_figure("Nothing to show: no search with patterns is stored, or nothing varies.")
    figure = Figure(figsize=(WIDTH, 0.36 * len(found) + 1.3), layout="constrained")
    ax = figure.subplots()
    for place, (label, one) in enumerate(found.items()):
        if np.isnan(one.r):
            say(ax, "gap", place)
            continue
        ax.plot([one.low, one.high], [place, place], **CLUSTERED)
        ax.plot([one.naive_low, one.naive_high], [place - 0.24] * 2, **INDEPENDENT)
        ax.plot(one.r, place, "o", color=CLUSTERED["color"], markersize=5)
        if label in published:
            ax.plot(published[label], place, **PRINTED)
    ax.axvline(0, color="#8A8A8A", linewidth=0.8)
    ax.set_yticks(range(len(found)), list(found))
    ax.invert_yaxis()
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("Pearson's r of heterogeneous attention and survival")
    handles = [
        Line2D([], [], marker="o", **CLUSTERED, label="r, clustered 95 % interval"),
        Line2D([], [], **INDEPENDENT, label="as if independent"),
        Line2D([], [], **PRINTED, label="published"),
    ]
    legend_below(figure, handles)
    return figure
