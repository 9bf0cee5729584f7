"""Pictures of honest selection: scores on examples that chose the subnetwork and on examples that did not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.style import COLOURS, GRID, NAMES, WIDTH, empty_figure, legend_below, lighter

from ..sources import count
from .frames import CHOOSERS

COLUMNS = ("good", "random", "bad")
PLACES = {"dev": "chosen on dev", "held out": "chosen held out"}
DOTS = {"dodge": True, "jitter": False, "size": 2.4, "edgecolor": "#222222", "linewidth": 0.5}
LIMIT = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}


def seen_pairs(frames: Mapping[str, pd.DataFrame], threshold: float) -> Figure:
    """Each task's score on the half that chose its mask and on the other, joined; a panel a study.

    `frames` maps a study's name to a frame as from `half_scores`; `threshold` is the share of the full score at which
    searches stop.
    """
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure("Nothing to show: no mask was chosen on a half of a dev set.")
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    for ax, (name, own) in zip(figure.subplots(1, len(frames), sharey=True, squeeze=False)[0], frames.items()):
        means = own.groupby("title", sort=False)[["seen", "unseen"]].mean()
        _pairs(ax, means.to_numpy())
        ax.axhline(threshold, **LIMIT)
        ax.axhline(1.0, color="#222222", linewidth=0.8)
        ax.set_xticks([0, 1], ["chose the\nmask", "others"])
        ax.set_xlim(-0.35, 1.35)
        ax.set_title(f"{name}\n{count(len(means), 'task')}, {count(own['seed'].nunique(), 'seed')}", fontsize=9)
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


def chooser_bars(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Dev scores of good, random and bad subnetworks, masks chosen on dev (light) and held out, a group of bars a task.

    `frames` maps a study's name to a frame as from `chosen`; a row of panels each.
    """
    frames = {name: frame[_in_both(frame)] for name, frame in frames.items() if _in_both(frame).any()}
    if not frames:
        return empty_figure("Nothing to show: no task has masks chosen on dev and held out.")
    bars = {(column, chooser): _colour(column, chooser) for column in COLUMNS for chooser in CHOOSERS}
    figure = Figure(figsize=(WIDTH, 2.5 * len(frames) + 0.6), layout="constrained")
    for ax, (name, frame) in zip(figure.subplots(len(frames), 1, squeeze=False)[:, 0], frames.items()):
        long = frame.melt(["title", "chooser"], list(COLUMNS), "column", "share")
        long["bar"] = list(zip(long["column"], long["chooser"]))
        same = {"data": long, "x": "title", "y": "share", "hue": "bar", "hue_order": list(bars), "legend": False}
        same |= {"ax": ax}
        sns.barplot(**same, palette=bars, saturation=1, errorbar=None, gap=0.06)
        sns.stripplot(**same, palette=dict.fromkeys(bars, "white"), **DOTS)
        ax.axhline(1.0, color="#222222", linewidth=0.8)
        ax.axhline(0.0, color="#8A8A8A", linewidth=0.8)
        ax.tick_params(axis="x", length=0)
        ax.set_xlabel("")
        ax.set_ylabel("share of the full model's", fontsize=8)
        ax.set_title(name, fontsize=9)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    look = {"marker": "s", "linestyle": "", "markersize": 7}
    handles = [
        Line2D([], [], color=colour, **look, label=f"{NAMES[column]}, {PLACES[chooser]}")
        for (column, chooser), colour in bars.items()
    ]
    legend_below(figure, handles, 3)
    return figure


def _in_both(frame: pd.DataFrame) -> pd.Series:
    return frame.groupby("title")["chooser"].transform("nunique") == len(CHOOSERS)


def _colour(column: str, chooser: str) -> str | tuple:
    return lighter(COLOURS[column]) if chooser == "dev" else COLOURS[column]
