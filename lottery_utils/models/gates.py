"""Gates on heads (xi) and MLPs (nu): factors that multiply their outputs, through hooks (paper, section 3).

transformers 5 silently ignores ``head_mask``, so the gates are put on the modules themselves: heads at the input of the
attention's output projection (which equals multiplying the attention probabilities after dropout), MLPs at the output
of their second projection (bias included). Works with every attention kernel, and gradients flow to the gates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from .anatomy import anatomy

Values = torch.Tensor | np.ndarray


class Gates:
    """Gates of one model, open until ``set``; use as a context manager, or call ``remove`` when done."""

    def __init__(self, model: nn.Module):
        """Put gates on `model`; raises UserError for an unknown family, ValueError for a compact model."""
        self.anatomy = anatomy(model)
        if not self.anatomy.whole:
            raise ValueError("gates need the whole model, this one is compact")
        self._heads: torch.Tensor | None = None
        self._mlps: torch.Tensor | None = None
        self._handles = []
        for i in range(self.anatomy.layers):
            self._handles.append(self.anatomy.attention_out(i).register_forward_pre_hook(self._head_hook(i)))
            self._handles.append(self.anatomy.mlp_out(i).register_forward_hook(self._mlp_hook(i)))

    def set(self, heads: Values | None = None, mlps: Values | None = None) -> Gates:
        """Set the gates: heads (L, H) or per example (L, B, H), mlps (L,) or (L, B); None leaves them open.

        Boolean masks and numpy arrays are taken as 0 and 1. Returns self. Raises ValueError on a wrong shape.
        """
        layers, width = self.anatomy.layers, self.anatomy.heads
        self._heads = self._checked("heads", heads, f"({layers}, [batch,] {width})", 2, (layers, width))
        self._mlps = self._checked("mlps", mlps, f"({layers}[, batch])", 1, (layers,))
        return self

    def remove(self) -> None:
        """Take the gates off; the model is as it was before."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._heads = self._mlps = None

    def __enter__(self) -> Gates:
        return self

    def __exit__(self, *error) -> None:
        self.remove()

    def _checked(
        self, name: str, gates: Values | None, expected: str, rank: int, shape: tuple[int, ...]
    ) -> torch.Tensor | None:
        if gates is None:
            return None
        gates = torch.as_tensor(gates, device=self.anatomy.model.device)
        ends = (gates.shape[0], *gates.shape[2:]) if gates.dim() == rank + 1 else tuple(gates.shape)
        if ends != shape:
            raise ValueError(f"gates of {name} must have shape {expected}, got {tuple(gates.shape)}")
        return gates if gates.is_floating_point() else gates.float()

    def _head_hook(self, i: int) -> Callable:
        size = (self.anatomy.heads, self.anatomy.head_dim)

        def multiply(module, args):
            if self._heads is None:
                return None
            x = args[0]  # (batch, tokens, heads * head_dim)
            gate = self._heads[i].reshape(-1, 1, size[0], 1)
            # the product is taken in the wider of the two types, so that bf16 activations still give exact gradients
            return ((x.unflatten(-1, size) * gate).flatten(-2).to(x.dtype), *args[1:])

        return multiply

    def _mlp_hook(self, i: int) -> Callable:
        def multiply(module, args, output):
            if self._mlps is None:
                return None
            return (output * self._mlps[i].reshape(-1, 1, 1)).to(output.dtype)  # (batch, tokens, hidden)

        return multiply
