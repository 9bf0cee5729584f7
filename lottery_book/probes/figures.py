"""Figures of linguistic probes: accuracy and selectivity layer by layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    NAMES,
    empty_figure,
    legend_below,
    lighter,
    outer_labels,
    panels,
)

from ..loss_surface.figures import network_name
from ..loss_surface.names import NETWORKS
from .names import PROBES, UNTRAINED

NOTHING = "Nothing to show: no probes are stored."
NAMES = NAMES | {"pretrained": "pre-trained", "random_init": "random weights"}
SHOWN = (*UNTRAINED, *NETWORKS)
LOOKS = {"pretrained": {"color": "#33997A", "linewidth": 1.8}, "random_init": {"color": "#858585", "linewidth": 1.4}}


def probed_name(name: str) -> str:
    """A network's name in a legend or table."""
    kind, _, how = name.partition(".")
    return f"{kind}, pre-trained weights" if how == "masked" else NAMES[name] if name in LOOKS else network_name(name)


def _look(name: str) -> dict:
    if name in LOOKS:
        return LOOKS[name]
    kind, _, how = name.partition(".")
    dashes = {"linestyle": (0, (3, 1.6))} if how == "pruned" else {}
    return {"color": lighter(COLOURS[kind], 0.75) if dashes else COLOURS[kind], "linewidth": 1.5, **dashes}


def by_layer(table: pd.DataFrame, method: str, value: str, floors: pd.DataFrame | None = None) -> Figure:
    """`value` of each network layer by layer, a panel a probe: mean over tasks and seeds.

    `table` as from `analysis.probing.accuracies`; `value` is one of its columns linguistic, control and selectivity.
    With `floors`, dotted and dash-dotted lines show what the most frequent label, and each word's own, reach. Only
    tasks that have every network are averaged; pre-trained weights under a mask are left to the tables.
    """
    rows = table[table["method"] == method]
    names = set(rows["network"])
    complete = [task for task, own in rows.groupby("task", sort=False) if set(own["network"]) == names]
    rows = rows[rows["task"].isin(complete)]
    if rows.empty:
        return empty_figure(NOTHING)
    figure, axes = panels(len(PROBES), height=2.3, columns=2)
    for ax, probe in zip(axes, PROBES):
        own = rows[rows["probe"] == probe]
        for name in SHOWN:
            mean = own[own["network"] == name].groupby("layer")[value].mean()
            if len(mean):
                ax.plot(mean.index, mean, zorder=3 if name == "full" else 2, **_look(name))
        if floors is not None and value in ("linguistic", "control"):
            floor = floors[floors["probe"] == probe].iloc[0]
            prefix = "" if value == "linguistic" else "control_"
            ax.axhline(floor[f"{prefix}majority"], color="#6E6E6E", linewidth=0.9, linestyle=":")
            ax.axhline(floor[f"{prefix}word"], color="#6E6E6E", linewidth=0.9, linestyle="-.")
        if value == "selectivity":
            ax.axhline(0, color="#8A8A8A", linewidth=0.8)
        ax.set_title(probe)
        ax.set_xticks(sorted(own["layer"].unique()))
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    what = {"linguistic": "accuracy on test sentences", "control": "accuracy on the control task"}
    outer_labels(figure, axes, "layer (0: embeddings)", what.get(value, "selectivity"))
    there = [name for name in SHOWN if name in names]
    handles = [Line2D([], [], label=probed_name(name), **_look(name)) for name in there]
    if floors is not None and value != "selectivity":
        handles += [Line2D([], [], color="#6E6E6E", linestyle=":", linewidth=0.9, label="most frequent label")]
        handles += [Line2D([], [], color="#6E6E6E", linestyle="-.", linewidth=0.9, label="each word's label")]
    legend_below(figure, handles, 4)
    seeds = rows.groupby("task")["seed"].nunique().max()
    tasks = f"{len(complete)} task{'s' if len(complete) != 1 else ''}"
    each = f"{seeds} seed{'s' if seeds != 1 else ''}"
    figure.suptitle(f"{METHOD_NAMES[method]}, mean over {tasks} and {each}", fontsize=9)
    return figure
