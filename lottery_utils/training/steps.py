"""Training steps of fixed shape, so that a GPU replays each as one CUDA graph and waits for no Python.

At the lengths of GLUE a GPU is done with an operation before Python has called the next one. Here the examples, the
order of all batches, the learning rates and the losses lie on the device; a step reads which one it is from a counter
there. What is left to Python is one call a step: to replay the graph of the batch's length. Lengths are rounded up to
few, so there are few graphs. Without CUDA the same steps run as they are written, which is how they are tested.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..models.anatomy import max_tokens
from ..models.lean import Lean
from ..models.packed import Group, Packed
from .batches import Encoded
from .device import autocast, precision_of
from .flat import Flat, adamw

LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # tokens; a batch is padded to the next
WARM = 2  # steps of a length that run as they are before it is captured: they fill caches that a graph must not


class Course:
    """The batches of a whole training on the device: rows (steps, B), -1 where a batch is smaller, and rates (steps,).

    `lengths` are those that the steps' batches are padded to, for Python.
    """

    def __init__(self, data: Encoded, batches: list, rates: list[float], most: int, device: torch.device):
        table = order_table(batches)
        longest = np.where(table < 0, 0, data.lengths[table]).max(1)
        allowed = np.array(sorted({min(length, most) for length in LENGTHS} | {most}))
        self.lengths = allowed[np.searchsorted(allowed, longest)].tolist()
        self.rows = torch.from_numpy(table).to(device)
        self.rates = torch.tensor(rates, dtype=torch.float32, device=device)


def order_table(batches: list) -> np.ndarray:
    """Rows (steps, B) of batches (B,); -1 where a batch is smaller."""
    table = np.full((len(batches), max(map(len, batches))), -1, np.int64)
    for place, rows in zip(table, batches):
        place[: len(rows)] = rows
    return table


class Gather:
    """A split on the device; a call turns rows (B,), -1 for none, into a padded batch, labels, and weights 1 or 0."""

    def __init__(self, data: Encoded, device: torch.device):
        self.pad = data.pad

        def there(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(values).to(device)

        self.ids, self.starts, self.sizes = there(data.ids), there(data.starts[:-1]), there(data.lengths)
        self.types = there(data.types) if len(data.types) else None
        self.labels, self.device = there(data.labels), device

    def __call__(self, rows: torch.Tensor, length: int) -> tuple[Packed, torch.Tensor, torch.Tensor]:
        used, count = rows >= 0, len(rows)
        rows = rows.clamp(min=0)
        position = torch.arange(length, device=self.device)
        # an example that is none still attends to one token, as a softmax over nothing is not a number
        real = position < torch.where(used, self.sizes[rows], 1)[:, None]
        where = torch.where(real, self.starts[rows][:, None] + position, 0)
        ids = torch.where(real, self.ids[where].long(), self.pad).reshape(-1)
        types = None if self.types is None else torch.where(real, self.types[where].long(), 0).reshape(-1)
        first = torch.arange(count, device=self.device) * length
        batch = Packed(ids, position.repeat(count), types, first, (Group(0, 0, count, length),), real)
        return batch, self.labels[rows], used.float()


class Steps:
    """The steps of one training: `run` takes the next one. `losses` (steps,) fill up on the device."""

    def __init__(self, lean: Lean, data: Encoded, course: Course, flat: Flat, preset, kept: torch.Tensor | None):
        self.lean, self.course, self.flat, self.preset, self.kept = lean, course, flat, preset, kept
        self.device, self.precision = course.rows.device, precision_of(lean.model, preset.precision)
        self.gather = Gather(data, self.device)
        self.at = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.losses = torch.full((len(course.rates),), float("nan"), device=self.device)
        on_gpu = self.device.type == "cuda"
        self.rate = torch.zeros((), device=self.device)
        self.optimiser = adamw(flat, preset, self.rate, capturable=on_gpu)
        self.replay = Replay(self._step, self.device) if on_gpu else self._step

    def run(self, number: int) -> None:
        """Take step `number`; steps must come in their order."""
        self.replay(self.course.lengths[number])

    def _step(self, length: int) -> None:
        rows = self.course.rows.index_select(0, self.at)[0]
        self.rate.copy_(self.course.rates.index_select(0, self.at)[0])
        batch, labels, weights = self.gather(rows, length)
        # a graph must not keep the casts of weights that the next step changes
        with autocast(self.device, self.precision, cache=False):
            logits = self.lean(batch)
        loss = weighted_loss(logits, labels, weights)
        grad = self.flat.gradient(loss)
        self.losses.index_copy_(0, self.at, loss.detach()[None])
        if self.kept is not None:
            grad.mul_(self.kept)
        if self.preset.clip:
            grad.mul_((self.preset.clip / (grad.norm() + 1e-6)).clamp(max=1.0))
        self.optimiser.step()
        self.at.add_(1)


def weighted_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """`evaluate.batch_loss` over the examples of weight 1."""
    if labels.dtype == torch.float32:
        each = F.mse_loss(logits.float().squeeze(-1), labels, reduction="none")
    else:
        each = F.cross_entropy(logits.float(), labels, reduction="none")
    return (each * weights).sum() / weights.sum()


class Replay:
    """Calls `step(length)`; from the third time with a length on by replaying a CUDA graph of it."""

    def __init__(self, step, device: torch.device):
        self.step = step
        self.graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self.seen: dict[int, int] = {}
        self.pool = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream(device)

    def __call__(self, length: int) -> None:
        if length in self.graphs:
            self.graphs[length].replay()
            return
        self.seen[length] = self.seen.get(length, 0) + 1
        if self.seen[length] <= WARM:
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.step(length)
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            self.step(length)  # is noted down, not done
        self.graphs[length] = graph
        graph.replay()


def can_step(lean: Lean | None, data: Encoded) -> bool:
    """Whether `Steps` train a model on these examples: the lean path, and no example longer than the model takes."""
    return lean is not None and bool(len(data)) and int(data.lengths.max()) <= max_tokens(lean.model.config)
