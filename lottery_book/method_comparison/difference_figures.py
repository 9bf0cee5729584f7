"""Differences between ways to rank at equal size: at each size, and over all sizes with what can be said of them."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from lottery_utils.show.forest import forest
from lottery_utils.show.style import GRID, WIDTH, empty_figure

from .figures import NOTHING, look, over_tasks, short
from .frames import FIELDS, compared
from .standings import QUANTITIES, Standing, by_size, paper_way

TITLES = {
    "lead": "lead kept:\nminus the paper's",
    "target": "falls under 90 %\nlater",
    "middle": "under the midpoint\nlater",
    "lead above random": "lead kept:\nminus random",
}
PREFIX = {"structured": "s", "magnitude": "m"}
WIDE = {"alpha": 0.22, "linewidth": 0}
ZERO = {"color": "#6E6E6E", "linewidth": 0.9}


def size_differences(frame: pd.DataFrame) -> Figure:
    """Each way's lead minus that of the paper's way at each size, with intervals over tasks.

    A row a method, a panel a way; bands are 95 % intervals (Student's t) of each size by itself, where there are three
    tasks. `frame` as from `analysis.methods.curves`.
    """
    found, frame = by_size(frame), compared(frame)
    ways = {m: list(dict.fromkeys(found.loc[found["method"] == m, "name"])) for m in FIELDS}
    ways = {method: names for method, names in ways.items() if names}
    if not ways:
        return empty_figure(NOTHING)
    columns = max(len(names) for names in ways.values())
    figure = Figure(figsize=(WIDTH, 1.75 * len(ways) + 0.4), layout="constrained")
    axes = figure.subplots(len(ways), columns, sharex=True, sharey="row", squeeze=False)
    for last, row, (method, names) in zip((*(len(ways) - 1) * [False], True), axes, ways.items()):
        for ax in row[len(names) :]:
            ax.remove()
        for ax, name in zip(row, names):
            line = found[(found["method"] == method) & (found["name"] == name)].sort_values("share")
            ax.fill_between(100 * line["share"], line["low"], line["high"], color=look(name)["color"], **WIDE)
            ax.plot(100 * line["share"], line["mean"], linewidth=1.5, color=look(name)["color"])
            ax.axhline(0, **ZERO)
            ax.set_title(f"{PREFIX[method]}: {short(name)} \N{MINUS SIGN} {paper_way(method)}", fontsize=9)
            ax.set_xlim(100, 0)
            ax.yaxis.grid(True, color=GRID, linewidth=0.6)
            ax.set_xlabel("weights left (%)" if last else "", fontsize=8)
            ax.tick_params(labelbottom=last or ax.get_subplotspec().colspan.start >= len(ways[list(ways)[-1]]))
    figure.supylabel(f"lead kept: difference in points ({over_tasks(frame)})", fontsize=8)
    return figure


def standing_forest(found: list[Standing]) -> Figure:
    """The differences of `standings` with their intervals: a row a way to rank, a panel for each of `QUANTITIES`."""
    rows = {f"{PREFIX[one.method]}: {short(one.name)}": one for one in found if not one.is_paper}
    panels = {
        TITLES[quantity]: {label: one.effects[quantity] for label, one in rows.items() if quantity in one.effects}
        for quantity in QUANTITIES
    }
    return forest(panels, "points", absent="\N{EN DASH}") if rows else empty_figure(NOTHING)
