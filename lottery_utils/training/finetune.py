"""Fine-tuning with the paper's hyperparameters (protocol: Fine-tuning)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from ..errors import CellFailed
from ..presets import Preset
from ..switch import faster
from .batches import Encoded, train_batches
from .device import derived_seed, seeded
from .evaluate import PlainForward, batch_loss, model_device

Losses = list[float]  # of one step or several


@dataclass
class TrainLog:
    """What a training run did: loss of each optimiser step, epochs, and what a record should say of it."""

    losses: list[float] = field(default_factory=list)
    epochs: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Optimiser steps taken."""
        return len(self.losses)

    def add(self, losses: Losses) -> None:
        """Note losses; a non-finite one stops the training, on a CPU before its step does damage."""
        for value in losses:
            if not math.isfinite(value):
                raise CellFailed(f"loss is {value} at step {self.steps + 1}; lower learning_rate or set clip")
            self.losses.append(value)


@dataclass(frozen=True)
class Plan:
    """The steps of a training: the rows (B,) of each and its learning rate, and which weights may move (None: all)."""

    batches: list[np.ndarray]
    rates: list[float]
    settings: Preset
    weight_mask: dict[str, torch.Tensor] | None = None


def planned_epochs(examples: int, settings: Preset) -> int:
    """Epochs for a train set of so many `examples`: `settings.epochs`, more where `settings.min_steps` asks for it."""
    steps = math.ceil(examples / settings.batch_size)
    return max(settings.epochs, math.ceil(settings.min_steps / steps))


def learning_rate_share(step: int, total: int, warmup: float) -> float:
    """Share of the peak learning rate, in [0, 1], at `step` (from 0) of `total`: linear warm-up, linear decay to 0.

    `warmup`: the share of all steps that the rise takes.
    """
    rise = warmup * total
    if step < rise:
        return step / max(1.0, rise)
    return max(0.0, (total - step) / max(1.0, total - rise))


def planned(
    train: Encoded, settings: Preset, key: tuple[str, int], epochs: int, weight_mask: dict[str, torch.Tensor] | None
) -> Plan:
    """All batches of `epochs` in an order that depends on `key` (task, seed) only, and the learning rate of each."""
    generator = torch.Generator().manual_seed(derived_seed("order", *key))
    batches = [rows for _ in range(epochs) for rows in train_batches(train, settings.batch_size, generator)]
    shares = [learning_rate_share(step, len(batches), settings.warmup) for step in range(len(batches))]
    return Plan(batches, [settings.learning_rate * share for share in shares], settings, weight_mask)


def finetune(
    model: torch.nn.Module,
    train: Encoded,
    settings: Preset,
    key: tuple[str, int],
    weight_mask: dict[str, torch.Tensor] | None = None,
    longer: int = 1,
    cuda_graphs: bool = False,
) -> TrainLog:
    """Train `model` in place, `longer` times the settings' epochs, and return its log.

    Of `settings`, a preset, all from `batch_size` to `clip` and the precision count.
    `key` (task, seed) alone decides data order and dropout, so a full and a retrained run of one seed
    share them. `weight_mask` maps parameter names to bool tensors: those weights start as mask x weight,
    and as their gradients are masked before clipping and AdamW, pruned ones stay exactly zero.
    With `cuda_graphs` a GPU replays each step as a graph (see `fast.cuda_graphs`), which rounds otherwise; where that
    is not possible the steps are taken one by one, and the log says why.
    Raises CellFailed at the first loss that is not finite.
    """
    epochs = longer * planned_epochs(len(train), settings)
    plan, device = planned(train, settings, key, epochs, weight_mask), model_device(model)
    with torch.no_grad():
        for parameter, mask in (weight_mask or {}).items():
            model.get_parameter(parameter).mul_(mask.to(device))
    log = TrainLog(epochs=epochs)

    def train_by(steps: Callable[[torch.nn.Module, Encoded, Plan], Iterator[Losses]]) -> None:
        with seeded(derived_seed("dropout", *key), device), contextlib.closing(steps(model, train, plan)) as course:
            for losses in course:
                log.add(losses)

    model.train()
    if not (cuda_graphs and faster("graphs", model, log, train_by)):
        train_by(faster("steps", model, train) or plain_steps)
    model.eval()
    return log


def plain_steps(model: torch.nn.Module, data: Encoded, plan: Plan) -> Iterator[Losses]:
    """Take each step of a plan, by torch's own AdamW and clipping; yields its loss before the step does anything."""
    settings, forward = plan.settings, PlainForward(model, data, plan.settings.precision)
    optimiser = adamw(model, settings)
    for rows, rate in zip(plan.batches, plan.rates):
        logits, rows = forward(rows)
        loss = batch_loss(logits, torch.from_numpy(data.labels[rows]).to(forward.device))
        yield [loss.item()]
        loss.backward()
        for parameter, kept in (plan.weight_mask or {}).items():
            model.get_parameter(parameter).grad.mul_(kept.to(forward.device))
        if settings.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        optimiser.zero_grad()


def adamw(model: torch.nn.Module, settings: Preset) -> torch.optim.AdamW:
    """The optimiser of all parameters; biases and LayerNorms do not decay."""
    parameters = [p for p in model.parameters() if p.requires_grad and p.numel()]
    matrices, vectors = ([p for p in parameters if (p.dim() > 1) == wanted] for wanted in (True, False))
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    decay, epsilon = settings.weight_decay, settings.adam_eps
    return torch.optim.AdamW(groups, lr=settings.learning_rate, eps=epsilon, weight_decay=decay, fused=True)
