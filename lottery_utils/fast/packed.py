"""Batches without padding: tokens end to end, equal lengths side by side, and attention over them.

Every matrix product then works on real tokens only, and no attention mask is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ..training.batches import Encoded
from .cpu_attention import Heads, Projected, by_head, is_computed

ROUND = 32  # tokens: oneDNN makes and keeps a kernel for every number of tokens it multiplies in bfloat16


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


def pack(
    encoded: Encoded, rows: np.ndarray, device: torch.device, pad: bool | None = None, low: bool = False
) -> tuple[Packed, np.ndarray]:
    """`rows` (B,) end to end, longest first, as a packed batch, and the rows in its order.

    `pad`: one group with a mask instead of a group for each length; None decides by the device. `low`: tokens of no
    example are added until their number is a multiple of `ROUND`.
    """
    rows = rows[np.argsort(-encoded.lengths[rows], kind="stable")]
    lengths = encoded.lengths[rows]
    pad = device.type != "cpu" if pad is None else pad
    padded = np.full_like(lengths, lengths[0]) if pad else lengths
    ends = np.cumsum(padded)
    positions = np.arange(ends[-1]) - np.repeat(ends - padded, padded)
    real = positions < np.repeat(lengths, padded)
    where = np.where(real, np.repeat(encoded.starts[rows], padded) + positions, 0)
    tail = -len(where) % ROUND if low else 0

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.int64, copy=False)).to(device)

    def picked(values: np.ndarray, blank: int) -> torch.Tensor:
        return tensor(np.pad(np.where(real, values[where], blank), (0, tail), constant_values=blank))

    types = picked(encoded.types, 0) if len(encoded.types) else None
    mask = None if real.all() else torch.from_numpy(real.reshape(len(rows), -1)).to(device)
    first, positions = tensor(ends - padded), tensor(np.pad(positions, (0, tail)))
    return Packed(picked(encoded.ids, encoded.pad), positions, types, first, _groups(padded), mask), rows


def _groups(lengths: np.ndarray) -> tuple[Group, ...]:
    """The runs of equal lengths."""
    edges = [0, *(np.flatnonzero(np.diff(lengths)) + 1), len(lengths)]
    tokens = np.concatenate([[0], np.cumsum(lengths)])
    return tuple(Group(int(tokens[a]), int(a), int(b - a), int(lengths[a])) for a, b in zip(edges, edges[1:]))


def packed_batches(encoded: Encoded, tokens: int) -> Iterator[np.ndarray]:
    """All rows once, longest first, in batches of at most `tokens` tokens (one example at least)."""
    order = np.argsort(-encoded.lengths, kind="stable")
    place = np.cumsum(encoded.lengths[order]) - 1
    begin = 0
    while begin < len(order):
        before = place[begin] - encoded.lengths[order[begin]] + 1
        end = max(begin + 1, int(np.searchsorted(place, before + tokens)))
        yield order[begin:end]
        begin = end


def attend(
    projected: Projected,
    groups: tuple[Group, ...],
    heads: int,
    drop: float = 0.0,
    mask: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Self-attention of tokens to their own example: the contexts of (qkv,), of all tokens (T, heads * dim).

    Of (q, kv) those of first tokens only, (B, heads * dim).
    """
    if is_computed(projected[-1], mask):
        return Heads.apply(bias, groups, heads, drop, *projected)
    width, first, contexts = sum(x.shape[1] for x in projected) // 3, len(projected) == 2, []
    for group in groups:
        q, k, v = (x for part in by_head(projected, group, heads, width // heads, first) for x in part)
        if first or bias is not None:
            context = _context(q, k, v, drop, mask, bias)
        else:
            context = F.scaled_dot_product_attention(q, k, v, dropout_p=drop, attn_mask=_keys(mask))
        contexts.append(context.transpose(1, 2).reshape(-1, width))
    return torch.cat(contexts)


def _context(q, k, v, drop: float, mask: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor:
    """Contexts (B, heads, queries, dim) operation by operation, the scores in float32 as in `heads`.

    Of torch's own kernels not all have a gradient for what is added to the scores, or the same bits each time.
    """
    with torch.autocast(q.device.type, enabled=False):
        scores = q.float() @ k.float().transpose(-1, -2) * q.shape[-1] ** -0.5
        if bias is not None:
            scores = scores + bias[:, : scores.shape[2], : scores.shape[3]]
        if mask is not None:
            scores = scores.masked_fill(~_keys(mask), float("-inf"))
        shares = scores.softmax(-1)
        shares = F.dropout(shares, drop) if drop else shares
        return (shares @ v.float()).to(v.dtype)


def _keys(mask: torch.Tensor | None) -> torch.Tensor | None:
    """Which keys are seen, for scores (B, heads, queries, keys)."""
    return None if mask is None else mask[:, None, None, :]
