"""Baselines: what the network is compared with."""

from __future__ import annotations

import numpy as np

from ..pruning.masks import model_sizes
from ..tasks.load import TaskData
from ..tasks.metrics import predictions_from_logits
from ..training.baselines import bag_of_words, majority, word_model_logits
from . import bench
from .actions import mask_of, prune, set_size, timed, train
from .stage import Result, Work
from .stage_table import TRANSFORMERS


def run_baseline(work: Work, result: Result) -> None:
    """Score a baseline: the majority class, bag of words, CBoW, BiLSTM, or the same network from random weights."""
    cell = work.cell
    if cell.subnetwork in TRANSFORMERS:
        _random_init(work, result)
        return
    with timed(result, "load"):
        data = bench.train_data(work.preset, cell.task)
    with timed(result, "train"):
        if cell.subnetwork in ("majority", "bag_of_words"):
            predict = {"majority": majority, "bag_of_words": bag_of_words}[cell.subnetwork]
            result.predictions = np.asarray(predict(data))
        else:
            _word_model(work, result, data)


def _word_model(work: Work, result: Result, data: TaskData) -> None:
    key = (work.cell.task, work.cell.seed)
    result.logits, losses = word_model_logits(work.cell.subnetwork, data, key, work.device, work.cell.name)
    result.predictions = predictions_from_logits(data.task, result.logits)
    result.trajectory = {"loss": np.array(losses, np.float64)}


def _random_init(work: Work, result: Result) -> None:
    """Train the network from random weights, whole or under the mask of the structured random control."""
    pruned = work.cell.subnetwork == "random_init_pruned"
    mask = mask_of(work, result) if pruned else None
    with timed(result, "load"):
        model, data = work.classifier(init="random"), work.examples()
    set_size(result, model_sizes(model), mask)
    train(work, result, prune(model, mask) if pruned else model, data)
