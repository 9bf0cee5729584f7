"""Parameters end to end in one tensor: one operation a step where an optimiser would do one a parameter."""

from __future__ import annotations

import torch
from torch import nn


class Flat:
    """Inside the context `params` are views of `values` (all elements,), so that what moves `values` moves them.

    Each has a `gradient_place`, its view of the gradient's tensor, in which a backward pass may leave its gradient. The
    first `low` of them have a `low_copy` in bfloat16, which follows at `refresh`.
    """

    def __init__(self, params: list[nn.Parameter], low: int = 0):
        self.params, self.low = params, params[:low]
        self.values = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in params]))
        self.values.grad = torch.zeros_like(self.values)
        self.places: list[torch.Tensor] = []

    def __enter__(self) -> Flat:
        sizes = [p.numel() for p in self.params]
        for p, part, place in zip(self.params, self.values.detach().split(sizes), self.values.grad.split(sizes)):
            p.data, p.gradient_place = part.view(p.shape), place.view(p.shape)
            self.places.append(p.gradient_place)
        sizes = [p.numel() for p in self.low]
        self.copy = torch.empty(sum(sizes), dtype=torch.bfloat16, device=self.values.device)
        for p, part in zip(self.low, self.copy.split(sizes)):
            p.low_copy = part.view(p.shape)
        self.refresh()
        return self

    def refresh(self) -> None:
        """Bring the copies in bfloat16 up to date, after a step."""
        if self.low:
            self.copy.copy_(self.values.detach()[: len(self.copy)])

    def __exit__(self, *error) -> None:
        for p in self.params:  # storage of their own again: checkpoints must not share memory
            p.data = p.data.clone()
            del p.gradient_place
        for p in self.low:
            del p.low_copy

    def halves(self) -> list[nn.Parameter]:
        """`values` in two parameters, matrices and vectors, with views of its gradient; vectors must come last."""
        matrices = sum(p.numel() for p in self.params if p.dim() > 1)
        sizes = [matrices, len(self.values) - matrices]
        parts = [nn.Parameter(part) for part in self.values.detach().split(sizes)]
        for part, place in zip(parts, self.values.grad.split(sizes)):
            part.grad = place
        return parts

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """The gradient of `loss`, in place for an optimiser of `values`; zero for parameters without one."""
        grads = torch.autograd.grad(loss, self.params, materialize_grads=True)
        moved = [(place, grad) for place, grad in zip(self.places, grads) if place.data_ptr() != grad.data_ptr()]
        if moved:
            torch._foreach_copy_(*zip(*moved))
        return self.values.grad


def adamw(flat: Flat, preset, rate, **options) -> torch.optim.AdamW:
    """The optimiser of all parameters as one, or with weight decay as two: biases and LayerNorms do not decay."""
    groups = [{"params": [flat.values]}]
    if preset.weight_decay:
        decays = preset.weight_decay, 0.0
        groups = [{"params": [part], "weight_decay": decay} for part, decay in zip(flat.halves(), decays)]
    return torch.optim.AdamW(
        groups, lr=rate, eps=preset.adam_eps, weight_decay=preset.weight_decay, fused=True, **options
    )
