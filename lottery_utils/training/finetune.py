"""Fine-tuning with the paper's hyperparameters (protocol, section 1)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from ..errors import CellFailed
from ..models.anatomy import max_tokens
from .batches import Encoded, train_batches
from .device import derived_seed, seeded
from .evaluate import batch_loss, model_device
from .flat import Flat, adamw
from .forward import Part, Trained, trained_parts
from .steps import Course, Steps, can_step

CHECK_EVERY = 20  # steps between looks at the losses on a GPU, where each look waits for the device
REPLAYS = {"cuda"}  # devices on which a step is a graph that is replayed


@dataclass
class TrainLog:
    """What a training run did: loss of each optimiser step, epochs, seconds."""

    losses: list[float] = field(default_factory=list)
    epochs: int = 0
    seconds: float = 0.0

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
) -> TrainLog:
    """Train `model` in place, `longer` times the preset's epochs, and return its log.

    `key` (task, seed) alone decides data order and dropout, so a full and a retrained run of one seed
    share them. `weight_mask` maps parameter names to bool tensors: those weights start as mask x weight,
    and as their gradients are masked before clipping and AdamW, pruned ones stay exactly zero.
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
    model.train()
    with (
        seeded(derived_seed("dropout", *key), device),
        trained_parts(model, train, device, preset.weight_decay, preset.precision) as trained,
        Flat([part.values for part in trained.parts], trained.low) as flat,
    ):
        kept = _kept(model, trained.parts, weight_mask) if weight_mask else None
        course = _replayed if device.type in REPLAYS and can_step(model, train, trained.lean) else _one_by_one
        for losses in course(trained, flat, batches, rates, preset, kept, device):
            collected(losses, log, name)
            if progress:
                progress(log.steps, len(batches))
    model.eval()
    log.seconds = time.perf_counter() - begin
    return log


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
    """Take the same steps in fixed shapes, see `steps.Steps`; yields losses now and then, after their steps."""
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
