"""Parameters end to end in one tensor: one operation a step where an optimiser would do one a parameter."""

from __future__ import annotations

import torch
from torch import nn


class Flat:
    """Inside the context `params` are views of `values` (all elements,), so that what moves `values` moves them."""

    def __init__(self, params: list[nn.Parameter]):
        self.params = params
        self.values = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in params]))

    def __enter__(self) -> Flat:
        sizes = [p.numel() for p in self.params]
        for p, part in zip(self.params, self.values.detach().split(sizes)):
            p.data = part.view(p.shape)
        return self

    def __exit__(self, *error) -> None:
        for p in self.params:  # storage of their own again: checkpoints must not share memory
            p.data = p.data.clone()

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """The gradient of `loss`, also put in place for an optimiser of `values`; zero for parameters without one."""
        grads = torch.autograd.grad(loss, self.params, materialize_grads=True)
        self.values.grad = torch.cat([grad.reshape(-1) for grad in grads])
        return self.values.grad
