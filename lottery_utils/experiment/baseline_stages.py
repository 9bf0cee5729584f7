"""Baselines: what the network is compared with."""

from __future__ import annotations

import numpy as np

from ..pruning.masks import model_sizes
from ..training.baselines import bag_of_words, majority
from . import bench
from .actions import set_size, timed, train
from .stage import Result, Work


def run_baseline(work: Work, result: Result) -> None:
    """Score a baseline: the majority class, bag of words, or the same network trained from random weights."""
    if work.cell.subnetwork == "random_init":
        with timed(result, "load"):
            model, data = work.classifier(init="random"), work.examples()
        set_size(result, model_sizes(model), None)
        train(work, result, model, data)
        return
    with timed(result, "load"):
        preset = work.preset
        texts = bench.task_data(work.cell.task, preset.data, preset.train_limit, preset.dev_limit)
    with timed(result, "train"):
        predict_dev = {"majority": majority, "bag_of_words": bag_of_words}[work.cell.subnetwork]
        result.predictions = np.asarray(predict_dev(texts))
