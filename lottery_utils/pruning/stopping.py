"""When a search stops: at 90% of the full model's score, sensibly also where that says nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StopRule:
    """A mask passes while its dev score is at least `target`; `searchable` is False where no score could tell."""

    target: float
    searchable: bool
    notes: tuple[str, ...] = ()


def stop_rule(full: float, majority: float, threshold: float, released: bool = False) -> StopRule:
    """The paper's rule, score >= threshold x full, unless it lies at or below the majority score.

    There any constant predictor passes and the plain rule prunes everything, as happened to the authors on
    WNLI. Then the target is majority + threshold x (full - majority); a full model that does not beat the
    majority score leaves nothing to keep, and no search is run. `released` keeps the authors' plain rule.
    """
    plain = threshold * full
    if released or plain > majority:
        note = () if plain > majority else (f"target {plain:.4f} does not exceed the majority score {majority:.4f}",)
        return StopRule(plain, True, note)
    if full > majority:
        target = majority + threshold * (full - majority)
        text = f"{threshold:g} x full score ({plain:.4f}) does not exceed the majority score ({majority:.4f})"
        return StopRule(target, True, (f"{text}; target {target:.4f} = majority + {threshold:g} x (full - majority)",))
    text = f"the full model ({full:.4f}) does not beat the majority score ({majority:.4f}); no search was run"
    return StopRule(float("inf"), False, (text,))
