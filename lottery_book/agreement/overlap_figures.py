"""Matrices of shared components between tasks, and the seeds' Jaccard indices beside what chance would give."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from lottery_utils.show.heatmaps import NOTHING
from lottery_utils.show.style import COLOURS, GAP, GRID, TEXT, WIDTH, empty_figure, legend_below

from .coefficients import pair_jaccards, votes_of

KINDS = {"head": "heads", "mlp": "MLPs"}
EXCESS_MAP = LinearSegmentedColormap.from_list("excess", ("#D58791", "#F6F6F2", "#7FA6CC"))  # dark text on each
CHANCE = {"color": "#222222", "linewidth": 1.6, "linestyle": (0, (2, 1))}


def overlap_matrix(overlap: pd.DataFrame, component: str, what: str = "surviving") -> Figure:
    """How many heads or MLPs two tasks share, above the diagonal, and how many by chance, below it.

    `overlap` as from `overlap.task_overlap`, of good masks or of super-survivors (`what` names them in the title).
    Mean and deviation over seeds; colours show the difference from chance; the diagonal holds how many a task
    keeps. (The paper's figure of overlaps, and its appendix.)
    """
    rows = overlap[overlap["component"] == component]
    titles = dict(zip(rows["task_a"], rows["title_a"]))
    if len(titles) < 2:
        return empty_figure(f"Nothing to show: fewer than two tasks have {what} {KINDS[component]}.")
    place = {task: i for i, task in enumerate(titles)}
    excess = np.full((len(titles), len(titles)), np.nan)
    for row in rows.itertuples():
        if place[row.task_a] < place[row.task_b]:
            excess[place[row.task_a], place[row.task_b]] = row.mean_shared - row.chance_mean
    most = max(float(np.nanmax(np.abs(excess))), 0.5) if np.isfinite(excess).any() else 1.0
    norm = Normalize(-most, most)
    cell = min(0.66, (WIDTH - 1.9) / len(titles))
    figure = Figure(figsize=(cell * len(titles) + 1.9, min(cell, 0.5) * len(titles) + 1.1), layout="constrained")
    ax = figure.subplots()
    edges = np.arange(len(titles) + 1)
    mesh = {"norm": norm, "cmap": EXCESS_MAP.with_extremes(bad="white"), "edgecolors": "white", "linewidth": 0.8}
    ax.pcolormesh(edges, edges, np.ma.masked_invalid(excess), **mesh)
    for row in rows.itertuples():
        x, y = place[row.task_b], place[row.task_a]
        look = {"color": TEXT}
        if x == y:
            look["weight"] = "bold"
            ax.add_patch(Rectangle((x, y), 1, 1, facecolor=GAP, edgecolor="white", linewidth=0.8))
        elif x < y:
            look = {"color": "#6E6E6E", "style": "italic"}
        text = _count(row.chance_mean) if x < y else _shared(row)
        ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=8, linespacing=1.1, **look)
    ax.set_xticks(edges[:-1] + 0.5, list(titles.values()), rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(edges[:-1] + 0.5, list(titles.values()))
    ax.set_ylim(len(titles), 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(f"{what[0].upper()}{what[1:]} {KINDS[component]} that two tasks share")
    ax.set_xlabel("above the diagonal: shared; below, in italics: expected by chance", fontsize=8)
    bar = figure.colorbar(ScalarMappable(norm, EXCESS_MAP), ax=ax, fraction=0.05, pad=0.02, aspect=28)
    bar.set_label("shared minus chance")
    bar.outline.set_visible(False)
    return figure


def _shared(row) -> str:
    mean = _count(row.mean_shared)
    return mean if np.isnan(row.std_shared) else f"{mean}\n±{row.std_shared:.1f}"


def _count(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def seed_jaccards(survival: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """How alike the seeds' masks are: each pair's Jaccard index, their mean, the chance level, the permutation p.

    `survival` as from `gather.component_survival`, `table` as from `agreement.agreement`; heads above, MLPs below.
    """
    if table.empty or (table["seeds"] < 2).all():
        return empty_figure("Nothing to show: it takes two seeds of a task to compare." if len(table) else NOTHING)
    pairs = {
        (row.task, row.component): pair_jaccards(votes_of(survival, row.task, row.component))
        for row in table.itertuples()
    }
    shown = table.rename(columns={"mean_pair_jaccard": "jaccard", "chance_pair_jaccard": "chance"})
    return _jaccards(shown, pairs, {key: p_text(p) for key, p in _by_key(table, "permutation_p").items()})


def mode_jaccards(between: pd.DataFrame) -> Figure:
    """How alike the masks of two ways to prune are, task by task: mean Jaccard index over seeds, and chance.

    `between` as from `overlap.jaccard_between`.
    """
    if between.empty:
        return empty_figure(NOTHING)
    return _jaccards(between, {}, {})


def _jaccards(table: pd.DataFrame, pairs: dict, texts: dict) -> Figure:
    kinds = [kind for kind in KINDS if kind in set(table["component"])]
    titles = dict(zip(table["task"], table["title"]))
    width = min(WIDTH, 2.6 + 0.75 * len(titles))
    figure = Figure(figsize=(width, 1.0 + 1.9 * len(kinds)), layout="constrained")
    axes = figure.subplots(len(kinds), 1, sharex=True, squeeze=False)[:, 0]
    colour = COLOURS["good"]
    for ax, kind in zip(axes, kinds):
        rows = table[table["component"] == kind].set_index("task")
        for place, task in enumerate(titles):
            if task not in rows.index:
                continue
            row, dots = rows.loc[task], pairs.get((task, kind), np.array([]))
            ax.plot([place - 0.3, place + 0.3], [row["chance"]] * 2, **CHANCE, zorder=2)
            beside = place + 0.22 * np.linspace(-1, 1, len(dots)) if len(dots) > 1 else np.full(len(dots), place)
            ax.scatter(beside, dots, s=14, color=colour, alpha=0.45, linewidths=0)
            spread = row.get("std", np.nan)
            spread = None if np.isnan(spread) else spread
            ax.errorbar(place, row["jaccard"], spread, fmt="D", markersize=6, color=colour, linewidth=1.2)
            ax.text(place, 1.1, texts.get((task, kind), ""), ha="center", va="bottom", fontsize=8)
        if texts:
            ax.text(-0.62, 1.1, "p", ha="right", va="bottom", fontsize=8, style="italic")
        ax.set_ylim(-0.03, 1.09)
        ax.set_xlim(-0.6, len(titles) - 0.4)
        ax.set_ylabel(f"{KINDS[kind]}: Jaccard index")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    axes[-1].set_xticks(range(len(titles)), list(titles.values()))
    handles = [
        Line2D([], [], color=colour, marker="D", linestyle="", markersize=6, label="mean"),
        Line2D([], [], **CHANCE, label="by chance, same sizes"),
    ]
    if pairs:
        look = {"marker": "o", "alpha": 0.45, "linestyle": "", "markersize": 4}
        handles.insert(0, Line2D([], [], color=colour, **look, label="one pair of seeds"))
    legend_below(figure, handles)
    return figure


def _by_key(table: pd.DataFrame, column: str) -> dict[tuple[str, str], float]:
    return {(row["task"], row["component"]): row[column] for _, row in table.iterrows()}


def p_text(p: float) -> str:
    """A p as short text; a dash where it is undefined."""
    if np.isnan(p):
        return "–"
    return f"{p:.2f}" if p >= 0.01 else "<0.001" if p < 0.001 else f"{p:.3f}"
