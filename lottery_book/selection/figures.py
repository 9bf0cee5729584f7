"""Pictures of honest selection: scores on examples that chose the subnetwork and on examples that did not."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.style import COLOURS, GRID, NAMES, WIDTH, empty_figure, legend_below, lighter

from ..sources import count
from .frames import CHOOSERS, SUBNETWORKS

PLACES = {"dev": "chosen on dev", "held out": "chosen held out"}
SIDES = {"seen": "chose the\nmask", "unseen": "others"}
BARS = {  # colour of a bar by its name; masks chosen on dev are lighter
    f"{NAMES[name]}, {PLACES[chooser]}": lighter(COLOURS[name]) if chooser == "dev" else COLOURS[name]
    for name in SUBNETWORKS
    for chooser in CHOOSERS
}
DOT = {"size": 2.2, "jitter": False, "linewidth": 0.5, "edgecolor": "#222222", "zorder": 3}
LIMIT = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}
FULL = {"color": "#222222", "linewidth": 0.8}


def seen_pairs(frames: Mapping[str, pd.DataFrame], threshold: float) -> Figure:
    """Each task's score on the half that chose its mask and on the other, joined; a panel a study.

    `frames` maps a study's name to a frame as from `half_scores`; `threshold` is the share of the full score at which
    searches stop.
    """
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure("Nothing to show: no mask was chosen on a half of a dev set.")
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    dot, same = {"marker": "o", "markersize": 4.5, "color": COLOURS["good"]}, {"x": "side", "y": "kept"}
    dot["linewidth"] = 0.8
    for ax, (name, own) in zip(figure.subplots(1, len(frames), sharey=True, squeeze=False)[0], frames.items()):
        means = own.groupby("title", sort=False)[list(SIDES)].mean().rename(columns=SIDES)
        rows = means.melt(var_name="side", value_name="kept", ignore_index=False).reset_index()
        sns.lineplot(rows, **same, units="title", estimator=None, alpha=0.6, markeredgewidth=0, ax=ax, **dot)
        sns.pointplot(rows, **same, errorbar=None, linestyle="none", marker="D", markersize=6, color="#222222", ax=ax)
        ax.axhline(threshold, **LIMIT)
        ax.axhline(1.0, **FULL)
        ax.set(xlim=(-0.35, 1.35), xlabel="", ylabel="score as a share of the full model's")
        ax.set_title(f"{name}\n{count(len(means), 'task')}, {count(own['seed'].nunique(), 'seed')}", fontsize=9)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="x", length=0)
    handles = [
        Line2D([], [], **dot, label="one task, mean over seeds and halves"),
        Line2D([], [], marker="D", markersize=6, linestyle="", color="#222222", label="mean over tasks"),
        Line2D([], [], **LIMIT, label="where searches stop"),
        Line2D([], [], **FULL, label="full model"),
    ]
    legend_below(figure, handles, 2)
    return figure


def chooser_bars(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Dev scores of good, random and bad subnetworks, masks chosen on dev (light) and held out, a group of bars a task.

    `frames` maps a study's name to a frame as from `chosen`; a row of panels each. Tasks need masks of both choosers.
    """
    frames = {n: f[f.groupby("title")["chooser"].transform("nunique") == len(CHOOSERS)] for n, f in frames.items()}
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure("Nothing to show: no task has masks chosen on dev and held out.")
    figure = Figure(figsize=(WIDTH, 2.5 * len(frames) + 0.6), layout="constrained")
    same = {"x": "title", "y": "kept", "hue": "bar", "hue_order": list(BARS), "dodge": True, "legend": False}
    for ax, (name, frame) in zip(figure.subplots(len(frames), 1, squeeze=False)[:, 0], frames.items()):
        rows = frame.melt(["title", "chooser"], list(SUBNETWORKS), "name", "kept")
        rows["bar"] = [f"{NAMES[n]}, {PLACES[c]}" for n, c in zip(rows["name"], rows["chooser"], strict=True)]
        sns.barplot(rows, **same, palette=BARS, saturation=1, errorbar=None, ax=ax)
        sns.stripplot(rows, **same, palette=dict.fromkeys(BARS, "white"), **DOT, ax=ax)
        ax.axhline(1.0, **FULL)
        ax.axhline(0.0, color="#8A8A8A", linewidth=0.8)
        ax.set(xlabel="")
        ax.tick_params(axis="x", length=0)
        ax.set_ylabel("share of the full model's", fontsize=8)
        ax.set_title(name, fontsize=9)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    look = {"marker": "s", "linestyle": "", "markersize": 7}
    legend_below(figure, [Line2D([], [], color=colour, **look, label=name) for name, colour in BARS.items()], 3)
    return figure
