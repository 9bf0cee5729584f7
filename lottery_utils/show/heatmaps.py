"""Maps of heads and MLPs: survival over seeds and tasks (paper, figures 1 and 2), importance, how they are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from .style import empty_figure, outer_labels, panels, say

LAYERS = "layer (1 = next to the embeddings)"
NOTHING = "Nothing to show: no search is stored, or the full model does not beat the majority score."


@dataclass(frozen=True)
class ComponentMap:
    """Mean and sample standard deviation of each component, (L, H + 1): a layer's heads, then its MLP; NaN is a gap.

    The deviations are all NaN when `n`, the number of seeds, is 1: one value has none.
    """

    mean: np.ndarray
    std: np.ndarray
    n: int

    @property
    def heads(self) -> np.ndarray:
        """The means of heads, (L, H)."""
        return self.mean[:, :-1]

    @property
    def mlps(self) -> np.ndarray:
        """The means of MLPs, (L,)."""
        return self.mean[:, -1]


def as_map(rows: pd.DataFrame, n: int) -> ComponentMap:
    """One row per component (layer, head, which is NaN for MLPs, mean, std) over `n` seeds, as arrays."""
    place = rows.assign(head=rows["head"].astype(float).fillna(np.inf))
    stats = (place.pivot(index="layer", columns="head", values=stat) for stat in ("mean", "std"))
    return ComponentMap(*(table.to_numpy(dtype=float) for table in stats), n=n)


def over_seeds(rows: pd.DataFrame) -> ComponentMap:
    """Mean and deviation over seeds of one value for each component and seed, such as a task's `frames.SURVIVAL`.

    For s-pruning the mean is the share of seeds in which a component survives.
    """
    stats = rows.groupby(["layer", "head"], dropna=False, sort=False)["kept"].agg(["mean", "std"])
    return as_map(stats.reset_index(), rows["seed"].nunique())


def tasks_in_common(survival: pd.DataFrame) -> list[str]:
    """Tasks that every seed has, in order; counts over tasks are comparable between seeds for these only."""
    counts = survival.groupby("task", sort=False)["seed"].nunique()
    return counts.index[counts == survival["seed"].nunique()].tolist()


def over_tasks(survival: pd.DataFrame) -> tuple[ComponentMap, int] | None:
    """For each seed the number of tasks in which a component survives, mean and deviation over seeds; and of how many.

    Counts the tasks of `tasks_in_common`; None when there is none.
    """
    tasks = tasks_in_common(survival)
    if not tasks:
        return None
    rows = survival[survival["task"].isin(tasks)]
    counts = rows.groupby(["layer", "head", "seed"], dropna=False, sort=False)["kept"].sum()
    return over_seeds(counts.reset_index()), len(tasks)


def maps_of_tasks(maps: Mapping[str, ComponentMap | None], norm: Normalize, cmap: Colormap, label: str) -> Figure:
    """A panel for each map, by its title, on one scale, which `label` names; None is a gap."""
    maps_shown = [each for each in maps.values() if each]
    if not maps_shown:
        return empty_figure(NOTHING)
    figure, axes = panels(len(maps), height=1.0 + 0.1 * max(len(maps_shown[0].mean), 8))
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
