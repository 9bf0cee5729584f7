"""Batches for pre-training: which texts, in what order, and which of their words are masked."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import torch

from .corpora import rewritten
from .corpus import texts
from .vocabulary import CLS, MASK, SEP, SPECIAL, encode, vocabulary

MASKED = 0.2  # of the words


@dataclass(frozen=True)
class Recipe:
    """What decides the batches and the learning rates beside the seed; the defaults made the demo's micro-BERT.

    `corpus` is "" for the demo language with both objectives, else one of `CORPORA` with masked words alone.
    """

    corpus: str = ""
    chunk: int = 24_000  # texts drawn at a time
    short: int = 5  # chunks of short sentences first
    late: int = 29  # from this chunk on, the late mix of texts
    warm_up: int = 480  # steps


def recipe(corpus: str, steps: int, batch_size: int) -> Recipe:
    """The recipe of a corpus, its phases the same shares of `steps` as those of the demo's micro-BERT.

    It depends on the corpus in name only: all corpora get the same steps, batches, lengths and masked places.
    """
    if not corpus:
        return Recipe()
    chunk = 8_000
    chunks = steps * batch_size / chunk
    short, late, warm_up = (round(share) for share in (0.12 * chunks, 0.69 * chunks, 0.08 * steps))
    return Recipe(corpus, chunk, max(1, short), max(2, late), max(1, warm_up))


def batches(
    seed: int, chunk: int, batch_size: int, phase: str, held_out: bool = False, plan: Recipe | None = None
) -> list[dict]:
    """Return a chunk of the corpus as shuffled batches of equal length: ids (B, T), types (B, T), follows (B,)."""
    plan = plan or Recipe()
    rng = Random(f"{'held out ' * held_out}{seed} {chunk}")
    count = min(4_000, plan.chunk) if held_out else plan.chunk
    found = texts(rng, count, phase, held_out, masked_only=bool(plan.corpus))
    if plan.corpus:  # from a generator of its own, so that all corpora rewrite the same texts in the same order
        found = rewritten(Random(f"{plan.corpus} {held_out} {seed} {chunk}"), found, plan.corpus, phase)
    vocab, by_length = vocabulary(), {}
    for text in found:
        ids, types = encode(vocab, text.first, text.second)
        by_length.setdefault(len(ids), []).append((ids, types, text.follows, text.kind))
    made = []
    for length in sorted(by_length):
        rows = by_length[length]
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            if len(part) >= batch_size // 4 or held_out:
                ids, types, follows, kinds = zip(*part)
                made.append({"ids": torch.tensor(ids), "types": torch.tensor(types), "follows": torch.tensor(follows),
                             "kinds": kinds})
    rng.shuffle(made)
    return made


def phase(chunk: int, plan: Recipe | None = None) -> str:
    """Return the corpus phase of a chunk: "short", "main" or "late"."""
    plan = plan or Recipe()
    return "short" if chunk < plan.short else "main" if chunk < plan.late else "late"


def mask(ids: torch.Tensor, rows: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask words of the given rows as BERT does (80 % [MASK], 10 % another word, 10 % unchanged).

    Returns the changed ids (B, T) and the chosen positions, boolean (B, T).
    """
    draw = torch.rand(ids.shape, generator=generator)
    chosen = (draw < MASKED) & (ids != CLS) & (ids != SEP) & rows[:, None]
    how = torch.rand(ids.shape, generator=generator)
    other = torch.randint(len(SPECIAL), len(vocabulary()), ids.shape, generator=generator)
    changed = torch.where(chosen & (how < 0.8), MASK, ids)
    return torch.where(chosen & (how >= 0.9), other, changed), chosen
