"""Pictures of what the authors' release shows on a second look, of the numbers in `findings`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogFormatter, PercentFormatter

from lottery_utils.show.style import COLOURS, GRID, METHOD_NAMES, NAMES, TEXT, WIDTH, empty_figure, legend_below

from ..agreement.figures import KINDS
from .findings import EXACT

PAPER = "#5A5A5A"

HOLLOW = {"markerfacecolor": "white", "markeredgewidth": 1.6, "linestyle": ""}
RATIOS = (("good", "pruned"), ("good", "retrained"), ("random", "pruned"), ("random", "retrained"))
RATIOS += (("bad", "pruned"), ("bad", "retrained"))


def bars_as_plotted(bars: pd.DataFrame) -> Figure:
    """The bar "random subnetwork (retrained)" as plotted and as in the released results, task by task."""
    plotted = {"marker": "X", "markersize": 8, "color": COLOURS["good"], "label": "as plotted: the good ones' results"}
    random = {"marker": "o", "markersize": 7, "color": COLOURS["random"]}
    random["label"] = "released results of the random ones"
    figure = _marks_by_task(bars, {"plotted": plotted, "random": random})
    ax = figure.axes[0]
    for place, row in enumerate(bars.itertuples()):
        top = max(row.plotted, row.random) + 0.04
        ax.text(place, top, f"{100 * row.gap:+.1f}", ha="center", va="bottom", fontsize=8, color=TEXT)
    ax.set_ylim(0, 1.05)
    ax.set_ylabel("score, retrained")
    return figure


def _marks_by_task(rows: pd.DataFrame, looks: dict[str, dict]) -> Figure:
    """A place a task, a hollow mark a column of `looks`, a line from the first of them to the last."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    ax, places, ends = figure.subplots(), np.arange(len(rows)), [*looks]
    ax.vlines(places, rows[ends[0]], rows[ends[-1]], color="#B5B5B5", linewidth=1.2, zorder=1)
    for column, look in looks.items():
        ax.plot(places, rows[column], **HOLLOW | look, zorder=3)
    ax.set_xticks(places, rows["title"])
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    legend_below(figure, ax.lines)
    return figure


def step_fit(errors: pd.DataFrame) -> Figure:
    """For each step size, how far the stored mean shares are from any that it can give: each task and the largest."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    ax = figure.subplots()
    ax.axhspan(1e-9, EXACT, color="#EFEFEF", zorder=0)
    note = {"fontsize": 8, "color": "#5A5A5A", "ha": "right", "va": "bottom"}
    ax.text(20.4, 1.3e-9, "within the rounding of the stored numbers", **note)
    ax.plot(errors["step"], errors["error"], "o", markersize=3.5, color="#9A9A9A", alpha=0.7, zorder=2)
    worst = errors.groupby("step")["error"].max()
    ax.plot(worst.index, worst, "-", color=PAPER, linewidth=1, zorder=1)
    ax.plot(worst.index, worst, "D", **HOLLOW | {"markersize": 6, "color": PAPER}, zorder=3)
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(LogFormatter())  # 1e-07: formulas are not parsed here
    ax.set_xticks(worst.index)
    ax.set_xlim(0.4, 20.6)
    ax.set_xlabel("removed in each step, % of what remains")
    ax.set_ylabel("distance from the stored share")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    handles = [Line2D([], [], marker="o", linestyle="", markersize=4, color="#9A9A9A", label="one task")]
    handles.append(Line2D([], [], marker="D", color=PAPER, **HOLLOW, label="the task that fits worst"))
    legend_below(figure, handles)
    return figure


def importance_scatter(exact: pd.DataFrame, released: pd.DataFrame, task: str) -> Figure:
    """Each head's rank under the printed formula and the released code, a panel a seed; the first to go are shaded."""
    keys = ["seed", "layer", "head"]
    own = [frame[(frame["task"] == task) & (frame["component"] == "head")] for frame in (exact, released)]
    both = own[0].merge(own[1], "inner", keys)
    seeds = list(dict.fromkeys(both["seed"]))
    if not seeds:
        return empty_figure("Nothing to show: the two searches are not stored for the same task and seed.")
    figure = Figure(figsize=(min(WIDTH, 1.0 + 2.6 * len(seeds)), 2.9), layout="constrained")
    axes = figure.subplots(1, len(seeds), squeeze=False, sharey=True)[0]
    for ax, seed in zip(axes, seeds):
        ranks = both[both["seed"] == seed][["kept_x", "kept_y"]].rank()
        lowest = max(1, int(0.1 * len(ranks)))
        ax.axvspan(0, lowest + 0.5, color="#EFEFEF", zorder=0)
        ax.axhspan(0, lowest + 0.5, color="#EFEFEF", zorder=0)
        ax.plot([0, len(ranks)], [0, len(ranks)], color="#B5B5B5", linewidth=0.8, zorder=1)
        ax.plot(ranks["kept_x"], ranks["kept_y"], "o", markersize=4, color=COLOURS["good"], alpha=0.75, zorder=2)
        ax.set_title(f"seed {seed}", fontsize=9)
        ax.set_aspect("equal")
        ax.set_xlim(0, len(ranks) + 1)
        ax.set_ylim(0, len(ranks) + 1)
        ax.set_xlabel("rank, formula")
    axes[0].set_ylabel("rank, released code")
    return figure


def slice_bars(errors: pd.DataFrame) -> Figure:
    """How far a layer's parts are from summing to its output, for column and for row slices; and their norms."""
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    looks = {
        "columns": ("o", COLOURS["super"], "columns (correct)"),
        "rows": ("X", COLOURS["bad"], "rows (released code)"),
    }
    for kind, (marker, colour, _) in looks.items():
        own = errors[errors["slices"] == kind]
        for ax, column in ((left, "error"), (right, "correlation")):
            ax.plot(own["layer"] + 1, own[column], marker=marker, color=colour, linewidth=1, markersize=6)
    left.set_yscale("symlog", linthresh=1e-15)
    left.set_ylim(0, 10)
    left.set_yticks([1e-15, 1e-10, 1e-5, 1], ["1e−15", "1e−10", "1e−5", "1"])
    left.set_ylabel("distance of the sum from the output")
    right.set_ylim(0, 1.06)
    right.set_ylabel("norms: correlation with correct")
    for ax in (left, right):
        ax.set_xlabel("layer")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    legend_below(figure, [Line2D([], [], marker=m, color=c, label=text) for m, c, text in looks.values()])
    return figure


def kept_dots(kept: pd.DataFrame) -> Figure:
    """Scores as shares of the full model's, a dot a task (without WNLI), for each condition of the two methods."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    for ax, (method, name) in zip(figure.subplots(1, 2, sharey=True), METHOD_NAMES.items()):
        for place, (subnetwork, treatment) in enumerate(RATIOS):
            rows = kept[(kept["method"] == method) & (kept["subnetwork"] == subnetwork)]
            rows = rows[rows["treatment"] == treatment]
            beside = place + np.linspace(-0.25, 0.25, len(rows))
            ax.errorbar(beside, rows["kept"], rows["kept_std"], fmt="none", ecolor="#B5B5B5", elinewidth=1, zorder=1)
            look = HOLLOW | {"marker": "o", "markersize": 5, "markeredgewidth": 1.3, "color": COLOURS[subnetwork]}
            ax.plot(beside, rows["kept"], **look, zorder=2)
        ax.axhline(0.9, color=TEXT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        ax.set_title(name)
        ax.set_xticks(range(len(RATIOS)), [f"{NAMES[s]}\n{t}" for s, t in RATIOS], fontsize=7, rotation=30)
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    figure.axes[0].set_ylabel("share of the full model's score")
    line = Line2D([], [], color=TEXT, linewidth=0.9, linestyle=(0, (4, 3)), label="the search's threshold")
    dot = Line2D([], [], color=PAPER, marker="o", **HOLLOW, label="one task, mean and deviation over 5 seeds")
    legend_below(figure, [dot, line])
    return figure


def size_dots(sizes: pd.DataFrame) -> Figure:
    """Three answers to "how much is left": of the prunable weights, of all weights, and as the figures print it."""
    looks = {
        "all": {"marker": "s", "color": COLOURS["full"], "label": "of all weights"},
        "prunable": {"marker": "o", "color": COLOURS["good"], "label": "of the prunable weights"},
        "printed": {"marker": "X", "color": COLOURS["bad"], "label": "printed: of all weights, minus 0.21"},
    }
    figure = _marks_by_task(sizes, looks)
    figure.axes[0].set_ylim(0, 1)
    figure.axes[0].yaxis.set_major_formatter(PercentFormatter(1))
    figure.axes[0].set_ylabel("left, s-pruning")
    return figure


def cochran_scatter(rows: pd.DataFrame) -> Figure:
    """Pairs of seeds that Cochran's Q does not reject, against how sizes vary and against how alike the masks are.

    `rows` as from `findings.sizes_and_sameness`.
    """
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    looks = {"head": ("o", COLOURS["good"]), "mlp": ("s", COLOURS["random"])}
    excess = rows["mean_pair_jaccard"] - rows["chance_pair_jaccard"]
    rows = rows.assign(excess=excess)
    for ax, (column, label) in zip(
        figure.subplots(1, 2, sharey=True),
        (("spread", "how sizes differ between seeds\n(deviation / mean)"), ("excess", "Jaccard index above chance")),
    ):
        for kind, (marker, colour) in looks.items():
            own = rows[rows["component"] == kind]
            ax.plot(own[column], own["share_pairs_not_rejected"], marker, markersize=6, color=colour, **HOLLOW)
        ax.set_xlabel(label)
        ax.grid(True, color=GRID, linewidth=0.6)
        ax.set_ylim(0, 1.06)
    figure.axes[0].set_ylabel("pairs of seeds not rejected")
    named = {f"{KINDS[kind]}, one task": look for kind, look in looks.items()}
    legend_below(figure, [Line2D([], [], marker=m, color=c, **HOLLOW, label=text) for text, (m, c) in named.items()])
    return figure
