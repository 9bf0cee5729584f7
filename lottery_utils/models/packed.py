"""Examples without padding: tokens end to end, equal lengths side by side, and attention over them.

Every matrix product then works on real tokens only, and no attention mask is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .heads import FirstHeads, Heads, is_computed


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
    examples are padded to one group, and the mask says which tokens are real. Tokens after the last group belong to no
    example: they only round T up. `bias` (heads, longest, longest) or None is added to the scores of every layer.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    types: torch.Tensor | None
    first: torch.Tensor
    groups: tuple[Group, ...]
    mask: torch.Tensor | None = None
    bias: torch.Tensor | None = None


def attend(
    qkv: torch.Tensor, groups: tuple[Group, ...], heads: int, drop: float = 0.0, mask=None, bias=None
) -> torch.Tensor:
    """Self-attention of every token to its own example: qkv (T, 3 * heads * dim) to the contexts (T, heads * dim)."""
    if is_computed(qkv, mask):
        return Heads.apply(qkv, bias, groups, heads, drop)
    contexts = []
    for part, group in zip(qkv.split([g.tokens for g in groups]), groups):
        q, k, v = part.view(group.count, group.length, 3, heads, -1).permute(2, 0, 3, 1, 4)
        if bias is None:
            context = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, attn_mask=_keys(mask))
        else:
            context = _context(q, k, v, drop, mask, bias[:, : group.length, : group.length])
        contexts.append(context.transpose(1, 2).reshape(group.tokens, -1))
    return torch.cat(contexts)


def attend_first(
    q: torch.Tensor, kv: torch.Tensor, groups: tuple[Group, ...], heads: int, drop: float = 0.0, mask=None, bias=None
) -> torch.Tensor:
    """Attention of the first tokens only, q (B, heads * dim), to kv (T, 2 * heads * dim): contexts (B, heads * dim)."""
    if is_computed(q, mask):
        return FirstHeads.apply(q, kv, bias, groups, heads, drop)
    contexts = []
    queries = q.split([g.count for g in groups])
    for query, part, group in zip(queries, kv.split([g.tokens for g in groups]), groups):
        k, v = part.view(group.count, group.length, 2, heads, -1).permute(2, 0, 3, 1, 4)
        query = query.view(group.count, heads, 1, -1)
        added = None if bias is None else bias[:, :1, : group.length]
        contexts.append(_context(query, k, v, drop, mask, added).view(group.count, -1))
    return torch.cat(contexts)


def _context(q, k, v, drop: float, mask: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor:
    """Contexts (B, heads, queries, dim) operation by operation, the scores in float32 as in `heads`.

    Of torch's own kernels not all have a gradient for what is added to the scores, or the same bits each time.
    """
    with torch.autocast(q.device.type, enabled=False):
        scores = q.float() @ k.float().transpose(-1, -2) * q.shape[-1] ** -0.5
        if bias is not None:
            scores = scores + bias
        if mask is not None:
            scores = scores.masked_fill(~_keys(mask), float("-inf"))
        shares = scores.softmax(-1)
        shares = F.dropout(shares, drop) if drop else shares
        return (shares @ v.float()).to(v.dtype)


def _keys(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Which keys are seen, for scores (B, heads, queries, keys)."""
    return None if mask is None else mask[:, None, None, :]
