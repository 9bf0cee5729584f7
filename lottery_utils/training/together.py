"""Several trainings of one task as one batched model: seeds stacked in a dimension of their own.

Runs of one model, data and preset that differ in seed take the same number of steps, so each operation can do all of
them at once: where one small run leaves most of a GPU idle, several fill it. Every run keeps its own order of examples,
dropout, clipping and Adam state, and its loss is its own. Steps are those of `steps`, graphs included.
"""

from __future__ import annotations

import time

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..models.anatomy import max_tokens
from ..models.lean import Lean, is_lean
from ..models.packed import Packed
from .batches import Encoded, train_batches
from .device import autocast, derived_seed, seeded
from .evaluate import model_device
from .finetune import TrainLog, collected, learning_rate_share, planned_epochs
from .flat import Flat
from .steps import Course, Steps, weighted_loss


class Leanly(nn.Module):
    """A classifier whose forward function is the lean one, of the parameters that it has at the time."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, ids, positions, types, first, groups, mask) -> torch.Tensor:
        """Logits (B, C) of a packed batch."""
        return Lean(self.model)(Packed(ids, positions, types, first, groups, mask))


class Together(Steps):
    """Steps of R runs at once: `flat` holds their parameters, each stacked as (R, ...), in the model's order."""

    def __init__(self, model: nn.Module, data: Encoded, course: Course, flat: Flat, preset):
        super().__init__(None, data, course, flat, preset, None)
        self.leanly = Leanly(model)
        self.names = [f"model.{name}" for name, p in model.named_parameters()]
        self.runs = course.rows.shape[1]
        self.losses = self.losses[:, None].repeat(1, self.runs)

    def _step(self, length: int) -> None:
        rows = self.course.rows.index_select(0, self.at)[0]
        self.rate.copy_(self.course.rates.index_select(0, self.at)[0])
        batch, labels, weights = self.gather(rows.reshape(-1), length)
        groups = (batch.groups[0]._replace(count=rows.shape[1]),)
        size = rows.shape[1] * length

        def logits_of(parameters, ids, types, mask):
            inputs = (ids, batch.positions[:size], types, batch.first[: rows.shape[1]], groups, mask)
            return torch.func.functional_call(self.leanly, parameters, inputs)

        parameters = dict(zip(self.names, self.flat.params))
        types = None if batch.types is None else batch.types.view(self.runs, size)
        each = torch.func.vmap(logits_of, in_dims=(0, 0, None if types is None else 0, 0), randomness="different")
        # the kernels that fuse attention take no batch of batches
        with autocast(self.device, self.preset.precision, cache=False), sdpa_kernel(SDPBackend.MATH):
            logits = each(parameters, batch.ids.view(self.runs, size), types, batch.mask.view(self.runs, -1, length))
        pairs = zip(logits, labels.view(self.runs, -1), weights.view(self.runs, -1))
        losses = torch.stack([weighted_loss(*parts) for parts in pairs])
        self.losses.index_copy_(0, self.at, losses.detach()[None])
        grad = self.flat.gradient(losses.sum())
        if self.preset.clip:
            parts = [part.view(self.runs, -1) for part in grad.split([p.numel() for p in self.flat.params])]
            norms = torch.stack([part.norm(dim=1) for part in parts]).norm(dim=0)
            share = (self.preset.clip / (norms + 1e-6)).clamp(max=1.0)
            for part in parts:
                part.mul_(share[:, None])
        self.optimiser.step()
        self.at.add_(1)


def finetune_together(models: list[nn.Module], train: Encoded, preset, keys: list[tuple]) -> list[TrainLog]:
    """Train each of `models` in place as `finetune` with its key would, all at once; dropout differs in its draws.

    Raises ValueError for models that the lean path does not take, or of different shapes. Raises CellFailed at a loss
    that is not finite.
    """
    shapes = [[p.shape for p in model.parameters()] for model in models]
    if not all(is_lean(model, train) for model in models) or any(shape != shapes[0] for shape in shapes):
        raise ValueError("runs together need models of one shape that the lean path takes")
    device, begin = model_device(models[0]), time.perf_counter()
    epochs, orders = planned_epochs(len(train), preset), []
    for key in keys:
        generator = torch.Generator().manual_seed(derived_seed("order", *key))
        orders.append([rows for _ in range(epochs) for rows in train_batches(train, preset.batch_size, generator)])
    steps = len(orders[0])
    rates = [preset.learning_rate * learning_rate_share(i, steps, preset.warmup) for i in range(steps)]
    logs = [TrainLog(epochs=epochs) for _ in keys]
    stacked = [nn.Parameter(torch.stack(parts)) for parts in zip(*(m.parameters() for m in models))]
    with seeded(derived_seed("dropout", *keys[0]), device), Flat(stacked) as flat, torch.enable_grad():
        models[0].train()
        course = Course(train, list(zip(*orders)), rates, max_tokens(models[0].config), device)
        runs = Together(models[0], train, course, flat, preset)
        for number in range(steps):
            runs.run(number)
        for log, losses, key in zip(logs, runs.losses.T.tolist(), keys):
            collected(losses, log, "/".join(map(str, key)))
    with torch.no_grad():
        for place, model in enumerate(models):
            for p, values in zip(model.parameters(), stacked):
                p.copy_(values[place])
            model.eval()
    for log in logs:
        log.seconds = time.perf_counter() - begin
    return logs
