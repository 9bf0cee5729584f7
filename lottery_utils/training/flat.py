"""Parameters end to end in one tensor: one operation a step where an optimiser would do one a parameter."""

from __future__ import annotations

import torch
from torch import nn


class Flat:
    """Inside the context `params` are views of `values` (all elements,), so that what moves `values` moves them.

    Each has a `gradient_place`, its view of the gradient's tensor, in which a backward pass may leave its gradient.
    """

    def __init__(self, params: list[nn.Parameter]):
        self.params = params
        self.values = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in params]))
        self.values.grad = torch.zeros_like(self.values)
        self.places: list[torch.Tensor] = []

    def __enter__(self) -> Flat:
        sizes = [p.numel() for p in self.params]
        for p, part, place in zip(self.params, self.values.detach().split(sizes), self.values.grad.split(sizes)):
            p.data, p.gradient_place = part.view(p.shape), place.view(p.shape)
            self.places.append(p.gradient_place)
        return self

    def __exit__(self, *error) -> None:
        for p in self.params:  # storage of their own again: checkpoints must not share memory
            p.data = p.data.clone()
            del p.gradient_place

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """The gradient of `loss`, in place for an optimiser of `values`; zero for parameters without one."""
        grads = torch.autograd.grad(loss, self.params, materialize_grads=True)
        moved = [(place, grad) for place, grad in zip(self.places, grads) if place.data_ptr() != grad.data_ptr()]
        if moved:
            torch._foreach_copy_(*zip(*moved))
        return self.values.grad
