"""Sums over the weights of each component: a head's are its rows of query, key and value and its output columns."""

from __future__ import annotations

import numpy as np
import torch

from ..models.anatomy import Anatomy


def component_sums(view: Anatomy, values: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Sums of `values` (parameter name to tensor of its shape) over each head's weights (L, H) and each MLP's (L,).

    Biases of query, key and value count; the attention output's bias belongs to no head. Components that a compact
    model lacks have 0.
    """
    names = {id(p): name for name, p in view.prunable_parameters().items()}
    heads, mlps = np.zeros((view.layers, view.heads)), np.zeros(view.layers)
    for layer in range(view.layers):
        kept = kept_heads(view, layer)
        projections = view.qkv(layer)
        parts = 3 // len(projections)  # one Linear may stack query, key and value
        total = torch.zeros(len(kept), dtype=torch.float64)
        for module in projections if len(kept) else ():
            for p in module.parameters():
                by_head = values[names[id(p)]].view(parts, len(kept), -1)
                total += by_head.sum(dim=(0, 2), dtype=torch.float64).cpu()
        out = values[names[id(view.attention_out(layer).weight)]]
        total += out.view(len(out), len(kept), view.head_dim).sum(dim=(0, 2), dtype=torch.float64).cpu()
        heads[layer, kept] = total.numpy()
        linears = (view.mlp_in(layer), view.mlp_out(layer))
        mlps[layer] = sum(float(values[names[id(p)]].sum(dtype=torch.float64)) for m in linears for p in m.parameters())
    return heads, mlps


def kept_heads(view: Anatomy, layer: int) -> np.ndarray:
    """Places of the heads that a layer's projections hold: of all in a whole model."""
    if view.whole:
        return np.arange(view.heads)
    return np.flatnonzero(view.model.kept_heads[layer].numpy())
