"""Training steps of fixed shape, so that a GPU replays each as one CUDA graph and waits for no Python.

At the lengths of GLUE a GPU is done with an operation before Python has called the next one. Here the examples, the
order of all batches, the learning rates and the losses lie on the device; a step reads which one it is from a counter
there. What is left to Python is one call a step: to replay the graph of the batch's length. Lengths are rounded up to
few, so there are few graphs. Without CUDA the same steps run as they are written, which is how they are tested.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch

from ..errors import CellFailed, one_line
from ..models.anatomy import max_tokens
from ..presets import Preset
from ..training.batches import Encoded
from ..training.device import autocast
from ..training.evaluate import batch_loss, model_device
from ..training.finetune import Losses, Plan, TrainLog
from .packed import Group, Packed
from .packed_model import PackedModel
from .training import CHECK_EVERY, Flat, adamw, in_training, steps_of

LENGTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # tokens; a batch is padded to the next
REPLAYS = {"cuda"}  # devices on which a step can be a graph that is replayed
WARM = 2  # steps of a length that run as they are before it is captured: they fill caches that a graph must not


def trained_by_graphs(model: torch.nn.Module, log: TrainLog, train: Callable) -> bool:
    """Whether `train`, given the steps to take, went well by graphs; else the model is as it was.

    A note in the log says why, and so does a line, once a process. Raises CellFailed as `train` does.
    """
    start = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        train(replayed_steps)
    except CellFailed:
        raise
    except Exception as error:
        note = f"CUDA graphs: {type(error).__name__}: {one_line(error, 200)}; trained by the plain loop"
        _say_once(note)
        log.notes.append(note)
        log.losses.clear()
        model.load_state_dict(start)
        return False
    log.notes.append("trained by CUDA graphs")
    return True


@functools.cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)


def replayed_steps(model: torch.nn.Module, data: Encoded, plan: Plan) -> Iterator[Losses]:
    """Take the steps of a plan in fixed shapes; yields losses now and then, after their steps.

    Raises RuntimeError for a device, a model or examples that they are not for.
    """
    if model_device(model).type not in REPLAYS:
        raise RuntimeError("there is no GPU")
    most = max_tokens(model.config)
    if steps_of(model, data) is None or int(data.lengths.max()) > most:
        raise RuntimeError("the model is not on the packed path, or a text is longer than it takes")
    with in_training(model, data, plan) as (trained, flat):
        view, data = trained.forward.view, trained.forward.data
        course = Course(data, plan.batches, plan.rates, most, view.device)
        steps, seen = Steps(view, data, course, flat, plan.settings, trained.kept(model, plan.weight_mask)), 0
        for number in range(len(plan.batches)):
            steps.run(number)
            if (number + 1) % CHECK_EVERY == 0 or number + 1 == len(plan.batches):
                yield steps.losses[seen : number + 1].tolist()
                seen = number + 1


class Course:
    """The batches of a whole training on the device: rows (steps, B), -1 where a batch is smaller, and rates (steps,).

    `lengths` are those that the steps' batches are padded to, for Python.
    """

    def __init__(self, data: Encoded, batches: list, rates: list[float], most: int, device: torch.device):
        table = np.full((len(batches), max(map(len, batches))), -1, np.int64)
        for place, rows in zip(table, batches):
            place[: len(rows)] = rows
        longest = np.where(table < 0, 0, data.lengths[table]).max(1)
        allowed = np.array(sorted({min(length, most) for length in LENGTHS} | {most}))
        self.lengths = allowed[np.searchsorted(allowed, longest)].tolist()
        self.rows = torch.from_numpy(table).to(device)
        self.rates = torch.tensor(rates, dtype=torch.float32, device=device)


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

    def __init__(
        self, view: PackedModel, data: Encoded, course: Course, flat: Flat, settings: Preset, kept: torch.Tensor | None
    ):
        self.view, self.course, self.flat, self.settings, self.kept = view, course, flat, settings, kept
        self.device = view.device
        self.gather = Gather(data, self.device)
        self.at = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.losses = torch.full((len(course.rates),), float("nan"), device=self.device)
        on_gpu = self.device.type == "cuda"
        self.rate = torch.zeros((), device=self.device)
        self.optimiser = adamw(flat, settings, self.rate, capturable=on_gpu)
        self.replay = Replay(self._step, self.device) if on_gpu else self._step

    def run(self, number: int) -> None:
        """Take step `number`; steps must come in their order."""
        self.replay(self.course.lengths[number])

    def _step(self, length: int) -> None:
        rows = self.course.rows.index_select(0, self.at)[0]
        self.rate.copy_(self.course.rates.index_select(0, self.at)[0])
        batch, labels, weights = self.gather(rows, length)
        # a graph must not keep the casts of weights that the next step changes
        with autocast(self.device, self.view.cast, cache=False):
            logits = self.view(batch)
        loss = (batch_loss(logits, labels, "none") * weights).sum() / weights.sum()
        self.losses.index_copy_(0, self.at, loss.detach()[None])
        self.flat.gradient(loss, self.kept, self.settings.clip)
        self.optimiser.step()
        self.at.add_(1)


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
