"""The look of every figure: one palette, one size of type, white ground (the book puts a light card behind it)."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure

# Names and colours: the high-contrast scheme of Paul Tol, told apart with any colour vision and in grey print;
# baselines are greys.
MODELS = {
    "full": ("full model", "#222222"),
    "good": ("good", "#004488"),
    "random": ("random", "#DDAA33"),
    "random_layer": ("random by layer", "#8877BB"),
    "bottom_layers": ("bottom layers", "#5B9A8B"),
    "bad": ("bad", "#BB5566"),
    "inverted": ("inverted", "#7A8B99"),
    "super": ("super-survivors", "#33997A"),
    "super_random": ("super random", "#E8CC88"),
    "super_bad": ("super bad", "#D9A0A9"),
    "majority": ("majority", "#CFCFCF"),
    "bag_of_words": ("bag of words", "#ABABAB"),
    "cbow": ("CBoW", "#B5BFB0"),
    "bilstm": ("BiLSTM", "#93A38C"),
    "random_init": ("random init.", "#858585"),
    "random_init_pruned": ("random init., pruned", "#626262"),
}
NAMES = {model: name for model, (name, _) in MODELS.items()}
COLOURS = {model: colour for model, (_, colour) in MODELS.items()}
METHOD_NAMES = {"structured": "s-pruning", "magnitude": "m-pruning"}
METRIC_NAMES = {"mcc": "Matthews correlation", "accuracy": "accuracy", "pearson": "Pearson correlation"}
METRIC_NAMES |= {"f1": "F1", "spearman": "Spearman correlation"}  # main metrics of own tasks only
SEED_SHADES = ("#004488", "#DDAA33", "#BB5566", "#33997A", "#777777", "#88CCEE", "#AA4499", "#117733")
GRID, TEXT, QUIET, GAP = "#E4E4E4", "#222222", "#6E6E6E", "#EFEFEF"
WIDTH = 7.4  # inches; the book's column is about 750 pixels wide
SURVIVAL_MAP = LinearSegmentedColormap.from_list("survival", ("#F6F6F2", "#9DB9D6", COLOURS["good"]))
IMPORTANCE_MAP = LinearSegmentedColormap.from_list("importance", ("#F6F6F2", "#E3B9A0", "#7B2D3E"))


def apply_style() -> None:
    """Set the figures' look for this process, whatever the user's settings; in a notebook also make figures sharp."""
    from IPython import get_ipython
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    matplotlib.rcdefaults()
    matplotlib.style.use(Path(__file__).with_name("lottery.mplstyle"))
    if get_ipython() is not None:
        set_matplotlib_formats("retina", bbox_inches=None)  # the layout leaves no margin to cut


def lighter(colour: str, share: float = 0.5) -> tuple[float, float, float]:
    """`colour` mixed with white; `share` is how much of it stays."""
    return tuple(share * value + 1 - share for value in to_rgb(colour))


def panels(count: int, height: float, columns: int = 3, **shared) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes in rows of at most `columns`, each `height` inches; a single row is taller.

    `shared` are `sharex` and `sharey`, as matplotlib has them.
    """
    columns = max(1, min(columns, count))
    rows = math.ceil(max(count, 1) / columns)
    height *= 1.35 if rows == 1 else 1.0
    figure = Figure(figsize=(min(WIDTH, 5.0 + 2.4 * (columns - 1)), height * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **shared).ravel().tolist()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def legend_below(figure: Figure, handles: list, columns: int = 0) -> None:
    """A legend under the panels, in `columns` or as many as fit."""
    columns = columns or max(2, int(figure.get_figwidth() / 1.9))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(columns, len(handles)))


def outer_labels(figure: Figure, axes: list[Axes], x: str, y: str) -> None:
    """Name the shared axes: x below the lowest panel of each column, y once at the left."""
    columns = axes[0].get_subplotspec().get_gridspec().ncols
    for ax in axes[-columns:]:
        if len(ax.get_xticks()):
            ax.set_xlabel(x)
    figure.supylabel(y, fontsize=9)


def say(ax: Axes, text: str, row: float | None = None) -> None:
    """Say in a panel, or at one row of it, why nothing is there: a gap is shown, never left out in silence."""
    look = {"ha": "center", "va": "center", "fontsize": 8, "color": QUIET, "style": "italic", "wrap": True}
    if row is None:
        ax.set(xticks=[], yticks=[])
        ax.text(0.5, 0.5, text, transform=ax.transAxes, **look)
    else:
        ax.text(0.5, row, text, transform=ax.get_yaxis_transform(), **look)


def empty_figure(text: str) -> Figure:
    """A figure that says why it is empty."""
    figure = Figure(figsize=(WIDTH, 1.2), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", wrap=True)
    return figure
