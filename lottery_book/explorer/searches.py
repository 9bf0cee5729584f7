"""A search as a page draws it: its masks step by step in thousandths, its curves, a sentence a step; see `maps`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lottery_utils.show.frames import final_step

from ..agreement.coefficients import chance_pair_jaccard, mean_pair_jaccard

PARTS = 1000
REMOVED, UNKNOWN = -1, -2
PHASES = ("full model", "heads and MLPs together", "heads alone, half steps", "MLPs alone", "heads", "MLPs")
WEIGHTS = {"kind": "weights", "factor": 100 / PARTS, "before": "", "after": " % of its weights kept"}
KEPT, NEXT, GONE, OUT = "k", "n", "g", "o"  # a cell's state: kept, goes at the next step, went at this one, went before


def structured(course: Mapping[str, np.ndarray]) -> dict:
    """A joint search: importances of what is still there, in thousandths of the largest of its step and kind."""
    heads, mlps, largest = course["heads"], course["mlps"], []
    masks = np.concatenate([heads, mlps[:, :, None]], axis=2)
    steps = np.full(masks.shape, REMOVED)
    for step, mask in enumerate(masks):
        steps[step, :, :-1], most = _relative(course["head_importance"][step], mask[:, :-1])
        steps[step, :, -1], most_of_mlps = _relative(course["mlp_importance"][step], mask[:, -1])
        largest.append([most, most_of_mlps])
    counted = [
        f"{now.sum()} of {now.size} heads and {beside.sum()} of {beside.size} MLPs left"
        for now, beside in zip(heads, mlps, strict=True)
    ]
    left = {"heads": heads.mean(axis=(1, 2)), "MLPs": mlps.mean(axis=1)}
    found = _course(course, counted, [PHASES[number] for number in course["phase"]], left)
    looks = {"kind": "importance", "before": "kept, importance ", "after": "", "largest": largest}
    rest = {"steps": steps.reshape(len(steps), -1).tolist(), "states": _states(masks, course["passed"])}
    return {**looks, **grid(*heads.shape[1:]), **found, **rest, "phases": _phases(course["phase"])}


def magnitude(course: Mapping[str, np.ndarray]) -> dict:
    """A search by magnitude: the shares of weights kept."""
    shares = np.concatenate([course["head_share"], course["mlp_share"][:, :, None]], axis=2)
    counted = [f"{100 * share:.1f} % of the weights left" for share in course["share"]]
    phase = [PHASES[0]] + [""] * (len(shares) - 1)
    found = _course(course, counted, phase, {"weights": course["share"]})
    shape, steps = grid(*course["head_share"].shape[1:]), list(map(thousandths, shares))
    return {**WEIGHTS, **shape, **found, "steps": steps, "phases": []}


def _course(
    course: Mapping[str, np.ndarray], counted: list[str], phase: list[str], left: dict[str, np.ndarray]
) -> dict:
    """The curves of a search and a sentence for each step."""
    passed, good = course["passed"], final_step(course)
    state = np.where(passed, "passed", "failed").tolist()
    state[good] = "good"
    return {
        "good": good,
        "step": list(range(len(passed))),
        "score": course["score"].astype(float).round(4).tolist(),
        "state": state,
        "target": round(float(course["target"][0]), 4),
        "left": [{"what": what, "share": share.astype(float).round(3).tolist()} for what, share in left.items()],
        "said": _sentences(course, counted, phase),
    }


def _sentences(course: Mapping[str, np.ndarray], counted: list[str], phase: list[str]) -> list[str]:
    """Where the search is, what is left, the score against the target; one sentence a step."""
    passed, good, last = course["passed"], final_step(course), len(course["score"]) - 1
    said = []
    for step, score in enumerate(course["score"]):
        verdict = "at or above the target" if passed[step] else "below the target"
        if step == good:
            verdict += ": the good subnetwork"
        elif not passed[step] and "phase" in course and step < last:
            verdict += f"; the search goes back to step {np.flatnonzero(passed[:step])[-1]}"
        where = f" ({phase[step]})" if phase[step] else ""
        said.append(f"step {step} of {last}{where}: {counted[step]}; dev score {score:.3f}, {verdict}.")
    return said


def _states(masks: np.ndarray, passed: np.ndarray) -> list[str]:
    """A letter a cell, a text a step. A search goes on from the last mask that passed, not from one that failed."""
    states, base = [], np.zeros_like(masks[0])
    for step, mask in enumerate(masks):
        going = mask & ~masks[step + 1] if passed[step] and step + 1 < len(masks) else np.zeros_like(mask)
        letters = np.where(mask, np.where(going, NEXT, KEPT), np.where(base, GONE, OUT))
        states.append("".join(letters.ravel()))
        base = mask if passed[step] else base
    return states


def _phases(phase: np.ndarray) -> list[dict[str, float]]:
    """Number, first and last step of each phase; the full model is in none."""
    found = []
    for number in filter(None, np.unique(phase).tolist()):
        first, last = np.flatnonzero(phase == number)[[0, -1]].tolist()
        found.append({"number": number, "first": first - 0.5, "last": last + 0.5, "middle": (first + last) / 2})
    return found


def agreement(one: dict, other: dict) -> str:
    """Heads that the good subnetworks of two s-pruning searches share, and what chance would give; of one grid."""
    votes = np.stack([_heads_kept(one), _heads_kept(other)])
    both, alone = int(votes.all(axis=0).sum()), [int((mask & ~votes.all(axis=0)).sum()) for mask in votes]
    return (
        f"Good subnetworks of the two: {both} heads in both, {alone[0]} and {alone[1]} in one of them alone; "
        f"Jaccard {mean_pair_jaccard(votes):.2f}, by chance {chance_pair_jaccard(votes):.2f}."
    )


def _heads_kept(search: dict) -> np.ndarray:
    cells = np.array(search["steps"][search["good"]]).reshape(-1, search["columns"])
    return cells[:, :-1].ravel() != REMOVED


def _relative(values: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, float]:
    """Values of what is kept in thousandths of their largest, and that largest; 0 where there is none."""
    values = np.where(kept, values.astype(float), 0.0)
    if np.isnan(values).any():
        return np.where(kept, UNKNOWN, REMOVED), 0.0
    top = float(values.max(initial=0.0))
    return np.where(kept, np.rint(PARTS * values / (top or 1.0)), REMOVED).astype(int), float(f"{top:.4g}")


def thousandths(values: np.ndarray) -> list[int]:
    """Shares as whole thousandths, one after another."""
    return np.rint(PARTS * np.ravel(values).astype(float)).astype(int).tolist()


def grid(layers: int, heads: int) -> dict:
    return {"columns": heads + 1, "grid": f"{layers} x {heads}"}
