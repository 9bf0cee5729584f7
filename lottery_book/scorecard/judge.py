"""How the paper's claims fare on a source of evidence: t-tests over tasks, corrected once for all that was tested."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lottery_utils.show.stats import LEAST, UNTESTED, Effect, corrected, effect

from ..agreement.overlap import OverlapTest
from .claims import CLAIMS, Claim, Evidence

NEVER = "no such run here"
FEW = f"fewer than {LEAST} tasks"
ALIKE = "the same number on every task"
WORDS = {"inside": "supported", "outside": "opposite"}  # of an effect, and of the claim it judges


@dataclass(frozen=True)
class Verdict:
    """How a claim fares on one source: the effect that judges it, tested against the region that supports the claim.

    `why` says why it cannot be tested.
    """

    claim: Claim
    source: str
    effect: Effect = Effect()
    why: str = ""

    @property
    def word(self) -> str:
        """"supported" or "opposite" where the effect is decided, else "undecided"; or "not testable"."""
        return WORDS.get(self.effect.word, self.effect.word)


def judge(*sources: Evidence) -> list[Verdict]:
    """All claims in the order of `CLAIMS`, each on the first of `sources` that can test it, corrected together."""
    rows = [[_measured(claim, evidence) for evidence in sources] for claim in CLAIMS]
    return decided([next((verdict for verdict in row if verdict.word != UNTESTED), row[0]) for row in rows])


def decided(verdicts: list[Verdict]) -> list[Verdict]:
    """`verdicts` with p corrected over all claims that can be tested.

    As p is two-sided, the chance that any claim or any opposite is falsely accepted is at most 5 %.
    """
    effects = corrected({at: verdict.effect for at, verdict in enumerate(verdicts)})
    return [replace(verdict, effect=effects[at]) for at, verdict in enumerate(verdicts)]


def t_test(claim: Claim, values: pd.Series, source: str) -> Verdict:
    """A t-test of the mean of `values`, one a task, against the region of `claim`; p is not yet corrected.

    Without spread or with fewer than three tasks it is "not testable".
    """
    judged = effect(values, (claim.low, claim.high))
    why = _too_few(judged.tasks) or (ALIKE if np.ptp(values.to_numpy()) == 0 else "")
    return Verdict(claim, source, replace(judged, p=np.nan, corrected=np.nan) if why else judged, why)


def _measured(claim: Claim, evidence: Evidence) -> Verdict:
    """What `evidence` says of a claim, not yet corrected for the others."""
    needed = {"scores": evidence.results, "seeds": evidence.agreement, "overlap": evidence.overlap}
    needed = (needed | {"patterns": evidence.patterns})[claim.kind]
    why = evidence.absent.get(claim.key) or evidence.absent.get(claim.kind, "")
    if why or needed is None:
        return Verdict(claim, evidence.name, why=why or NEVER)
    if isinstance(needed, OverlapTest):
        return _permuted(claim, claim.statistic(evidence), evidence.name)
    values = pd.Series(dtype=float) if needed.empty else claim.statistic(evidence).dropna()
    return t_test(claim, values, evidence.name)


def _permuted(claim: Claim, test: OverlapTest, source: str) -> Verdict:
    mean, low, high = test.excess
    why = _too_few(test.tasks) or ("" if np.isfinite(mean) else ALIKE)
    if why:
        return Verdict(claim, source, Effect(mean, tasks=test.tasks), why)
    p = min(1.0, 2 * min(test.p, test.p_fewer))
    side = "inside" if test.p < test.p_fewer else "outside"
    return Verdict(claim, source, Effect(mean, low, high, p, p, side, tasks=test.tasks))


def _too_few(tasks: int) -> str:
    """Why nothing can be tested with so few tasks; "" where it can."""
    return "" if tasks >= LEAST else FEW if tasks else NEVER
