"""How many of several nested masks keep each weight, without sorting the weights.

The bits of |w| as an integer keep its order, a histogram of the upper 16 finds the few buckets in which cuts fall, and
only what is in those is looked at closely.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

LOW = 15  # bits below the bucket's
BUCKETS = 1 << (31 - LOW)
CHUNK = 1 << 20  # weights worked on together: small enough for the cache

Near = list[tuple[str, np.ndarray, np.ndarray]]  # weights in buckets with a cut inside: name, places and keys


def survivals(weights: dict[str, torch.Tensor], counts: list[int], largest_first: bool) -> dict[str, np.ndarray]:
    """As `pruning.masks.survivals`: for each weight the number of masks that keep it, uint8, end to end."""
    sizes = np.zeros(BUCKETS, np.int64)
    for _, _, keys in _keys(weights, largest_first):
        sizes += np.bincount(keys >> LOW, minlength=BUCKETS)
    cuts, ends = np.array(counts, np.int64), np.cumsum(sizes)
    # a bucket without a cut inside survives as a whole as many masks as its first weight does
    first = np.searchsorted(cuts, ends - sizes, side="right").astype(np.uint8)
    last = np.searchsorted(cuts, np.maximum(ends - 1, 0), side="right")
    has_cut = (sizes > 0) & (first != last)
    survived = {name: np.empty(w.numel(), np.uint8) for name, w in weights.items()}
    near: Near = []
    for name, begin, keys in _keys(weights, largest_first):
        buckets = keys >> LOW
        np.take(first, buckets, out=survived[name][begin : begin + len(keys)])
        places = np.flatnonzero(has_cut[buckets])
        near.append((name, begin + places, keys[places]))
    if near:
        _look_closely(survived, near, ends - sizes, cuts)
    return survived


def _look_closely(survived: dict[str, np.ndarray], near: Near, starts: np.ndarray, cuts: np.ndarray) -> None:
    """Set `survived` for the weights in buckets with a cut, from their exact ranks."""
    keys = np.concatenate([part for _, _, part in near])
    order = np.argsort(keys, kind="stable")  # model order among equal keys
    buckets = keys[order] >> LOW
    edges = np.flatnonzero(np.diff(buckets, prepend=-1))
    widths = np.diff(np.append(edges, len(keys)))
    ranks = np.arange(len(keys)) - np.repeat(edges, widths) + starts[buckets]
    counted = np.empty(len(keys), np.uint8)
    counted[order] = np.searchsorted(cuts, ranks, side="right")
    done = 0
    for name, places, part in near:
        survived[name][places] = counted[done : done + len(part)]
        done += len(part)


def _keys(weights: dict[str, torch.Tensor], largest_first: bool) -> Iterator[tuple[str, int, np.ndarray]]:
    """Chunks of all weights in model order: name, place of the first, int32 keys that order as |w| does."""
    for name, w in weights.items():
        bits = w.detach().reshape(-1).to("cpu", torch.float32).numpy().view(np.int32)
        for begin in range(0, len(bits), CHUNK):
            keys = bits[begin : begin + CHUNK] & 0x7FFFFFFF
            yield name, begin, 0x7FFFFFFF - keys if largest_first else keys
