"""Maps of heads and MLPs: survival in one task, in all tasks, across tasks; importance (paper, figures 1 and 2)."""

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
    METHOD_NAMES,
    SURVIVAL_MAP,
    TEXT,
    WIDTH,
    empty_figure,
    empty_panel,
    note,
    outer_labels,
    panels,
)
from .survival import ComponentMap, over_seeds, over_tasks, tasks_in_common

LAYERS = "layer (1 = next to the embeddings)"
MLP_AT, MLP_WIDE = 0.35, 1.4  # gap to the right of the heads, width of the MLP column, in cells
WEIGHTS = "share of its weights kept"
NOTHING = "Nothing to show: no search is stored, or the full model does not beat the majority score."


def survival_in_numbers(survival: pd.DataFrame, method: str, missing: Iterable[str] = ()) -> Figure:
    """The maps of all tasks with mean and deviation in each cell, one below the other (paper, appendix).

    `missing` are titles of tasks without any search: their panels are there, and say so.
    """
    titles, missing = dict(zip(survival["task"], survival["title"])), list(missing)
    if not titles:
        return empty_figure(NOTHING)
    maps = {task: over_seeds(survival, task) for task in titles}
    norm = _norm(method, maps.values())
    layers, heads = next(iter(maps.values())).heads.shape
    cell = min(0.62, (WIDTH - 1.9) / (heads + MLP_AT + MLP_WIDE))
    heights = [max(0.42, min(cell, 0.46)) * layers + 0.5] * len(titles) + [0.7] * len(missing)
    size = (max(4.0, cell * (heads + MLP_AT + MLP_WIDE) + 1.7), sum(heights) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (task, title) in zip(axes, titles.items()):
        found = maps[task]
        texts = (_texts(found.heads, found.heads_std), _texts(found.mlps, found.mlps_std)) if cell >= 0.4 else None
        draw_map(ax, found.heads, found.mlps, norm, SURVIVAL_MAP, texts)
        ax.set_title(f"{title}, {METHOD_NAMES[method]} ({_seeds(found.n)})")
    for ax, title in zip(axes[len(titles) :], missing):
        empty_panel(ax, title)
    figure.supxlabel("head", fontsize=9)
    figure.supylabel(LAYERS, fontsize=9)
    label = "share of seeds that keep it" if method == "structured" else f"{WEIGHTS}, mean over seeds"
    colour_bar(figure, list(axes[: len(titles)]), norm, SURVIVAL_MAP, label)
    return figure


def survival_across_tasks(survival: pd.DataFrame, title: str = "Across tasks, s-pruning") -> Figure:
    """In how many tasks a head or MLP survives: mean over seeds, and the sample deviation (paper, figure 2)."""
    tasks = tasks_in_common(survival)
    if not tasks:
        return empty_figure(NOTHING if survival.empty else "Nothing to show: no task has a search for every seed.")
    found = over_tasks(survival)
    titles = dict(zip(survival["task"], survival["title"]))
    left_out = [title for task, title in titles.items() if task not in tasks]
    said = f"mean over {_seeds(found.n)}, counted over {len(tasks)} tasks: {', '.join(titles[t] for t in tasks)}"
    figure = one_map(found, Normalize(0, len(tasks)), SURVIVAL_MAP, title, "number of tasks")
    note(figure, said + (f"; left out, not there for every seed: {', '.join(left_out)}" if left_out else ""))
    return figure


def importance_of_tasks(importance: pd.DataFrame, missing: Iterable[str] = ()) -> Figure:
    """Importances in the full model, before anything is pruned: the order in which components are first removed.

    `importance` as from `gather.component_importance`; mean over seeds, `missing` as for
    `survival_in_numbers`.
    """
    label = "importance, share of the largest\nhead or MLP, mean"
    return _maps(importance, IMPORTANCE_MAP, label, lambda maps: Normalize(0, 1), missing)


def draw_map(
    ax: Axes,
    heads: np.ndarray,
    mlps: np.ndarray,
    norm: Normalize,
    cmap: Colormap,
    texts: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Heads (L, H) as a grid and MLPs (L,) as a wider column to its right; layer 1 at the bottom. NaN is a gap.

    `texts` are strings for the cells, of the same shapes.
    """
    layers, width = heads.shape
    cmap = cmap.with_extremes(bad=GAP)
    rows = np.arange(layers + 1)
    left = width + MLP_AT
    same = {"norm": norm, "cmap": cmap, "edgecolors": "white", "linewidth": 0.6}
    ax.pcolormesh(np.arange(width + 1), rows, np.ma.masked_invalid(heads), **same)
    ax.pcolormesh([left, left + MLP_WIDE], rows, np.ma.masked_invalid(mlps[:, None]), **same)
    every = 1 if width <= 8 or texts is not None else 2  # cells with texts are large enough for every number
    shown = np.arange(0, width, every)
    ax.set_xticks([*(shown + 0.5), left + MLP_WIDE / 2], [*(str(h + 1) for h in shown), "MLP"])
    shown = np.arange(0, layers, every)
    ax.set_yticks(shown + 0.5, [str(layer + 1) for layer in shown])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if texts is not None:
        for values, labels, x in ((heads, texts[0], 0.5), (mlps[:, None], texts[1][:, None], left + MLP_WIDE / 2)):
            for (row, column), label in np.ndenumerate(labels):
                colour = _readable_on(cmap(norm(values[row, column])))
                place = (x + column, row + 0.5)
                ax.text(*place, label, ha="center", va="center", fontsize=8, color=colour, linespacing=1.1)


def _maps(rows: pd.DataFrame, cmap: Colormap, label: str, norm_of, missing: Iterable[str]) -> Figure:
    """A panel for each task of `rows`, then one for each title of `missing`."""
    titles, missing = dict(zip(rows["task"], rows["title"])), list(missing)
    if not titles:
        return empty_figure(NOTHING)
    maps = {task: over_seeds(rows, task) for task in titles}
    norm = norm_of(maps.values())
    layers = len(next(iter(maps.values())).mlps)
    figure, axes = panels(len(titles) + len(missing), height=1.0 + 0.17 * max(layers, 5))
    for ax, (task, title) in zip(axes, titles.items()):
        draw_map(ax, maps[task].heads, maps[task].mlps, norm, cmap)
        ax.set_title(f"{title} ({_seeds(maps[task].n)})")
    for ax, title in zip(axes[len(titles) :], missing):
        empty_panel(ax, title)
    outer_labels(figure, axes, "head", LAYERS)
    colour_bar(figure, axes, norm, cmap, label)
    return figure


def one_map(found: ComponentMap, norm: Normalize, cmap: Colormap, title: str, label: str) -> Figure:
    """A figure of one map, with numbers in the cells where they fit; `label` names the colour bar."""
    layers, heads = found.heads.shape
    cell = min(0.62, (WIDTH - 1.9) / (heads + MLP_AT + MLP_WIDE))
    size = (cell * (heads + MLP_AT + MLP_WIDE) + 1.7, max(2.6, max(0.42, min(cell, 0.46)) * layers + 1.0))
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    texts = (_texts(found.heads, found.heads_std), _texts(found.mlps, found.mlps_std)) if cell >= 0.4 else None
    draw_map(ax, found.heads, found.mlps, norm, cmap, texts)
    ax.set_title(title)
    ax.set_xlabel("head")
    ax.set_ylabel(LAYERS)
    colour_bar(figure, [ax], norm, cmap, label)
    return figure


def _texts(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """A cell's text: the mean, and below it the deviation where there is one."""

    def one(m: float, s: float) -> str:
        if np.isnan(m):
            return ""
        return _short(m) if np.isnan(s) else f"{_short(m)}\n±{_short(s)}"

    return np.vectorize(one, otypes=[object])(mean, std)


def _short(value: float) -> str:
    """Two decimals below 1 and one above, without the leading zero: cells are small."""
    if abs(value - round(value)) < 1e-9:
        return str(round(value))
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}".lstrip("0")


def _readable_on(colour) -> str:
    """White or dark, whichever contrasts more (relative luminance as in WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.066 else TEXT


def _norm(method: str, maps) -> Normalize:
    """0 to 1 for survival; shares of weights lie close together, so their own range is the scale."""
    if method == "structured":
        return Normalize(0, 1)
    values = np.concatenate([np.concatenate([m.heads.ravel(), m.mlps]) for m in maps])
    low, high = np.nanmin(values), np.nanmax(values)
    return Normalize(low, high if high > low else low + 1e-6)


def _seeds(n: int) -> str:
    return f"{n} seed" + ("s" if n != 1 else "")


def colour_bar(figure: Figure, axes: list[Axes], norm: Normalize, cmap: Colormap, label: str) -> None:
    """A colour bar beside `axes`, its ticks whole where it counts."""
    bar = figure.colorbar(ScalarMappable(norm, cmap), ax=axes, fraction=0.05, pad=0.02, aspect=28)
    bar.set_label(label)
    if norm.vmax > 1:  # a count
        bar.locator = MaxNLocator(integer=True)
    bar.outline.set_visible(False)
