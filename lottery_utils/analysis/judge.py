"""How the paper's claims fare on a source of evidence: t-tests over tasks, corrected once for all that was tested."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .claims import CLAIMS, Claim, Evidence
from .overlap import OverlapTest

LEVEL = 0.95
LEAST = 3  # tasks; two give no interval worth the name
NEVER = "no such run here"
FEW = f"fewer than {LEAST} tasks"
ALIKE = "the same number on every task"
UNTESTED = "not testable"


@dataclass(frozen=True)
class Verdict:
    """How a claim fares on one source: mean over tasks, its 95 % interval, and p corrected for all that was tested.

    p is one-sided, of a mean outside the region that supports the claim; p_opposite that of a mean inside it;
    `corrected` is for both directions and all claims. Where it is at most 0.05 `word` is "supported" or "opposite",
    else "undecided"; "not testable" has a `why`.
    """

    claim: Claim
    source: str
    word: str
    mean: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    p_opposite: float = np.nan
    corrected: float = np.nan
    tasks: int = 0
    why: str = ""


def judge(*sources: Evidence) -> list[Verdict]:
    """All claims in the order of `CLAIMS`, each on the first of `sources` that can test it, corrected together."""
    rows = [[_measured(claim, evidence) for evidence in sources] for claim in CLAIMS]
    return decided([next((verdict for verdict in row if verdict.word != UNTESTED), row[0]) for row in rows])


def decided(verdicts: list[Verdict]) -> list[Verdict]:
    """`verdicts` with corrected p and a word each, those that are not testable as they are.

    A claim's p is twice the smaller of its two, as either direction could have come out; Holm's correction is over all
    claims that could be tested. So the chance that any claim or any opposite is falsely accepted is at most 5 %.
    """
    tested = [at for at, verdict in enumerate(verdicts) if verdict.word != UNTESTED]
    both = [2 * min(verdicts[at].p, verdicts[at].p_opposite) for at in tested]
    verdicts = list(verdicts)
    for at, p in zip(tested, holm(both), strict=True):
        word = "supported" if verdicts[at].p < verdicts[at].p_opposite else "opposite"
        verdicts[at] = replace(verdicts[at], word=word if p <= 1 - LEVEL else "undecided", corrected=p)
    return verdicts


def p_of_mean(values: np.ndarray) -> float:
    """Two-sided p of a mean of 0 (Student's t) for `values` (N,), N above 1; without any spread 1 or 0."""
    from scipy.special import stdtr

    mean, error = float(values.mean()), float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(2 * stdtr(len(values) - 1, -abs(mean) / error)) if error > 0 else float(mean == 0)


def holm(p: list[float]) -> list[float]:
    """Holm's step-down corrected p values, in the order given."""
    order = np.argsort(p)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))
    return corrected.clip(max=1).tolist()


def t_test(claim: Claim, values: pd.Series, source: str) -> Verdict:
    """A t-test of the mean of `values`, one a task, against the region of `claim`; p is not yet corrected.

    Without spread or with fewer than three tasks it is "not testable".
    """
    from scipy.special import stdtr, stdtrit  # Student's t, without the second that scipy.stats takes to load

    numbers, count = values.to_numpy(float), len(values)
    mean = float(numbers.mean()) if count else np.nan
    if count < LEAST or np.ptp(numbers) == 0:
        return Verdict(claim, source, UNTESTED, mean, tasks=count, why=_too_few(count) or ALIKE)
    error, free = float(numbers.std(ddof=1)) / np.sqrt(count), count - 1
    half = float(stdtrit(free, (1 + LEVEL) / 2)) * error
    inside = [(mean - claim.low) / error] if np.isfinite(claim.low) else []
    inside += [(claim.high - mean) / error] if np.isfinite(claim.high) else []
    p = max(float(stdtr(free, -t)) for t in inside)  # every edge must be rejected to support the claim
    against = min(1.0, len(inside) * min(float(stdtr(free, t)) for t in inside))
    return Verdict(claim, source, "tested", mean, mean - half, mean + half, p, against, tasks=count)


def _measured(claim: Claim, evidence: Evidence) -> Verdict:
    """What `evidence` says of a claim, not yet corrected for the others."""
    needed = {"scores": evidence.results, "seeds": evidence.agreement, "overlap": evidence.overlap}
    needed = (needed | {"patterns": evidence.patterns})[claim.kind]
    why = evidence.absent.get(claim.key) or evidence.absent.get(claim.kind, "")
    if why or needed is None:
        return Verdict(claim, evidence.name, UNTESTED, why=why or NEVER)
    if isinstance(needed, OverlapTest):
        return _permuted(claim, claim.statistic(evidence), evidence.name)
    values = pd.Series(dtype=float) if needed.empty else claim.statistic(evidence).dropna()
    return t_test(claim, values, evidence.name)


def _permuted(claim: Claim, test: OverlapTest, source: str) -> Verdict:
    mean, low, high = test.excess
    if test.tasks < LEAST or not np.isfinite(mean):
        return Verdict(claim, source, UNTESTED, mean, tasks=test.tasks, why=_too_few(test.tasks) or ALIKE)
    return Verdict(claim, source, "tested", mean, low, high, test.p, test.p_fewer, tasks=test.tasks)


def _too_few(tasks: int) -> str:
    """Why nothing can be tested with so few tasks; "" where it can."""
    return "" if tasks >= LEAST else FEW if tasks else NEVER
