"""Labelled maps drawn by rule: the five types of Kovaleva et al. (2019), raw and normed, with noise.

The human labels behind the paper's figure are not public here, so the classifier learns from these. The rules say what
each word means, and that is also their limit: a map that people call heterogeneous may look otherwise.

- vertical: a few columns take most of the attention of every row, often the first, the last or a separator.
- diagonal: each token looks at itself, the one before or the one after, or at several of these.
- vertical+diagonal: both at once, in shares that vary from row to row.
- block: even attention inside rectangles that end at a separator: each sentence looks at itself, or at the other.
- heterogeneous: no such structure; a softmax of random queries and keys, from sharp peaks to an almost even map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PATTERNS = ("vertical", "diagonal", "vertical+diagonal", "block", "heterogeneous")  # Kovaleva et al. 2019
KINDS = ("raw", "normed")
WEIGHTS = ("fine-tuned", "pre-trained")
NETWORKS = ("whole", "cut")  # cut: nothing but the super-survivors is left, without training
TRAIN_NOISE = (0.0, 0.35)  # share of every map that is heterogeneous, whatever its type
HARD_NOISE = (0.35, 0.5)
Array = np.ndarray


@dataclass(frozen=True)
class Labelled:
    """Maps of one size, float32 (B, n, n), and their labels (B,), places in `PATTERNS`."""

    maps: Array
    labels: Array


def draw_maps(
    count: int, size: int, kind: str, rng: np.random.Generator, noise: tuple[float, float] = TRAIN_NOISE
) -> Labelled:
    """Draw `count` maps of `size` tokens, the types as evenly as possible, in random order.

    Raw rows sum to 1. A normed map's tokens have norms of their own, small ones for special tokens (Kobayashi et al.
    2020), and its rows sum to 1 on average, see `scaled`. `noise` bounds the share of a map that is heterogeneous
    whatever its type. Raises ValueError for fewer than 4 tokens or an unknown kind.
    """
    if kind not in KINDS or size < 4:
        raise ValueError(f"expected kind raw or normed and a size of 4 or more, got {kind!r} and {size}")
    labels = rng.permutation(np.arange(count) % len(PATTERNS))
    separator = rng.integers(round(0.3 * size), round(0.7 * size) + 1, count)  # where a first sentence ends
    columns = _columns(count, size, separator, rng)
    vertical, diagonal = _vertical(columns, rng), _diagonal(count, size, rng)
    share = rng.uniform(0.3, 0.7, (count, 1, 1)) + rng.normal(0, 0.08, (count, size, 1))
    both = np.clip(share, 0.15, 0.85) * vertical + (1 - np.clip(share, 0.15, 0.85)) * diagonal
    drawn = np.stack([vertical, diagonal, both, _block(count, size, separator, rng), _peaks(count, size, rng)])
    maps = drawn[labels, np.arange(count)]
    even = rng.uniform(0.0, 0.3, (count, 1, 1)) * (labels != PATTERNS.index("block"))[:, None, None]
    maps = (1 - even) * maps + even / size
    share = np.repeat(rng.uniform(*noise, (count, 1, 1)), size, axis=1)
    for row in (0, size - 1):  # special tokens often look at something of their own
        share[:, row] = np.where(rng.random((count, 1)) < 0.4, 1.0, share[:, row])
    maps = (1 - share) * maps + share * _peaks(count, size, rng)
    maps = _rows(maps * rng.lognormal(0, 0.15, maps.shape))
    if kind == "normed":
        maps = scaled(maps * _token_norms(columns, separator, rng)[:, None, :])
    return Labelled(maps.astype(np.float32), labels)


def scaled(maps: Array) -> Array:
    """Maps (..., n, n) divided by their mean row sum: raw ones stay as they are, normed ones lose their unit."""
    total = maps.sum(axis=(-2, -1), keepdims=True) / maps.shape[-1]
    return maps / np.where(total > 0, total, 1)


def _rows(maps: Array) -> Array:
    return maps / maps.sum(axis=-1, keepdims=True)


def _columns(count: int, size: int, separator: Array, rng: np.random.Generator) -> Array:
    """Weights (B, n) of the columns that take the attention: one to three, often special tokens."""
    weights = np.zeros((count, size))
    rows = np.arange(count)
    for number in range(3):
        special = np.stack([np.zeros(count, int), np.full(count, size - 1), separator - 1])
        anywhere, of_special = rng.integers(size, size=count), special[rng.integers(3, size=count), rows]
        place = np.where(rng.random(count) < 0.7, of_special, anywhere)
        there = (rng.random(count) < (1.0, 0.5, 0.25)[number]) & (weights[rows, place] == 0)
        weights[rows[there], place[there]] = rng.uniform(0.4, 1.0, int(there.sum()))
    return _rows(weights)


def _vertical(columns: Array, rng: np.random.Generator) -> Array:
    count, size = columns.shape
    uneven = rng.lognormal(0, 0.25, (count, size, size))
    return _rows(columns[:, None, :] * uneven + 0.02 / size)


def _diagonal(count: int, size: int, rng: np.random.Generator) -> Array:
    """Bands beside or on the diagonal, sharp or a little blurred."""
    sets = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [1, 1, 0], [0, 1, 1]], float)
    strength = sets[rng.integers(len(sets), size=count)] * rng.uniform(0.5, 1.0, (count, 3))
    width = rng.uniform(0.25, 0.9, (count, 1, 1))
    distance = np.arange(size)[None, None, :] - np.arange(size)[None, :, None]
    bands = sum(
        strength[:, k, None, None] * np.exp(-0.5 * ((distance - offset) / width) ** 2)
        for k, offset in enumerate((-1, 0, 1))
    )
    return _rows(bands + 0.02 / size)


def _block(count: int, size: int, separator: Array, rng: np.random.Generator) -> Array:
    """The rows of each sentence look evenly at their own sentence, or at the other one."""
    first = np.arange(size)[None, :] < separator[:, None]
    same = first[:, :, None] == first[:, None, :]
    across = rng.random((count, 1, 1)) < 0.25
    inside = np.where(across, ~same, same)
    return _rows(np.where(inside, 1.0, rng.uniform(0.0, 0.3, (count, 1, 1))))


def _peaks(count: int, size: int, rng: np.random.Generator) -> Array:
    """Softmax of random queries and keys: peaks of each row, sharp or hardly there, and a few spikes."""
    width = 6
    query, key = rng.normal(size=(2, count, size, width))
    sharp = rng.uniform(0.2, 3.0, (count, 1, 1)) * rng.lognormal(0, 0.4, (count, size, 1))
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(width) * sharp
    scores += rng.normal(size=scores.shape) * rng.uniform(0.1, 1.2, (count, 1, 1))
    scores += rng.normal(size=(count, 1, size)) * rng.uniform(0, 0.6, (count, 1, 1))  # some tokens are looked at more
    even = rng.random((count, 1, 1)) < 0.45
    scores *= np.where(even, rng.uniform(0.1, 0.6, (count, 1, 1)), 1.0)
    spikes = rng.uniform(0, 0.8, (count, 1, 1)) * (rng.random((count, 1, 1)) < 0.6)
    scores += rng.exponential(3.0, scores.shape) * (rng.random(scores.shape) < spikes / size)
    return _rows(np.exp(scores - scores.max(axis=-1, keepdims=True)))


def _token_norms(columns: Array, separator: Array, rng: np.random.Generator) -> Array:
    """Norms (B, n) of the tokens' transformed values; special ones are often small, columns of a pattern are not."""
    count, size = columns.shape
    norms = rng.lognormal(0, 0.3, (count, size))
    rows = np.arange(count)
    for place in (np.zeros(count, int), np.full(count, size - 1), separator - 1):
        small = (rng.random(count) < 0.6) & (columns[rows, place] == 0)
        norms[rows[small], place[small]] *= rng.uniform(0.1, 0.6, int(small.sum()))
    return norms
