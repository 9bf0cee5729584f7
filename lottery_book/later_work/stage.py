"""Stages outliers and origins: what the full model loses without a few weights, chosen in two ways each, at once.

Outliers are LayerNorm dimensions, disabled in every layer, the largest or random ones; origins is m-pruning by the
magnitudes of the pre-trained weights beside those of the fine-tuned ones.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.experiment.stage import fine_tuned, set_size, timed
from lottery_utils.experiment.work import Result, Work
from lottery_utils.models.anatomy import Anatomy, anatomy
from lottery_utils.pruning.masks import Levels, WeightMask
from lottery_utils.tasks.metrics import compute_metrics, main_score, predictions_from_logits
from lottery_utils.training.evaluate import predict

from ..networks import restored

COUNTS = (1, 2, 4, 8, 16)  # dimensions disabled together
PLACES = ("output.LayerNorm", "output_layer_norm")  # of that LayerNorm in a layer of BERT's kin, and of DistilBERT
DRAWS = 3  # of random dimensions
KEPT = (0.9, 0.7, 0.5, 0.3)  # shares of the prunable weights
RANKED_BY = ("fine-tuned", "pre-trained")
KINDS = ("query", "key", "value", "attention output", "MLP in", "MLP out")


def run_outliers(work: Work, result: Result) -> None:
    """Score the full model on dev with K counts of dimensions disabled (Kovaleva et al. 2021).

    Arrays: count and share (K,), share of all weights; largest (K,) and random (K, DRAWS), scores; dims (16,), the
    largest first, and size (hidden,), see `sizes_of`; full (1,). Random dimensions are none of the 16 largest. None for
    a family without such LayerNorms: a note says so.
    """
    model, data = fine_tuned(work, result)
    model.to(work.device)
    set_size(result, model)
    norms = output_norms(model)
    if not norms:
        result.notes.append(f"outliers: family {model.config.model_type} has no LayerNorm after its residual sums")
        return
    sizes = sizes_of(norms)
    order = np.argsort(-sizes, kind="stable")
    top, others = order[: COUNTS[-1]], order[COUNTS[-1] :]
    rng = numpy_generator_for(work.address(), "outliers")
    draws = [rng.permutation(others)[: COUNTS[-1]] for _ in range(DRAWS)]

    def scores(dims: np.ndarray) -> list[float]:
        found = []
        for count in COUNTS:
            with disabled(norms, dims[:count]):
                found.append(dev_score(model, data, work.preset.precision))
        return found

    with timed(result, "outliers"):
        full, largest = dev_score(model, data, work.preset.precision), scores(top)
        random = np.stack([scores(dims) for dims in draws], axis=1)
    total = sum(p.numel() for p in model.parameters())
    result.trajectory = {
        "count": np.array(COUNTS, np.int64),
        "share": np.array(COUNTS) * 2 * len(norms) / total,
        "largest": np.array(largest),
        "random": random,
        "dims": top.astype(np.int64),
        "size": sizes,
        "full": np.array([full]),
    }
    result.search_score = full


def output_norms(model: nn.Module) -> list[nn.LayerNorm]:
    """Each layer's last LayerNorm, whose output is the layer's; [] for a family without."""
    body = anatomy(model)
    modules = [dict(body.layer(i).named_modules()) for i in range(body.layers)]
    return [layer[place] for layer in modules for place in PLACES if place in layer]


def sizes_of(norms: list[nn.LayerNorm]) -> np.ndarray:
    """How far each dimension's scaling factor and bias lie from their layer's mean, in deviations: (hidden,).

    The mean of both over layers: what is large in the same place of every layer is large.
    """
    weights = torch.stack([p.detach().double().cpu() for norm in norms for p in (norm.weight, norm.bias)])
    distance = (weights - weights.mean(1, keepdim=True)).abs() / weights.std(1, keepdim=True)
    return distance.mean(0).numpy()


@contextmanager
def disabled(norms: list[nn.LayerNorm], dims: np.ndarray) -> Iterator[None]:
    """Inside, scaling factors and biases of `dims` are 0 in all `norms`: these dimensions say nothing."""
    parameters = [p for norm in norms for p in (norm.weight, norm.bias)]
    with restored(parameters):
        with torch.no_grad():
            for p in parameters:
                p[torch.as_tensor(dims, device=p.device)] = 0.0
        yield


def dev_score(model: nn.Module, data, precision: str) -> float:
    """The main metric on the dev set of `data`, as records of scores have it."""
    predictions = predictions_from_logits(data.task, predict(model, data.dev, precision))
    return main_score(data.task, compute_metrics(data.task, predictions, data.dev.labels))


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
