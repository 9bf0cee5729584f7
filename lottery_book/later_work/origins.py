"""Stage origins: m-pruning by the magnitudes of the pre-trained weights beside those of the fine-tuned ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch

from lottery_utils.experiment.stage import fine_tuned, set_size, timed
from lottery_utils.experiment.work import Result, Work
from lottery_utils.models.anatomy import Anatomy, anatomy
from lottery_utils.pruning.masks import Levels, WeightMask

from .outliers import dev_score

KEPT = (0.9, 0.7, 0.5, 0.3)  # shares of the prunable weights
RANKED_BY = ("fine-tuned", "pre-trained")
KINDS = ("query", "key", "value", "attention output", "MLP in", "MLP out")


def run_origins(work: Work, result: Result) -> None:
    """Prune the fine-tuned weights to each of `KEPT` by |w| of their own and of the weights they came from.

    Arrays: kept (K,); score (2, K) on dev, in the order of `RANKED_BY`; full (1,); and for each layer and kind of
    matrix, its bias included, weights removed by the first, by the second, by both, and all: removed (K, L, 6, 4).
    """
    model, data = fine_tuned(work, result)
    model.to(work.device)
    set_size(result, model)
    view = anatomy(model)
    total = sum(p.numel() for p in view.prunable_parameters().values())
    gone = [round((1 - kept) * total) for kept in KEPT]
    both = [Levels(anatomy(m).prunable_parameters(), gone) for m in (model, work.classifier())]
    score, removed = np.empty((2, len(KEPT))), []
    with timed(result, "origins"):
        for k in range(len(KEPT)):
            masks = [levels.mask(k) for levels in both]
            removed.append(overlap(view, *masks))
            for i, mask in enumerate(masks):
                score[i, k] = dev_score(mask.apply_(copy.deepcopy(model)), data, work.preset.precision)
        result.search_score = dev_score(model, data, work.preset.precision)
    result.trajectory = {
        "kept": np.array(KEPT),
        "score": score,
        "removed": np.stack(removed),
        "full": np.array([result.search_score]),
    }


def overlap(view: Anatomy, first: WeightMask, second: WeightMask) -> np.ndarray:
    """Weights removed by `first`, by `second`, by both, and all there are: int64 (layers, kinds, 4)."""
    pairs = zip(parts_of(view, first), parts_of(view, second), strict=True)
    found = [
        [(int((~a).sum()), int((~b).sum()), int((~a & ~b).sum()), a.numel()) for a, b in zip(*layers, strict=True)]
        for layers in pairs
    ]
    return np.array(found, np.int64)


def parts_of(view: Anatomy, mask: WeightMask) -> Iterator[list[torch.Tensor]]:
    """A mask's values (flat) of each of `KINDS`, a list for each layer."""
    names = {id(p): name for name, p in view.prunable_parameters().items()}
    for layer in range(view.layers):
        qkv = view.qkv(layer)
        blocks = 3 // len(qkv)  # one Linear may stack query, key and value
        linears = [(m, blocks) for m in qkv]
        linears += [(m, 1) for m in (view.attention_out(layer), view.mlp_in(layer), view.mlp_out(layer))]
        found = []
        for linear, count in linears:
            values = [mask.weights[names[id(p)]].chunk(count) for p in linear.parameters()]
            found += [torch.cat([part.flatten() for part in parts]) for parts in zip(*values, strict=True)]
        yield found
