"""Stage outliers: a few LayerNorm dimensions are disabled in every layer, the largest or random ones, and scored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.experiment.stage import fine_tuned, set_size, timed
from lottery_utils.experiment.work import Result, Work
from lottery_utils.models.anatomy import anatomy
from lottery_utils.tasks.metrics import compute_metrics, main_score, predictions_from_logits
from lottery_utils.training.evaluate import predict

from ..networks import restored

COUNTS = (1, 2, 4, 8, 16)  # dimensions disabled together
PLACES = ("output.LayerNorm", "output_layer_norm")  # of that LayerNorm in a layer of BERT's kin, and of DistilBERT
DRAWS = 3  # of random dimensions


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
