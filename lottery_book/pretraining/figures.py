"""Pre-training on language and on what is none: learning curves, scores by task, the lottery of each."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.forest import forest
from lottery_utils.show.lines import Looks, draw_lines, handles_of
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    WIDTH,
    empty_figure,
    legend_below,
    panels,
)

from .frames import BAD, CORPORA, FULL, GOOD, GOOD_BAD, RANDOM, parted

CORPUS_NAMES = {
    "language": "language",
    "shuffled": "shuffled words",
    "brackets": "brackets",
    "zipf": "Zipf noise",
    "none": "none",
}
CORPUS_LOOK: Looks = {
    "language": ("#004488", ()),
    "shuffled": ("#33997A", (6, 1.5)),
    "brackets": ("#AA4499", (3, 1.5)),
    "zipf": ("#8A7A3B", (1, 1)),
}
LEARNT = {"word_loss": ("loss (nats)", None), "word_acc": ("accuracy", 1)}  # what is drawn, its name and upper limit
MARKS = {"full": "D", "good": "o", "random": "s", "bad": "v"}
MAJORITY = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}


def learning_curves(logs: Mapping[str, dict]) -> Figure:
    """Loss and accuracy on masked words against steps, a line a corpus, mean over its runs; "none" has no step."""
    curves = [pd.DataFrame(log["curve"]).assign(corpus=parted(name)[0]) for name, log in logs.items() if log["curve"]]
    if not curves:
        return empty_figure("Nothing to show: no log of a pre-training is at hand.")
    figure, steps = Figure(figsize=(WIDTH, 2.9), layout="constrained"), pd.concat(curves)
    for ax, (column, (name, top)) in zip(figure.subplots(1, 2), LEARNT.items(), strict=True):
        draw_lines(ax, steps, "step", column, "corpus", CORPUS_LOOK, band=True)
        ax.set(xlim=(0, None), ylim=(0, top), xlabel="steps of pre-training", ylabel=f"{name} on masked words")
    legend_below(figure, handles_of(CORPUS_LOOK, CORPUS_NAMES, steps["corpus"]), len(CORPUS_LOOK))
    return figure


def score_panels(frame: pd.DataFrame) -> Figure:
    """Full model and retrained subnetworks of each pre-training, a panel a task; seeds are the small marks.

    `frame` as from `frames.all_scores`; where a search is a gap the full model stands alone.
    """
    conditions = [*zip(frame["subnetwork"], frame["treatment"], strict=True)]
    rows = frame[[pair in (FULL, GOOD, RANDOM, BAD) for pair in conditions]]
    if rows.empty:
        return empty_figure("Nothing to show: no full model is stored.")
    corpora = [corpus for corpus in CORPORA if corpus in set(rows["corpus"])]
    same = {"x": "corpus", "y": "score", "order": corpora, "hue": "subnetwork", "hue_order": list(MARKS)}
    same |= {"palette": {name: COLOURS[name] for name in MARKS}, "legend": False}
    means = {"dodge": 0.57, "errorbar": None, "linestyle": "none", "markers": list(MARKS.values()), "markersize": 5.5}
    figure, axes = panels(rows["task"].nunique(), height=2.2)
    for ax, (task, own) in zip(axes, rows.groupby("task", sort=False), strict=True):
        majority = frame.loc[(frame["task"] == task) & (frame["subnetwork"] == "majority"), "score"].mean()
        ax.axhline(majority, **MAJORITY, zorder=1)
        sns.stripplot(own, **same, dodge=True, jitter=False, size=2.5, alpha=0.55, ax=ax)
        sns.pointplot(own, **same, **means, ax=ax)
        ax.set_xticks(range(len(corpora)), [CORPUS_NAMES[c] for c in corpora], fontsize=7, rotation=35, ha="right")
        least = min(own["score"].min(), majority)
        ax.set(ylim=(min(-0.05, least - 0.05) if least < 0.05 else 0.0, 1.05), xlabel="")
        ax.set_title(own["title"].iloc[0], fontsize=9)
        ax.set_ylabel(METRIC_NAMES[own["metric"].iloc[0]], fontsize=8)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="x", length=0)
    names = {name: NAMES[name] + (", retrained" if name != "full" else "") for name in MARKS}
    dots = [Line2D([], [], marker=MARKS[n], color=COLOURS[n], linestyle="", ms=6, label=names[n]) for n in MARKS]
    legend_below(figure, [*dots, Line2D([], [], **MAJORITY, label="majority")], 5)
    return figure


def start_and_lottery(gained: Mapping[str, Effect], lottery: Mapping[str, Mapping[tuple, Effect]]) -> Figure:
    """How far each full model is above the one without pre-training, and good subnetworks above bad ones.

    `gained` as from `frames.gains`, `lottery` by method as from `frames.within`.
    """
    panels = {"full model\nabove no pre-training": {CORPUS_NAMES[corpus]: one for corpus, one in gained.items()}}
    for method, effects in lottery.items():
        title = f"{METHOD_NAMES[method]}, retrained:\ngood above bad"
        panels[title] = {CORPUS_NAMES[corpus]: effects[corpus, what] for corpus, what in effects if what == GOOD_BAD}
    return forest(panels, "points", "pre-trained on", absent="\N{EN DASH}")
