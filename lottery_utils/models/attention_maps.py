"""Attention maps of a model's heads: raw (probabilities) and weight-normed, ||alpha_ij v_j W_O^h|| (paper, section 5).

The maps are computed from the outputs of the query, key and value projections, taken by hooks: the model keeps its fast
attention kernel, and compact models work too. What the heads hand on is compared with what was recomputed, so that a
model whose attention is not softmax(q k / sqrt(d)) is refused instead of measured wrongly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from .anatomy import Anatomy, anatomy

NAMES = ("query", "key", "value")


@dataclass(frozen=True)
class LayerMaps:
    """The heads of one layer, those that are left, on a batch of equally long examples.

    `layer` counts from 0; `heads` (h,) are their places in the whole model; `probabilities` (B, h, T, T), rows are the
    tokens that look, and sum to 1; `values` (B, h, T, d) include the value projection's bias; `weight` (hidden, h, d)
    is the part of the output projection that each head meets: columns of its matrix, as it multiplies from the left.
    """

    layer: int
    heads: torch.Tensor
    probabilities: torch.Tensor
    values: torch.Tensor
    weight: torch.Tensor

    def raw(self) -> torch.Tensor:
        """Attention probabilities (B, h, T, T)."""
        return self.probabilities

    @torch.no_grad()
    def normed(self) -> torch.Tensor:
        """Weight-normed attention (B, h, T, T): the norm of what token j hands to token i (Kobayashi et al. 2020).

        alpha_ij is a factor that is not negative, so ||alpha_ij v_j W|| is alpha_ij ||v_j W||. The output
        projection's bias belongs to no head and is left out.
        """
        handed = torch.einsum("bhtd,ohd->bhto", self.values, self.weight)
        return self.probabilities * handed.norm(dim=-1).unsqueeze(-2)


@torch.no_grad()
def attention_maps(model: nn.Module, inputs: dict[str, torch.Tensor]) -> list[LayerMaps]:
    """Return the maps of every layer that has heads, in float32; `inputs` are of one length, without padding.

    Works on whole and compact classifiers and base models of the known families, dropout off, any attention kernel.
    Token types are the caller's: give them as the model was trained (the authors' notebook gave none). Raises
    ValueError for padded inputs, RuntimeError for a model whose attention is not the plain one.
    """
    mask = inputs.get("attention_mask")
    if mask is not None and not bool(mask.all()):
        raise ValueError("attention maps need examples of one length, got padding; batch examples of equal length")
    body, was_training = anatomy(model), model.training
    kept = getattr(model, "kept_heads", torch.ones(body.layers, body.heads, dtype=torch.bool))
    model.eval()
    try:
        with _captured(body) as captured:
            model(**inputs)
    finally:
        model.train(was_training)
    return list(_layers(body, kept, captured))


@contextmanager
def _captured(body: Anatomy) -> Iterator[dict[int, dict[str, torch.Tensor]]]:
    """While open, the outputs of each layer's projections and the input of its output projection are kept."""
    captured: dict[int, dict[str, torch.Tensor]] = {i: {} for i in range(body.layers)}
    handles = []

    def keep(i: int, name: str, module, args, output=None) -> None:
        captured[i][name] = args[0] if output is None else output

    for i in range(body.layers):
        projections = body.qkv(i)
        for name, linear in zip(NAMES if len(projections) == 3 else ("stacked",), projections):
            handles.append(linear.register_forward_hook(partial(keep, i, name)))
        handles.append(body.attention_out(i).register_forward_pre_hook(partial(keep, i, "context")))
    try:
        yield captured
    finally:
        for handle in handles:
            handle.remove()


def _layers(body: Anatomy, kept: torch.Tensor, captured: dict[int, dict[str, torch.Tensor]]) -> Iterator[LayerMaps]:
    for i in range(body.layers):
        heads = kept[i].nonzero().flatten()
        if not len(heads):
            continue  # nothing is computed in a layer without heads
        projected = captured[i]
        qkv = projected["stacked"].chunk(3, dim=-1) if "stacked" in projected else [projected[n] for n in NAMES]
        size = (-1, body.head_dim)
        query, key, value = (x.float().unflatten(-1, size).transpose(1, 2) for x in qkv)  # (B, h, T, d)
        scores = query @ key.transpose(2, 3) * body.head_dim**-0.5
        bias = body.score_bias(query.shape[2])
        probabilities = torch.softmax(scores if bias is None else scores + bias[heads], dim=-1)
        context = (probabilities @ value).transpose(1, 2).flatten(-2)
        exact = projected["context"].float()
        if not torch.allclose(context, exact, atol=1e-3 * float(exact.abs().max()) + 1e-6, rtol=1e-2):
            raise RuntimeError(f"layer {i}: attention is not softmax(q k / sqrt(d)) v, so its maps are not known here")
        weight = body.attention_out(i).weight.float().unflatten(1, size)
        yield LayerMaps(i, heads, probabilities, value, weight)
