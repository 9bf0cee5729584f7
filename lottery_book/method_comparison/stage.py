"""Stage curve: subnetworks of every size from 95 to 5 %, pruned by the preset's way to rank and scored on dev.

They are nested and not trained. Sizes do not depend on the ranking, so curves of several methods compare subnetworks of
equal size, weight for weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lottery_utils.experiment.stage import by_method, set_size
from lottery_utils.experiment.work import Result, Work
from lottery_utils.methods import CURVE_SIZES
from lottery_utils.models.anatomy import anatomy
from lottery_utils.pruning.magnitude import WeightView, component_shares, under_masks, weight_scores
from lottery_utils.pruning.masks import Levels, StructuredMask, model_sizes
from lottery_utils.pruning.structured import open_ranking, remove_lowest, score_of
from lottery_utils.tasks.metrics import majority_score
from lottery_utils.training.batches import Encoded
from lottery_utils.training.evaluate import predict


@dataclass(frozen=True)
class Curve:
    """Arrays by size, the full model first.

    `searchable` is False where the full model does not beat the majority score: then nothing was pruned.
    """

    arrays: dict[str, np.ndarray]
    searchable: bool


def run_curve(work: Work, result: Result) -> None:
    """Prune the fine-tuned model to ever smaller sizes, without training; see `structured_curve` and `magnitude_curve`.

    Nothing is pruned where the full model does not beat the majority score: the cell is then degenerate.
    """
    model, data, found = by_method(work, result, structured_curve, magnitude_curve)
    result.trajectory = found.arrays
    result.search_score = float(found.arrays["score"][0])
    if result.degenerate:
        least = majority_score(data.task, data.dev.labels)
        result.notes.append(f"the full model does not beat the majority score ({least:.4f}); nothing was pruned")
    set_size(result, model)


def component_counts(layers: int, heads: int) -> list[tuple[int, int]]:
    """(heads, MLPs) left at each of `CURVE_SIZES`: the same share of both kinds, rounded half up."""
    return [(int(size * layers * heads + 0.5), int(size * layers + 0.5)) for size in CURVE_SIZES]


def structured_curve(model: torch.nn.Module, dev: Encoded, task, preset, majority: float, seed: int = 0) -> Curve:
    """Remove the lowest heads and MLPs of `preset.score` to each size in turn, ranking anew under each mask.

    Arrays, S sizes: size (S,), share (S,) of the prunable weights, score (S,) on dev, heads (S, L, H), mlps (S, L).
    """
    sizes = model_sizes(model)
    masks, scores = [StructuredMask.full(sizes.layers, sizes.heads)], []
    with open_ranking(model, dev, preset, seed) as (passes, rank):
        found = passes.run(masks[0])
        scores.append(score_of(task, found.logits, dev))
        searchable = scores[0] > majority
        for left_of_both in component_counts(sizes.layers, sizes.heads) if searchable else ():
            mask = masks[-1]
            ranks = rank(found)
            fewer = (
                remove_lowest(kept, score, int(kept.sum()) - left)
                for kept, score, left in zip((mask.heads, mask.mlps), ranks, left_of_both)
            )
            masks.append(StructuredMask(*fewer))
            found = passes.run(masks[-1], found)
            scores.append(score_of(task, found.logits, dev))
    arrays = _arrays(scores, [mask.shares(sizes)["prunable"] for mask in masks])
    arrays |= {"heads": np.stack([m.heads for m in masks]), "mlps": np.stack([m.mlps for m in masks])}
    return Curve(arrays, searchable)


def magnitude_curve(
    model: torch.nn.Module, dev: Encoded, task, preset, majority: float, train: Encoded | None = None, seed: int = 0
) -> Curve:
    """Remove the lowest weights of `preset.unstructured` to each size in turn; the model is left as found.

    Arrays, S sizes: size, share and score (S,), head_share (S, L, H) and mlp_share (S, L) as of a search.
    """
    body = anatomy(model)
    total = sum(p.numel() for p in body.prunable_parameters().values())
    counts = [0, *(round((1 - size) * total) for size in CURVE_SIZES)]
    view = WeightView(model, train, preset.precision, seed)
    levels = Levels(weight_scores(preset.unstructured, view), counts)
    scores, left = [], []
    with under_masks(body) as apply:
        for number in range(len(counts)):
            mask = levels.mask(number)
            apply(mask)
            scores.append(score_of(task, predict(model, dev, preset.precision), dev))
            left.append(component_shares(body, mask))
            if scores[0] <= majority:
                break
    searchable = scores[0] > majority
    arrays = _arrays(scores, [1 - counts[i] / total for i in range(len(scores))])
    arrays |= {name: np.stack(parts) for name, parts in zip(("head_share", "mlp_share"), zip(*left))}
    return Curve(arrays, searchable)


def _arrays(scores: list[float], shares: list[float]) -> dict[str, np.ndarray]:
    sizes = (1.0, *CURVE_SIZES)[: len(scores)]
    return {"size": np.array(sizes), "share": np.array(shares), "score": np.array(scores)}
