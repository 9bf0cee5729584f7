"""How long an exported model takes, measured where it is exported."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.benchmark import Timer


@dataclass(frozen=True)
class Latency:
    """Milliseconds of a CPU forward pass of `batch` examples of `tokens` tokens, with `threads` threads.

    `milliseconds` is the median, `fastest` the best, which a busy machine disturbs least.
    """

    form: str
    batch: int
    tokens: int
    milliseconds: float
    fastest: float
    threads: int


def latencies(models: dict[str, nn.Module], inputs: dict[str, torch.Tensor], seconds: float = 0.5) -> list[Latency]:
    """Time every model on one example and on the whole batch, `seconds` each, by torch's own timer."""
    found = []
    for batch in sorted({1, len(inputs["input_ids"])}):
        part = {name: tensor[:batch] for name, tensor in inputs.items()}
        tokens, threads = part["input_ids"].shape[1], torch.get_num_threads()
        for form, model in models.items():
            timer = Timer("model(**part)", globals={"model": model, "part": part}, num_threads=threads)
            with torch.no_grad():
                times = timer.blocked_autorange(min_run_time=seconds)
            found.append(Latency(form, batch, tokens, 1000 * times.median, 1000 * min(times.times), threads))
    return found
