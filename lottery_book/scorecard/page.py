"""The scorecard as a table of chips, a column a source, and the same in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.effects import interval, signed
from lottery_utils.show.glue import listed
from lottery_utils.show.tables import GAP, dressed

from ..sources import NO_RECORD, Source, count
from .claims import ASKED, CITED, CLAIMS, Claim
from .judge import AGAINST, CONSTRUCTION, NOTHING, OPEN, SUPPORTED, Verdict, Verdicts, too_few

if TYPE_CHECKING:
    from IPython.display import HTML
    from pandas.io.formats.style import Styler

SCALE = {True: (100, 0), False: (1, 2)}  # whether a number is a lead: what it is shown times, and its decimals
MARKS = {SUPPORTED: "\N{CHECK MARK}", AGAINST: "\N{MULTIPLICATION X}", OPEN: "?", CONSTRUCTION: "="}


def chip_table(verdicts: Verdicts) -> HTML:
    """Claims as rows, a column a source: a chip with verdict and mean that leads to the claim's figure.

    The whole number is the chip's title, which is read out and shown where the pointer rests.
    """
    from IPython.display import HTML

    heads = "".join(f"<th>{_head(source)}</th>" for source in verdicts.sources)
    rows = [
        _group(name, len(verdicts.sources)) + "".join(_row(claim, verdicts) for claim in claims)
        for name, claims in groupby(CLAIMS, lambda claim: claim.group)
    ]
    head = f"<thead><tr><th>claim</th>{heads}</tr></thead>"
    return HTML(f'<table class="scorecard">{head}<tbody>{"".join(rows)}</tbody></table>')


def glue_cited(verdicts: Verdicts) -> None:
    """Glue the rows of `CITED` under "claims_02" and the like, for the answer boxes of chapters to show."""
    from IPython.display import HTML
    from myst_nb import glue

    for chapter, keys in CITED.items():
        glue(f"claims_{chapter}", HTML(cited_table(verdicts, keys)), display=False)


def cited_table(verdicts: Verdicts, keys: Sequence[str]) -> str:
    """The scorecard's rows of `keys`, as HTML for another chapter: a claim leads to its row, a chip to its figure."""
    heads = "".join(f"<th>{_mark(source.kind)}</th>" for source in verdicts.sources)
    rows = "".join(
        f'<tr><th scope="row"><a href="scorecard.html#{_anchor(key)}">{escape(_claim(key).text)}</a></th>'
        f"{_cells(key, verdicts)}</tr>"
        for key in keys
    )
    return f'<table class="scorecard cited"><thead><tr><th>claim</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _claim(key: str) -> Claim:
    return next(claim for claim in CLAIMS if claim.key == key)


def _anchor(key: str) -> str:
    """The id of a claim's row on the scorecard."""
    return f"claim-{key.replace('_', '-')}"


def _mark(kind: str) -> str:
    return f'<span class="source {kind.replace(" ", "-")}">{kind}</span>'


def _head(source: Source) -> str:
    rests_on = evidence(source)
    return f"{_mark(source.kind)}<small>{escape(source.model)}<br>{escape(rests_on)}</small>"


def evidence(source: Source) -> str:
    """How many tasks and seeds a source has, and that nothing can be decided where these are too few."""
    tasks = source.leads["task"].nunique()
    if not tasks:
        return NO_RECORD
    if too_few(tasks):
        return f"{count(tasks, 'task')} scored so far, too few to judge scores by"
    return source.evidence("structured") or source.evidence("magnitude")


def _group(name: str, columns: int) -> str:
    return f'<tr class="group"><th colspan="{columns + 1}" scope="rowgroup">{escape(name)}</th></tr>'


def _row(claim: Claim, verdicts: Verdicts) -> str:
    head = f'<th scope="row" title="{escape(judged_by(claim))}">{escape(claim.text)}</th>'
    return f'<tr id="{_anchor(claim.key)}">{head}{_cells(claim.key, verdicts)}</tr>'


def _cells(key: str, verdicts: Verdicts) -> str:
    return "".join(f"<td>{_chip(verdicts.of(source.kind)[key])}</td>" for source in verdicts.sources)


def _chip(verdict: Verdict) -> str:
    if verdict.word == NOTHING:
        return f'<span class="nothing">{escape(verdict.why)}</span>'
    page, label = verdict.claim.figure.split("#")
    look = f'class="chip {verdict.word.replace(" ", "-")}" href="{page}.html#{label}"'
    scale, places = SCALE[verdict.claim.is_lead]
    mean = signed(scale * verdict.effect.mean, places)
    says = f'{MARKS[verdict.word]}<span class="word"> {verdict.word}</span>'
    return f'<a {look} title="{escape(in_full(verdict))}">{says}</a> <small>{mean}</small>'


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
    side = "for" if verdict.effect.side == "inside" else "against"
    return f"{'p < 0.001' if p < 0.001 else f'p = {p:.3f}'} {side} it"


def judged_by(claim: Claim) -> str:
    """What supports a claim, and how it was read."""
    return "; ".join(filter(None, (region_of(claim), claim.remark)))


def region_of(claim: Claim) -> str:
    """The region that supports a claim, such as "above +80 points", or that it is not tested."""
    if claim.by_construction:
        return "not tested"
    low, high = (_edge(edge, claim) for edge in (claim.low, claim.high))
    if np.isinf(claim.high):
        return f"above {low}"
    return f"below {high}" if np.isinf(claim.low) else f"from {low} to {high}"


def _edge(edge: float, claim: Claim) -> str:
    if edge == 0 or np.isinf(edge):
        return "0"
    return f"{signed(100 * edge, 0)} points" if claim.is_lead else signed(edge)


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
    effect, (scale, places) = verdict.effect, SCALE[verdict.claim.is_lead]
    if verdict.word == NOTHING:
        return verdict.why
    mean, ends = signed(scale * effect.mean, places), interval(scale * effect.low, scale * effect.high, places)
    p = p_that_matters(verdict)
    return f"{verdict.word}: {mean}" + (f" ({ends})" if ends != GAP else "") + (f", {p}" if p else "")


def remark_table() -> Styler:
    """How claims without a number of their own were read, and what limits what judges them."""
    texts = dict.fromkeys(claim.remark for claim in CLAIMS if claim.remark)
    rows = [{"claim": listed([c.text for c in CLAIMS if c.remark == text]), "read as": text} for text in texts]
    return dressed(pd.DataFrame(rows), "How single claims were read.", "scorecard-remarks", wrapped=True)


def tally(verdicts: Verdicts, kind: str) -> str:
    """How many of the paper's claims that a source can test it supports: "6 of 17", or that it can test none."""
    judged = [verdict for verdict in verdicts.of(kind).values() if verdict.tested and verdict.claim.group != ASKED]
    supported = sum(verdict.word == SUPPORTED for verdict in judged)
    return f"{supported} of {len(judged)} tested" if judged else "none can be tested yet"
