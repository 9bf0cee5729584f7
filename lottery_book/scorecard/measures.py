"""What the claims are judged by: of a source one number a task, or a permutation test of its own."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from lottery_utils.show.frames import component_survival
from lottery_utils.show.leads import SUBNETWORKS, TREATMENTS, Condition, leads_of
from lottery_utils.show.scores import CONDITION
from lottery_utils.show.stats import lead_kept

from .. import published
from ..agreement.coefficients import chance_pair_jaccard, mean_pair_jaccard, votes_of
from ..agreement.overlap import OverlapTest, overlap_test
from ..attention_patterns.frames import readings
from ..attention_patterns.survival import by_task, head_shares
from ..sources import JOINT, PUBLISHED, Source

SIMPLE = ("majority", "bag_of_words", "cbow", "bilstm")
METHODS = {"s": "structured", "m": "magnitude", "no": ""}
Measure = Callable[[Source], pd.Series | OverlapTest]


def lead(named: str) -> Measure:
    """Lead kept by a condition, named such as "s bad retrained"."""
    condition = condition_of(named)
    return lambda source: _leads(source, condition)[condition]


def over(named: str, less: str) -> Measure:
    """Lead kept by one condition less that by another."""
    first, second = condition_of(named), condition_of(less)

    def measure(source: Source) -> pd.Series:
        by_task = _leads(source, first, second)
        return by_task[first] - by_task[second]

    return measure


def over_simple(source: Source) -> pd.Series:
    """Lead kept by bad subnetworks of s-pruning, retrained, less that of the task's best simple model."""
    bad = lead("s bad retrained")(source)
    if source.results.empty:
        return bad
    means = source.results.groupby(["task", "subnetwork"])["score"].mean().unstack().reindex(columns=[*SIMPLE, "full"])
    best = means[list(SIMPLE)].max(axis=1, skipna=False)
    return bad - lead_kept(best, means["majority"], means["full"])


def seed_agreement(source: Source) -> pd.Series:
    """(Jaccard - chance) / (1 - chance) of the seeds' good masks of heads: 0 is chance, 1 identical masks."""
    if source.kind == PUBLISHED:
        rows = published.seed_agreement()
        rows = rows[(rows["family"] == JOINT) & (rows["component"] == "head")].set_index("task")
        rows = rows.loc[rows.index.intersection(source.leads["task"])]  # no WNLI, where four of five masks are empty
        jaccard, chance = rows["mean_pair_jaccard"], rows["chance_pair_jaccard"]
    else:
        survival = _survival(source)
        votes = {task: votes_of(survival, task, "head") for task in survival["task"].unique()}
        jaccard, chance = (
            pd.Series({task: of_votes(each) for task, each in votes.items()}, dtype=float)
            for of_votes in (mean_pair_jaccard, chance_pair_jaccard)
        )
    return (jaccard - chance) / (1 - chance).where(chance < 1)


def shared_heads(source: Source) -> OverlapTest | pd.Series:
    """Do tasks share more good heads than chance? Pairs of tasks have tasks in common, so permutations judge it."""
    if source.kind == PUBLISHED:
        return published.overlap_test("head")
    survival = _survival(source)
    return overlap_test(survival, "head") if len(survival) else pd.Series(dtype=float)


def heterogeneity(source: Source) -> pd.Series:
    """Correlation over heads: share of heterogeneous raw attention maps with super-survival (paper, section 5)."""
    if source.study is None:
        return pd.Series(dtype=float)
    shares = head_shares(source.study, readings(source.study))
    return by_task(shares[shares["kind"] == "raw"], "super").set_index("task")["r"].astype(float)


def condition_of(named: str) -> Condition:
    """Method, subnetwork and treatment of such as "s bad retrained longer"; the method of baselines is "no"."""
    method, subnetwork, treatment = named.split(maxsplit=2)
    return METHODS[method], subnetwork, treatment


def _leads(source: Source, *conditions: Condition) -> pd.DataFrame:
    """Lead kept by task and condition: those of the headline over its tasks and seeds, others over those they have."""
    if all(name in SUBNETWORKS and how in TREATMENTS for _, name, how in conditions):
        by_task = source.leads.pivot(index="task", columns=CONDITION, values="lead")
        columns = pd.MultiIndex.from_tuples(conditions, names=CONDITION)
        return by_task.reindex(columns=columns).astype(float).dropna()
    return leads_of(source.results, conditions)


def _survival(source: Source) -> pd.DataFrame:
    """Heads and MLPs in the good masks of s-pruning; no row without a study."""
    return pd.DataFrame(columns=["task"]) if source.study is None else component_survival(source.study, "structured")
