"""Maps of heads and MLPs: how one is drawn, and importance task by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from .frames import component_importance, title_in
from .glue import count
from .style import IMPORTANCE_MAP, empty_figure, outer_labels, panels, say
from .survival import ComponentMap, over_seeds

if TYPE_CHECKING:
    from ..experiment.study import Study

LAYERS = "layer (1 = next to the embeddings)"
NOTHING = "Nothing to show: no search is stored, or the full model does not beat the majority score."


def importance_of_tasks(study: Study) -> Figure:
    """Importances in the full model, before anything is pruned: the order in which components are first removed.

    A panel a task, mean over seeds; those of tasks without any search are there, and say so.
    """
    importance = component_importance(study)
    maps = {}
    for task, title in dict(zip(importance["task"], importance["title"])).items():
        shown = over_seeds(importance, task)
        maps[f"{title} ({count(shown.n, 'seed')})"] = shown
    maps |= {title_in(study, task): None for task in study.preset.tasks if task not in set(importance["task"])}
    return maps_of_tasks(maps, Normalize(0, 1), IMPORTANCE_MAP, "importance, share of the largest\nhead or MLP, mean")


def maps_of_tasks(maps: Mapping[str, ComponentMap | None], norm: Normalize, cmap: Colormap, label: str) -> Figure:
    """A panel for each map, by its title, on one scale, which `label` names; None is a gap."""
    there = [each for each in maps.values() if each]
    if not there:
        return empty_figure(NOTHING)
    figure, axes = panels(len(maps), height=1.0 + 0.1 * max(len(there[0].mean), 8))
    for ax, (title, shown) in zip(axes, maps.items(), strict=True):
        ax.set_title(title)
        if shown is None:
            say(ax, "gap")
        else:
            draw_map(ax, shown, norm, cmap)
    outer_labels(figure, axes, "head", LAYERS)
    colour_bar(figure, axes, norm, cmap, label)
    return figure


def draw_map(ax: Axes, shown: ComponentMap, norm: Normalize, cmap: Colormap) -> None:
    """Heads as a grid and MLPs as a column to its right; layer 1 at the bottom."""
    layers, heads = shown.heads.shape
    every = 1 if heads <= 8 else 2
    rows, columns = ([str(n + 1) if n % every == 0 else "" for n in range(size)] for size in (layers, heads))
    look = {"cmap": cmap, "norm": norm, "cbar": False, "linewidths": 0.6, "linecolor": "white"}
    grid = np.insert(shown.mean, heads, np.nan, axis=1)
    sns.heatmap(grid, ax=ax, xticklabels=[*columns, "", "MLP"], yticklabels=rows, **look)
    ax.axvspan(heads, heads + 1, color="white")
    ax.invert_yaxis()
    ax.tick_params(length=0, rotation=0)


def colour_bar(figure: Figure, axes: list[Axes], norm: Normalize, cmap: Colormap, label: str) -> None:
    """A colour bar beside `axes`."""
    bar = figure.colorbar(ScalarMappable(norm, cmap), ax=axes, fraction=0.05, pad=0.02, aspect=28)
    bar.set_label(label)
    bar.outline.set_visible(False)
