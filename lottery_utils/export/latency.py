"""How long an exported model takes, measured where it is exported."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn

ROUNDS = 15


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a CPU forward pass of `batch` examples of `tokens` tokens, with `threads` threads.

    `milliseconds` is the median of the rounds, `fastest` the best, which a busy machine disturbs least.
    """

    form: str
    batch: int
    tokens: int
    milliseconds: float
    fastest: float
    threads: int


def latencies(models: dict[str, nn.Module], inputs: dict[str, torch.Tensor], rounds: int = ROUNDS) -> list[Latency]:
    """Time every model on one example and on the whole batch, in alternating rounds, so that all meet the same load."""
    found = []
    for batch in sorted({1, len(next(iter(inputs.values())))}):
        part = {name: tensor[:batch] for name, tensor in inputs.items()}
        seconds: dict[str, list[float]] = {form: [] for form in models}
        with torch.no_grad():
            for number in range(rounds + 2):
                for form, model in models.items():
                    begin = time.perf_counter()
                    model(**part)
                    if number > 1:  # the first rounds fill caches
                        seconds[form].append(time.perf_counter() - begin)
        tokens, threads = part["input_ids"].shape[1], torch.get_num_threads()
        found += [Latency(f, batch, tokens, 1000 * median(s), 1000 * min(s), threads) for f, s in seconds.items()]
    return found
