"""Examples tokenised once, kept flat, and cut into batches of almost equal length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from ..models.packed import Group, Packed

ROUND = 32  # tokens: oneDNN makes and keeps a kernel for every number of tokens it multiplies in bfloat16
CHUNK = 50  # batches shuffled together before sorting by length: keeps training order random
WASTE = 0.1  # share of padding an evaluation batch may hold


@dataclass(frozen=True)
class Encoded:
    """Tokenised examples, end to end.

    ids, types: int32 (total tokens,), types empty when the tokenizer makes none; starts: int64
    (N + 1,); labels: (N,) int64 classes or float32 targets; pad: the padding token's id.
    """

    ids: np.ndarray
    types: np.ndarray
    starts: np.ndarray
    labels: np.ndarray
    pad: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each example, special tokens included, shape (N,)."""
        return np.diff(self.starts)


def take(encoded: Encoded, rows: np.ndarray) -> Encoded:
    """The examples `rows` (N,) of `encoded`, in that order."""
    lengths = encoded.lengths[rows]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    where = np.repeat(encoded.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
    types = encoded.types[where] if len(encoded.types) else encoded.types
    return Encoded(encoded.ids[where], types, starts, encoded.labels[rows], encoded.pad)


@dataclass(frozen=True)
class Batch:
    """`inputs` for the model (no attention mask when nothing is padded), `labels` (B,), `rows` (B,)."""

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    rows: np.ndarray


def encode(tokenizer, split, max_length: int) -> Encoded:
    """Tokenise a task's split (texts of one or two columns), truncated to `max_length` tokens, longest first.

    A model that takes fewer tokens sets the limit.
    """
    columns = list(zip(*split.texts))
    out = tokenizer(
        *[list(column) for column in columns],
        truncation=True,
        max_length=min(max_length, tokenizer.model_max_length),
        padding=False,
        return_attention_mask=False,
        return_token_type_ids="token_type_ids" in tokenizer.model_input_names,
    )
    ids = out["input_ids"]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
    types = out.get("token_type_ids", [])
    flat = np.concatenate([np.asarray(row, np.int32) for row in ids])
    flat_types = np.concatenate([np.asarray(row, np.int32) for row in types]) if types else np.empty(0, np.int32)
    return Encoded(flat, flat_types, starts, np.asarray(split.labels), int(tokenizer.pad_token_id or 0))


def collate(encoded: Encoded, rows: np.ndarray, device: torch.device) -> Batch:
    """Gather `rows` (B,) as tensors (B, longest); the attention mask is left out when no token is padding.

    Without a mask scaled-dot-product attention may take its fastest kernel.
    """
    lengths = encoded.lengths[rows]
    width = int(lengths.max())
    position = np.arange(width)[None, :]
    real = position < lengths[:, None]
    where = np.where(real, encoded.starts[rows][:, None] + position, 0)
    inputs = {"input_ids": np.where(real, encoded.ids[where], encoded.pad).astype(np.int64)}
    if len(encoded.types):
        inputs["token_type_ids"] = np.where(real, encoded.types[where], 0).astype(np.int64)
    if not real.all():
        inputs["attention_mask"] = real.astype(np.int64)
    tensors = {key: torch.from_numpy(value).to(device) for key, value in inputs.items()}
    return Batch(tensors, torch.from_numpy(encoded.labels[rows]).to(device), rows)


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
    where = np.repeat(encoded.starts[rows], padded) + positions
    real = positions < np.repeat(lengths, padded) if pad else None
    where = np.where(real, where, 0) if pad else where

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.int64, copy=False)).to(device)

    tail = -len(where) % ROUND if low else 0

    def picked(values: np.ndarray, blank: int) -> torch.Tensor:
        taken = np.where(real, values[where], blank) if pad else values[where]
        return tensor(np.pad(taken, (0, tail), constant_values=blank) if tail else taken)

    types = picked(encoded.types, 0) if len(encoded.types) else None
    mask = torch.from_numpy(real.reshape(len(rows), -1)).to(device) if pad and not real.all() else None
    first, groups = tensor(ends - padded), _groups(padded)
    positions = tensor(np.pad(positions, (0, tail)))
    return Packed(picked(encoded.ids, encoded.pad), positions, types, first, groups, mask), rows


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


def train_batches(encoded: Encoded, size: int, generator: torch.Generator) -> list[np.ndarray]:
    """One epoch's batches as row indices: shuffled, sorted by length within chunks, batches shuffled again.

    Every example occurs once; the order depends on `generator` only.
    """
    order = torch.randperm(len(encoded), generator=generator).numpy()
    batches = []
    for begin in range(0, len(order), size * CHUNK):
        chunk = order[begin : begin + size * CHUNK]
        chunk = chunk[np.argsort(-encoded.lengths[chunk], kind="stable")]
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def eval_batches(encoded: Encoded, tokens: int = 8192) -> Iterator[np.ndarray]:
    """All rows once, longest first, in batches of at most `tokens` padded tokens and little padding."""
    lengths = encoded.lengths
    order = np.argsort(-lengths, kind="stable")
    begin = 0
    while begin < len(order):
        width = lengths[order[begin]]
        end = min(begin + max(1, tokens // int(width)), len(order))
        fits = lengths[order[begin:end]] >= width * (1 - WASTE)
        end = begin + int(fits.sum())
        yield order[begin:end]
        begin = end
