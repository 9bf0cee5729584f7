"""How the paper's claims fare on a source of evidence: t-tests over tasks, corrected for the number of claims."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .claims import CLAIMS, Claim, Evidence

LEVEL = 0.95
LEAST = 3  # tasks; two give no interval worth the name
NEVER = "no such run here"
FEW = f"fewer than {LEAST} tasks"


@dataclass(frozen=True)
class Verdict:
    """How a claim fares on one source: mean over tasks, its 95 % interval, and p corrected for the claims tested there.

    p is one-sided, of a mean outside the region that supports the claim; p_opposite that of a mean inside it. `word`
    is "supported" or "opposite" where the corrected p is at most 0.05, else "undecided"; "not testable" has a `why`.
    """

    claim: Claim
    source: str
    word: str
    mean: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    p_opposite: float = np.nan
    tasks: int = 0
    why: str = ""


def judge(evidence: Evidence) -> list[Verdict]:
    """All claims on one source, in the order of `CLAIMS`.

    Holm's correction is over the claims that the source can test, for support and for its opposite alike.
    """
    verdicts = [_tested(claim, evidence) for claim in CLAIMS]
    tested = [at for at, verdict in enumerate(verdicts) if verdict.word != "not testable"]
    support = holm([verdicts[at].p for at in tested])
    opposite = holm([verdicts[at].p_opposite for at in tested])
    for at, p, against in zip(tested, support, opposite):
        word = "supported" if p <= 1 - LEVEL else "opposite" if against <= 1 - LEVEL else "undecided"
        verdicts[at] = replace(verdicts[at], word=word, p=p, p_opposite=against)
    return verdicts


def p_of_mean(values: np.ndarray) -> float:
    """Two-sided p of a mean of 0 (Student's t) for `values` (N,), N above 1; without any spread 1 or 0."""
    from scipy.special import stdtr

    mean, error = float(values.mean()), float(values.std(ddof=1)) / np.sqrt(len(values))
    return float(2 * stdtr(len(values) - 1, -abs(mean) / error)) if error > 0 else float(mean == 0)


def holm(p: list[float]) -> list[float]:
    """Holm's step-down corrected p values, in the order given."""
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(p, method="holm")[1]] if p else []


def _tested(claim: Claim, evidence: Evidence) -> Verdict:
    values, why = _values(claim, evidence)
    mean, count = (float(values.mean()) if len(values) else np.nan), len(values)
    if count < LEAST or values.std() == 0:
        return Verdict(claim, evidence.name, "not testable", mean, tasks=count, why=why or (FEW if count else NEVER))
    from scipy.stats import t

    error, free = float(values.std(ddof=1)) / np.sqrt(count), count - 1
    half = float(t.ppf((1 + LEVEL) / 2, free)) * error
    below = [float(t.sf((mean - claim.low) / error, free))] if np.isfinite(claim.low) else []
    above = [float(t.cdf((mean - claim.high) / error, free))] if np.isfinite(claim.high) else []
    sides = below + above  # p of lying below the region and above it; both must be rejected to support the claim
    against = min(1.0, len(sides) * min(1 - p for p in sides))
    return Verdict(claim, evidence.name, "tested", mean, mean - half, mean + half, max(sides), against, count)


def _values(claim: Claim, evidence: Evidence) -> tuple[pd.Series, str]:
    """The statistic of each task, and why there is none."""
    why = evidence.absent.get(claim.key) or evidence.absent.get(claim.kind, "")
    needed = {"scores": evidence.results, "masks": evidence.agreement, "patterns": evidence.patterns}[claim.kind]
    if why or needed is None or needed.empty:
        return pd.Series(dtype=float), why or NEVER
    return claim.statistic(evidence).dropna(), ""
