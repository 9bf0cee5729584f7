"""One layer of BERT on packed examples; what its gates multiply, for those who ask for gradients of gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from .cpu_attention import dropped, projections
from .cpu_halves import LowLinear, attention_half, is_written_out, mlp_half
from .packed import Packed, attend


@dataclass(frozen=True)
class Layer:
    """Weights of one layer: query, key and value stacked (3 * heads * dim, hidden), and what follows.

    `drops` are rates, used in training only. `removed` are heads whose gates, at 0, have gradients all the same: they
    are computed and add nothing. `mlp_gate` multiplies the MLP's output. `places`: the heads' places in the whole
    model, None for all. `low`: products in bfloat16, see `cpu_halves`.
    """

    heads: int
    qkv: torch.Tensor
    qkv_bias: torch.Tensor
    out: torch.Tensor
    out_bias: torch.Tensor
    mlp_in: nn.Linear
    activation: nn.Module
    mlp_out: nn.Linear
    norms: tuple[nn.LayerNorm, nn.LayerNorm]
    drops: tuple[float, float, float]
    mlp: bool  # whether it is still there
    exact_gelu: bool
    removed: Layer | None = None
    mlp_gate: float = 1.0
    places: torch.Tensor | None = None
    low: bool = False

    def score_bias(self, batch: Packed) -> torch.Tensor | None:
        """What is added to these heads' attention scores, (heads, longest, longest)."""
        return batch.bias if batch.bias is None or self.places is None else batch.bias[self.places]

    def linear(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """x (T, in) times weight transposed, plus bias."""
        return LowLinear.apply(x, weight, bias) if self.low else F.linear(x, weight, bias)


@dataclass(frozen=True)
class Gate:
    """Gates of a layer's heads, of its removed heads or of its MLP: what they multiply, (T, K * width) for K of them.

    Their gradients need that of `through`, which requires one even where nothing below it does: `output` itself, the
    gated output, or for removed heads what they would add to through the output matrix's columns, `projection`.
    """

    of: Literal["heads", "removed", "mlp"]
    output: torch.Tensor
    through: torch.Tensor
    projection: torch.Tensor | None = None


def block(
    layer: Layer, x: torch.Tensor, batch: Packed, last: bool, training: bool = False, gates: list[Gate] | None = None
) -> torch.Tensor:
    """One layer: (T, hidden) to (T, hidden), or to (B, hidden) in the last one; `gates` collects those it has."""
    drops = layer.drops if training else (0.0, 0.0, 0.0)
    written = gates is None and is_written_out(x, batch.mask)
    if written and layer.heads:
        x = attention_half(x, layer, batch, last, drops[:2])
    else:
        x = _attended(layer, x, batch, last, drops, gates)
    if not layer.mlp:
        return layer.norms[1].forward(x)
    if written and layer.exact_gelu and layer.mlp_gate == 1.0:
        return mlp_half(x, layer.mlp_in, layer.mlp_out, layer.norms[1], drops[2], layer.low)
    # forward() and not a call: there are no hooks, and with small models the time of calls counts
    inner = layer.activation.forward(layer.linear(x, layer.mlp_in.weight, layer.mlp_in.bias))
    mlp = layer.linear(inner, layer.mlp_out.weight, layer.mlp_out.bias)
    gated = mlp if layer.mlp_gate == 1.0 else mlp * layer.mlp_gate
    if gates is not None:
        gates.append(Gate("mlp", mlp, _leaf(gated)))
    return layer.norms[1].forward(x + dropped(gated, drops[2]))


def _attended(
    layer: Layer, x: torch.Tensor, batch: Packed, last: bool, drops: tuple[float, ...], gates: list[Gate] | None
) -> torch.Tensor:
    """The first half of a layer, operation by operation."""
    rest = x[batch.first] if last else x
    if layer.heads:
        context = _contexts(layer, x, rest, batch, last, drops[0])
        if gates is not None:
            gates.append(Gate("heads", context, _leaf(context)))
        attention = layer.linear(context, layer.out, layer.out_bias)
    else:
        attention = layer.out_bias.expand_as(rest)
    if layer.removed is not None and gates is not None:
        with torch.no_grad():
            context = _contexts(layer.removed, x, rest, batch, last, 0.0)
        gates.append(Gate("removed", context, _leaf(attention), layer.removed.out))
    return layer.norms[0].forward(rest + dropped(attention, drops[1]))


def _contexts(
    layer: Layer, x: torch.Tensor, rest: torch.Tensor, batch: Packed, last: bool, drop: float
) -> torch.Tensor:
    parts = projections(x, rest if last else None, len(layer.qkv) // 3)
    projected = [layer.linear(rows, layer.qkv[part], layer.qkv_bias[part]) for rows, part in parts]
    return attend(projected, batch.groups, layer.heads, drop, batch.mask, layer.score_bias(batch))


def _leaf(x: torch.Tensor) -> torch.Tensor:
    """`x` itself, made to require a gradient."""
    return x if x.requires_grad else x.requires_grad_()
