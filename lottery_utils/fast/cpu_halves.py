"""The two halves of a BERT layer, each one operation whose gradient is written out: what the CPU trains with.

Small models spend most of a step between operations: in views, in autograd's nodes, in copies of gradients. Here a half
layer is one node, its products are the only large ones, and a weight's gradient goes straight to its place (`place_of`)
where its trainer has given it one. Values are those of the same operations called one by one, but for rounding.

With `low` the products take bfloat16 (weights through `low_of`) and sum in float32, while the residual stream,
LayerNorms, attention's scores and all gradients of weights stay float32, as under autocast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from .cpu_attention import factors, heads_backward, heads_forward, is_computed, projections

if TYPE_CHECKING:
    from .packed import Packed
    from .packed_layer import Layer

_aten = torch.ops.aten
LOW = torch.bfloat16


def is_written_out(x: torch.Tensor, mask: torch.Tensor | None) -> bool:
    """Whether the halves compute this input: on a CPU, in float32, without padding."""
    return is_computed(x, mask) and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def is_exact_gelu(activation: nn.Module) -> bool:
    """Whether this is the GELU that `mlp_half` computes, not an approximation or another function."""
    if isinstance(activation, nn.GELU):
        return activation.approximate == "none"
    return getattr(activation, "act", None) is F.gelu  # transformers' GELUActivation


def place_of(weight: torch.Tensor) -> torch.Tensor | None:
    """Where a backward pass may write this weight's gradient; None if it must make a tensor for it."""
    return getattr(weight, "gradient_place", None)


def low_of(weight: torch.Tensor) -> torch.Tensor:
    """A weight in bfloat16: its trainer's copy where it keeps one (`low_copy`), which follows every step."""
    copy = getattr(weight, "low_copy", None)
    return weight.detach().to(LOW) if copy is None else copy


def product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, low: bool) -> torch.Tensor:
    """x (T, in) times weight (out, in) transposed, plus bias; with `low` in bfloat16, of which `x` is one already."""
    if low:
        return torch.addmm(bias.to(LOW), x, low_of(weight).t())
    return torch.addmm(bias, x, weight.t())


class LowLinear(torch.autograd.Function):
    """A Linear in bfloat16: x (T, in) of any float type to (T, out); gradients have the types of x and the weights."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        low_x = x.to(LOW)
        ctx.save_for_backward(low_of(weight), low_x if ctx.needs_input_grad[1] else None)
        ctx.dtype = x.dtype
        return product(low_x, weight, bias, True)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        weight, low_x = ctx.saved_tensors
        grad = grad.to(LOW)
        of_x = torch.mm(grad, weight).to(ctx.dtype) if ctx.needs_input_grad[0] else None
        if low_x is None:
            return of_x, None, None
        return of_x, torch.mm(grad.t(), low_x).float(), torch.sum(grad, 0, dtype=torch.float32)


class _Half(torch.autograd.Function):
    """norm(x + dropout(Linear(inner))): how both halves end."""

    @staticmethod
    def close(x: torch.Tensor, inner: torch.Tensor, weight, bias, norm: nn.LayerNorm, drop: float, low: bool):
        """The half's output, and the tensors that `reopen` needs."""
        kept = None
        if drop:
            change = product(inner, weight, bias, low).float()
            kept = factors(change, drop)
            total = torch.addcmul(x, change, kept, out=change)
        elif low:
            total = x + product(inner, weight, bias, low)
        else:
            total = torch.add(x, bias).addmm_(inner, weight.t())
        out, mean, scale = torch.native_layer_norm(total, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
        return out, [total, mean, scale, norm.weight, norm.bias, kept]

    @staticmethod
    def reopen(ctx, grad, total, mean, scale, weight, bias, kept):
        """Gradients of x by its direct way, of what was added to it, and of the norm's weight and bias."""
        needed = [True, _trains(ctx), _trains(ctx)]
        direct, of_weight, of_bias = _aten.native_layer_norm_backward(
            grad.contiguous(), total, list(weight.shape), mean, scale, weight, bias, needed
        )
        change = direct if kept is None else direct * kept
        return direct, change.to(LOW) if ctx.low else change, of_weight, of_bias


class _MLPHalf(_Half):
    @staticmethod
    def forward(ctx, x, w_in, b_in, w_out, b_out, norm_weight, norm_bias, norm, drop, low):
        operand = x.to(LOW) if low else x
        inner = product(operand, w_in, b_in, low)
        active = F.gelu(inner)
        out, closed = _Half.close(x, active, w_out, b_out, norm, drop, low)
        ctx.save_for_backward(operand, inner, active, *_factors(w_in, w_out, low), *closed)
        ctx.places, ctx.low = [place_of(w) for w in (w_in, b_in, w_out, b_out)], low
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, inner, active, w_in, w_out, *closed = ctx.saved_tensors
        direct, change, *of_norm = _Half.reopen(ctx, grad, *closed)
        of_out = _of_linear(ctx, change, active, *ctx.places[2:])
        of_active = torch.mm(change, w_out)
        of_inner = _aten.gelu_backward.grad_input(of_active, inner, grad_input=of_active)
        of_in = _of_linear(ctx, of_inner, x, *ctx.places[:2])
        of_x = _plus_product(direct, of_inner, w_in) if ctx.needs_input_grad[0] else None
        return of_x, *of_in, *of_out, *of_norm, None, None, None


class _AttentionHalf(_Half):
    """With `first`, places of first tokens (B,), only those attend, and only they come out."""

    @staticmethod
    def forward(
        ctx, x, w_qkv, b_qkv, w_out, b_out, norm_weight, norm_bias, score_bias, norm, first, groups, heads, drops, low
    ):
        operand, weight = (x.to(LOW), low_of(w_qkv)) if low else (x, w_qkv)
        parts = projections(operand, None if first is None else operand[first], len(w_qkv) // 3)
        projected = [product(rows, weight[part], b_qkv[part], low) for rows, part in parts]
        context, saved = heads_forward(projected, score_bias, groups, heads, drops[1])
        rest = x if first is None else x[first]
        out, closed = _Half.close(rest, context, w_out, b_out, norm, drops[0], low)
        ctx.save_for_backward(operand, first, context, *_factors(w_qkv, w_out, low), *closed, *saved)
        ctx.places, ctx.low = [place_of(w) for w in (w_qkv, b_qkv, w_out, b_out)], low
        ctx.about = [len(part) for part in projected], groups, heads, drops[1]
        ctx.of_bias = score_bias.shape if ctx.needs_input_grad[7] else None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, first, context, w_qkv, w_out, *others = ctx.saved_tensors
        closed, saved = others[:6], others[6:]
        direct, change, *of_norm = _Half.reopen(ctx, grad, *closed)
        of_out = _of_linear(ctx, change, context, *ctx.places[2:])
        of_bias = None if ctx.of_bias is None else direct.new_zeros(ctx.of_bias)
        of_projected = heads_backward(torch.mm(change, w_out), saved, *ctx.about, of_bias)
        of_in, of_x = (None, None), None
        if _trains(ctx):
            places = zip(ctx.places[:2], (w_qkv.shape, w_qkv.shape[:1]))
            of_in = [direct.new_empty(shape) if place is None else place for place, shape in places]
            parts = projections(x, None if first is None else x[first], len(w_qkv) // 3)
            for of_part, (rows, part) in zip(of_projected, parts):
                _of_linear(ctx, of_part, rows, *(place[part] for place in of_in))
        if ctx.needs_input_grad[0]:
            width = len(w_qkv) // 3
            ask = w_qkv if first is None else w_qkv[:width]
            of_x = _plus_product(direct, of_projected[0], ask)
            if first is not None:
                of_x = torch.mm(of_projected[1], w_qkv[width:]).float().index_add_(0, first, of_x)
        return of_x, *of_in, *of_out, *of_norm, of_bias, *[None] * 6


def _factors(w_in: torch.Tensor, w_out: torch.Tensor, low: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What the backward pass multiplies gradients by."""
    return (low_of(w_in), low_of(w_out)) if low else (w_in, w_out)


def _plus_product(x: torch.Tensor, grad: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x + grad times weight, in place."""
    return x.addmm_(grad, weight) if grad.dtype == x.dtype else x.add_(torch.mm(grad, weight))


def _trains(ctx) -> bool:
    """Whether any of the half's weights, which stand after `x`, has a gradient."""
    return any(ctx.needs_input_grad[1:7])


def _of_linear(ctx, grad: torch.Tensor, x: torch.Tensor, weight_place, bias_place) -> tuple:
    """Gradients of a Linear's weight and bias, if asked for, from its output's (T, out) and its input (T, in)."""
    if not _trains(ctx):
        return None, None
    if not ctx.low:
        return torch.mm(grad.t(), x, out=weight_place), torch.sum(grad, 0, out=bias_place)
    of_weight, of_bias = torch.mm(grad.t(), x), torch.sum(grad, 0, dtype=torch.float32)
    if weight_place is None:
        return of_weight.float(), of_bias
    return weight_place.copy_(of_weight), bias_place.copy_(of_bias)


def mlp_half(
    x: torch.Tensor, w_in: nn.Linear, w_out: nn.Linear, norm: nn.LayerNorm, drop: float, low: bool = False
) -> torch.Tensor:
    """norm(x + dropout(MLP(x))) with the exact GELU: (T, hidden) to (T, hidden), float32."""
    weights = w_in.weight, w_in.bias, w_out.weight, w_out.bias, norm.weight, norm.bias
    return _MLPHalf.apply(x, *weights, norm, drop, low)


def attention_half(
    x: torch.Tensor, layer: Layer, batch: Packed, last: bool, drops: tuple[float, float]
) -> torch.Tensor:
    """norm(x + dropout(self-attention(x))) of a `packed_model.Layer` with heads, float32.

    (T, hidden) to (T, hidden), or in the last layer to (B, hidden): there only first tokens attend. `drops`: rates of
    the attention's shares and of its output.
    """
    norm, first, bias = layer.norms[0], batch.first if last else None, layer.score_bias(batch)
    weights = layer.qkv, layer.qkv_bias, layer.out, layer.out_bias, norm.weight, norm.bias
    rest = norm, first, batch.groups, layer.heads, drops[::-1], layer.low
    return _AttentionHalf.apply(x, *weights, bias, *rest)
