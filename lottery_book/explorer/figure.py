"""The still picture of the explorer, for print and search engines: where the searches of one task ended, by source."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from lottery_utils.show.heatmaps import colour_bar, draw_map
from lottery_utils.show.style import GAP, SURVIVAL_MAP, WIDTH, framed
from lottery_utils.show.survival import over_seeds

from ..real_study.sources import NO_RECORD, Source
from .maps import survival, tasks_of

LABEL = {"structured": "share of seeds that keep it", "magnitude": "share of its weights kept, mean over seeds"}


def end_maps(sources: Sequence[Source], task: str, method: str = "structured") -> Figure:
    """Survival in `task` as each source has it, a panel each; where there is none the panel says so."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots(1, len(sources), squeeze=False)[0].tolist()
    norm = Normalize(0, 1)
    for ax, source in zip(axes, sources, strict=True):
        rows = survival(source, method)
        rows = rows[rows["task"] == task]
        title = tasks_of(source).get(task, task) if rows.empty else rows["title"].iloc[0]
        if rows.empty:
            ax.set(xticks=[], yticks=[])
            ax.text(0.5, 0.5, NO_RECORD, transform=ax.transAxes, ha="center", va="center", fontsize=9, color="#6E6E6E")
        else:
            found = over_seeds(rows, task)
            draw_map(ax, found.heads, found.mlps, norm, SURVIVAL_MAP)
        framed(ax, source.kind, f"{source.name}\n{title}")
        if rows.empty:
            ax.set_facecolor(GAP)
    axes[0].set_ylabel("layer")
    axes[len(axes) // 2].set_xlabel("head")
    colour_bar(figure, axes, norm, SURVIVAL_MAP, LABEL[method])
    return figure
