"""The scorecard as a forest plot: every claim's mean and interval beside the region that supports it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lottery_utils.show.effects import draw_effect, dress_rows
from lottery_utils.show.style import COLOURS, QUIET, WIDTH, framed, legend_below

from .claims import GROUPS
from .judge import AGAINST, CONSTRUCTION, NOTHING, OPEN, SUPPORTED, Verdict, Verdicts

LOOKS = {
    SUPPORTED: {"marker": "o", "color": COLOURS["good"]},
    AGAINST: {"marker": "X", "color": COLOURS["bad"]},
    OPEN: {"marker": "o", "color": QUIET, "markerfacecolor": "white"},
    CONSTRUCTION: {"marker": "s", "color": QUIET, "markerfacecolor": "white"},
}
REGION, ROW = "#DCE7F2", 0.235  # colour of what supports a claim; inches
POINTS, PLAIN = ((-0.4, 1.25), "points of lead kept"), ((-0.4, 1.0), "agreement; excess; correlation")


def forest(verdicts: Verdicts) -> Figure:
    """A row a claim, a column a source: mean and 95 % interval over tasks; claims in points above, the others below."""
    blocks = [_rows(is_lead) for is_lead in (True, False)]
    figure = Figure(figsize=(WIDTH, ROW * sum(map(len, blocks)) + 1.5), layout="constrained")
    ratios = [len(rows) for rows in blocks]
    grid = figure.subplots(2, len(verdicts.sources), sharex="row", sharey="row", squeeze=False, height_ratios=ratios)
    for axes, rows, (limits, unit) in zip(grid, blocks, (POINTS, PLAIN), strict=True):
        for ax, source in zip(axes, verdicts.sources, strict=True):
            title = f"{source.kind}\n{source.model}\n{source.rests_on}" if rows is blocks[0] else ""
            framed(ax, source.kind, title)
            dress_rows(ax)
            for at, (_, key) in enumerate(rows):
                if key:
                    _draw(ax, at, verdicts.of(source.kind)[key], limits)
        axes[0].set(xlim=limits, xticks=[0, 0.5, 1], ylim=(len(rows) - 0.4, -0.6))
        axes[0].set_yticks(range(len(rows)), [text for text, _ in rows], fontsize=7)
        for (_, key), label in zip(rows, axes[0].get_yticklabels(), strict=True):
            label.set_fontweight("normal" if key else "bold")
        axes[len(axes) // 2].set_xlabel(unit, fontsize=8)
    grid[0][0].xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}".replace("-", "\N{MINUS SIGN}"))
    handles = [Line2D([], [], linestyle="", markersize=5, **look, label=word) for word, look in LOOKS.items()]
    legend_below(figure, [Patch(facecolor=REGION, label="supports the claim"), *handles], 5)
    return figure


def _rows(is_lead: bool) -> list[tuple[str, str]]:
    """Text and key of a claim a row, each group of them after its name, which has no key."""
    of_groups = {name: [claim for claim in claims if claim.is_lead is is_lead] for name, claims in GROUPS.items()}
    named = {name: [(claim.text, claim.key) for claim in claims] for name, claims in of_groups.items() if claims}
    return [row for name, rows in named.items() for row in ((name, ""), *rows)]


def _draw(ax: Axes, row: int, verdict: Verdict, limits: tuple[float, float]) -> None:
    """One claim: the region that supports it and the effect, or why there is none."""
    if verdict.word == NOTHING:
        ax.text(np.mean(limits), row, verdict.why, ha="center", va="center", fontsize=6.5, color=QUIET)
        return
    if not verdict.claim.by_construction:
        edges = np.clip([verdict.claim.low, verdict.claim.high], *limits)
        ax.fill_betweenx([row - 0.42, row + 0.42], *edges, color=REGION, linewidth=0, zorder=0)
    draw_effect(ax, row, verdict.effect, LOOKS[verdict.word], limits)
