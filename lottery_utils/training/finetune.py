"""Fine-tuning with the paper's hyperparameters (protocol, section 1)."""

from __future__ import annotations

import functools
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from ..errors import CellFailed, one_line
from ..models.anatomy import max_tokens
from .batches import Encoded, train_batches
from .device import derived_seed, seeded
from .evaluate import batch_loss, model_device
from .flat import Flat, adamw
from .forward import Part, Trained, trained_parts
from .steps import Course, Steps, can_step

CHECK_EVERY = 20  # steps between looks at the losses on a GPU, where each look waits for the device
REPLAYS = {"cuda"}  # devices on which a step can be a graph that is replayed


@dataclass
class TrainLog:
    """What a training run did: loss of each optimiser step, epochs, seconds, and what a record should say of it."""

    losses: list[float] = field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Optimiser steps taken."""
        return len(self.losses)


def planned_epochs(examples: int, preset) -> int:
    """Epochs for a train set of this size: `preset.epochs`, more where `preset.min_steps` asks for it."""
    steps = math.ceil(examples / preset.batch_size)
    return max(preset.epochs, math.ceil(preset.min_steps / steps))


def learning_rate_share(step: int, total: int, warmup: float) -> float:
    """Share of the peak learning rate at `step` of `total`: linear warm-up, then linear decay to 0."""
    rise = warmup * total
    if step < rise:
        return step / max(1.0, rise)
    return max(0.0, (total - step) / max(1.0, total - rise))


def finetune(
    model: torch.nn.Module,
    train: Encoded,
    preset,
    key: tuple,
    weight_mask: dict[str, torch.Tensor] | None = None,
    name: str = "cell",
    progress: Callable[[int, int], None] | None = None,
    longer: int = 1,
    cuda_graphs: bool = False,
) -> TrainLog:
    """Train `model` in place, `longer` times the preset's epochs, and return its log.

    `key` (task, seed) alone decides data order and dropout, so a full and a retrained run of one seed
    share them. `weight_mask` maps parameter names to bool tensors: those weights start as mask x weight,
    and as their gradients are masked before clipping and AdamW, pruned ones stay exactly zero.
    With `cuda_graphs` a GPU replays each step as a graph (see `steps`), which rounds otherwise; where that is not
    possible the plain loop trains, and the log says why.
    Raises CellFailed, named `name`, at the first loss that is not finite.
    """
    device = model_device(model)
    if weight_mask:
        with torch.no_grad():
            for mask_of, mask in weight_mask.items():
                model.get_parameter(mask_of).mul_(mask.to(device))
    epochs = longer * planned_epochs(len(train), preset)
    generator = torch.Generator().manual_seed(derived_seed("order", *key))
    batches = [rows for _ in range(epochs) for rows in train_batches(train, preset.batch_size, generator)]
    rates = [preset.learning_rate * learning_rate_share(i, len(batches), preset.warmup) for i in range(len(batches))]
    log, begin = TrainLog(epochs=epochs), time.perf_counter()

    def train_by(loop) -> None:
        with (
            seeded(derived_seed("dropout", *key), device),
            trained_parts(model, train, device, preset.weight_decay, preset.precision) as trained,
            Flat([part.values for part in trained.parts], trained.low) as flat,
        ):
            kept = _kept(model, trained.parts, weight_mask) if weight_mask else None
            for losses in loop(trained, flat, batches, rates, preset, kept, device):
                collected(losses, log, name)
                if progress:
                    progress(log.steps, len(batches))

    model.train()
    if not (cuda_graphs and _by_graphs(model, log, lambda: train_by(_replayed))):
        train_by(_one_by_one)
    model.eval()
    log.seconds = time.perf_counter() - begin
    return log


def _by_graphs(model: torch.nn.Module, log: TrainLog, train: Callable[[], None]) -> bool:
    """Whether `train` went well; else the model is as it was, and a line says why, once a process."""
    start = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        train()
    except CellFailed:
        raise
    except Exception as error:
        note = f"CUDA graphs: {type(error).__name__}: {one_line(str(error), 200)}; trained by the plain loop"
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


def _one_by_one(trained: Trained, flat: Flat, batches, rates, preset, kept, device) -> Iterator[list[float]]:
    """Take each step as it is written; yields its loss before the step does anything, on a GPU several at once."""
    optimiser = adamw(flat, preset, preset.learning_rate)
    losses = []
    for number, (rows, rate) in enumerate(zip(batches, rates), 1):
        logits, rows = trained.forward(rows)
        loss = batch_loss(logits, torch.from_numpy(trained.data.labels[rows]).to(device))
        losses.append(loss.detach())
        if device.type == "cpu" or number % CHECK_EVERY == 0 or number == len(batches):
            yield torch.stack(losses).tolist()
            losses.clear()
        grad = flat.gradient(loss)
        if kept is not None:
            grad.mul_(kept)
        if preset.clip:
            share = preset.clip / (grad.norm() + 1e-6)
            if device.type != "cpu" or share < 1:  # a GPU is not waited for
                grad.mul_(share.clamp(max=1.0))
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        flat.refresh()


def _replayed(trained: Trained, flat: Flat, batches, rates, preset, kept, device) -> Iterator[list[float]]:
    """Take the same steps in fixed shapes, see `steps.Steps`; yields losses now and then, after their steps.

    Raises RuntimeError for a device, a model or examples that they are not for.
    """
    if device.type not in REPLAYS:
        raise RuntimeError("there is no GPU")
    if not can_step(trained.lean, trained.data):
        raise RuntimeError("the model is not on the lean path, or a text is longer than it takes")
    course = Course(trained.data, batches, rates, max_tokens(trained.lean.model.config), device)
    steps, seen = Steps(trained.lean, trained.data, course, flat, preset, kept), 0
    for number in range(len(batches)):
        steps.run(number)
        if (number + 1) % CHECK_EVERY == 0 or number + 1 == len(batches):
            yield steps.losses[seen : number + 1].tolist()
            seen = number + 1


def collected(losses: list[float], log: TrainLog, name: str) -> None:
    """Add losses to the log; a non-finite one stops the cell, on a CPU before its step does damage."""
    for value in losses:
        if not math.isfinite(value):
            raise CellFailed(f"{name}: loss is {value} at step {log.steps + 1}; lower learning_rate or set clip")
        log.losses.append(value)


def _kept(model: torch.nn.Module, parts: list[Part], weight_mask: dict[str, torch.Tensor]) -> torch.Tensor:
    """Whether each weight may move (pruned ones may not), in the order of `parts` end to end."""
    names = {id(p): name for name, p in model.named_parameters()}
    params = [p for part in parts for p in part.stands_for]
    masks = [weight_mask.get(names.get(id(p)), torch.ones(p.shape, dtype=torch.bool)) for p in params]
    return torch.cat([mask.reshape(-1).to(p.device) for mask, p in zip(masks, params)])
