"""How the paper's claims fare on a source of evidence: t-tests over tasks, corrected once for all that was tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lottery_utils.show.effects import told
from lottery_utils.show.stats import LEAST, Effect, corrected, effect

from .. import published
from ..agreement.overlap import OverlapTest
from ..sources import NO_RECORD, NOT_IN_PAPER, PUBLISHED, Source, count
from .claims import ASKED, CLAIMS, Claim

SUPPORTED, AGAINST, OPEN, CONSTRUCTION, NOTHING = "supported", "against", "cannot tell", "by construction", "no number"
DECIDED = {"inside": SUPPORTED, "outside": AGAINST}  # of an effect, and of the claim it judges
ALIKE = "the same number on every task"


@dataclass(frozen=True)
class Verdict:
    """How a claim fares on one source: the effect that judges it, tested against the region that supports the claim.

    `why` says why it cannot be tested.
    """

    claim: Claim
    effect: Effect = Effect()
    why: str = ""

    @property
    def word(self) -> str:
        """One of `SUPPORTED`, `AGAINST`, `OPEN`, `CONSTRUCTION`, or `NOTHING` where there is no number to judge."""
        if not self.effect.tasks:
            return NOTHING
        return CONSTRUCTION if self.claim.by_construction else DECIDED.get(self.effect.word, OPEN)

    @property
    def tested(self) -> bool:
        """Whether it was tested, so that it counts for the correction."""
        return not np.isnan(self.effect.corrected)

    @property
    def chip(self) -> str:
        """Verdict and number: "supported: +62 points (95 % interval +37 to +87; 8 tasks)", or why there is none."""
        return self.why if self.word == NOTHING else f"{self.word}: {self.number}"

    @property
    def number(self) -> str:
        """What was measured, such as "+62 points (95 % interval +37 to +87; 8 tasks)"; "" without a number."""
        if self.word == NOTHING:
            return ""
        return told(self.shown, *self.claim.unit[1:], pairs=False)

    @property
    def shown(self) -> Effect:
        """The effect in the claim's unit: leads in points."""
        scaled = ("mean", "low", "high", "values")
        return replace(self.effect, **{name: self.claim.unit[0] * getattr(self.effect, name) for name in scaled})


class Verdicts:
    """One verdict a claim and source, the same wherever it is cited; `sources` as from `sources.three_sources`."""

    def __init__(self, sources: Iterable[Source]):
        self.sources = tuple(sources)
        self._judged = {source.kind: judge(source) for source in self.sources}

    def of(self, kind: str) -> dict[str, Verdict]:
        """All verdicts of a source ("published", "real study", "this run") by a claim's key, in the claims' order."""
        return self._judged[kind]

    def chip(self, key: str, kind: str) -> str:
        """The verdict with its number, to be glued: "supported: +62 points (95 % interval +37 to +87; 8 tasks)"."""
        return self.of(kind)[key].chip


def judge(source: Source, claims: Sequence[Claim] = CLAIMS) -> dict[str, Verdict]:
    """All claims on one source by key, p corrected over those of them that it can test."""
    return decided([_measured(claim, source) for claim in claims])


def decided(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """`verdicts` by key of their claims, with p corrected over all that can be tested.

    As p is two-sided, the chance that any claim or any opposite is falsely accepted is at most 5 %.
    """
    effects = corrected({verdict.claim.key: verdict.effect for verdict in verdicts})
    return {verdict.claim.key: replace(verdict, effect=effects[verdict.claim.key]) for verdict in verdicts}


def t_test(claim: Claim, values: pd.Series) -> Verdict:
    """A t-test of the mean of `values`, one a task, against the region of `claim`; p is not yet corrected.

    Without spread, with fewer than three tasks, or where the claim holds by construction, there is no p.
    """
    if claim.by_construction:
        return _untested(claim, effect(values), claim.remark)
    why = too_few(len(values)) or (ALIKE if np.ptp(values.to_numpy()) == 0 else "")
    judged = effect(values, (claim.low, claim.high))
    return _untested(claim, judged, why) if why else Verdict(claim, judged)


def _untested(claim: Claim, judged: Effect, why: str) -> Verdict:
    return Verdict(claim, replace(judged, p=np.nan, corrected=np.nan), why)


def _permuted(claim: Claim, test: OverlapTest) -> Verdict:
    mean, low, high = test.excess
    if why := too_few(test.tasks) or ("" if np.isfinite(mean) else ALIKE):
        return Verdict(claim, Effect(mean, tasks=test.tasks), why)
    p = min(1.0, 2 * min(test.p, test.p_fewer))
    side = "inside" if test.p < test.p_fewer else "outside"
    return Verdict(claim, Effect(mean, low, high, p, p, side, tasks=test.tasks))


def _measured(claim: Claim, source: Source) -> Verdict:
    """What `source` says of a claim, not yet corrected for the others."""
    measured = claim.measure(source)
    if isinstance(measured, OverlapTest):
        there, test = measured.tasks, _permuted
    else:
        measured = measured.dropna()
        there, test = len(measured), t_test
    return test(claim, measured) if there else Verdict(claim, why=_missing(claim, source.kind))


def _missing(claim: Claim, kind: str) -> str:
    """Why a source has no number to judge a claim by."""
    if kind == PUBLISHED and claim.group == ASKED:
        return NOT_IN_PAPER
    if kind == PUBLISHED and claim.key == "attention":
        return f"r = {published.text_numbers()['heterogeneous_survival_r_raw']:.3f} alone"  # without its interval
    return "not published" if kind == PUBLISHED else NO_RECORD


def too_few(tasks: int) -> str:
    """Why nothing can be tested with so few tasks; "" where it can."""
    return "" if tasks >= LEAST else f"{count(tasks, 'task')} so far; nothing can be decided below {LEAST}"
