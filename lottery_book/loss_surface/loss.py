"""The loss on a fixed part of a data set: in slices around a model's weights, and on the straight way to another's.

Slices go along random directions in weight space, filter-normalised (Li et al. 2018, arXiv 1712.09913). A filter is a
row of a weight matrix of the encoder: all that feeds one unit. Only these move; biases, LayerNorms, embeddings, pooler
and classifier stay, and so does what a mask removed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from lottery_utils.models.anatomy import anatomy
from lottery_utils.training.batches import Encoded
from lottery_utils.training.evaluate import batch_loss, predict

from ..networks import restored
from .names import POINTS, SIZES

Direction = dict[str, torch.Tensor]


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


def filters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The encoder's prunable weight matrices of a whole or compact model, by name, without those cut to nothing."""
    found = anatomy(model).prunable_parameters()
    return {name: p for name, p in found.items() if p.dim() == 2 and p.numel()}


@torch.no_grad()
def noise_like(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy of the whole `model` with standard normal noise for filters.

    Pruned as the model is, it gives every subnetwork its part of one direction.
    """
    noise = copy.deepcopy(model).cpu()
    for p in filters(noise).values():
        p.normal_(generator=generator)
    return noise


def normalised(noise: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Each filter of `noise` (filters, inputs) scaled to the norm of that filter of `weights`; arrays do as well."""
    noise, weights = torch.as_tensor(noise), torch.as_tensor(weights)
    norms = noise.norm(dim=1, keepdim=True)
    return noise * (weights.norm(dim=1, keepdim=True) / norms.where(norms > 0, torch.ones_like(norms)))


@torch.no_grad()
def direction(noise: nn.Module, model: nn.Module) -> Direction:
    """The noise of each filter scaled to the norm of the model's filter: a step of size 1 is as large as the weights.

    `noise` is pruned as `model` is. Filters of zeros do not move. Raises KeyError or RuntimeError when they differ
    in shape.
    """
    drawn = filters(noise)
    return {name: normalised(drawn[name].to(p.device), p) for name, p in filters(model).items()}


@contextmanager
def moved(model: nn.Module, steps: list[tuple[Direction, float]]) -> Iterator[nn.Module]:
    """Within, the model's filters are moved by each direction times its size; afterwards they are bit for bit back."""
    named = dict(model.named_parameters())
    with restored(named[name] for name in {name for way, _ in steps for name in way}):
        with torch.no_grad():
            for way, size in steps:
                for name, d in way.items():
                    named[name].add_(d, alpha=size)
        yield model
