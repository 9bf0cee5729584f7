"""Figures of linguistic probes: accuracy and selectivity layer by layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.style import GRID, METHOD_NAMES, NAMES, empty_figure, legend_below, outer_labels, panels

from ..loss_surface.figures import network_look, network_name
from ..loss_surface.frames import with_every
from ..loss_surface.names import NETWORKS
from ..sources import count
from .names import PROBES, UNTRAINED

NOTHING = "Nothing to show: no probes are stored."
NAMES = NAMES | {"pretrained": "pre-trained", "random_init": "random weights"}
SHOWN = (*UNTRAINED, *NETWORKS)
LOOKS = {"pretrained": {"color": "#33997A", "linewidth": 1.8}, "random_init": {"color": "#858585", "linewidth": 1.4}}
FLOORS = {"majority": ("most frequent label", ":"), "word": ("each word's label", "-.")}
FLOOR = {"color": "#6E6E6E", "linewidth": 0.9}


def probed_name(name: str) -> str:
    """A network's name in a legend or table."""
    kind, _, how = name.partition(".")
    return f"{kind}, pre-trained weights" if how == "masked" else NAMES[name] if name in LOOKS else network_name(name)


def by_layer(table: pd.DataFrame, method: str, value: str, floors: pd.DataFrame | None = None) -> Figure:
    """`value` of each network layer by layer, a panel a probe: mean over tasks and seeds.

    `table` as from `frames.accuracies`; `value` is its column linguistic or selectivity. With `floors`, dotted and
    dash-dotted lines show what the most frequent label, and each word's own, reach. Only tasks that have every network
    are averaged; pre-trained weights under a mask are left to other figures and tables.
    """
    rows = with_every(table[table["method"] == method])
    if rows.empty:
        return empty_figure(NOTHING)
    figure, axes = panels(len(PROBES), height=2.0, columns=2)
    for ax, probe in zip(axes, PROBES):
        _lines(ax, rows[rows["probe"] == probe], value)
        ax.set_title(probe)
        if floors is None:
            ax.axhline(0, color="#8A8A8A", linewidth=0.8)
            continue
        for column, (_, linestyle) in FLOORS.items():
            ax.axhline(floors.loc[floors["probe"] == probe, column].iloc[0], linestyle=linestyle, **FLOOR)
    outer_labels(figure, axes, "layer (0: embeddings)", "accuracy on test sentences" if floors is not None else value)
    names = [name for name in SHOWN if name in set(rows["network"])]
    handles = [Line2D([], [], label=probed_name(name), **_look(name)) for name in names]
    if floors is not None:
        handles += [Line2D([], [], label=label, linestyle=linestyle, **FLOOR) for label, linestyle in FLOORS.values()]
    legend_below(figure, handles, 4)
    tasks, seeds = rows["task"].nunique(), rows.groupby("task")["seed"].nunique().max()
    figure.suptitle(f"{METHOD_NAMES[method]}, mean over {count(tasks, 'task')} and {count(seeds, 'seed')}", fontsize=9)
    return figure


def _lines(ax: Axes, rows: pd.DataFrame, value: str) -> None:
    for name in SHOWN:
        mean = rows[rows["network"] == name].groupby("layer")[value].mean()
        if len(mean):
            ax.plot(mean.index, mean, zorder=3 if name == "full" else 2, **_look(name))
    ax.set_xticks(sorted(rows["layer"].unique()))
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)


def _look(name: str) -> dict:
    return LOOKS[name] if name in LOOKS else network_look(name)
