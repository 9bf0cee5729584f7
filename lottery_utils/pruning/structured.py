"""The structured search: remove the least important heads and MLPs while dev score stays above the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from ..errors import CellFailed
from ..tasks.metrics import compute_metrics, predictions_from_logits, search_score
from ..training.batches import Encoded
from .gated_passes import open_passes
from .importance import normalise_heads, reduce_gradients, shuffled
from .masks import ModelSizes, StructuredMask, model_sizes
from .passes import Pass, Passes
from .scores import Scorer
from .stopping import StopRule, stop_rule

Rank = Callable[[Pass], tuple[np.ndarray, np.ndarray]]


@dataclass
class Search:
    """A search's result: the good mask, the whole course as arrays, and what a reader must know."""

    mask: object
    trajectory: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    searchable: bool = True


@dataclass
class _Step:
    """One evaluated mask: its score, and the importances under it (NaN until and unless they are needed)."""

    mask: StructuredMask
    score: float
    phase: int
    found: Pass | None
    heads: np.ndarray
    mlps: np.ndarray
    passed: bool = True


@dataclass
class _Course:
    steps: list[_Step] = field(default_factory=list)
    last_passed: _Step | None = None


PHASES = {"joint": (1, 2, 3), "heads": (4,), "mlps": (5,)}  # 1: heads and MLPs, 2: heads in half steps, 3: MLPs


def structured_search(
    model: torch.nn.Module,
    dev: Encoded,
    task,
    preset,
    majority: float,
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> Search:
    """Search the good subnetwork of a fine-tuned `model` (protocol, section 3).

    "joint" runs three phases: heads and MLPs together until the score falls below the target, then from the
    last passing mask heads alone by half steps, then MLPs alone. `importance="exact"` uses fresh per-example
    scores of the mask it goes on from; "released" the authors' running sums, and at a phase change the scores of the
    mask that failed. "batched" and "running" are "exact" but for how gradients are summed (see `reduce_gradients`).
    One pass gives both the score of a mask and the importances under it. `preset.score` names another score to rank
    by, `seed` is for one that draws. Trajectory arrays, S steps of which the first is the full model: heads (S, L, H),
    mlps (S, L), head_importance, mlp_importance, score (S,), phase, passed, target, lead (the share of the full
    model's lead over the majority score that the target asks for). Importances are NaN where none was needed: of
    removed MLPs but for "released", and of a failed mask ("released": of the last phase's).
    """
    with open_ranking(model, dev, preset, seed) as (passes, rank):
        return _search(passes, rank, model_sizes(model), dev, task, preset, majority, progress)


@contextmanager
def open_ranking(model: torch.nn.Module, dev: Encoded, preset, seed: int) -> Iterator[tuple[Passes, Rank]]:
    """Passes over the dev set, and a function from a pass to the importances that rank what its mask keeps.

    The importances are those of `preset.score`; NaN where none was needed. With `preset.head_norms` heads' are divided
    by their layer's norm over all its heads: with the gate's gradients of removed ones too, which at gate 0 are not
    zero; other scores know nothing of removed heads, which count with the score they had last.
    """
    order = shuffled(len(dev), preset.importance_order)
    scorer = None if preset.score == "gate" else Scorer(preset.score, model, dev, preset.precision, seed)
    # removed heads stay behind gates for the norms; MLPs too for the authors' scripts, which may go back to them
    heads = "gated" if scorer is None else "cut"
    mlps = "gated" if preset.importance == "released" else "cut"
    last: np.ndarray | None = None

    def scored(found: Pass, passes: Passes) -> tuple[np.ndarray, np.ndarray]:
        nonlocal last
        if scorer is None:
            gradients = passes.measure(found)
            return tuple(reduce_gradients(g, preset.importance, preset.importance_batch, order) for g in gradients)
        heads, mlps = scorer(found.mask)
        last = heads if last is None else np.where(found.mask.heads, heads, last)
        return last, mlps

    with open_passes(model, dev, preset.precision, heads, mlps) as passes:

        def rank(found: Pass) -> tuple[np.ndarray, np.ndarray]:
            heads, mlps = scored(found, passes)
            return normalise_heads(heads) if preset.head_norms else heads, mlps

        yield passes, rank


def _search(
    passes: Passes, rank: Rank, sizes: ModelSizes, dev: Encoded, task, preset, majority: float, progress
) -> Search:
    released = preset.importance == "released"
    course = _Course()

    def look(mask: StructuredMask, phase: int) -> _Step:
        found = passes.run(mask, course.last_passed.found if course.last_passed else None)
        metrics = compute_metrics(task, predictions_from_logits(task, found.logits), dev.labels)
        nothing = np.full(mask.heads.shape, np.nan), np.full(mask.mlps.shape, np.nan)
        step = _Step(mask, search_score(task, metrics), phase, found, *nothing)
        course.steps.append(step)
        if progress:
            progress(len(course.steps), 0)
        return step

    def measure(step: _Step) -> None:
        step.heads, step.mlps = rank(step.found)

    scores = look(StructuredMask.full(sizes.layers, sizes.heads), 0)
    measure(scores)
    course.last_passed = scores
    rule = stop_rule(scores.score, majority, preset.threshold, released)
    for phase in PHASES[preset.search] if rule.searchable else ():
        current, taken = course.last_passed.mask, 0
        if not released:
            scores = course.last_passed  # fresh importances of the mask the phase starts from
        while True:
            taken += 1
            heads, mlps = _amounts(phase, taken, sizes.layers, sizes.layers * sizes.heads, preset.head_step)
            following = StructuredMask(
                remove_lowest(current.heads, scores.heads, heads), remove_lowest(current.mlps, scores.mlps, mlps)
            )
            if following == current:
                if _exhausted(current, phase):
                    break
                continue  # a step of fewer than 12 layers that removes no MLP
            step = scores = look(following, phase)
            step.passed = step.score >= rule.target
            if step.passed or (released and phase != PHASES[preset.search][-1]):
                measure(step)
            if not step.passed:
                step.found = None
                break
            course.last_passed.found = None  # its activations give way to those of the smaller mask
            current, course.last_passed = following, step
    return Search(course.last_passed.mask, _arrays(course.steps, rule), rule.notes, rule.searchable)


def _amounts(phase: int, taken: int, layers: int, all_heads: int, share: float) -> tuple[int, int]:
    """Heads and MLPs that step `taken` (from 1) of a phase removes.

    Jointly the paper takes one MLP a step at 12 layers, as do deeper models; shallower ones floor(step x L / 12) in
    all, so that they do not lose their MLPs before their heads. Alone, MLPs go one by one.
    """
    step, pace = max(1, int(share * all_heads)), min(layers, 12)
    together = taken * pace // 12 - (taken - 1) * pace // 12
    return {1: (step, together), 2: (max(1, step // 2), 0), 3: (0, 1), 4: (step, 0), 5: (0, 1)}[phase]


def _exhausted(mask: StructuredMask, phase: int) -> bool:
    heads, mlps = mask.size
    return {1: heads + mlps, 2: heads, 3: mlps, 4: heads, 5: mlps}[phase] == 0


def remove_lowest(kept: np.ndarray, scores: np.ndarray, amount: int) -> np.ndarray:
    """`kept` without its `amount` lowest-scoring members; ties go to the lower layer and head.

    Raises CellFailed for a score that is not finite: NaN has no place in an order.
    """
    if amount and not np.isfinite(scores[kept]).all():
        raise CellFailed("an importance is not finite, so components cannot be ranked")
    flat = np.where(kept, scores, np.inf).reshape(-1)
    chosen = np.argsort(flat, kind="stable")[: min(amount, int(kept.sum()))]
    after = kept.copy().reshape(-1)
    after[chosen] = False
    return after.reshape(kept.shape)


def _arrays(steps: list[_Step], rule: StopRule) -> dict[str, np.ndarray]:
    return {
        "heads": np.stack([s.mask.heads for s in steps]),
        "mlps": np.stack([s.mask.mlps for s in steps]),
        "head_importance": np.stack([s.heads for s in steps]).astype(np.float32),
        "mlp_importance": np.stack([s.mlps for s in steps]).astype(np.float32),
        "score": np.array([s.score for s in steps]),
        "phase": np.array([s.phase for s in steps], np.int64),
        "passed": np.array([s.passed for s in steps], bool),
        "target": np.array([rule.target if rule.searchable else 0.0]),
        "lead": np.array([rule.lead]),
    }
