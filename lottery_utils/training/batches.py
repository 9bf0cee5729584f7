"""Examples tokenised once, kept flat, and cut into batches of almost equal length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ..tasks.load import Split

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
    """`inputs` for the model (no attention mask when nothing is padded) and `labels` (B,)."""

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor


def encode(tokenizer: PreTrainedTokenizerBase, split: Split, max_length: int) -> Encoded:
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
    return Batch(tensors, torch.from_numpy(encoded.labels[rows]).to(device))


def train_batches(encoded: Encoded, size: int, generator: torch.Generator) -> list[np.ndarray]:
    """One epoch's batches of at most `size` rows (B,): shuffled, sorted by length within chunks, and shuffled again.

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
    """All rows (B,) once, longest first, in batches of at most `tokens` padded tokens and little padding."""
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
