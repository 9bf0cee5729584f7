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
        added = _added_to_scores(mask, bias, group.length, q)
        context = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, attn_mask=added)
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
        scores = query @ k.transpose(-1, -2) * query.shape[-1] ** -0.5
        if bias is not None:
            scores = scores + bias[:, :1, : group.length]
        if mask is not None:
            scores = scores.masked_fill(~_keys(mask), float("-inf"))
        shares = F.dropout(scores.softmax(-1), drop) if drop else scores.softmax(-1)
        contexts.append((shares.to(v.dtype) @ v).view(group.count, -1))
    return torch.cat(contexts)


def _keys(mask: torch.Tensor) -> torch.Tensor:
    return mask[:, None, None, :]


def _added_to_scores(mask, bias, length: int, q: torch.Tensor) -> torch.Tensor | None:
    """The mask as torch's attention takes it: which keys are seen, or with a bias what is added to the scores."""
    if bias is None:
        return None if mask is None else _keys(mask)
    bias = bias[None, :, :length, :length].to(q.dtype)
    return bias if mask is None else bias.masked_fill(~_keys(mask), float("-inf"))
