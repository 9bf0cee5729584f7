"""Random directions in weight space, filter-normalised (Li et al. 2018, arXiv 1712.09913).

A filter is a row of a weight matrix of the encoder: all that feeds one unit. Only these move; biases, LayerNorms,
embeddings, pooler and classifier stay, and so does what a mask removed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from lottery_utils.models.anatomy import anatomy

from ..networks import restored

Direction = dict[str, torch.Tensor]


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
