"""The headline picture: lead kept, a column a source, a row of panels a method."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lottery_utils.show.dots import lead_dots, legend_of_dots
from lottery_utils.show.style import METHOD_NAMES, WIDTH, framed, legend_below

from .sources import NO_RECORD, Source

ROWS = {"structured": "heads, MLPs", "magnitude": "weights"}
AXIS = "lead kept (0\N{NO-BREAK SPACE}%: a constant answer, 100\N{NO-BREAK SPACE}%: the full model)"


def headline(sources: Sequence[Source]) -> Figure:
    """Lead kept by good, random and bad subnetworks: columns are `sources`, rows s-pruning and m-pruning."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    grid = figure.subplots(len(ROWS), len(sources), sharex=True, sharey=True, squeeze=False)
    for axes, (method, removed) in zip(grid, ROWS.items(), strict=True):
        for ax, source in zip(axes, sources, strict=True):
            _panel(ax, source, method)
        axes[0].set_ylabel(f"{METHOD_NAMES[method]}: {removed}", fontsize=9, fontweight="bold")
    grid[-1][len(sources) // 2].set_xlabel(AXIS, fontsize=9)
    legend_below(figure, legend_of_dots(), 4)
    return figure


def _panel(ax: Axes, source: Source, method: str) -> None:
    """One source and method, or the reason why there is nothing."""
    framed(ax, source.kind, f"{source.name}\n{source.evidence(method)}")
    lead_dots(ax, source.of(method), source.absent, f"{NO_RECORD}\n{source.filled_by}")
