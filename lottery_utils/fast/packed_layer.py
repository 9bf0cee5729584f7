"""One layer of BERT on packed examples; what its gates multiply, for those who ask for gradients of gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from .dropout import dropped
from .packed import Packed, attend, projections

LOW = torch.bfloat16


class LowLinear(torch.autograd.Function):
    """A Linear in bfloat16, summed in float32: x (T, in) of any float type to (T, out).

    Gradients have the types of x and the weights, as under autocast.
    """

    @staticmethod
    def forward(ctx, x, weight, bias):
        low_x, low_weight = x.to(LOW), weight.detach().to(LOW)
        ctx.save_for_backward(low_weight, low_x if ctx.needs_input_grad[1] else None)
        ctx.dtype = x.dtype
        return torch.addmm(bias.to(LOW), low_x, low_weight.t())

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        weight, low_x = ctx.saved_tensors
        grad = grad.to(LOW)
        of_x = torch.mm(grad, weight).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        if low_x is None:
            return of_x, None, None
        return of_x, torch.mm(grad.t(), low_x).float(), torch.sum(grad, 0, dtype=torch.float32)


@dataclass(frozen=True)
class Layer:
    """Weights of one layer: query, key and value stacked (3 * heads * dim, hidden), and what follows.

    `drops` are rates, used in training only. `removed` are heads whose gates, at 0, have gradients all the same: they
    are computed and add nothing. `mlp_gate` multiplies the MLP's output. `places`: the heads' places in the whole
    model, None for all. `low`: products in bfloat16, while the residual stream, LayerNorms, attention's scores and all
    gradients of weights stay float32.
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

    def added(self, x: torch.Tensor, change: torch.Tensor, drop: float) -> torch.Tensor:
        """x plus what a half of the layer adds to it, dropout in float32 where products are not."""
        return x + dropped(change.float() if self.low else change, drop)


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
    x = _attended(layer, x, batch, last, drops, gates)
    if not layer.mlp:
        return layer.norms[1].forward(x)
    # forward() and not a call: there are no hooks, and with small models the time of calls counts
    inner = layer.activation.forward(layer.linear(x, layer.mlp_in.weight, layer.mlp_in.bias))
    mlp = layer.linear(inner, layer.mlp_out.weight, layer.mlp_out.bias)
    gated = mlp if layer.mlp_gate == 1.0 else mlp * layer.mlp_gate
    if gates is not None:
        gates.append(Gate("mlp", mlp, _leaf(gated)))
    return layer.norms[1].forward(layer.added(x, gated, drops[2]))


def _attended(
    layer: Layer, x: torch.Tensor, batch: Packed, last: bool, drops: tuple[float, ...], gates: list[Gate] | None
) -> torch.Tensor:
    """The first half of a layer."""
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
    return layer.norms[0].forward(layer.added(rest, attention, drops[1]))


def _contexts(
    layer: Layer, x: torch.Tensor, rest: torch.Tensor, batch: Packed, last: bool, drop: float
) -> torch.Tensor:
    parts = projections(x, rest if last else None, len(layer.qkv) // 3)
    projected = [layer.linear(rows, layer.qkv[part], layer.qkv_bias[part]) for rows, part in parts]
    return attend(projected, batch.groups, layer.heads, drop, batch.mask, layer.score_bias(batch))


def _leaf(x: torch.Tensor) -> torch.Tensor:
    """`x` itself, made to require a gradient."""
    return x if x.requires_grad else x.requires_grad_()
