"""Softmax attention over packed examples on a CPU, with its gradient written out; and dropout there.

At the lengths of GLUE torch's attention kernel takes two to three times as long, most of it in the backward pass. Here
every group of equally long examples is a few batched products over (count * heads) matrices, in float32 also where
queries, keys and values come in bfloat16: they are a hundredth of a layer's work, and oneDNN would make a kernel for
every count and length of bfloat16 products. `bias` (heads, longest, longest) is added to the scores (MPNet).

Dropout takes 16 random bits a place. torch draws one place after the other there, on one core: in a step of a 384-wide
BERT that was an eighth of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from .packed import Group

Projected = Sequence[torch.Tensor]  # qkv (T, 3 * heads * dim); or of first tokens q (B, ..), and kv (T, 2 * ..)
STEPS = 1 << 16  # dropout rates are rounded to multiples of 1/65536; what is kept is scaled by the rounded rate
VECTOR = 16  # floats of a CPU's widest vector: torch's softmax takes rows shorter than that one number at a time


def is_computed(x: torch.Tensor, mask: torch.Tensor | None) -> bool:
    """Whether this module computes an input: on a CPU, without padding, in float32 or bfloat16."""
    return mask is None and x.dtype in (torch.float32, torch.bfloat16) and x.device.type == "cpu"


class Heads(torch.autograd.Function):
    """`heads_forward` with its gradient, called as `Heads.apply(bias, groups, heads, drop, *projected)`."""

    @staticmethod
    def forward(ctx, bias, groups, heads, drop, *projected):
        out, saved = heads_forward(projected, bias, groups, heads, drop)
        ctx.save_for_backward(*saved)
        ctx.about = [len(x) for x in projected], groups, heads, drop
        ctx.bias_shape = bias.shape if ctx.needs_input_grad[0] else None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        of_bias = None if ctx.bias_shape is None else grad.new_zeros(ctx.bias_shape, dtype=torch.float32)
        return of_bias, None, None, None, *heads_backward(grad, ctx.saved_tensors, *ctx.about, of_bias)


def projections(x: torch.Tensor, first: torch.Tensor | None, width: int) -> list[tuple[torch.Tensor, slice]]:
    """What is projected by which rows of the stacked weights (3 * width, hidden) of query, key and value.

    All tokens x (T, hidden) by all; with `first` tokens (B, hidden) these by the query's, x by the key's and value's.
    """
    return [(x, slice(None))] if first is None else [(first, slice(width)), (x, slice(width, None))]


def heads_forward(
    projected: Projected, bias: torch.Tensor | None, groups: tuple[Group, ...], heads: int, drop: float
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The contexts (T or B, heads * dim) of `projected`, and the tensors that `heads_backward` needs.

    Rows that belong to no group come out 0.
    """
    width, first = sum(x.shape[1] for x in projected) // 3, len(projected) == 2
    out, saved = projected[0].new_empty(len(projected[0]), width), []
    for group in groups:
        parts = [_batched(x) for x in by_head(projected, group, heads, width // heads, first)]
        context, *kept = _mix(*_each(parts), drop, bias)
        place = by_head((out,), group, heads, width // heads, first)[0]
        place.copy_(context.view(place.shape))
        saved += [*parts, *kept]
    out[tokens_of(groups) :] = 0
    return out, saved


def heads_backward(
    grad: torch.Tensor,
    saved: Sequence[torch.Tensor],
    rows: list[int],
    groups: tuple[Group, ...],
    heads: int,
    drop: float,
    of_bias: torch.Tensor | None = None,
) -> list[torch.Tensor]:
    """The gradients of `heads_forward`'s projections, of so many `rows`, from that of its contexts.

    The gradient of the bias is added to `of_bias`.
    """
    first, dim = len(rows) == 2, grad.shape[1] // heads
    out = [grad.new_empty(n, k * grad.shape[1]) for n, k in zip(rows, (1, 2) if first else (3,))]
    rest = iter(saved)
    for group in groups:
        parts, kept = list(islice(rest, len(rows))), list(islice(rest, 2 if drop else 1))
        grads = [torch.empty_like(part) for part in parts]
        of_context = _batched(by_head((grad,), group, heads, dim, first)[0])[0]
        _unmix(of_context, _each(parts), kept, _each(grads), of_bias)
        for part, place in zip(grads, by_head(out, group, heads, dim, first)):
            place.copy_(part.view(place.shape))
    for of_rows in out:
        of_rows[tokens_of(groups) :] = 0
    return out


def by_head(tensors: Projected, group: Group, heads: int, dim: int, first: bool) -> list[torch.Tensor]:
    """Views (parts, count, heads, length, dim) of a group's rows of `tensors` (T, parts * heads * dim).

    With `first` the first of them has a row for each example, (B, ...), so `length` is 1.
    """
    tokens = slice(group.token, group.token + group.tokens)
    examples = slice(group.example, group.example + group.count)
    views = []
    for number, x in enumerate(tensors):
        rows = x[examples if first and number == 0 else tokens]
        views.append(rows.view(group.count, -1, x.shape[1] // (heads * dim), heads, dim).permute(2, 0, 3, 1, 4))
    return views


def _batched(x: torch.Tensor) -> torch.Tensor:
    """(parts, count, heads, length, dim) as it is multiplied: (parts, count * heads, length, dim), float32."""
    return x.to(torch.float32, memory_format=torch.contiguous_format).flatten(1, 2)


def _each(parts: list[torch.Tensor]) -> list[torch.Tensor]:
    """Queries, keys and values."""
    return [x for part in parts for x in part.unbind()]


def tokens_of(groups: tuple[Group, ...]) -> int:
    """Tokens of all groups, which lie end to end."""
    return groups[-1].token + groups[-1].tokens


def _mix(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, drop: float, bias: torch.Tensor | None) -> list:
    """Contexts of batches of queries, keys and values (.., length, dim); their shares; and with dropout its factors."""
    scores = torch.baddbmm(q.new_empty(1), q, k.transpose(1, 2), beta=0, alpha=q.shape[-1] ** -0.5)
    if bias is not None:
        scores.unflatten(0, (-1, len(bias))).add_(bias[:, : scores.shape[1], : scores.shape[2]])
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
        of_bias[:, : inner.shape[1], : inner.shape[2]].add_(inner.unflatten(0, (-1, len(of_bias))).sum(0))
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


def dropped(x: torch.Tensor, rate: float) -> torch.Tensor:
    """`x`, each number zeroed with probability `rate` and else scaled so that its mean stays; for `rate` 0 `x` itself.

    On a CPU by `factors`, elsewhere torch's dropout.
    """
    if not rate:
        return x
    return x * factors(x, rate) if x.device.type == "cpu" else F.dropout(x, rate)


def factors(like: torch.Tensor, rate: float) -> torch.Tensor:
    """What dropout multiplies by: 0 with probability `rate`, else 1 / (1 - rate); shape and type are those of `like`.

    Drawn from torch's default generator; the draws depend neither on the type nor on the number of threads. For
    `rate` 1 all are 0.
    """
    out = torch.empty(like.shape, dtype=torch.float32)  # in which the draws are exact
    lost = round(rate * STEPS)
    if lost >= STEPS:
        return torch.zeros_like(like)
    words = torch.empty(-(-out.numel() // 4), dtype=torch.int64).random_(-(1 << 63), None)  # every bit of them
    draws = words.view(torch.int16)[: out.numel()].view(like.shape)
    return out.copy_(draws).ge_(lost - STEPS // 2).mul_(STEPS / (STEPS - lost)).to(like.dtype)
