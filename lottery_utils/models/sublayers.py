"""The two halves of a BERT layer, each one operation whose gradient is written out: what the CPU trains with.

Small models spend most of a step between operations: in views, in autograd's nodes, in copies of gradients. Here a half
layer is one node, its products are the only large ones, and a weight's gradient goes straight to its place (`place_of`)
where its trainer has given it one. Values are those of the same operations called one by one, but for rounding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from .dropped import factors
from .heads import first_backward, first_forward, heads_backward, heads_forward, is_computed

_aten = torch.ops.aten


def is_written_out(x: torch.Tensor, mask: torch.Tensor | None) -> bool:
    """Whether the halves compute this input: on a CPU, in float32, without padding."""
    return is_computed(x, mask) and not torch.is_autocast_enabled("cpu")


def is_exact_gelu(activation: nn.Module) -> bool:
    """Whether this is the GELU that `mlp_half` computes, not an approximation or another function."""
    if isinstance(activation, nn.GELU):
        return activation.approximate == "none"
    return getattr(activation, "act", None) is F.gelu  # transformers' GELUActivation


def place_of(weight: torch.Tensor) -> torch.Tensor | None:
    """Where a backward pass may write this weight's gradient; None if it must make a tensor for it."""
    return getattr(weight, "gradient_place", None)


class _Half(torch.autograd.Function):
    """norm(x + dropout(Linear(inner))): how both halves end."""

    @staticmethod
    def close(x: torch.Tensor, inner: torch.Tensor, weight, bias, norm: nn.LayerNorm, drop: float):
        """The half's output, and the tensors that `reopen` needs."""
        if drop:
            change = torch.addmm(bias, inner, weight.t())
            kept = factors(change, drop)
            total = torch.addcmul(x, change, kept, out=change)
        else:
            total, kept = torch.add(x, bias).addmm_(inner, weight.t()), None
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
        return direct, change, of_weight, of_bias


class _MLPHalf(_Half):
    @staticmethod
    def forward(ctx, x, w_in, b_in, w_out, b_out, norm_weight, norm_bias, norm, drop):
        inner = torch.addmm(b_in, x, w_in.t())
        active = F.gelu(inner)
        out, closed = _Half.close(x, active, w_out, b_out, norm, drop)
        ctx.save_for_backward(x, inner, active, w_in, w_out, *closed)
        ctx.places = [place_of(w) for w in (w_in, b_in, w_out, b_out)]
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
        of_x = direct.addmm_(of_inner, w_in) if ctx.needs_input_grad[0] else None
        return of_x, *of_in, *of_out, *of_norm, None, None


class _AttentionHalf(_Half):
    """With `first`, places of first tokens (B,), only those attend, and only they come out."""

    @staticmethod
    def forward(
        ctx, x, w_qkv, b_qkv, w_out, b_out, norm_weight, norm_bias, norm, first, groups, heads, drop, drop_shares
    ):
        if first is None:
            rest, qkv = x, torch.addmm(b_qkv, x, w_qkv.t())
            context, saved = heads_forward(qkv, groups, heads, drop_shares)
        else:
            rest, width = x[first], len(w_qkv) // 3
            q = torch.addmm(b_qkv[:width], rest, w_qkv[:width].t())
            kv = torch.addmm(b_qkv[width:], x, w_qkv[width:].t())
            context, saved = first_forward(q, kv, groups, heads, drop_shares)
        out, closed = _Half.close(rest, context, w_out, b_out, norm, drop)
        ctx.save_for_backward(x, rest, first, context, w_qkv, w_out, *closed, *saved)
        ctx.places = [place_of(w) for w in (w_qkv, b_qkv, w_out, b_out)]
        ctx.about = groups, heads, drop_shares
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, rest, first, context, w_qkv, w_out, *others = ctx.saved_tensors
        closed, saved = others[:6], others[6:]
        direct, change, *of_norm = _Half.reopen(ctx, grad, *closed)
        of_out = _of_linear(ctx, change, context, *ctx.places[2:])
        of_context = torch.mm(change, w_out)
        if first is None:
            of_qkv = heads_backward(of_context, saved, *ctx.about)
            of_in = _of_linear(ctx, of_qkv, x, *ctx.places[:2])
            of_x = direct.addmm_(of_qkv, w_qkv) if ctx.needs_input_grad[0] else None
            return of_x, *of_in, *of_out, *of_norm, *[None] * 6
        of_q, of_kv = first_backward(of_context, saved, *ctx.about)
        width, of_in, of_x = len(w_qkv) // 3, (None, None), None
        if _trains(ctx):
            of_in = ctx.places[:2]
            if any(place is None for place in of_in):
                of_in = torch.empty_like(w_qkv), w_qkv.new_empty(3 * width)
            _of_linear(ctx, of_q, rest, *(place[:width] for place in of_in))
            _of_linear(ctx, of_kv, x, *(place[width:] for place in of_in))
        if ctx.needs_input_grad[0]:
            of_x = torch.mm(of_kv, w_qkv[width:]).index_add_(0, first, direct.addmm_(of_q, w_qkv[:width]))
        return of_x, *of_in, *of_out, *of_norm, *[None] * 6


def _trains(ctx) -> bool:
    """Whether any of the half's weights, which stand after `x`, has a gradient."""
    return any(ctx.needs_input_grad[1:7])


def _of_linear(ctx, grad: torch.Tensor, x: torch.Tensor, weight_place, bias_place) -> tuple:
    """Gradients of a Linear's weight and bias, if asked for, from its output's (T, out) and its input (T, in)."""
    if not _trains(ctx):
        return None, None
    return torch.mm(grad.t(), x, out=weight_place), torch.sum(grad, 0, out=bias_place)


def mlp_half(x: torch.Tensor, w_in: nn.Linear, w_out: nn.Linear, norm: nn.LayerNorm, drop: float) -> torch.Tensor:
    """norm(x + dropout(MLP(x))) with the exact GELU: (T, hidden) to (T, hidden), float32."""
    return _MLPHalf.apply(x, w_in.weight, w_in.bias, w_out.weight, w_out.bias, norm.weight, norm.bias, norm, drop)


def attention_half(x: torch.Tensor, layer, batch, last: bool, drops: tuple[float, float]) -> torch.Tensor:
    """norm(x + dropout(self-attention(x))) of a `lean.Layer` with heads, float32.

    (T, hidden) to (T, hidden), or in the last layer to (B, hidden): there only first tokens attend. `drops`: rates of
    the attention's shares and of its output.
    """
    norm, first = layer.norms[0], batch.first if last else None
    weights = layer.qkv, layer.qkv_bias, layer.out, layer.out_bias, norm.weight, norm.bias
    return _AttentionHalf.apply(x, *weights, norm, first, batch.groups, layer.heads, drops[1], drops[0])
