"""Patterns of a model's heads: every map of some dev examples named by the classifier, and counted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from lottery_utils.models.attention_maps import attention_maps
from lottery_utils.training.batches import Encoded, collate
from lottery_utils.training.evaluate import model_device

from .classifier import classify
from .rules import KINDS, PATTERNS

ENTRIES = 150_000  # entries of one head's maps that are held at a time
Array = np.ndarray


def choose_examples(encoded: Encoded, count: int, least: int, most: int, rng: np.random.Generator) -> Array:
    """Rows of up to `count` examples of `least` to `most` tokens, drawn without replacement, in order."""
    fit = np.flatnonzero((encoded.lengths >= least) & (encoded.lengths <= most))
    return np.sort(rng.permutation(fit)[:count])


class Gallery:
    """One map of each kind and type, drawn at random from all that were so named: an example, not the best one."""

    def __init__(self, size: int, rng: np.random.Generator):
        """`size`: tokens of the longest example."""
        shape = (len(KINDS), len(PATTERNS))
        self.rng, self.size = rng, size
        self.maps = np.zeros((*shape, size, size), np.float16)
        self.tokens = np.zeros(shape, np.int32)
        self.places = np.full((*shape, 3), -1, np.int32)
        self.luck = np.zeros(shape)

    def offer(self, kind: int, labels: Array, maps: torch.Tensor, places: Array) -> None:
        """Consider maps (M, n, n) named `labels` (M,), from `places` (M, 3): layer, head, row of the dev set."""
        draw = 1 - self.rng.random(len(labels))  # above 0
        for label in range(len(PATTERNS)):
            own = np.where(labels == label, draw, 0)
            best = int(own.argmax())
            if own[best] > self.luck[kind, label]:
                n = maps.shape[-1]
                shown = maps[best].cpu().numpy()
                self.maps[kind, label] = 0
                self.maps[kind, label, :n, :n] = shown / (shown.max() or 1.0)
                self.luck[kind, label], self.tokens[kind, label] = own[best], n
                self.places[kind, label] = places[best]


@torch.no_grad()
def count_patterns(
    model: nn.Module,
    encoded: Encoded,
    rows: Array,
    readers: dict[str, nn.Module],
    shape: tuple[int, int],
    gallery: Gallery | None = None,
) -> Array:
    """Name every head's map on each of `rows`, and count: int32 (kinds, layers, heads, types).

    `readers` has a classifier for each of `KINDS`; `shape` is (layers, heads) of the whole model. A head that is not
    there has no maps and counts 0. Token types are given as in training.
    """
    counts = np.zeros((len(KINDS), *shape, len(PATTERNS)), np.int32)
    device = model_device(model)
    readers = {kind: net.to(device) for kind, net in readers.items()}
    for part in _equally_long(encoded, rows):
        layers = attention_maps(model, collate(encoded, part, device).inputs)
        if not layers:
            continue
        places = np.concatenate([_places(found.layer, found.heads.numpy(), part) for found in layers])
        for k, kind in enumerate(KINDS):
            maps = torch.cat([getattr(found, kind)().flatten(0, 1) for found in layers])
            labels = classify(readers[kind], maps)
            np.add.at(counts, (k, places[:, 0], places[:, 1], labels), 1)
            if gallery is not None:
                gallery.offer(k, labels, maps, places)
    return counts


def _places(layer: int, heads: Array, rows: Array) -> Array:
    """(layer, head, row) of the maps of one layer, in the order of its batch: examples, then heads."""
    return np.stack(
        [np.full(len(rows) * len(heads), layer), np.tile(heads, len(rows)), np.repeat(rows, len(heads))], axis=1
    )


def _equally_long(encoded: Encoded, rows: Array) -> Iterator[Array]:
    """`rows` in batches of one length each: a map is as large as its example, and nothing is padded."""
    lengths = encoded.lengths[rows]
    for length in np.unique(lengths):
        same = rows[lengths == length]
        size = max(1, ENTRIES // int(length) ** 2)
        for begin in range(0, len(same), size):
            yield same[begin : begin + size]
