"""What the cells of one process share: task data, tokenised examples, the pre-trained model."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from ..models.load import load_classifier, load_tokenizer
from ..presets import Preset
from ..tasks.glue import Task
from ..tasks.load import TaskData, load_task
from ..tasks.registry import find_task
from ..training.batches import Encoded, encode


@dataclass(frozen=True)
class Examples:
    """A task's tokenised examples, and what a record says about its data."""

    task: Task
    train: Encoded
    dev: Encoded
    source: str
    notes: tuple[str, ...]
    partial: bool
    fingerprint: str


@lru_cache(maxsize=1)
def task_data(task: str, data: str, train_limit: int | None, dev_limit: int | None) -> TaskData:
    """A task's texts and labels; only the last task's are kept."""
    return load_task(task, data, train_limit, dev_limit)


@lru_cache(maxsize=9)
def _examples(
    task: str, data: str, train_limit: int | None, dev_limit: int | None, model: str, model_print: str, length: int
) -> Examples:
    found = task_data(task, data, train_limit, dev_limit)
    tokenizer = _tokenizer(model, model_print)
    train, dev = (encode(tokenizer, split, length) for split in (found.train, found.dev))
    return Examples(found.task, train, dev, found.source, found.notes, found.partial, found.fingerprint)


@lru_cache(maxsize=1)
def _tokenizer(model: str, model_print: str):
    return load_tokenizer(model)


@lru_cache(maxsize=1)
def _classifier(
    model: str, model_print: str, outputs: int, regression: bool, seed: int, dropout: float | None, init: str
) -> nn.Module:
    return load_classifier(model, outputs, regression, seed=seed, dropout=dropout, init=init)


def examples(preset: Preset, task: str, model_print: str) -> Examples:
    """The task's examples, tokenised by the tokenizer of the preset's model (fingerprint `model_print`)."""
    limits = (preset.train_limit, preset.dev_limit)
    return _examples(task, preset.data, *limits, preset.model, model_print, preset.max_length)


def classifier(preset: Preset, task: str, seed: int, model_print: str, init: str = "pretrained") -> nn.Module:
    """A fresh copy of the classifier of (task, seed) before any training, on the CPU."""
    kind = find_task(task, preset.data)
    shape = (kind.num_labels, kind.regression)
    return copy.deepcopy(_classifier(preset.model, model_print, *shape, seed, preset.dropout, init))


def forget() -> None:
    """Empty the caches."""
    for cache in (task_data, _examples, _tokenizer, _classifier):
        cache.cache_clear()
