"""Paired differences, a row each: tasks as dots, their mean with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pandas.io.formats.style import Styler

from ..analysis.paired import Paired
from .style import COLOURS, GRID, WIDTH, empty_figure, legend_below
from .tables import GAP, dressed

DOT = {"marker": "o", "linestyle": "", "markersize": 4, "markerfacecolor": "none", "markeredgecolor": "#8A8A8A"}
MEAN = {"color": COLOURS["good"], "marker": "D", "markersize": 5.5, "linewidth": 2.2}
VERDICTS = {"shown": "above 0", "opposite": "below 0", "open": "not settled", "untestable": "one task only"}


def differences(found: Mapping[str, Paired], label: str) -> Figure:
    """Differences in `label` by row: a dot a task (mean over seeds), a diamond their mean, a bar its interval."""
    if not found:
        return empty_figure("Nothing to show: there are no two networks to compare.")
    figure = Figure(figsize=(WIDTH, 0.34 * len(found) + 1.3), layout="constrained")
    ax = figure.subplots()
    for place, one in enumerate(found.values()):
        ax.plot(one.by_task.to_numpy(), np.full(len(one.by_task), place), zorder=2, **DOT)
        low, high = one.found.low, one.found.high
        if np.isfinite(low):
            ax.plot([low, high], [place, place], color=MEAN["color"], linewidth=MEAN["linewidth"], zorder=3)
        ax.plot(one.found.mean, place, MEAN["marker"], color=MEAN["color"], markersize=MEAN["markersize"], zorder=4)
    ax.axvline(0, color="#8A8A8A", linewidth=0.8, zorder=1)
    ax.set_yticks(range(len(found)), list(found))
    ax.set_ylim(len(found) - 0.5, -0.5)
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(label)
    legend_below(figure, [Line2D([], [], **DOT, label="a task"), Line2D([], [], **MEAN, label="mean, 95 % interval")])
    return figure


def difference_table(found: Mapping[str, Paired], caption: str, name: str, places: int = 3) -> Styler:
    """The numbers of `differences`: mean, interval over tasks, tasks above 0, and what follows."""
    rows = []
    for label, one in found.items():
        c = one.found
        several = np.isfinite(c.low)
        rows.append(
            {
                "difference": label,
                "mean": f"{c.mean:+.{places}f}",
                "95 % interval": f"{c.low:+.{places}f} to {c.high:+.{places}f}" if several else GAP,
                "tasks above 0": f"{c.wins} of {c.tasks}",
                "": VERDICTS[c.verdict],
            }
        )
    frame = pd.DataFrame(rows, columns=["difference", "mean", "95 % interval", "tasks above 0", ""])
    return dressed(frame, caption, name)


def difference_sentence(found: Mapping[str, Paired], label: str, places: int = 2) -> str:
    """One difference in words, such as "+0.10 (95 % interval over 8 tasks +0.02 to +0.18)"."""
    if label not in found:
        return "not measured"
    c = found[label].found
    text = f"{c.mean:+.{places}f}"
    if c.tasks < 2:
        return f"{text} (one task)"
    return f"{text} (95 % interval over {c.tasks} tasks {c.low:+.{places}f} to {c.high:+.{places}f})"
