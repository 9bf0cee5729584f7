"""The scorecard as a table of chips, one column per source, the same in numbers, and as a forest plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from pandas.io.formats.style import Styler

from lottery_utils.show.effects import draw_effect, dress_rows, interval, signed
from lottery_utils.show.sentences import listed
from lottery_utils.show.style import COLOURS, QUIET, WIDTH, legend_below
from lottery_utils.show.tables import GAP, dressed

from ..evidence import framed
from ..sources import Source, count
from .claims import ASKED, CITED, CLAIMS, GROUPS, Claim
from .judge import AGAINST, CONSTRUCTION, NOTHING, OPEN, SUPPORTED, Verdict, Verdicts, too_few

MARKS = {SUPPORTED: "\N{CHECK MARK}", AGAINST: "\N{MULTIPLICATION X}", OPEN: "?", CONSTRUCTION: "="}
LOOKS = {
    SUPPORTED: {"marker": "o", "color": COLOURS["good"]},
    AGAINST: {"marker": "X", "color": COLOURS["bad"]},
    OPEN: {"marker": "o", "color": QUIET, "markerfacecolor": "white"},
    CONSTRUCTION: {"marker": "s", "color": QUIET, "markerfacecolor": "white"},
}
REGION, ROW = "#DCE7F2", 0.235  # colour of what supports a claim; inches
POINTS, PLAIN = ((-0.4, 1.25), "points of lead kept"), ((-0.4, 1.0), "agreement; excess; correlation")


def chip_table(verdicts: Verdicts) -> HTML:
    """Claims as rows, one column per source: a chip with verdict and mean that leads to the claim's figure.

    The whole number is the chip's title, which is read out and shown where the pointer rests.
    """
    rows = []
    for name, claims in GROUPS.items():
        columns = 1 + len(verdicts.sources)
        rows.append(f'<tr class="group"><th colspan="{columns}" scope="rowgroup">{escape(name)}</th></tr>')
        for claim in claims:
            judged_by = "; ".join(filter(None, (region_of(claim), claim.remark)))
            head = f'<th scope="row" title="{escape(judged_by)}">{escape(claim.text)}</th>'
            rows.append(f'<tr id="{_anchor(claim.key)}">{head}{_cells(claim.key, verdicts)}</tr>')
    rests_on = {source: f"{escape(source.model)}<br>{escape(evidence(source))}" for source in verdicts.sources}
    return HTML(_table("scorecard", {source: f"<small>{text}</small>" for source, text in rests_on.items()}, rows, {}))


def glue_cited(verdicts: Verdicts) -> None:
    """Glue the rows of `CITED` under "claims_02" and the like, for chapters to show."""
    from myst_nb import glue

    for chapter, keys in CITED.items():
        glue(f"claims_{chapter}", HTML(cited_table(verdicts, keys)), display=False)


def cited_table(verdicts: Verdicts, keys: Sequence[str]) -> str:
    """The scorecard's rows of `keys`, as HTML for another chapter: a claim leads to its row, a chip to its figure."""
    text_of = {claim.key: claim.text for claim in CLAIMS}
    rows = [
        f'<tr><th scope="row"><a href="scorecard.html#{_anchor(key)}">{escape(text_of[key])}</a></th>'
        f"{_cells(key, verdicts)}</tr>"
        for key in keys
    ]
    rests_on = {source: f"{source.model}, {evidence(source)}" for source in verdicts.sources}
    return _table("scorecard cited", dict.fromkeys(verdicts.sources, ""), rows, rests_on)


def _table(style: str, heads: Mapping[Source, str], rows: Sequence[str], titles: Mapping[Source, str]) -> str:
    """Claims, one column per source: its mark, more of `heads` under it, `titles` where the pointer rests."""
    columns = ""
    for source, more in heads.items():
        title = f' title="{escape(titles[source])}"' if source in titles else ""
        columns += f'<th{title}><span class="source {source.kind.replace(" ", "-")}">{source.kind}</span>{more}</th>'
    head = f"<thead><tr><th>claim</th>{columns}</tr></thead>"
    return f'<table class="{style}">{head}<tbody>{"".join(rows)}</tbody></table>'


def _anchor(key: str) -> str:
    """The id of a claim's row on the scorecard."""
    return f"claim-{key.replace('_', '-')}"


def evidence(source: Source) -> str:
    """How many tasks and seeds a source has, and that nothing can be decided where these are too few."""
    tasks = source.leads["task"].nunique()
    if tasks and too_few(tasks):
        return f"{count(tasks, 'task')} scored so far, too few to judge scores by"
    return source.rests_on


def _cells(key: str, verdicts: Verdicts) -> str:
    tasks = {source.kind: source.leads["task"].nunique() for source in verdicts.sources}
    return "".join(f"<td>{_chip(verdicts.of(kind)[key], number)}</td>" for kind, number in tasks.items())


def _chip(verdict: Verdict, tasks: int) -> str:
    """A chip and the mean, in brackets the number of tasks where it is not `tasks`, the source's."""
    if verdict.word == NOTHING:
        return f'<span class="nothing">{escape(verdict.why)}</span>'
    page, label = verdict.claim.figure.split("#")
    look = f'class="chip {verdict.word.replace(" ", "-")}" href="{page}.html#{label}"'
    says = f'{MARKS[verdict.word]}<span class="word"> {verdict.word}</span>'
    where = "" if verdict.effect.tasks == tasks else f" ({verdict.effect.tasks})"
    return f'<a {look} title="{escape(in_full(verdict))}">{says}</a> <small>{_mean(verdict)}{where}</small>'


def _mean(verdict: Verdict) -> str:
    return signed(verdict.shown.mean, verdict.claim.unit[-1])


def in_full(verdict: Verdict) -> str:
    """Number, the p that matters and how many tasks lie above 0, such as "+62 points (...); p = 0.007 for it; ..."."""
    effect = verdict.effect
    parts = [verdict.number, p_that_matters(verdict)]
    if effect.wins:
        parts.append(f"above 0 on {effect.wins} of {count(effect.tasks, 'task')}")
    return "; ".join(filter(None, (*parts, verdict.why)))


def p_that_matters(verdict: Verdict) -> str:
    """The corrected p of the side on which the mean lies: "p < 0.001 for it" or "p = 0.209 against it"; "" untested."""
    if not verdict.tested:
        return ""
    p = verdict.effect.corrected
    if p == 1:
        return "p = 1.000 either way"
    side = "for" if verdict.effect.side == "inside" else "against"
    return f"{'p < 0.001' if p < 0.001 else f'p = {p:.3f}'} {side} it"


def region_of(claim: Claim) -> str:
    """The region that supports a claim, such as "above +80 points", or that it is not tested."""
    if claim.by_construction:
        return "not tested"
    scale, unit, _ = claim.unit
    named = (f"{signed(scale * edge, 0 if unit else 1)} {unit}".rstrip() for edge in (claim.low, claim.high))
    low, high = (text if edge else "0" for text, edge in zip(named, (claim.low, claim.high), strict=True))
    if np.isinf(claim.high):
        return f"above {low}"
    return f"below {high}" if np.isinf(claim.low) else f"from {low} to {high}"


def number_table(verdicts: Verdicts) -> Styler:
    """Every claim with the region that supports it and, by source, verdict, mean, interval and p."""
    rows = []
    for claim in CLAIMS:
        cells = {source.kind: _cell(verdicts.of(source.kind)[claim.key]) for source in verdicts.sources}
        rows.append({"claim": claim.text, "": claim.group, "supported if": region_of(claim), **cells})
    caption = "Verdict, mean over tasks, 95\u00a0% interval, and p of the side on which the mean lies, after Holm's "
    caption += "correction over all claims that the source can test; points of lead kept where it says so."
    breaks = {"white-space": "normal", "vertical-align": "top", "text-align": "left"}
    return dressed(pd.DataFrame(rows), caption, "scorecard").set_properties(**breaks)


def _cell(verdict: Verdict) -> str:
    if verdict.word == NOTHING:
        return verdict.why
    ends = interval(verdict.shown.low, verdict.shown.high, verdict.claim.unit[-1])
    p = p_that_matters(verdict)
    return f"{verdict.word}: {_mean(verdict)}" + f" ({ends})" * (ends != GAP) + f", {p}" * bool(p)


def remark_table() -> Styler:
    """How claims without a number of their own were read, and what limits what judges them."""
    texts = dict.fromkeys(claim.remark for claim in CLAIMS if claim.remark)
    rows = [{"claim": listed([c.text for c in CLAIMS if c.remark == text]), "read as": text} for text in texts]
    return dressed(pd.DataFrame(rows), "How single claims were read.", "scorecard-remarks", wrapped=True)


def tally(verdicts: Verdicts, kind: str) -> str:
    """How many of the paper's claims that a source can test it supports: "6 of 17", or that it can test none."""
    judged = [verdict for verdict in verdicts.of(kind).values() if verdict.tested and verdict.claim.group != ASKED]
    supported = sum(verdict.word == SUPPORTED for verdict in judged)
    return f"{supported} of {len(judged)}" if judged else "none can be tested yet"


def forest(verdicts: Verdicts) -> Figure:
    """One row per claim, one column per source: mean and 95 % interval over tasks; claims in points come first."""
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
