"""The paper's claims, each as one statistic a task with a region that supports it: the scorecard's rules.

`judge` sets them against evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lottery_utils.show.scores import choose, with_kept

from ..agreement.overlap import OverlapTest

CLOSE = 0.05  # differences within 5 points of the full score count as "the same"
KEEPS = 0.9  # the paper's own mark for a good subnetwork
HALF = 0.5  # agreement below it is nearer to chance (0) than to identical masks (1)
SMALL_R = 0.1  # a correlation within it explains less than 1 % of the variance
SIMPLE = ("majority", "bag_of_words", "cbow", "bilstm")


@dataclass(frozen=True)
class Evidence:
    """One source the claims are judged on: scores, masks and patterns, whichever it has.

    `results` as from `scores.results`; `agreement` as from `agreement.agreement`; `overlap` as from
    `overlap.overlap_test`, of heads; `patterns` (task, r): correlation of a head's heterogeneous maps with its
    survival. `absent` says for a `Claim.kind` or a claim's key why something is not there.
    """

    name: str
    results: pd.DataFrame | None = None
    agreement: pd.DataFrame | None = None
    overlap: OverlapTest | None = None
    patterns: pd.DataFrame | None = None
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, the statistic that judges it and the region that supports it.

    The statistic is a Series by task, whose mean is judged by a t-test over tasks, or a permutation test of its own.
    """

    key: str
    text: str
    measure: str
    kind: str  # "scores", "seeds" or "overlap" (of masks) or "patterns": what evidence it needs
    statistic: Callable[[Evidence], pd.Series | OverlapTest]
    low: float = -np.inf
    high: float = np.inf
    remark: str = ""


def kept(evidence: Evidence, method: str, subnetwork: str, treatment: str) -> pd.Series:
    """Share of the full model's score a condition keeps, by (task, seed)."""
    return choose(with_kept(evidence.results), method, subnetwork, treatment).set_index(["task", "seed"])["kept"]


def _keeps(*condition: str):
    return lambda evidence: kept(evidence, *condition).groupby("task").mean()


def _lead(first: tuple[str, str, str], second: tuple[str, str, str]):
    """First minus second in shares of the full score, paired by task and seed, mean over a task's seeds."""
    return lambda evidence: (kept(evidence, *first) - kept(evidence, *second)).dropna().groupby("task").mean()


def _over_simple(evidence: Evidence) -> pd.Series:
    """Bad s-subnetworks, retrained, minus the best simple baseline of the task, in shares of the full score."""
    frame = with_kept(evidence.results)
    simple = frame[frame["subnetwork"].isin(SIMPLE)]
    if not {"cbow", "bilstm"} <= set(simple["subnetwork"]):
        return pd.Series(dtype=float)
    best = simple.groupby(["task", "subnetwork"])["kept"].mean().groupby("task").max()
    return (_keeps("structured", "bad", "retrained")(evidence) - best).dropna()


def _seed_agreement(evidence: Evidence) -> pd.Series:
    """(Jaccard - chance) / (1 - chance) of the seeds' head masks: 0 is chance, 1 identical masks."""
    rows = evidence.agreement[evidence.agreement["component"] == "head"].set_index("task")
    chance = rows["chance_pair_jaccard"].astype(float)
    return (rows["mean_pair_jaccard"].astype(float) - chance) / (1 - chance).where(chance < 1)


def _pattern_r(evidence: Evidence) -> pd.Series:
    return evidence.patterns.set_index("task")["r"]


S, M = "structured", "magnitude"
ASKED_HERE = "not in the paper; random by layer has the good one's count of heads (weights) in each layer (matrix)"
CHOSEN = "the search stops where this still holds on the same dev set, so it holds by construction"
KEPT, LEAD = "share kept", "difference"
CLAIMS = (
    Claim(
        "s_keeps",
        "S-pruning: good subnetworks keep 90 % of the score",
        KEPT,
        "scores",
        _keeps(S, "good", "pruned"),
        KEEPS,
        remark=CHOSEN,
    ),
    Claim(
        "m_keeps",
        "M-pruning: good subnetworks keep 90 % of the score",
        KEPT,
        "scores",
        _keeps(M, "good", "pruned"),
        KEEPS,
        remark=CHOSEN,
    ),
    Claim(
        "s_random",
        "S-pruning: random ones are worse when merely pruned",
        LEAD,
        "scores",
        _lead((S, "good", "pruned"), (S, "random", "pruned")),
        0,
    ),
    Claim(
        "s_bad",
        "S-pruning: bad ones are worse still",
        LEAD,
        "scores",
        _lead((S, "random", "pruned"), (S, "bad", "pruned")),
        0,
    ),
    Claim(
        "m_random",
        "M-pruning: random ones are worse when merely pruned",
        LEAD,
        "scores",
        _lead((M, "good", "pruned"), (M, "random", "pruned")),
        0,
    ),
    Claim(
        "m_bad",
        "M-pruning: bad ones are worse still",
        LEAD,
        "scores",
        _lead((M, "random", "pruned"), (M, "bad", "pruned")),
        0,
    ),
    Claim(
        "s_layer",
        "S-pruning: good ones beat random ones by layer, merely pruned (not in the paper)",
        LEAD,
        "scores",
        _lead((S, "good", "pruned"), (S, "random_layer", "pruned")),
        0,
        remark=ASKED_HERE,
    ),
    Claim(
        "m_layer",
        "M-pruning: good ones beat random ones by layer, merely pruned (not in the paper)",
        LEAD,
        "scores",
        _lead((M, "good", "pruned"), (M, "random_layer", "pruned")),
        0,
        remark=ASKED_HERE,
    ),
    Claim(
        "s_recovers",
        "S-pruning: retraining lifts the bad ones",
        LEAD,
        "scores",
        _lead((S, "bad", "retrained"), (S, "bad", "pruned")),
        0,
    ),
    Claim(
        "s_nearly",
        "S-pruning: retrained, bad ones reach nearly the full score",
        KEPT,
        "scores",
        _keeps(S, "bad", "retrained"),
        KEEPS,
        remark='"nearly" is read as the 90 % the paper asks of good ones',
    ),
    Claim(
        "s_same",
        "S-pruning: retrained, random ones do as well as good ones",
        LEAD,
        "scores",
        _lead((S, "good", "retrained"), (S, "random", "retrained")),
        -CLOSE,
        CLOSE,
        '"as well" is read as within 5 points; in the paper\'s figure the random bars repeat the good ones',
    ),
    Claim(
        "m_not",
        "M-pruning: retrained, bad ones stay behind good ones",
        LEAD,
        "scores",
        _lead((M, "good", "retrained"), (M, "bad", "retrained")),
        0,
    ),
    Claim(
        "s_over_m",
        "Retrained, bad ones of s-pruning do better than those of m-pruning",
        LEAD,
        "scores",
        _lead((S, "bad", "retrained"), (M, "bad", "retrained")),
        0,
    ),
    Claim(
        "over_simple",
        "Retrained, bad ones of s-pruning beat simple models (majority, bag of words, CBoW, BiLSTM)",
        LEAD,
        "scores",
        _over_simple,
        0,
    ),
    Claim(
        "pretraining",
        "Pre-trained weights matter: bad ones, retrained, beat random weights under a random mask",
        LEAD,
        "scores",
        _lead((S, "bad", "retrained"), ("", "random_init_pruned", "baseline")),
        0,
    ),
    Claim(
        "seeds_differ",
        "Good subnetworks differ between seeds (heads)",
        "agreement (0 chance, 1 identical)",
        "seeds",
        _seed_agreement,
        high=HALF,
    ),
    Claim(
        "tasks_share",
        "Tasks share more heads than chance",
        "shared heads over chance, minus 1",
        "overlap",
        lambda evidence: evidence.overlap,
        0,
        remark="pairs of tasks have tasks in common, so a permutation test judges it and not a t-test over tasks; the "
        "interval is the number less the middle 95 % of what chance adds",
    ),
    Claim(
        "attention",
        "Survival is not explained by heterogeneous attention",
        "correlation",
        "patterns",
        _pattern_r,
        -SMALL_R,
        SMALL_R,
        "patterns are named by a classifier trained on rules, and r moves with the rules",
    ),
)
