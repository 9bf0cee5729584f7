"""Softmax attention over packed examples on a CPU, with its gradient written out.

At the lengths of GLUE torch's attention kernel takes two to three times as long, most of it in the backward pass. Here
every group of equally long examples is a few batched products over (count * heads) matrices, in float32 also where
queries, keys and values come in bfloat16: they are a hundredth of a layer's work, and oneDNN would make a kernel for
every count and length of bfloat16 products. `bias` (heads, longest, longest) is added to the scores (MPNet).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.autograd.function import once_differentiable

from .cpu_dropout import factors

if TYPE_CHECKING:
    from .packed import Group

VECTOR = 16  # floats of a CPU's widest vector: torch's softmax takes rows shorter than that one number at a time


def is_computed(x: torch.Tensor, mask: torch.Tensor | None) -> bool:
    """Whether this module computes an input: on a CPU, without padding, in float32 or bfloat16."""
    return mask is None and x.dtype in (torch.float32, torch.bfloat16) and x.device.type == "cpu"


class Heads(torch.autograd.Function):
    """Every token attends to its own example: qkv (T, 3 * heads * dim) to the contexts (T, heads * dim)."""

    @staticmethod
    def forward(ctx, qkv, bias, groups, heads, drop):
        out, saved = heads_forward(qkv, bias, groups, heads, drop)
        ctx.save_for_backward(*saved)
        ctx.about = groups, heads, drop
        ctx.bias_shape = bias.shape if ctx.needs_input_grad[1] else None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        of_bias = None if ctx.bias_shape is None else grad.new_zeros(ctx.bias_shape, dtype=torch.float32)
        return heads_backward(grad, ctx.saved_tensors, *ctx.about, of_bias), of_bias, None, None, None


class FirstHeads(torch.autograd.Function):
    """First tokens attend to their examples: q (B, heads * dim), kv (T, 2 * heads * dim) to contexts like q."""

    @staticmethod
    def forward(ctx, q, kv, bias, groups, heads, drop):
        out, saved = first_forward(q, kv, bias, groups, heads, drop)
        ctx.save_for_backward(*saved)
        ctx.about = len(kv), groups, heads, drop
        ctx.bias_shape = bias.shape if ctx.needs_input_grad[2] else None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        of_bias = None if ctx.bias_shape is None else grad.new_zeros(ctx.bias_shape, dtype=torch.float32)
        return *first_backward(grad, ctx.saved_tensors, *ctx.about, of_bias), of_bias, None, None, None


def heads_forward(
    qkv: torch.Tensor, bias: torch.Tensor | None, groups: tuple[Group, ...], heads: int, drop: float
) -> tuple[torch.Tensor, list]:
    """What `Heads` computes, and the tensors that `heads_backward` needs. Rows that belong to no group come out 0."""
    out, saved = qkv.new_empty(len(qkv), qkv.shape[1] // 3), []
    for group in groups:
        rows = slice(group.token, group.token + group.tokens)
        parts = _by_head(qkv[rows], group, 3, heads)
        context, *kept = _mix(*parts.unbind(), drop, _added(bias, group.length, group.length))
        _by_token(context, out[rows], group, 1, heads)
        saved += [parts, *kept]
    out[tokens_of(groups) :] = 0
    return out, saved


def heads_backward(
    grad: torch.Tensor, saved, groups: tuple[Group, ...], heads: int, drop: float, of_bias: torch.Tensor | None = None
) -> torch.Tensor:
    """The gradient (T, 3 * heads * dim) of `heads_forward`'s qkv from that of its contexts (T, heads * dim).

    The gradient of the bias is added to `of_bias`.
    """
    out, each = grad.new_empty(len(grad), 3 * grad.shape[1]), 3 if drop else 2
    for number, group in enumerate(groups):
        rows = slice(group.token, group.token + group.tokens)
        parts, *kept = saved[each * number : each * (number + 1)]
        grads = torch.empty_like(parts)
        added = _added(of_bias, group.length, group.length)
        _unmix(_by_head(grad[rows], group, 1, heads)[0], parts.unbind(), kept, grads.unbind(), added)
        _by_token(grads, out[rows], group, 3, heads)
    out[tokens_of(groups) :] = 0
    return out


def first_forward(
    q: torch.Tensor, kv: torch.Tensor, bias: torch.Tensor | None, groups: tuple[Group, ...], heads: int, drop: float
) -> tuple[torch.Tensor, list]:
    """What `FirstHeads` computes, and the tensors that `first_backward` needs."""
    out, saved = torch.empty_like(q), [q]
    for group in groups:
        parts = _by_head(kv[group.token : group.token + group.tokens], group, 2, heads)
        context, *kept = _mix(_queries(q, group, heads).float(), *parts.unbind(), drop, _added(bias, 1, group.length))
        _queries(out, group, heads).copy_(context)
        saved += [parts, *kept]
    return out, saved


def first_backward(
    grad: torch.Tensor,
    saved,
    tokens: int,
    groups: tuple[Group, ...],
    heads: int,
    drop: float,
    of_bias: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradients of `first_forward`'s q and kv (`tokens`, ..) from that of its contexts (B, heads * dim).

    The gradient of the bias is added to `of_bias`.
    """
    (q, *saved), each, grad = saved, 3 if drop else 2, grad.contiguous()
    of_q, of_kv = torch.empty_like(q, dtype=torch.float32), grad.new_empty(tokens, 2 * grad.shape[1])
    for number, group in enumerate(groups):
        parts, *kept = saved[each * number : each * (number + 1)]
        grads = torch.empty_like(parts)
        places = (_queries(of_q, group, heads), *grads.unbind())
        given = (_queries(q, group, heads).float(), *parts.unbind())
        _unmix(_queries(grad, group, heads).float(), given, kept, places, _added(of_bias, 1, group.length))
        _by_token(grads, of_kv[group.token : group.token + group.tokens], group, 2, heads)
    of_kv[tokens_of(groups) :] = 0
    return of_q.to(q.dtype), of_kv


def tokens_of(groups: tuple[Group, ...]) -> int:
    """Tokens of all groups, which lie end to end."""
    return groups[-1].token + groups[-1].tokens


def _added(bias: torch.Tensor | None, rows: int, columns: int) -> torch.Tensor | None:
    """What is added to the scores of `rows` queries and `columns` keys: a view (heads, rows, columns)."""
    return None if bias is None else bias[:, :rows, :columns]


def _mix(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, drop: float, bias: torch.Tensor | None) -> list:
    """Contexts of batches of queries, keys and values (.., length, dim); their shares; and with dropout its factors."""
    scores = torch.baddbmm(q.new_empty(1), q, k.transpose(1, 2), beta=0, alpha=q.shape[-1] ** -0.5)
    if bias is not None:
        scores.unflatten(0, (-1, len(bias))).add_(bias)
    shares = _softmax(scores)
    if not drop:
        return [torch.bmm(shares, v), shares]
    kept = factors(shares, drop)
    return [torch.bmm(shares * kept, v), shares, kept]


def _unmix(grad: torch.Tensor, qkv, saved: list[torch.Tensor], places, of_bias: torch.Tensor | None) -> None:
    """Put the gradients of `_mix`'s q, k and v into `places`, from that of its contexts; its bias's is added."""
    (q, k, v), (shares, *kept), (of_q, of_k, of_v) = qkv, saved, places
    none, scale = grad.new_empty(1), q.shape[-1] ** -0.5
    torch.bmm((shares * kept[0] if kept else shares).transpose(1, 2), grad, out=of_v)
    inner = torch.bmm(grad, v.transpose(1, 2))
    if kept:
        inner.mul_(kept[0])
    inner = _softmax_backward(inner, shares)
    if of_bias is not None:
        of_bias.add_(inner.unflatten(0, (-1, len(of_bias))).sum(0))
    torch.baddbmm(none, inner, k, beta=0, alpha=scale, out=of_q)
    torch.baddbmm(none, inner.transpose(1, 2), q, beta=0, alpha=scale, out=of_k)


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    """Softmax over the last dimension; `scores` may be overwritten."""
    if scores.shape[-1] >= VECTOR:
        return torch.softmax(scores, -1)
    scores.sub_(scores.amax(-1, keepdim=True)).exp_()
    return scores.div_(scores.sum(-1, keepdim=True))


def _softmax_backward(grad: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """The gradient of `_softmax`'s scores from that of its shares, `grad`, which may be overwritten."""
    if shares.shape[-1] >= VECTOR:
        return torch._softmax_backward_data(grad, shares, -1, shares.dtype)
    grad.mul_(shares)
    return grad.addcmul_(shares, grad.sum(-1, keepdim=True), value=-1)


def _queries(q: torch.Tensor, group: Group, heads: int) -> torch.Tensor:
    """One query a head and example, (count * heads, 1, dim), of q (B, heads * dim): a view."""
    return q[group.example : group.example + group.count].view(group.count * heads, 1, -1)


def _by_head(x: torch.Tensor, group: Group, parts: int, heads: int) -> torch.Tensor:
    """Copy (tokens, parts * heads * dim) to (parts, count * heads, length, dim), float32."""
    x = x.view(group.count, group.length, parts, heads, -1).permute(2, 0, 3, 1, 4)
    x = x.to(torch.float32, memory_format=torch.contiguous_format)
    return x.reshape(parts, group.count * heads, group.length, x.shape[-1])


def _by_token(x: torch.Tensor, out: torch.Tensor, group: Group, parts: int, heads: int) -> None:
    """Copy what `_by_head` makes back into `out` (tokens, parts * heads * dim)."""
    x = x.view(parts, group.count, heads, group.length, -1).permute(1, 3, 0, 2, 4)
    out.view(group.count, group.length, parts, heads, -1).copy_(x)
