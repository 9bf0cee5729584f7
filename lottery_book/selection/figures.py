"""Pictures of honest selection: scores on examples that chose the subnetwork and on examples that did not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.forest import forest
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import COLOURS, GRID, METHOD_NAMES, NAMES, WIDTH, empty_figure, legend_below, lighter

from .frames import CHOOSERS

COLUMNS = {"good": "good", "random": "random", "bad": "bad"}
LIMIT = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}


def seen_pairs(frames: Mapping[str, pd.DataFrame], titles: Mapping[str, str], threshold: float) -> Figure:
    """Each task's score on the half that chose its mask and on the other, joined; a panel a study and method.

    `frames` maps a study's name to a frame as from `selection.half_scores`; `threshold` is the share of the full
    score at which searches stop.
    """
    parts = [(name, method, f[f["method"] == method]) for name, f in frames.items() for method in METHOD_NAMES]
    parts = [part for part in parts if len(part[2])]
    if not parts:
        return empty_figure("Nothing to show: no mask was chosen on a half of a dev set.")
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    for ax, (name, method, own) in zip(figure.subplots(1, len(parts), sharey=True, squeeze=False)[0], parts):
        means = own.groupby("title", sort=False)[["seen", "unseen"]].mean()
        _pairs(ax, means.to_numpy())
        ax.axhline(threshold, **LIMIT)
        ax.axhline(1.0, color="#222222", linewidth=0.8)
        ax.set_xticks([0, 1], ["chose the\nmask", "others"])
        ax.set_xlim(-0.35, 1.35)
        tasks = f"{len(means)} task{'s' * (len(means) > 1)}"
        ax.set_title(f"{titles.get(name, name)}\n{METHOD_NAMES[method]}, {tasks}", fontsize=8.5)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="x", length=0)
    figure.axes[0].set_ylabel("score as a share of the full model's")
    dot = {"marker": "o", "markersize": 4.5, "color": COLOURS["good"]}
    handles = [
        Line2D([], [], **dot, linewidth=0.8, label="one task, mean over seeds and halves"),
        Line2D([], [], marker="D", markersize=6, linestyle="", color="#222222", label="mean over tasks"),
        Line2D([], [], **LIMIT, label="where searches stop"),
        Line2D([], [], color="#222222", linewidth=0.8, label="full model"),
    ]
    legend_below(figure, handles, 2)
    return figure


def _pairs(ax: Axes, values: np.ndarray) -> None:
    for seen, unseen in values:
        ax.plot([0, 1], [seen, unseen], "o-", ms=4, linewidth=0.8, color=COLOURS["good"], alpha=0.6)
    ax.plot([0, 1], values.mean(0), "D", ms=6, color="#222222", zorder=4)


def chooser_bars(found: pd.DataFrame, method: str, title: str) -> Figure:
    """Dev scores of good, random and bad subnetworks, masks chosen on dev and held out, a group of bars a task.

    `found` as from `selection.chosen`; light bars are of masks chosen on dev, dark ones of those chosen held out.
    """
    own = found[found["method"] == method]
    tasks = [t for t in dict.fromkeys(own["title"]) if own.loc[own["title"] == t, "chooser"].nunique() == len(CHOOSERS)]
    if not tasks:
        return empty_figure("Nothing to show: no task has masks chosen on dev and held out.")
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    ax = figure.subplots()
    width = 0.8 / (len(COLUMNS) * len(CHOOSERS))
    for t, task in enumerate(tasks):
        rows = own[own["title"] == task]
        for c, column in enumerate(COLUMNS):
            for k, chooser in enumerate(CHOOSERS):
                values = rows.loc[rows["chooser"] == chooser, column].dropna()
                x = t - 0.4 + width * (len(CHOOSERS) * c + k + 0.5)
                colour = COLOURS[column] if k else lighter(COLOURS[column])
                if len(values):
                    ax.bar(x, values.mean(), width * 0.94, color=colour, zorder=2)
                    ax.plot(
                        np.full(len(values), x),
                        values,
                        "o",
                        ms=2.2,
                        color="white",
                        markeredgecolor="#222222",
                        markeredgewidth=0.5,
                        zorder=3,
                    )
    ax.axhline(1.0, color="#222222", linewidth=0.8)
    ax.axhline(0.0, color="#8A8A8A", linewidth=0.8)
    ax.set_xticks(range(len(tasks)), tasks)
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel("dev score, share of the full model's")
    ax.set_title(f"{title}: {METHOD_NAMES[method]}, pruned", fontsize=9)
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    handles = []
    for column in COLUMNS:
        for k, chooser in enumerate(CHOOSERS):
            colour = COLOURS[column] if k else lighter(COLOURS[column])
            look = {"marker": "s", "linestyle": "", "markersize": 7}
            handles.append(Line2D([], [], color=colour, **look, label=f"{NAMES[column]}, {_place(chooser)}"))
    legend_below(figure, handles, 3)
    return figure


def _place(chooser: str) -> str:
    return {"dev": "chosen on dev", "held out": "chosen held out"}[chooser]


def seen_forest(effects: Mapping[str, Mapping[tuple, Effect]]) -> Figure:
    """Seen minus unseen of each study and method, `effects` a study's name to `selection.seen_effects`."""
    rows = {f"{name}, {METHOD_NAMES[key[0]]}": one for name, own in effects.items() for key, one in own.items()}
    return forest({"score seen minus unseen": rows}, "points of the full model's score", "")


def chooser_forest(effects: Mapping[str, Mapping[tuple, Effect]], titles: Mapping[str, str]) -> Figure:
    """Chosen on dev minus chosen held out: a row a study and method, a panel for each of `titles` (column to title).

    `effects` maps a study's name to `selection.chooser_effects`.
    """
    rows = [(name, m) for name, own in effects.items() for m in METHOD_NAMES if any(key[0] == m for key in own)]
    panels = {
        title: {f"{name}, {METHOD_NAMES[m]}": effects[name].get((m, column), Effect()) for name, m in rows}
        for column, title in titles.items()
    }
    return forest(panels, "points: dev minus held out")
