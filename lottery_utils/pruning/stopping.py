"""When a search stops: at 90 % of the full model's score, sensibly also where that says little.

In words it is on the protocol page, under "The stop rule".

The score of a constant answer, the majority score, comes for nothing; what a model adds is its lead over it. Where 90 %
of the score lies close to the majority score, the paper's rule asks for next to nothing of the lead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StopRule:
    """A mask passes while its dev score is at least `target`; `searchable` is False where no score could tell.

    `lead`: the share of the full model's lead over the majority score that the target asks for.
    """

    target: float
    searchable: bool
    lead: float
    notes: tuple[str, ...] = ()


LEAST_LEAD = 1 / 3  # of `threshold`: with 0.9 three tenths of the lead, which BERT-base's scores never come down to


def stop_rule(full: float, majority: float, threshold: float, released: bool = False) -> StopRule:
    """The paper's rule, score >= threshold x full, but at least threshold / 3 of the lead over the majority score.

    `full` and `majority` are scores of the full model and of a constant answer, as a search compares them.

    The two meet where full is 7/6 of the majority score (threshold 0.9), so the target moves continuously with both.
    Under the plain rule any constant answer passes once threshold x full is below the majority score, and everything is
    pruned, as happened to the authors on WNLI. A full model that does not beat the majority score leaves nothing to
    keep, and no search is run. `released` keeps the authors' plain rule.
    """
    plain, ahead = threshold * full, full - majority
    if released:
        note = () if plain > majority else (f"target {plain:.4f} does not exceed the majority score {majority:.4f}",)
        return StopRule(plain, True, (plain - majority) / ahead if ahead > 0 else 0.0, note)
    if ahead <= 0:
        text = f"the full model ({full:.4f}) does not beat the majority score ({majority:.4f}); no search was run"
        return StopRule(float("inf"), False, 0.0, (text,))
    least = majority + LEAST_LEAD * threshold * ahead
    if plain >= least:
        return StopRule(plain, True, (plain - majority) / ahead)
    text = f"{threshold:g} x full score ({plain:.4f}) asks for less than a third of {threshold:g} of the lead"
    note = f"{text} over the majority score ({majority:.4f}); target {least:.4f}"
    return StopRule(least, True, LEAST_LEAD * threshold, (note,))
