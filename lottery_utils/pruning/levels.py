"""Which weights a magnitude search removes when: one byte a weight holds all its masks.

Weights do not change during a search, so its masks are nested cuts of one order: by |w|, equal ones in model order (the
one that stands first in the model goes first). torch.nn.utils.prune leaves the choice among equal ones open. The
weights are not sorted: the bits of |w| as an integer keep its order, a histogram of the upper 16 finds the few buckets
in which cuts fall, and only what is in those is looked at closely.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .masks import WeightMask

LOW = 15  # bits below the bucket's
BUCKETS = 1 << (31 - LOW)
CHUNK = 1 << 20  # weights worked on together: small enough for the cache


class Levels:
    """The masks after `counts` weights are gone, for each of the counts, which must not fall.

    `parameters`: name to float32 tensor, in model order. `largest_first` turns the order of |w| round (equal ones stay
    in model order). Raises ValueError for counts out of range or falling.
    """

    def __init__(self, parameters: dict[str, torch.Tensor], counts: list[int], largest_first: bool = False):
        self.shapes = {name: p.shape for name, p in parameters.items()}
        self.total = sum(p.numel() for p in parameters.values())
        self.counts = list(counts)
        if sorted(counts) != self.counts or (counts and not 0 <= counts[0] <= counts[-1] <= self.total):
            raise ValueError(f"counts must rise within 0 and {self.total}, got {self.counts}")
        if len(counts) > 255:
            raise ValueError(f"at most 255 masks at once, got {len(counts)}")
        self._flip = largest_first
        self._order = np.array(self.counts, np.int64)
        self.survived = self._survived(parameters)

    def mask(self, level: int) -> WeightMask:
        """The mask after `counts[level]` weights are gone."""
        return WeightMask(
            {name: torch.from_numpy(s > level).view(self.shapes[name]) for name, s in self.survived.items()}
        )

    def packed(self, level: int) -> dict[str, np.ndarray]:
        """The same mask, one bit a weight (np.packbits)."""
        return {name: np.packbits(s > level) for name, s in self.survived.items()}

    def _survived(self, parameters: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
        """For each weight the number of masks that keep it, uint8."""
        sizes = np.zeros(BUCKETS, np.int64)
        for _, _, keys in self._keys(parameters):
            sizes += np.bincount(keys >> LOW, minlength=BUCKETS)
        ends = np.cumsum(sizes)
        # a bucket without a cut inside survives as a whole as many masks as its first weight does
        first = np.searchsorted(self._order, ends - sizes, side="right").astype(np.uint8)
        last = np.searchsorted(self._order, np.maximum(ends - 1, 0), side="right")
        cut = (sizes > 0) & (first != last)
        found = {name: np.empty(p.numel(), np.uint8) for name, p in parameters.items()}
        near = []  # what lies in the cut buckets: its name, places and keys
        for name, begin, keys in self._keys(parameters):
            buckets = keys >> LOW
            np.take(first, buckets, out=found[name][begin : begin + len(keys)])
            places = np.flatnonzero(cut[buckets])
            near.append((name, begin + places, keys[places]))
        self._split(found, near, ends - sizes)
        return found

    def _split(self, found: dict[str, np.ndarray], near: list, starts: np.ndarray) -> None:
        """Set `found` for the weights in cut buckets, from their exact ranks."""
        keys = np.concatenate([part for _, _, part in near]) if near else np.empty(0, np.int32)
        order = np.argsort(keys, kind="stable")  # model order among equal keys
        by_key = keys[order]
        buckets = by_key >> LOW
        edges = np.flatnonzero(np.diff(buckets, prepend=-1))
        widths = np.diff(np.append(edges, len(by_key)))
        ranks = np.arange(len(by_key)) - np.repeat(edges, widths) + starts[buckets]
        survived = np.empty(len(keys), np.uint8)
        survived[order] = np.searchsorted(self._order, ranks, side="right")
        done = 0
        for name, places, part in near:
            found[name][places] = survived[done : done + len(part)]
            done += len(part)

    def _keys(self, parameters: dict[str, torch.Tensor]) -> Iterator[tuple[str, int, np.ndarray]]:
        """Chunks of all weights in model order: name, place of the first, int32 keys that order as |w| does."""
        for name, p in parameters.items():
            bits = p.detach().reshape(-1).to("cpu", torch.float32).numpy().view(np.int32)
            for begin in range(0, len(bits), CHUNK):
                keys = bits[begin : begin + CHUNK] & 0x7FFFFFFF
                yield name, begin, 0x7FFFFFFF - keys if self._flip else keys
