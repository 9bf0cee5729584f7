"""Lines of means: a network or a way to rank has its colour and dashes in every panel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .style import GRID

Looks = Mapping[str, tuple[str | tuple, tuple[float, ...]]]  # by a line's name its colour and dashes, () for none


def draw_lines(
    ax: Axes, rows: pd.DataFrame, x: str, y: str, line: str, looks: Looks, band: bool = False, **more
) -> None:
    """Draw the mean of column `y` at each `x`, one for each name in column `line`; all of `looks`, the first on top.

    With `band` a tint spans the lowest and the highest row; `more` is for seaborn.
    """
    names = [name for name in looks if name in set(rows[line])][::-1]
    colours, dashes = ({name: looks[name][i] or "" for name in names} for i in (0, 1))
    same = {"hue": line, "hue_order": names, "palette": colours, "style": line, "style_order": names, "dashes": dashes}
    span = {"errorbar": ("pi", 100), "err_kws": {"alpha": 0.16, "linewidth": 0}} if band else {"errorbar": None}
    sns.lineplot(rows, x=x, y=y, **same, **span, linewidth=1.5, legend=False, ax=ax, **more)
    ax.set(xlabel="", ylabel="")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)


def handles_of(looks: Looks, labels: Mapping[str, str], there: Iterable[str]) -> list[Line2D]:
    """The legend's lines of the names that are `there`, as `labels` call them."""
    there = set(there)
    return [
        Line2D([], [], color=colour, linestyle=(0, dashes) if dashes else "-", linewidth=1.5, label=labels[name])
        for name, (colour, dashes) in looks.items()
        if name in there
    ]
