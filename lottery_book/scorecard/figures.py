"""The scorecard as a forest plot: every claim's mean and interval beside the region that supports it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lottery_utils.show.style import COLOURS, GRID, WIDTH, framed, legend_below

from ..sources import NO_RECORD, Source
from .claims import CLAIMS, Claim
from .judge import AGAINST, CONSTRUCTION, NOTHING, OPEN, SUPPORTED, Verdict, Verdicts

LOOKS = {
    SUPPORTED: {"marker": "o", "color": COLOURS["good"]},
    AGAINST: {"marker": "X", "color": COLOURS["bad"]},
    OPEN: {"marker": "o", "color": "#6E6E6E", "markerfacecolor": "white"},
    CONSTRUCTION: {"marker": "s", "color": "#6E6E6E", "markerfacecolor": "white"},
}
REGION, ROW = "#DCE7F2", 0.235  # colour of what supports a claim; inches
POINTS, PLAIN = ((-0.4, 1.25), "points of lead kept"), ((-0.4, 1.0), "agreement; excess; correlation")


def forest(verdicts: Verdicts) -> Figure:
    """A row a claim, a column a source: mean and 95 % interval over tasks; claims in points above, the others below."""
    blocks = [_rows([claim for claim in CLAIMS if claim.is_lead is is_lead]) for is_lead in (True, False)]
    figure = Figure(figsize=(WIDTH, ROW * sum(map(len, blocks)) + 1.5), layout="constrained")
    ratios = [len(rows) for rows in blocks]
    grid = figure.subplots(2, len(verdicts.sources), sharex="row", sharey="row", squeeze=False, height_ratios=ratios)
    for axes, rows, (shown, unit) in zip(grid, blocks, (POINTS, PLAIN), strict=True):
        for ax, source in zip(axes, verdicts.sources, strict=True):
            _panel(ax, source, rows, verdicts.of(source.kind), shown)
        axes[0].set_yticks(range(len(rows)), [getattr(row, "text", row) for row in rows], fontsize=7)
        for row, label in zip(rows, axes[0].get_yticklabels(), strict=True):
            label.set_fontweight("bold" if isinstance(row, str) else "normal")
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        axes[len(axes) // 2].set_xlabel(unit, fontsize=8)
    for ax, source in zip(grid[0], verdicts.sources, strict=True):
        rests_on = source.evidence("structured") or source.evidence("magnitude") or NO_RECORD
        framed(ax, source.kind, f"{source.kind}\n{source.model}\n{rests_on}")
    grid[0][0].xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}".replace("-", "\N{MINUS SIGN}"))
    handles = [Line2D([], [], linestyle="", markersize=5, **look, label=word) for word, look in LOOKS.items()]
    legend_below(figure, [Patch(facecolor=REGION, label="supports the claim"), *handles], 5)
    return figure


def _rows(claims: Sequence[Claim]) -> list[Claim | str]:
    """Claims, each group of them after its name."""
    return [row for name, group in groupby(claims, lambda claim: claim.group) for row in (name, *group)]


def _panel(
    ax: Axes, source: Source, rows: list[Claim | str], judged: dict[str, Verdict], shown: tuple[float, float]
) -> None:
    framed(ax, source.kind, "")
    ax.set_title("")
    for at, row in enumerate(rows):
        if isinstance(row, Claim):
            _draw(ax, at, judged[row.key], shown)
    ax.set_xlim(*shown)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.axvline(0, color="#8A8A8A", linewidth=0.8)
    ax.tick_params(axis="y", length=0)


def _draw(ax: Axes, row: int, verdict: Verdict, shown: tuple[float, float]) -> None:
    """One claim; an interval that is farther out than the axis ends in an arrow."""
    if verdict.word == NOTHING:
        ax.text(np.mean(shown), row, verdict.why, ha="center", va="center", fontsize=6.5, color="#6E6E6E")
        return
    claim, effect, look = verdict.claim, verdict.effect, LOOKS[verdict.word]
    if not claim.by_construction:
        edges = np.clip([claim.low, claim.high], *shown)
        ax.fill_betweenx([row - 0.42, row + 0.42], *edges, color=REGION, linewidth=0, zorder=0)
    ends = np.clip([effect.low, effect.high], *shown)
    ax.plot(ends, [row, row], color=look["color"], linewidth=1.5, zorder=2, solid_capstyle="butt")
    for end, is_beyond, arrow in zip(ends, (effect.low < shown[0], effect.high > shown[1]), "<>", strict=True):
        if is_beyond:
            ax.plot(end, row, arrow, color=look["color"], markersize=4, clip_on=False, zorder=3)
    ax.plot(np.clip(effect.mean, *shown), row, linestyle="", markersize=5, zorder=4, **look)
