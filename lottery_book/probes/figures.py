"""Figures of linguistic probes: accuracy and selectivity layer by layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.lines import Looks, draw_lines, handles_of
from lottery_utils.show.style import METHOD_NAMES, empty_figure, legend_below, outer_labels, panels

from ..loss_surface.figures import LOOKS, network_name
from ..loss_surface.frames import with_every
from ..sources import count
from .tokens import PROBES

NOTHING = "Nothing to show: no probes are stored."
NAMES = {"pretrained": "pre-trained", "random_init": "random weights"}
SHOWN: Looks = {**LOOKS, "pretrained": ("#33997A", ()), "random_init": ("#858585", ())}
FLOORS = {"majority": ("most frequent label", ":"), "word": ("each word's label", "-.")}
FLOOR = {"color": "#6E6E6E", "linewidth": 0.9}


def probed_name(name: str) -> str:
    """A network's name in a legend or table."""
    kind, _, how = name.partition(".")
    return f"{kind}, pre-trained weights" if how == "masked" else NAMES.get(name) or network_name(name)


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
    for ax, probe in zip(axes, PROBES, strict=True):
        own = rows[(rows["probe"] == probe) & rows["network"].isin(SHOWN)]
        draw_lines(ax, own, "layer", value, "network", SHOWN)
        ax.set_xticks(sorted(own["layer"].unique()))
        ax.set_title(probe)
        if floors is None:
            ax.axhline(0, color="#8A8A8A", linewidth=0.8)
            continue
        for column, (_, linestyle) in FLOORS.items():
            ax.axhline(floors.loc[floors["probe"] == probe, column].iloc[0], linestyle=linestyle, **FLOOR)
    outer_labels(figure, axes, "layer (0: embeddings)", "accuracy on test sentences" if floors is not None else value)
    handles = handles_of(SHOWN, {name: probed_name(name) for name in SHOWN}, rows["network"])
    if floors is not None:
        handles += [Line2D([], [], label=label, linestyle=linestyle, **FLOOR) for label, linestyle in FLOORS.values()]
    legend_below(figure, handles, 4)
    tasks, seeds = rows["task"].nunique(), rows.groupby("task")["seed"].nunique().max()
    figure.suptitle(f"{METHOD_NAMES[method]}, mean over {count(tasks, 'task')} and {count(seeds, 'seed')}", fontsize=9)
    return figure
