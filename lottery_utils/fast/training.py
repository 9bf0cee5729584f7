"""The steps of `training.finetune.plain_steps` on packed examples, over all parameters as one tensor."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from ..presets import Preset
from ..training.batches import Encoded
from ..training.device import WIDE, return_freed_memory
from ..training.evaluate import batch_loss, model_device
from ..training.finetune import Losses, Plan
from .packed_model import PackedForward, PackedModel, is_known

CHECK_EVERY = 20  # steps between looks at the losses on a GPU, where each look waits for the device
TRIM_EVERY = 4  # steps of a wide model on a CPU after which freed memory is given back
WORTH_IT = 0.8  # share of the vocabulary in use above which training the whole table is as good


def steps_of(model: nn.Module, data: Encoded) -> Callable[[nn.Module, Encoded, Plan], Iterator[Losses]] | None:
    """The steps that train a model on packed examples; None for a model or examples that are not known here.

    A model with frozen weights (DistilBERT with sinusoidal positions) is trained plainly.
    """
    return packed_steps if is_known(model, data) and all(p.requires_grad for p in model.parameters()) else None


def packed_steps(model: nn.Module, data: Encoded, plan: Plan) -> Iterator[Losses]:
    """Take each step of a plan; yields its loss before the step does anything, on a GPU several at once."""
    on_cpu, losses = model_device(model).type == "cpu", []
    trims = on_cpu and model.config.hidden_size >= WIDE
    with in_training(model, data, plan) as (flat, packed_model, examples):
        optimiser = adamw(flat, plan.settings, plan.settings.learning_rate)
        kept = flat.kept(model, plan.weight_mask)
        for number, (rows, rate) in enumerate(zip(plan.batches, plan.rates), 1):
            logits, rows = PackedForward(packed_model(), examples)(rows)
            loss = batch_loss(logits, torch.from_numpy(data.labels[rows]).to(logits.device))
            losses.append(loss.detach())
            if on_cpu or number % CHECK_EVERY == 0 or number == len(plan.batches):
                yield torch.stack(losses).tolist()
                losses.clear()
            flat.gradient(loss, kept, plan.settings.clip)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            if trims and number % TRIM_EVERY == 0:
                return_freed_memory()


@contextlib.contextmanager
def in_training(model: nn.Module, data: Encoded, plan: Plan) -> Iterator[tuple[Flat, Callable, Encoded]]:
    """A model made ready for the steps of a plan: its parameters as one tensor, and the examples with ids to match.

    Between them a function that views the model anew, at each step: a view's stacked weights are of one step.
    """
    settings, table = plan.settings, model.base_model.embeddings.word_embeddings.weight
    with words_in_use(table, data, settings.weight_decay) as (words, examples):
        params = [words if p is table else p for p in model.parameters() if p.numel()]
        if settings.weight_decay:
            params.sort(key=lambda p: p.dim() < 2)  # vectors, biases and LayerNorms, do not decay
        with Flat(params) as flat:
            yield flat, lambda: PackedModel(model, settings.precision, words), examples


@contextlib.contextmanager
def words_in_use(table: nn.Parameter, data: Encoded, weight_decay: float) -> Iterator[tuple[nn.Parameter, Encoded]]:
    """The rows of a word table that examples use, to be trained in its place, and the examples with ids among these.

    Other rows get no gradient, and without weight decay Adam leaves them where they are. At the end the table has the
    result. It is trained as a whole where that is as good.
    """
    used = np.unique(data.ids)
    if weight_decay or len(used) > WORTH_IT * len(table):
        yield table, data
        return
    rows = torch.from_numpy(used.astype(np.int64)).to(table.device)
    words = nn.Parameter(table.detach()[rows])
    try:
        yield words, dataclasses.replace(data, ids=np.searchsorted(used, data.ids).astype(np.int32), pad=0)
    finally:
        with torch.no_grad():
            table[rows] = words


class Flat:
    """Inside the context `params` are views of `values` (all elements,), so that what moves `values` moves them.

    `places` are the views of the gradient's tensor that belong to them.
    """

    def __init__(self, params: list[nn.Parameter]):
        self.params, sizes = params, [p.numel() for p in params]
        self.values = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in params]))
        self.values.grad = torch.zeros_like(self.values)
        self.places = [place.view(p.shape) for p, place in zip(params, self.values.grad.split(sizes))]

    def __enter__(self) -> Flat:
        for p, part in zip(self.params, self.values.detach().split([p.numel() for p in self.params])):
            p.data = part.view(p.shape)
        return self

    def __exit__(self, *error) -> None:
        for p in self.params:  # storage of their own again: checkpoints must not share memory
            p.data = p.data.clone()

    def kept(self, model: nn.Module, masks: dict[str, torch.Tensor] | None) -> torch.Tensor | None:
        """Whether each of `values` may move (pruned weights may not); None if all may."""
        if not masks:
            return None
        names = {id(p): name for name, p in model.named_parameters()}
        whole = [masks.get(names.get(id(p)), torch.ones(p.shape, dtype=torch.bool)) for p in self.params]
        return torch.cat([mask.reshape(-1) for mask in whole]).to(self.values.device)

    def halves(self) -> list[nn.Parameter]:
        """`values` in two parameters, matrices and vectors, with views of its gradient; vectors must come last."""
        matrices = sum(p.numel() for p in self.params if p.dim() > 1)
        sizes = [matrices, len(self.values) - matrices]
        parts = [nn.Parameter(part) for part in self.values.detach().split(sizes)]
        for part, place in zip(parts, self.values.grad.split(sizes)):
            part.grad = place
        return parts

    def gradient(self, loss: torch.Tensor, kept: torch.Tensor | None = None, clip: float = 0.0) -> torch.Tensor:
        """The gradient of `loss`, in place for an optimiser of `values`; zero for parameters without one.

        And zero where not `kept` (all elements,); scaled to a norm of at most `clip`, unless that is 0.
        """
        grads = torch.autograd.grad(loss, self.params, materialize_grads=True)
        torch._foreach_copy_(self.places, grads)
        grad = self.values.grad
        if kept is not None:
            grad.mul_(kept)
        if clip:
            share = clip / (grad.norm() + 1e-6)
            if grad.is_cuda or share < 1:  # a GPU is not waited for
                grad.mul_(share.clamp(max=1.0))
        return grad


def adamw(flat: Flat, settings: Preset, rate: float | torch.Tensor, **options) -> torch.optim.AdamW:
    """The optimiser of all parameters as one, or with weight decay as two: biases and LayerNorms do not decay."""
    groups = [{"params": [flat.values]}]
    if settings.weight_decay:
        decays = settings.weight_decay, 0.0
        groups = [{"params": [part], "weight_decay": decay} for part, decay in zip(flat.halves(), decays)]
    return torch.optim.AdamW(
        groups, lr=rate, eps=settings.adam_eps, weight_decay=settings.weight_decay, fused=True, **options
    )
