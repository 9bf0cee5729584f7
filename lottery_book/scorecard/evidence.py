"""The sources of evidence that the paper's claims are judged on: what the authors published, and runs made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lottery_utils.show.frames import component_survival
from lottery_utils.show.scores import results

from .. import published
from ..agreement.coefficients import agreement
from ..agreement.overlap import overlap_test
from ..attention_patterns.frames import readings
from ..attention_patterns.survival import by_task, head_shares
from .claims import Evidence

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

ONE_SEED = 1  # stands for the mean over seeds where scores of single seeds are not published
JOINT = "heads_mlps"  # the family of masks the paper's text is about
NO_BASELINES = "not in the release"
NOT_IN_PAPER = "not in the paper"
SCORES_ONLY = "scores only"
NO_PATTERNS = "only r is published, {raw} raw and {normed} normed, without what an interval needs"


def published_scores() -> Evidence:
    """The scores in the authors' release: means over five seeds, so tasks are paired and seeds are not.

    Tasks where the published full model is not above the majority score (WNLI) are left out, as they are here.
    """
    frame = published.results().rename(columns={"mean": "score"}).assign(seed=ONE_SEED)
    by_task = {kind: frame[frame["subnetwork"] == kind].set_index("task")["score"] for kind in ("full", "majority")}
    above = by_task["full"] > by_task["majority"]
    frame = frame[frame["task"].isin(above.index[above])]
    text = published.text_numbers()
    said = NO_PATTERNS.format(raw=text["heterogeneous_survival_r_raw"], normed=text["heterogeneous_survival_r_normed"])
    absent = {"over_simple": NO_BASELINES, "pretraining": NO_BASELINES}
    absent |= {"s_layer": NOT_IN_PAPER, "m_layer": NOT_IN_PAPER}
    absent |= {"seeds": SCORES_ONLY, "overlap": SCORES_ONLY, "patterns": said}
    return Evidence("published scores", frame, absent=absent)


def published_masks() -> Evidence:
    """The authors' raw masks of the joint search, through the tables that `lottery import-authors` makes."""
    seeds = published.seed_agreement()
    seeds = seeds[(seeds["family"] == JOINT) & seeds["task"].isin(published.results()["task"])]
    seeds = seeds[seeds["task"] != "wnli"]  # four of its five masks are empty
    absent = {"scores": "masks only", "patterns": "models not released"}
    return Evidence("published masks", agreement=seeds, overlap=published.overlap_test("head"), absent=absent)


def evidence_of(study: Study, name: str, permutations: int = 99) -> Evidence:
    """What the records of a study hold; tasks with a degenerate search have no subnetworks there.

    Patterns are those of raw maps, against super-survival, as in the paper. `permutations` are those of the agreement
    of seeds, which no claim asks for; tasks' shared heads have as many as `overlap_test` makes.
    """
    survival = component_survival(study, "structured")
    several = survival["seed"].nunique() > 1
    shares = head_shares(study, readings(study))
    patterns = by_task(shares[shares["kind"] == "raw"], "super")
    return Evidence(
        name,
        results(study.table()),
        agreement(survival, permutations) if several else None,
        overlap_test(survival, "head") if len(survival) else None,
        patterns,
        {} if several else {"seeds": "one seed"},
    )
