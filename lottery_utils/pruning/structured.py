"""The structured search: remove the least important heads and MLPs while dev score stays above the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from ..errors import CellFailed
from ..presets import Preset
from ..tasks.glue import Task
from ..tasks.metrics import compute_metrics, predictions_from_logits, search_score
from ..training.batches import Encoded
from .importance import GatedPasses, Pass, normalise_heads, open_passes, reduce_gradients, shuffled
from .masks import StructuredMask, WeightMask, model_sizes
from .scores import Scorer
from .stopping import StopRule, stop_rule

Rank = Callable[[Pass], tuple[np.ndarray, np.ndarray]]
Ranking = tuple[GatedPasses, Rank]
PHASES = {"joint": (1, 2, 3), "heads": (4,), "mlps": (5,)}  # 1: heads and MLPs, 2: heads in half steps, 3: MLPs


@dataclass
class Search:
    """A search's result: the good mask, the whole course as arrays, and what a reader must know."""

    mask: StructuredMask | WeightMask
    trajectory: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    searchable: bool = True


@dataclass
class Step:
    """One evaluated mask: score, phase, whether it passed, importances (L, H) and (L,), NaN unless they are needed."""

    mask: StructuredMask
    score: float
    phase: int
    passed: bool
    heads: np.ndarray
    mlps: np.ndarray


Look = Callable[[StructuredMask, int], Step]  # from a mask and the phase it is tried in


def structured_search(
    model: torch.nn.Module, dev: Encoded, task: Task, settings: Preset, majority: float, seed: int = 0
) -> Search:
    """Search the good subnetwork of a fine-tuned `model` (paper, section 3.2; protocol: Structured search).

    "joint" runs three phases: heads and MLPs together until the score falls below the target, then from the
    last passing mask heads alone by half steps, then MLPs alone. `importance="exact"` uses fresh per-example
    scores of the mask it goes on from; "released" the authors' running sums, and at a phase change the scores of the
    mask that failed. "batched" and "running" are "exact" but for how gradients are summed (see `reduce_gradients`).
    One pass gives both the score of a mask and the importances under it. Of `settings`, a preset, those of searches
    from `threshold` to `head_step` count, and the precision; `settings.score` names another score to rank
    by, `seed` is for one that draws. Trajectory arrays, S steps of which the first is the full model: heads (S, L, H),
    mlps (S, L), head_importance, mlp_importance, score (S,), phase, passed, target, lead (the share of the full
    model's lead over the majority score that the target asks for). Importances are NaN where none was needed: of
    removed MLPs but for "released", and of a failed mask ("released": of the last phase's).
    """
    sizes = model_sizes(model)
    with open_ranking(model, dev, settings, seed) as (passes, rank):
        course = Course(passes, rank, dev, task, settings, majority)
        good = course.look(StructuredMask.full(sizes.layers, sizes.heads), 0)
        if course.rule.searchable:
            good = joint_search(course.look, good, settings)
    return Search(good.mask, course.arrays(), course.rule.notes, course.rule.searchable)


def joint_search(look: Look, full: Step, settings: Preset) -> Step:
    """The last passing step of all phases, of which each begins where the one before passed last.

    Ranked by the importances of that mask, or in the authors' scripts by those of the mask that was tried last.
    """
    good = latest = full
    for phase in PHASES[settings.search]:
        good, latest = search_phase(look, good, latest if settings.importance == "released" else good, phase, settings)
    return good


def search_phase(look: Look, good: Step, ranking: Step, phase: int, settings: Preset) -> tuple[Step, Step]:
    """Remove the lowest of what `good` keeps, step by step, until a mask fails: the last that passed, the last tried.

    The first removal goes by the importances of `ranking`, each further one by those of the mask before.
    """
    number = 0
    while not _exhausted(good.mask, phase):
        number += 1
        heads, mlps = amounts(phase, number, *good.mask.heads.shape, settings.head_step)
        fewer_heads = remove_lowest(good.mask.heads, ranking.heads, heads)
        fewer_mlps = remove_lowest(good.mask.mlps, ranking.mlps, mlps)
        mask = StructuredMask(fewer_heads, fewer_mlps)
        if mask == good.mask:
            continue  # a step of fewer than 12 layers that removes no MLP
        ranking = look(mask, phase)
        if not ranking.passed:
            break
        good = ranking
    return good, ranking


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


def amounts(phase: int, number: int, layers: int, heads: int, share: float) -> tuple[int, int]:
    """Heads and MLPs that step `number` (from 1) of a phase removes, of a model with `heads` in each layer.

    Jointly the paper takes one MLP a step at 12 layers, as do deeper models; shallower ones floor(step x L / 12) in
    all, so that they do not lose their MLPs before their heads. Alone, MLPs go one by one.
    """
    step, pace = max(1, int(share * (layers * heads))), min(layers, 12)
    together = number * pace // 12 - (number - 1) * pace // 12
    return {1: (step, together), 2: (max(1, step // 2), 0), 3: (0, 1), 4: (step, 0), 5: (0, 1)}[phase]


def _exhausted(mask: StructuredMask, phase: int) -> bool:
    heads, mlps = mask.size
    return {1: heads + mlps, 2: heads, 3: mlps, 4: heads, 5: mlps}[phase] == 0


@contextmanager
def open_ranking(model: torch.nn.Module, dev: Encoded, settings: Preset, seed: int) -> Iterator[Ranking]:
    """Passes over the dev set, and a function from a pass to the importances that rank what its mask keeps.

    The importances are those of `settings.score`; NaN where none was needed. With `settings.head_norms` heads' are
    divided by their layer's norm over all its heads: with the gate's gradients of removed ones too, which at gate 0 are
    not zero; other scores know nothing of removed heads, which count with the score they had last.
    """
    order = shuffled(len(dev), settings.importance_order)
    scorer = None if settings.score == "gate" else Scorer(settings.score, model, dev, settings.precision, seed)
    # removed heads stay behind gates for the norms; MLPs too for the authors' scripts, which may go back to them
    heads = "gated" if scorer is None else "cut"
    mlps = "gated" if settings.importance == "released" else "cut"
    last: np.ndarray | None = None
    with open_passes(model, dev, settings.precision, heads, mlps) as passes:

        def rank(under: Pass) -> tuple[np.ndarray, np.ndarray]:
            nonlocal last
            if scorer is None:
                rule = settings.importance, settings.importance_batch, order
                heads, mlps = (reduce_gradients(of_kind, *rule) for of_kind in passes.measure(under))
            else:
                heads, mlps = scorer(under.mask)
                last = heads = heads if last is None else np.where(under.mask.heads, heads, last)
            return normalise_heads(heads) if settings.head_norms else heads, mlps

        yield passes, rank


@dataclass
class Course:
    """A search as it goes: the masks looked at, and the pass of the last one that passed."""

    passes: GatedPasses
    rank: Rank
    dev: Encoded
    task: Task
    settings: Preset
    majority: float
    steps: list[Step] = field(default_factory=list)
    rule: StopRule | None = None
    last_passed: Pass | None = None  # its activations give way to those of the next, smaller mask

    def look(self, mask: StructuredMask, phase: int) -> Step:
        """The step of a mask; the first one, of the full model, sets the target and passes."""
        under = self.passes.run(mask, self.last_passed)
        score = score_of(self.task, under.logits, self.dev)
        released = self.settings.importance == "released"
        if self.rule is None:
            self.rule = stop_rule(score, self.majority, self.settings.threshold, released)
        unknown = np.full(mask.heads.shape, np.nan), np.full(mask.mlps.shape, np.nan)
        step = Step(mask, score, phase, not self.steps or score >= self.rule.target, *unknown)
        self.steps.append(step)
        if step.passed or (released and phase != PHASES[self.settings.search][-1]):
            step.heads, step.mlps = self.rank(under)
        if step.passed:
            self.last_passed = under
        return step

    def arrays(self) -> dict[str, np.ndarray]:
        """The trajectory, see `structured_search`."""
        return {
            "heads": np.stack([s.mask.heads for s in self.steps]),
            "mlps": np.stack([s.mask.mlps for s in self.steps]),
            "head_importance": np.stack([s.heads for s in self.steps]).astype(np.float32),
            "mlp_importance": np.stack([s.mlps for s in self.steps]).astype(np.float32),
            "score": np.array([s.score for s in self.steps]),
            "phase": np.array([s.phase for s in self.steps], np.int64),
            "passed": np.array([s.passed for s in self.steps], bool),
            "target": np.array([self.rule.target if self.rule.searchable else 0.0]),
            "lead": np.array([self.rule.lead]),
        }


def score_of(task: Task, logits: np.ndarray, dev: Encoded) -> float:
    """What a search compares: the task's score of logits (N, C)."""
    return search_score(task, compute_metrics(task, predictions_from_logits(task, logits), dev.labels))
