"""Examples without padding: tokens end to end, equal lengths side by side, and attention over them.

Every matrix product then works on real tokens only, and no attention mask is needed. On the CPU attention is a function
of its own: at the lengths of GLUE torch's kernel takes two to three times as long, most of it in the backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F


class Group(NamedTuple):
    """Neighbouring examples of one length: the first one's first token and place, how many, tokens of each."""

    token: int
    example: int
    count: int
    length: int

    @property
    def tokens(self) -> int:
        """Tokens of all examples together."""
        return self.count * self.length


@dataclass(frozen=True)
class Packed:
    """A batch of B examples and T tokens: ids, positions (T,), types (T,) or None, first tokens (B,), groups.

    `mask`, bool (B, longest) or None: on a GPU few large kernels are better than many small ones, so there the
    examples are padded to one group, and the mask says which tokens are real.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor | None
    first: torch.Tensor
    groups: tuple[Group, ...]
    mask: torch.Tensor | None = None


def attend(qkv: torch.Tensor, groups: tuple[Group, ...], heads: int, drop: float = 0.0, mask=None) -> torch.Tensor:
    """Self-attention of every token to its own example: qkv (T, 3 * heads * dim) to the contexts (T, heads * dim)."""
    if qkv.device.type == "cpu" and qkv.dtype == torch.float32 and mask is None:
        return _Attention.apply(qkv, groups, heads, drop)
    contexts = []
    for part, group in zip(qkv.split([g.tokens for g in groups]), groups):
        q, k, v = part.view(group.count, group.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, attn_mask=_keys(mask))
        contexts.append(found.transpose(1, 2).reshape(group.tokens, -1))
    return torch.cat(contexts)


def attend_first(
    q: torch.Tensor, kv: torch.Tensor, groups: tuple[Group, ...], heads: int, drop: float = 0.0, mask=None
) -> torch.Tensor:
    """Attention of the first tokens only, q (B, heads * dim), to kv (T, 2 * heads * dim): contexts (B, heads * dim)."""
    contexts = []
    queries = q.split([g.count for g in groups])
    for query, part, group in zip(queries, kv.split([g.tokens for g in groups]), groups):
        k, v = part.view(group.count, group.length, 2, heads, -1).permute(2, 0, 3, 1, 4)
        query = query.view(group.count, heads, 1, -1)
        scores = query @ k.transpose(-1, -2) * query.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~_keys(mask), float("-inf"))
        shares = F.dropout(scores.softmax(-1), drop) if drop else scores.softmax(-1)
        contexts.append((shares.to(v.dtype) @ v).view(group.count, -1))
    return torch.cat(contexts)


def _keys(mask: torch.Tensor | None) -> torch.Tensor | None:
    return None if mask is None else mask[:, None, None, :]


class _Attention(torch.autograd.Function):
    """Softmax attention by batched products, one copy in and one out, its gradient written out."""

    @staticmethod
    def forward(ctx, qkv, groups, heads, drop):
        dim = qkv.shape[1] // (3 * heads)
        out = qkv.new_empty(len(qkv), heads * dim)
        none, saved = qkv.new_empty(1), []
        for group in groups:
            rows = slice(group.token, group.token + group.tokens)
            parts = _by_head(qkv[rows], group, 3, heads)  # (3, count * heads, length, dim)
            q, k, v = parts.unbind()
            shares = torch.softmax(torch.baddbmm(none, q, k.transpose(1, 2), beta=0, alpha=dim**-0.5), -1)
            kept = torch.empty_like(shares).bernoulli_(1 - drop).div_(1 - drop) if drop else None
            context = torch.bmm(shares if kept is None else shares * kept, v)
            _by_token(context, out[rows], group, 1, heads)
            saved += [parts, shares] + ([kept] if drop else [])
        ctx.save_for_backward(*saved)
        ctx.shape, ctx.groups, ctx.heads, ctx.drop = qkv.shape, groups, heads, drop
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        out, none = grad.new_empty(ctx.shape), grad.new_empty(1)
        scale = (ctx.shape[1] // (3 * ctx.heads)) ** -0.5
        saved, each = ctx.saved_tensors, 3 if ctx.drop else 2
        for number, group in enumerate(ctx.groups):
            rows = slice(group.token, group.token + group.tokens)
            parts, shares, *kept = saved[each * number : each * (number + 1)]
            q, k, v = parts.unbind()
            outer = _by_head(grad[rows], group, 1, ctx.heads)[0]
            grads = torch.empty_like(parts)
            grad_q, grad_k, grad_v = grads.unbind()
            torch.bmm((shares * kept[0] if kept else shares).transpose(1, 2), outer, out=grad_v)
            inner = torch.bmm(outer, v.transpose(1, 2))
            if kept:
                inner.mul_(kept[0])
            inner = torch._softmax_backward_data(inner, shares, -1, shares.dtype)
            torch.baddbmm(none, inner, k, beta=0, alpha=scale, out=grad_q)
            torch.baddbmm(none, inner.transpose(1, 2), q, beta=0, alpha=scale, out=grad_k)
            _by_token(grads, out[rows], group, 3, ctx.heads)
        return out, None, None, None


def _by_head(x: torch.Tensor, group: Group, parts: int, heads: int) -> torch.Tensor:
    """Copy (tokens, parts * heads * dim) to (parts, count * heads, length, dim)."""
    x = x.view(group.count, group.length, parts, heads, -1).permute(2, 0, 3, 1, 4)
    return x.reshape(parts, group.count * heads, group.length, x.shape[-1])


def _by_token(x: torch.Tensor, out: torch.Tensor, group: Group, parts: int, heads: int) -> None:
    """Copy what `_by_head` makes back into `out` (tokens, parts * heads * dim)."""
    x = x.view(parts, group.count, heads, group.length, -1).permute(1, 3, 0, 2, 4)
    out.view(group.count, group.length, parts, heads, -1).copy_(x)
