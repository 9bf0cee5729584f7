"""The loss on a fixed part of a data set: in slices around a model's weights, and on the straight way to another's."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lottery_utils.training.batches import Encoded
from lottery_utils.training.evaluate import batch_loss, predict

from ..networks import restored
from .directions import Direction, moved
from .names import POINTS, SIZES


def mean_loss(model: nn.Module, examples: Encoded) -> float:
    """Mean loss of `examples` in fp32, dropout off: cross-entropy in nats, or squared error for scores."""
    return float(batch_loss(torch.from_numpy(predict(model, examples)), torch.from_numpy(examples.labels)))


def loss_of_knowing_nothing(labels: np.ndarray) -> float:
    """Loss of the best constant answer: the entropy of the labels, or their variance; the unit for other losses.

    0 when all labels are the same.
    """
    if labels.dtype.kind == "f":
        return float(labels.astype(np.float64).var())
    share = np.bincount(labels) / len(labels)
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())


def line(model: nn.Module, examples: Encoded, ways: list[Direction], sizes=SIZES) -> np.ndarray:
    """Loss after a step of each of `sizes` along each direction, (directions, sizes)."""
    at_zero = mean_loss(model, examples)
    found = np.full((len(ways), len(sizes)), at_zero)
    for k, way in enumerate(ways):
        for j, size in enumerate(sizes):
            if size:
                with moved(model, [(way, size)]):
                    found[k, j] = mean_loss(model, examples)
    return found


def plane(model: nn.Module, examples: Encoded, ways: tuple[Direction, Direction], sizes: np.ndarray) -> np.ndarray:
    """Loss after a step along both directions: (sizes of the first, sizes of the second)."""
    found = np.empty((len(sizes), len(sizes)))
    for i, first in enumerate(sizes):
        for j, second in enumerate(sizes):
            with moved(model, [(ways[0], float(first)), (ways[1], float(second))]):
                found[i, j] = mean_loss(model, examples)
    return found


@torch.no_grad()
def path(one: nn.Module, other: nn.Module, examples: Encoded, points=POINTS) -> np.ndarray:
    """Loss of the models between two of one shape, at (1 - t) times the weights of `one` plus t times `other`'s.

    All parameters are interpolated. `other` is left as it was, `one` too.
    """
    mine, theirs = dict(one.named_parameters()), dict(other.named_parameters())
    found = np.empty(len(points))
    with restored(mine.values()) as begin:
        for k, t in enumerate(points):
            for (name, p), start in zip(mine.items(), begin, strict=True):
                p.copy_(torch.lerp(start, theirs[name], t))
            found[k] = mean_loss(one, examples)
    return found
