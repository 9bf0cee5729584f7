"""The authors' figures drawn again from their data: hollow or grey, so they never look like this project's runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from lottery_utils.show.bars import BAR, place_of
from lottery_utils.show.heatmaps import LAYERS, colour_bar, draw_map, one_map
from lottery_utils.show.style import (
    COLOURS,
    GAP,
    GRID,
    METRIC_NAMES,
    NAMES,
    PUBLISHED,
    TEXT,
    WIDTH,
    legend_below,
    panels,
)
from lottery_utils.show.survival import ComponentMap

from ..agreement.overlap_figures import CHANCE, KINDS, p_text

PAPER = "#5A5A5A"
PAPER_MAP = LinearSegmentedColormap.from_list("paper", ("#F6F6F2", "#B5B1AA", "#3F3D3A"))
EXCESS_MAP = LinearSegmentedColormap.from_list("paper_excess", ("#E3B9A0", "#F6F6F2", "#9C9A96"))
HATCH = {"pruned": "", "retrained": "////"}
MODES = {"heads": "heads alone", "mlps": "MLPs alone", "heads_mlps": "together", "heads_mlps_on_train": "on train data"}


def component_map(rows: pd.DataFrame) -> ComponentMap:
    """Rows with component, layer, head, mean and std as arrays; a kind without rows is NaN."""
    heads, mlps = np.full((2, 12, 12), np.nan), np.full((2, 12), np.nan)
    for row in rows.itertuples():
        values = (row.mean, row.std)
        if row.component == "head":
            heads[:, row.layer, row.head] = values
        else:
            mlps[:, row.layer] = values
    return ComponentMap(heads[0], mlps[0], heads[1], mlps[1], n=5)


def across_tasks(across: pd.DataFrame, family: str = "heads_mlps") -> Figure:
    """In how many of nine tasks a head or MLP survives: mean and deviation over seeds (the paper's figure 2)."""
    found = component_map(across[across["family"] == family])
    title = "The authors' masks across tasks"
    return one_map(found, Normalize(0, 9), PAPER_MAP, title, "number of nine tasks, mean over 5 seeds")


def pruning_modes(across: pd.DataFrame) -> Figure:
    """The same for heads pruned alone, MLPs alone, both, and both with a search on train data (appendix)."""
    figure, axes = panels(len(MODES), 2.6, columns=2)
    for ax, (family, title) in zip(axes, MODES.items()):
        found = component_map(across[across["family"] == family])
        draw_map(ax, found.heads, found.mlps, Normalize(0, 9), PAPER_MAP)
        ax.set_title(title)
    figure.supxlabel("head", fontsize=9)
    figure.supylabel(LAYERS, fontsize=9)
    colour_bar(figure, axes, Normalize(0, 9), PAPER_MAP, "number of nine tasks, mean over 5 seeds")
    return figure


def result_bars(results: pd.DataFrame, method: str, subnetworks: tuple[str, ...], titles: dict[str, str]) -> Figure:
    """Scores of majority, full model and subnetworks, a panel a task: means over five seeds, lines the deviations.

    `results` as from `published.results`; `titles` replaces panel titles by task. (The paper's figure 3.)
    """
    shown = results["subnetwork"].isin(("majority", "full", *subnetworks))
    rows = results[results["method"].isin(["", method]) & shown]
    groups = sorted(set(rows["subnetwork"]), key=place_of)
    tasks = list(dict.fromkeys(rows["task"]))
    figure, axes = panels(len(tasks), height=1.95)
    for ax, task in zip(axes, tasks):
        own = rows[rows["task"] == task]
        for row in own.itertuples():
            place, width = groups.index(row.subnetwork), BAR
            if row.treatment in HATCH:
                place, width = place + (BAR / 4 if row.treatment == "retrained" else -BAR / 4), BAR / 2
            _bar(ax, place, row.mean, width, row.subnetwork, row.treatment)
            if not np.isnan(row.std):
                ax.errorbar(place, row.mean, row.std, color=TEXT, linewidth=0.8, capsize=1.5, zorder=3)
        ax.axhline(own.loc[own["subnetwork"] == "majority", "mean"].iloc[0], color="#8A8A8A", lw=0.8, ls=(0, (4, 3)))
        ax.axhline(0, color="#8A8A8A", linewidth=0.8)
        ax.set_ylim(-0.06, 1.02)
        if not ax.get_subplotspec().is_first_col():
            ax.set_yticklabels([])
        ax.set_xticks(range(len(groups)), [_short(group) for group in groups], fontsize=7.5)
        ax.set_title(titles.get(task, own["title"].iloc[0]), fontsize=9)
        ax.set_ylabel(METRIC_NAMES[own["metric"].iloc[0]], fontsize=8)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="x", length=0)
    conditions = rows.drop_duplicates(["subnetwork", "treatment"])
    conditions = conditions.assign(at=conditions["subnetwork"].map(place_of)).sort_values("at", kind="stable")
    legend_below(figure, [_patch(row.subnetwork, row.treatment) for row in conditions.itertuples()])
    return figure


def overlap_matrix(overlap: pd.DataFrame, family: str, component: str) -> Figure:
    """Components two tasks share above the diagonal, and by chance below it; on it how many a task keeps."""
    rows = overlap[(overlap["family"] == family) & (overlap["component"] == component)]
    tasks = list(dict.fromkeys(rows["task_a"]))
    place = {task: at for at, task in enumerate(tasks)}
    excess = np.full((len(tasks), len(tasks)), np.nan)
    for row in rows.itertuples():
        if place[row.task_a] < place[row.task_b]:
            excess[place[row.task_a], place[row.task_b]] = row.mean_shared - row.chance_mean
    most = max(float(np.nanmax(np.abs(excess))), 0.5)
    norm, edges = Normalize(-most, most), np.arange(len(tasks) + 1)
    figure = Figure(figsize=(WIDTH, 0.48 * len(tasks) + 1.1), layout="constrained")
    ax = figure.subplots()
    look = {"norm": norm, "cmap": EXCESS_MAP.with_extremes(bad="white"), "edgecolors": "white", "linewidth": 0.8}
    ax.pcolormesh(edges, edges, np.ma.masked_invalid(excess), **look)
    for row in rows.itertuples():
        x, y = place[row.task_b], place[row.task_a]
        text = f"{row.mean_shared:.1f}\n±{row.std_shared:.1f}" if x >= y else f"{row.chance_mean:.1f}"
        words = {"color": "#6E6E6E", "style": "italic"} if x < y else {"color": TEXT}
        if x == y:
            ax.add_patch(Rectangle((x, y), 1, 1, facecolor=GAP, edgecolor="white", linewidth=0.8))
        ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=8, linespacing=1.1, **words)
    ax.set_xticks(edges[:-1] + 0.5, tasks)
    ax.set_yticks(edges[:-1] + 0.5, tasks)
    ax.set_ylim(len(tasks), 0)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(f"The authors' masks: {KINDS[component]} that two tasks share")
    ax.set_xlabel("above the diagonal: shared; below, in italics: expected by chance", fontsize=8)
    colour_bar(figure, [ax], norm, EXCESS_MAP, "shared minus chance")
    return figure


def seed_jaccards(agreement: pd.DataFrame) -> Figure:
    """How alike the five seeds' masks are: mean pairwise Jaccard index, its chance level, the permutation p."""
    rows = agreement[agreement["family"] == "heads_mlps"]
    titles = list(dict.fromkeys(rows["title"]))
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    for ax, (kind, name) in zip(figure.subplots(2, 1, sharex=True), KINDS.items()):
        for place, title in enumerate(titles):
            row = rows[(rows["title"] == title) & (rows["component"] == kind)].iloc[0]
            if np.isnan(row["permutation_p"]):
                ax.text(place, 0.5, "gap", ha="center", va="center", fontsize=8, color="#6E6E6E", rotation=90)
                continue
            ax.plot([place - 0.3, place + 0.3], [row["chance_pair_jaccard"]] * 2, **CHANCE, zorder=2)
            ax.plot(place, row["mean_pair_jaccard"], "D", markersize=7, mfc="white", mec=PAPER, mew=1.6, zorder=3)
            ax.text(place, 1.06, p_text(row["permutation_p"]), ha="center", va="bottom", fontsize=8)
        ax.text(-0.62, 1.06, "p", ha="right", va="bottom", fontsize=8, style="italic")
        ax.set_ylim(0, 1.05)
        ax.set_xlim(-0.6, len(titles) - 0.4)
        ax.set_ylabel(f"{name}: Jaccard index")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.set_xticks(range(len(titles)), titles)
    mean = {"marker": "D", "linestyle": "", "markersize": 7, "markerfacecolor": "white", "markeredgecolor": PAPER}
    handles = [Line2D([], [], **mean, markeredgewidth=1.6, label="mean over ten pairs of seeds")]
    legend_below(figure, [*handles, Line2D([], [], **CHANCE, label="by chance, same sizes")])
    return figure


def _bar(ax, place: float, height: float, width: float, subnetwork: str, treatment: str) -> None:
    look = PUBLISHED | _look(subnetwork, treatment)
    ax.bar(place, height, width, linewidth=1.1, zorder=2, **look)


def _look(subnetwork: str, treatment: str) -> dict:
    """Hollow, the edge in the subnetwork's colour; hatched when pruned or retrained."""
    colour = "#9A9A9A" if subnetwork == "majority" else COLOURS[subnetwork]
    return {"facecolor": "white", "edgecolor": colour, "hatch": HATCH.get(treatment, "")}


def _patch(subnetwork: str, treatment: str) -> Patch:
    label = NAMES[subnetwork] + (f", {treatment}" if treatment in HATCH else "")
    return Patch(**_look(subnetwork, treatment), linewidth=1.1, label=label)


def _short(subnetwork: str) -> str:
    return {"super": "super", "super_random": "super\nrandom", "super_bad": "super\nbad"}.get(
        subnetwork, NAMES[subnetwork].replace(" ", "\n", 1)
    )
