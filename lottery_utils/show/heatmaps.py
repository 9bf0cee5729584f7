"""Maps of heads and MLPs: how one is drawn, and importance task by task."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import (
    GAP,
    IMPORTANCE_MAP,
    empty_figure,
    empty_panel,
    outer_labels,
    panels,
)
from .survival import over_seeds

LAYERS = "layer (1 = next to the embeddings)"
MLP_AT, MLP_WIDE = 0.35, 1.4  # gap to the right of the heads, width of the MLP column, in cells
NOTHING = "Nothing to show: no search is stored, or the full model does not beat the majority score."


def importance_of_tasks(importance: pd.DataFrame, missing: Iterable[str] = ()) -> Figure:
    """Importances in the full model, before anything is pruned: the order in which components are first removed.

    `importance` as from `gather.component_importance`; mean over seeds. `missing` are
    titles of tasks without any search: their panels are there, and say so.
    """
    titles, missing = dict(zip(importance["task"], importance["title"])), list(missing)
    if not titles:
        return empty_figure(NOTHING)
    maps = {task: over_seeds(importance, task) for task in titles}
    norm, layers = Normalize(0, 1), len(next(iter(maps.values())).mlps)
    figure, axes = panels(len(titles) + len(missing), height=1.0 + 0.17 * max(layers, 5))
    for ax, (task, title) in zip(axes, titles.items()):
        draw_map(ax, maps[task].heads, maps[task].mlps, norm, IMPORTANCE_MAP)
        ax.set_title(f"{title} ({maps[task].n} seed{'s' if maps[task].n > 1 else ''})")
    for ax, title in zip(axes[len(titles) :], missing):
        empty_panel(ax, title)
    outer_labels(figure, axes, "head", LAYERS)
    colour_bar(figure, axes, norm, IMPORTANCE_MAP, "importance, share of the largest\nhead or MLP, mean")
    return figure


def draw_map(ax: Axes, heads: np.ndarray, mlps: np.ndarray, norm: Normalize, cmap: Colormap) -> None:
    """Heads (L, H) as a grid and MLPs (L,) as a wider column to its right; layer 1 at the bottom. NaN is a gap."""
    layers, width = heads.shape
    cmap = cmap.with_extremes(bad=GAP)
    rows = np.arange(layers + 1)
    left = width + MLP_AT
    same = {"norm": norm, "cmap": cmap, "edgecolors": "white", "linewidth": 0.6}
    ax.pcolormesh(np.arange(width + 1), rows, np.ma.masked_invalid(heads), **same)
    ax.pcolormesh([left, left + MLP_WIDE], rows, np.ma.masked_invalid(mlps[:, None]), **same)
    every = 1 if width <= 8 else 2
    shown = np.arange(0, width, every)
    ax.set_xticks([*(shown + 0.5), left + MLP_WIDE / 2], [*(str(h + 1) for h in shown), "MLP"])
    shown = np.arange(0, layers, every)
    ax.set_yticks(shown + 0.5, [str(layer + 1) for layer in shown])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def colour_bar(figure: Figure, axes: list[Axes], norm: Normalize, cmap: Colormap, label: str) -> None:
    """A colour bar beside `axes`, its ticks whole where it counts."""
    bar = figure.colorbar(ScalarMappable(norm, cmap), ax=axes, fraction=0.05, pad=0.02, aspect=28)
    bar.set_label(label)
    if norm.vmax > 1:  # a count
        bar.locator = MaxNLocator(integer=True)
    bar.outline.set_visible(False)
