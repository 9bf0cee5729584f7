"""The classifier of attention maps: the published network, trained here on maps drawn by rule.

Layers as in the authors' release (protocol: Attention patterns): 3x3 convolutions 1-16-16, halving, 16-32-32, halving,
32-64-64, a ReLU after each; 1x1 convolution 64-16; mean over the map; 1x1 convolution 16-5. Xavier-normal weights,
biases 0; Adam, rate 1e-3, batches of 64, cross-entropy. The authors padded training maps with zeros to the largest
size, and did not when they used the network. Here maps of one size go through the network together, in training and
in use, so nothing is ever padded.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .rules import HARD_NOISE, PATTERNS, TRAIN_NOISE, Labelled, draw_maps, scaled

BATCH, RATE = 64, 1e-3
STEPS = 300  # on new maps each time; the published 200 epochs of 480 maps are 1500
CHUNK = 160_000  # map entries in one pass of the network
GAIN = 16.0  # the constant that brings maps, whose rows sum to 1, to the size of usual inputs
Array = np.ndarray


class PatternNet(nn.Module):
    """Maps (B, n, n), n at least 4, to logits (B, 5) in the order of `PATTERNS`."""

    def __init__(self, generator: torch.Generator):
        super().__init__()
        sizes = (1, 16, 16, 32, 32, 64, 64)
        with torch.random.fork_rng(devices=[]):  # torch draws its own weights first, which are then replaced
            self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(sizes, sizes[1:]))
            self.narrow, self.out = nn.Conv2d(64, 16, 1), nn.Conv2d(16, len(PATTERNS), 1)
        for convolution in (*self.convolutions, self.narrow, self.out):
            nn.init.xavier_normal_(convolution.weight, generator=generator)
            nn.init.zeros_(convolution.bias)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        x = maps.unsqueeze(1) * GAIN
        for i, convolution in enumerate(self.convolutions):
            x = F.relu(convolution(x))
            if i in (1, 3):
                x = F.max_pool2d(x, 2)
        return self.out(self.narrow(x).mean(dim=(2, 3), keepdim=True)).flatten(1)


def training_sizes(smallest: int, largest: int) -> list[int]:
    """Sizes to train on: six from the smallest to the largest, each about as many times the one before."""
    smallest = max(4, smallest)
    return sorted({int(round(n)) for n in np.geomspace(smallest, max(smallest, largest), 6)})


def train(kind: str, sizes: Iterable[int], seed: int, steps: int = STEPS) -> nn.Module:
    """Return a classifier of `kind` ("raw" or "normed") maps, trained on rule-drawn ones of `sizes`, new in each step.

    The rate rises to four times the published one and falls again, since the steps are few. The same seed gives the
    same weights on one kind of machine; the global random state is left alone.
    """
    rng, sizes = np.random.default_rng(seed), list(sizes)
    net = PatternNet(torch.Generator().manual_seed(seed)).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=4 * RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4 * RATE, total_steps=steps)
    for _ in range(steps):
        drawn = draw_maps(BATCH, sizes[int(rng.integers(len(sizes)))], kind, rng)
        optimiser.zero_grad()
        logits = net(torch.from_numpy(scaled(drawn.maps)))
        loss = F.cross_entropy(logits, torch.from_numpy(drawn.labels), reduction="sum") / BATCH
        if not torch.isfinite(loss):
            raise RuntimeError("the loss of the attention classifier is not finite")
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def classify(net: nn.Module, maps: Array | torch.Tensor) -> Array:
    """Name the type of each map: places in `PATTERNS`, int64 (B,), of maps (B, n, n) of one size.

    Maps are scaled first (`rules.scaled`), which leaves raw ones as they are.
    """
    maps = torch.as_tensor(maps, dtype=torch.float32)
    total = maps.sum(dim=(1, 2), keepdim=True) / maps.shape[-1]
    maps = maps / torch.where(total > 0, total, 1)
    size = max(1, CHUNK // maps.shape[-1] ** 2)
    return torch.cat([net(part).argmax(dim=1) for part in maps.split(size)]).numpy()


def validate(net: nn.Module, batches: Iterable[Labelled]) -> Array:
    """Counts (types, types) of labelled maps that the classifier was not trained on: rows true, columns said."""
    confusion = np.zeros((len(PATTERNS), len(PATTERNS)), np.int64)
    for batch in batches:
        np.add.at(confusion, (batch.labels, classify(net, batch.maps)), 1)
    return confusion


def held_out(kind: str, sizes: Iterable[int], seed: int, hard: bool = False, count: int = 40) -> list[Labelled]:
    """Rule-drawn maps for validation, of sizes between those trained on; `hard` ones have more noise."""
    rng = np.random.default_rng(seed + (2 if hard else 1))
    sizes = list(sizes)
    between = sorted({(a + b + 1) // 2 for a, b in zip(sizes, sizes[1:])} or set(sizes))
    return [draw_maps(count, size, kind, rng, HARD_NOISE if hard else TRAIN_NOISE) for size in between]
