"""Fine-tuning with the paper's hyperparameters (protocol, section 1)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from ..errors import CellFailed
from .batches import Encoded, train_batches
from .device import autocast, derived_seed, seeded
from .evaluate import batch_loss, model_device
from .flat import Flat
from .forward import Part, trained_parts

CHECK_EVERY = 20  # steps between looks at the losses on a GPU, where each look waits for the device


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
    total = epochs * math.ceil(len(train) / preset.batch_size)
    generator = torch.Generator().manual_seed(derived_seed("order", *key))
    log, losses, begin = TrainLog(epochs=epochs), [], time.perf_counter()
    model.train()
    with (
        seeded(derived_seed("dropout", *key), device),
        trained_parts(model, train, device, preset.weight_decay) as (forward, parts),
        Flat([part.values for part in parts]) as flat,
    ):
        kept = _kept(model, parts, weight_mask) if weight_mask else None
        optimiser = torch.optim.AdamW(
            [flat.values], lr=preset.learning_rate, eps=preset.adam_eps, weight_decay=preset.weight_decay, fused=True
        )
        for _ in range(epochs):
            for rows in train_batches(train, preset.batch_size, generator):
                with autocast(device, preset.precision):
                    logits, rows = forward(rows)
                loss = batch_loss(logits, torch.from_numpy(train.labels[rows]).to(device))
                losses.append(loss.detach())
                if device.type == "cpu" or len(losses) % CHECK_EVERY == 0 or len(losses) == total:
                    _collect(losses, log, name)
                grad = flat.gradient(loss)
                if kept is not None:
                    grad.mul_(kept)
                if preset.clip:
                    grad.mul_((preset.clip / (grad.norm() + 1e-6)).clamp(max=1.0))
                share = learning_rate_share(len(losses) - 1, total, preset.warmup)
                optimiser.param_groups[0]["lr"] = preset.learning_rate * share
                optimiser.step()
                if progress:
                    progress(len(losses), total)
    model.eval()
    log.seconds = time.perf_counter() - begin
    return log


def _collect(losses: list[torch.Tensor], log: TrainLog, name: str) -> None:
    """Move new losses into the log; a non-finite one stops the cell before its step does damage."""
    new = torch.stack(losses[log.steps :]).tolist()
    for value in new:
        if not math.isfinite(value):
            raise CellFailed(f"{name}: loss is {value} at step {log.steps + 1}; lower learning_rate or set clip")
        log.losses.append(value)


def _kept(model: torch.nn.Module, parts: list[Part], weight_mask: dict[str, torch.Tensor]) -> torch.Tensor:
    """1 for weights that may move and 0 for pruned ones, in the order of `parts` end to end."""
    names = {id(p): name for name, p in model.named_parameters()}
    params = [p for part in parts for p in part.stands_for]
    masks = [weight_mask.get(names.get(id(p)), torch.ones(p.shape, dtype=torch.bool)) for p in params]
    return torch.cat([mask.reshape(-1).to(p.device, p.dtype) for mask, p in zip(masks, params)])
