"""What the claims are judged by: of a source one number a task, or a permutation test of its own."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from lottery_utils.show.frames import CONDITION, columns_of, component_survival
from lottery_utils.show.leads import SUBNETWORKS, TREATMENTS, Condition, leads_of
from lottery_utils.show.stats import lead_kept

from .. import published
from ..agreement.overlap import OverlapTest, overlap_test
from ..attention_patterns.survival import head_shares, r_by_task
from ..sources import PUBLISHED, Source
from ..survivors import seed_jaccards

SIMPLE = ("majority", "bag_of_words", "cbow", "bilstm")
METHODS = {"s": "structured", "m": "magnitude", "no": ""}
Measure = Callable[[Source], pd.Series | OverlapTest]


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


def shared_heads(source: Source) -> OverlapTest | pd.Series:
    """Do tasks share more good heads than chance? Pairs of tasks have tasks in common, so permutations judge it."""
    if source.kind == PUBLISHED:
        return published.overlap_test("head")
    survival = pd.DataFrame() if source.study is None else component_survival(source.study, "structured")
    return overlap_test(survival, "head") if len(survival) else pd.Series(dtype=float)


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
