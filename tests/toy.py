"""A toy task a tiny BERT can learn, for tests of training, importance and searches."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from tiny import VOCABULARY, tiny_model

from lottery_utils.presets import get_preset
from lottery_utils.tasks.glue import get_task
from lottery_utils.training.batches import Encoded
from lottery_utils.training.finetune import finetune

TOY = {"learning_rate": 3e-3, "min_steps": 0, "epochs": 6, "warmup": 0.1, "batch_size": 16}
TOY |= {"tasks": ["mrpc"], "seeds": [1, 2]}


def toy_preset(**overrides):
    """The demo preset with settings for the toy task."""
    return get_preset("demo", {**TOY, **overrides})


def toy_data(examples: int, seed: int, regression: bool = False) -> Encoded:
    """Sequences of 4 to 12 tokens; the label is decided by the second token, which the first must attend to."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(5, VOCABULARY, rng.integers(4, 13)) for _ in range(examples)]
    labels = np.array([int(row[1] > VOCABULARY // 2) for row in rows])
    if regression:
        labels = np.array([row[1] / VOCABULARY for row in rows], np.float32)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Encoded(np.concatenate(rows).astype(np.int32), np.empty(0, np.int32), starts, labels, 0)


def trained(task: str = "mrpc", layers: int = 4, heads: int = 4, **overrides):
    """(model fine-tuned on the toy task, dev data, task, preset); a few seconds on one core."""
    task = get_task(task)
    preset = toy_preset(tasks=[task.name], **overrides)
    model = tiny_model("bert", layers=layers, heads=heads, num_labels=task.num_labels)
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.mul_(0.4)
    finetune(model, toy_data(800, 0, task.regression), preset, ("toy", 0))
    return model, toy_data(120, 1, task.regression), task, preset


def replaced(preset, **fields):
    """`preset` with some fields changed, unchecked."""
    return dataclasses.replace(preset, **fields)
