"""The paper's claims, read from claims.csv: what is measured, the region that supports each, the figure that shows it.

A measure is of a source one number a task, or a permutation test of its own.
Margins are in lead kept. Where a constant answer has half of the full score, a tenth of the lead ("as well as",
"reaches", "does not help") is 5 points of the score, and four fifths of it ("nearly the full score") are the 90 % of
the score that the paper asks of good subnetworks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from lottery_utils.show.frames import CONDITION, columns_of
from lottery_utils.show.leads import SUBNETWORKS, TREATMENTS, Condition, leads_of
from lottery_utils.show.stats import lead_kept

from .. import published
from ..agreement.overlap import OverlapTest, overlap_test
from ..attention_patterns.survival import head_shares, r_by_task
from ..sources import PUBLISHED, Source
from ..survivors import seed_jaccards

EDGES = {"low": -np.inf, "high": np.inf}  # of a region that is open there
ASKED = "Not in the paper"  # the group of the questions that are this companion's
SIMPLE = ("majority", "bag_of_words", "cbow", "bilstm")
METHODS = {"s": "structured", "m": "magnitude", "no": ""}
Measure = Callable[[Source], pd.Series | OverlapTest]


@dataclass(frozen=True)
class Claim:
    """A statement, the measure that judges it and the region of its mean, from `low` to `high`, that supports it.

    `group` is the heading it stands under; s and m in `text` are s-pruning and m-pruning. A region without bounds is
    that of a claim which holds by construction and is not tested. `is_lead` says whether its unit is points of lead
    kept, rather than a plain number; `figure` names chapter and label: "study#fig-headline"; `remark` says how the
    claim was read, or what limits its measure, "" where that needs no word. `cited_by` are the chapters whose answer
    box (in chapter 19: section a) shows it, by number or name.
    """

    key: str
    group: str
    text: str
    measure: Measure
    low: float
    high: float
    is_lead: bool
    figure: str
    remark: str
    cited_by: tuple[str, ...]

    @property
    def by_construction(self) -> bool:
        """Whether there is nothing to test."""
        return np.isinf(self.low) and np.isinf(self.high)

    @property
    def unit(self) -> tuple[int, str, int]:
        """What a number is shown times, in what unit and with how many decimals."""
        return (100, "points", 0) if self.is_lead else (1, "", 2)


def measure_of(named: str) -> Measure:
    """Lead kept by a condition ("s bad retrained"), by one less that by another ("... - ..."), or a function here."""
    if named in OTHERS:
        return OTHERS[named]
    first, *less = map(condition_of, named.split(" - "))

    def measure(source: Source) -> pd.Series:
        by_task = _leads(source, first, *less)
        return by_task[first] - by_task[less[0]] if less else by_task[first]

    return measure


def over_simple(source: Source) -> pd.Series:
    """Lead kept by bad subnetworks of s-pruning, retrained, less that of the task's best simple model."""
    bad = measure_of("s bad retrained")(source)
    if source.results.empty:
        return bad
    means = source.results.groupby(["task", "subnetwork"])["score"].mean().unstack().reindex(columns=[*SIMPLE, "full"])
    best = means[list(SIMPLE)].max(axis=1, skipna=False)
    return bad - lead_kept(best, means["majority"], means["full"])


def seed_agreement(source: Source) -> pd.Series:
    """(Jaccard - chance) / (1 - chance) of the seeds' good masks of heads: 0 is chance, 1 identical masks."""
    pairs = seed_jaccards(source)
    return (pairs["jaccard"] - pairs["chance"]) / (1 - pairs["chance"]).where(pairs["chance"] < 1)


def shared_heads(source: Source) -> OverlapTest:
    """Do tasks share more good heads than chance? Pairs of tasks have tasks in common, so permutations judge it."""
    if source.kind == PUBLISHED:
        return published.overlap_test("head")
    return overlap_test(source.survival(), "head")


def heterogeneity(source: Source) -> pd.Series:
    """Correlation over heads: share of heterogeneous raw attention maps with super-survival (paper, section 5)."""
    shares = head_shares(source.study)
    return r_by_task(shares[shares["kind"] == "raw"], "super")


OTHERS = {each.__name__: each for each in (over_simple, seed_agreement, shared_heads, heterogeneity)}


def condition_of(named: str) -> Condition:
    """Method, subnetwork and treatment of such as "s bad retrained longer"; the method of baselines is "no"."""
    method, subnetwork, treatment = named.split(maxsplit=2)
    return METHODS[method], subnetwork, treatment


def _leads(source: Source, *conditions: Condition) -> pd.DataFrame:
    """Lead kept by task and condition: those of the headline over its tasks and seeds, others over those they have."""
    if all(name in SUBNETWORKS and how in TREATMENTS for _, name, how in conditions):
        by_task = source.leads.pivot(index="task", columns=CONDITION, values="lead")
        return by_task.reindex(columns=columns_of(conditions)).astype(float).dropna()
    return leads_of(source.results, conditions)


def _read(path: Path) -> tuple[Claim, ...]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["measure"] = table["measure"].map(measure_of)
    table["low"], table["high"] = (pd.to_numeric(table[end]).fillna(edge) for end, edge in EDGES.items())
    table["points"], table["cited_by"] = table["points"] == "yes", table["cited_by"].str.split()
    return tuple(Claim(**row) for row in table.rename(columns={"points": "is_lead"}).to_dict("records"))


CLAIMS = _read(Path(__file__).with_name("claims.csv"))
GROUPS = {name: tuple(claims) for name, claims in groupby(CLAIMS, lambda claim: claim.group)}
CITED = {  # the claims that each chapter shows
    chapter: tuple(claim.key for claim in CLAIMS if chapter in claim.cited_by)
    for chapter in sorted({chapter for claim in CLAIMS for chapter in claim.cited_by})
}
