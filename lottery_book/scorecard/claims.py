"""The paper's claims as a table: what is measured, the region that supports each, and the figure that shows it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .measures import Measure, heterogeneity, lead, over, over_simple, seed_agreement, shared_heads

CLOSE = 0.1  # of the lead: a constant answer has about half of the full score, so these are 5 points of the score
NEARLY = 0.8  # of the lead: for the same reason about the 90 % of the score that the paper asks of good subnetworks
HALF = 0.5  # agreement below it is nearer to chance (0) than to identical masks (1)
SMALL_R = 0.1  # a correlation within it explains less than 1 % of the variance
PRUNED, RETRAINED, PARTS, ASKED = "Merely pruned", "Retrained", "What survives", "Not in the paper"
INF = np.inf


@dataclass(frozen=True)
class Claim:
    """A statement, the measure that judges it and the region of its mean, from `low` to `high`, that supports it.

    `group` is the heading it stands under; s and m in `text` are s-pruning and m-pruning. A region without bounds is
    that of a claim which holds by construction and is not tested.
    """

    key: str
    group: str
    text: str
    measure: Measure
    low: float = -INF
    high: float = INF

    @property
    def by_construction(self) -> bool:
        """Whether there is nothing to test."""
        return np.isinf(self.low) and np.isinf(self.high)

    @property
    def is_lead(self) -> bool:
        """Whether its unit is points of lead kept, rather than a plain number."""
        return self.key not in PLAIN

    @property
    def remark(self) -> str:
        """How the claim was read, or what limits its measure; "" where that needs no word."""
        return REMARKS.get(self.key, "")

    @property
    def figure(self) -> str:
        """The figure that shows it, as chapter and label: "study#fig-headline"."""
        return FIGURES.get(self.key, "study#fig-headline")


CLAIMS = (
    Claim("s_keeps", PRUNED, "s: good ones keep 90 % of the score", lead("s good pruned")),
    Claim("m_keeps", PRUNED, "m: good ones keep 90 % of the score", lead("m good pruned")),
    Claim("s_random", PRUNED, "s: good ones beat random ones", over("s good pruned", "s random pruned"), 0),
    Claim("m_random", PRUNED, "m: good ones beat random ones", over("m good pruned", "m random pruned"), 0),
    Claim("s_bad", PRUNED, "s: random ones beat bad ones", over("s random pruned", "s bad pruned"), 0),
    Claim("m_bad", PRUNED, "m: random ones beat bad ones", over("m random pruned", "m bad pruned"), 0),
    Claim("s_full", RETRAINED, "s: good ones reach the full score", lead("s good retrained"), 1 - CLOSE),
    Claim("m_full", RETRAINED, "m: good ones reach the full score", lead("m good retrained"), 1 - CLOSE),
    Claim(
        "s_same",
        RETRAINED,
        "s: random ones do as well as good ones",
        over("s good retrained", "s random retrained"),
        -CLOSE,
        CLOSE,
    ),
    Claim("s_recovers", RETRAINED, "s: retraining lifts the bad ones", over("s bad retrained", "s bad pruned"), 0),
    Claim("s_bad_over_majority", RETRAINED, "s: bad ones beat a constant answer", lead("s bad retrained"), 0),
    Claim("m_bad_over_majority", RETRAINED, "m: bad ones beat a constant answer", lead("m bad retrained"), 0),
    Claim("s_nearly", RETRAINED, "s: bad ones reach nearly the full score", lead("s bad retrained"), NEARLY),
    Claim("m_not", RETRAINED, "m: bad ones stay behind good ones", over("m good retrained", "m bad retrained"), 0),
    Claim("s_over_m", RETRAINED, "bad ones of s beat those of m", over("s bad retrained", "m bad retrained"), 0),
    Claim("over_simple", RETRAINED, "s: bad ones beat the best simple model", over_simple, 0),
    Claim(
        "pretraining",
        RETRAINED,
        "s: bad ones beat random weights, pruned",
        over("s bad retrained", "no random_init_pruned baseline"),
        0,
    ),
    Claim(
        "s_longer",
        RETRAINED,
        "s: longer training does not help bad ones",
        over("s bad retrained longer", "s bad retrained"),
        high=CLOSE,
    ),
    Claim(
        "m_longer",
        RETRAINED,
        "m: longer training does not help bad ones",
        over("m bad retrained longer", "m bad retrained"),
        high=CLOSE,
    ),
    Claim(
        "super_pruned",
        PARTS,
        "super-survivors beat random ones, pruned",
        over("s super pruned", "s super_random pruned"),
        0,
    ),
    Claim(
        "super_retrained",
        PARTS,
        "super-survivors beat random ones, retrained",
        over("s super retrained", "s super_random retrained"),
        0,
    ),
    Claim("seeds_differ", PARTS, "good heads differ between seeds", seed_agreement, high=HALF),
    Claim("tasks_share", PARTS, "tasks share more good heads than chance", shared_heads, 0),
    Claim("attention", PARTS, "heterogeneous attention does not explain it", heterogeneity, -SMALL_R, SMALL_R),
    Claim(
        "s_layer",
        ASKED,
        "s: good ones beat random by layer, pruned",
        over("s good pruned", "s random_layer pruned"),
        0,
    ),
    Claim(
        "m_layer",
        ASKED,
        "m: good ones beat random by layer, pruned",
        over("m good pruned", "m random_layer pruned"),
        0,
    ),
    Claim(
        "s_layer_random",
        ASKED,
        "s: random by layer beats random, pruned",
        over("s random_layer pruned", "s random pruned"),
        0,
    ),
    Claim(
        "m_layer_random",
        ASKED,
        "m: random by layer beats random, pruned",
        over("m random_layer pruned", "m random pruned"),
        0,
    ),
    Claim(
        "s_layer_retrained",
        ASKED,
        "s: random by layer beats random, retrained",
        over("s random_layer retrained", "s random retrained"),
        0,
    ),
    Claim(
        "m_layer_retrained",
        ASKED,
        "m: random by layer beats random, retrained",
        over("m random_layer retrained", "m random retrained"),
        0,
    ),
)

PLAIN = ("seeds_differ", "tasks_share", "attention")
BARS = "the paper draws these bars without a claim; the question is whether a task needs what survives in every seed"
BY_LAYER = "random by layer has the good one's count of heads (weights) in each layer (matrix)"
LONGER = '"does not help" is read as a gain below 10 points'
REMARKS = {
    "s_keeps": "the search stops where it still holds, on the same dev set",
    "m_keeps": "the search stops where it still holds, on the same dev set",
    "s_full": '"reaches" is read as above 90 points',
    "m_full": '"reaches" is read as above 90 points',
    "s_same": '"as well" is read as within 10 points; in the paper\'s figure the random bars repeat the good ones',
    "s_nearly": '"nearly" is read as above 80 points',
    "over_simple": "the best of majority, bag of words, CBoW and BiLSTM on each task",
    "s_longer": LONGER,
    "m_longer": LONGER,
    "super_pruned": BARS,
    "super_retrained": BARS,
    "seeds_differ": "agreement is 0 at chance and 1 for identical masks; below 0.5 it is nearer to chance",
    "tasks_share": "heads shared over what chance shares, minus 1; judged by permutation, as pairs of tasks overlap",
    "attention": "a correlation within 0.1 explains less than 1 % of the variance; published is r without its interval",
    **dict.fromkeys((claim.key for claim in CLAIMS if claim.group == ASKED), BY_LAYER),
}
FIGURES = {
    "over_simple": "06_baselines#fig-versus",
    "pretraining": "06_baselines#fig-versus",
    "s_longer": "06_baselines#fig-longer",
    "m_longer": "06_baselines#fig-longer",
    "super_pruned": "05_super#fig-super",
    "super_retrained": "05_super#fig-super",
    "seeds_differ": "08_agreement#fig-seed-jaccard",
    "tasks_share": "08_agreement#fig-overlap",
    "attention": "09_attention#fig-pattern-survival",
}
