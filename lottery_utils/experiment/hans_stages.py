"""Stages hans and hans_retrain: MNLI models scored out of distribution, on HANS."""

from __future__ import annotations

import numpy as np
from torch import nn

from ..pruning.masks import StructuredMask, model_sizes
from ..tasks.hans import read_hans, to_hans
from ..training.evaluate import predict
from ..training.finetune import finetune
from . import bench
from .actions import fine_tuned, mask_of, prune, set_size, timed
from .stage import Result, Work


def run_hans(work: Work, result: Result) -> None:
    """Score the fine-tuned full model, or a subnetwork of it without training, on HANS."""
    mask = mask_of(work, result) if work.cell.method else None
    model, data = fine_tuned(work, result)
    set_size(result, model_sizes(model), mask)
    _evaluate(work, result, model if mask is None else prune(model, mask), data)


def run_hans_retrain(work: Work, result: Result) -> None:
    """Fine-tune the pre-trained weights under the mask, as `run_retrain` does to the bit, and score them on HANS."""
    mask = mask_of(work, result)
    with timed(result, "load"):
        model, data = work.classifier(), work.examples()
    set_size(result, model_sizes(model), mask)
    structured = isinstance(mask, StructuredMask)
    model = (prune(model, mask) if structured else model).to(work.device)
    key, weights = (work.cell.task, work.cell.seed), None if structured else mask.weights
    with timed(result, "train"):
        log = finetune(
            model, data.train, work.preset, key, weight_mask=weights, name=work.cell.name, cuda_graphs=work.cuda_graphs
        )
    result.notes += log.notes
    _evaluate(work, result, model, data)


def _evaluate(work: Work, result: Result, model: nn.Module, data: bench.Examples) -> None:
    """Predict HANS; `heuristic` (N,) says which one each example is about."""
    with timed(result, "evaluate"):
        result.model = model
        result.logits = predict(model.to(work.device), data.dev, work.preset.precision)
        result.predictions = to_hans(result.logits)
    result.trajectory = {"heuristic": np.asarray(read_hans(work.preset.hans).heuristics)}
