"""The steps of `training.finetune.plain_steps` on packed examples, over all parameters as one tensor."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..presets import Preset
from ..training.batches import Encoded
from ..training.device import TRIM_EVERY, leaves_holes, return_freed_memory
from ..training.evaluate import batch_loss, model_device
from ..training.finetune import Losses, Plan
from .packed_model import PackedForward, PackedModel, is_known

CHECK_EVERY = 20  # steps between looks at the losses on a GPU, where each look waits for the device
WORTH_IT = 0.8  # share of the vocabulary in use above which training the whole table is as good


@dataclass(frozen=True)
class Part:
    """A tensor that is trained, and the model's parameters that it stands for, end to end (by default itself)."""

    values: nn.Parameter
    stands_for: tuple[nn.Parameter, ...]


@dataclass(frozen=True)
class Trained:
    """A model in training: its forward function, with the view of it and its examples, and what moves.

    The first `low` parts are multiplied in bfloat16. With weight decay or `low`, vectors (biases and LayerNorms, which
    do not decay) come last.
    """

    forward: PackedForward
    parts: list[Part]
    low: int = 0

    def kept(self, model: nn.Module, masks: dict[str, torch.Tensor] | None) -> torch.Tensor | None:
        """Whether each weight may move (pruned ones may not), in the order of the parts end to end; None if all may."""
        if not masks:
            return None
        names = {id(p): name for name, p in model.named_parameters()}
        params = [p for part in self.parts for p in part.stands_for]
        whole = [masks.get(names.get(id(p)), torch.ones(p.shape, dtype=torch.bool)) for p in params]
        return torch.cat([mask.reshape(-1).to(p.device) for mask, p in zip(whole, params)])


def steps_of(model: nn.Module, data: Encoded) -> Callable[[nn.Module, Encoded, Plan], Iterator[Losses]] | None:
    """The steps that train a model on packed examples; None for a model or examples that are not known here.

    A model with frozen weights (DistilBERT with sinusoidal positions) is not: the packed view would keep stacked
    weights as they were.
    """
    return packed_steps if is_known(model, data) and all(p.requires_grad for p in model.parameters()) else None


def packed_steps(model: nn.Module, data: Encoded, plan: Plan) -> Iterator[Losses]:
    """Take each step of a plan; yields its loss before the step does anything, on a GPU several at once."""
    on_cpu, losses = model_device(model).type == "cpu", []
    trims = leaves_holes(model)
    with in_training(model, data, plan) as (trained, flat):
        optimiser = adamw(flat, plan.settings, plan.settings.learning_rate)
        kept = trained.kept(model, plan.weight_mask)
        for number, (rows, rate) in enumerate(zip(plan.batches, plan.rates), 1):
            if trims and number % TRIM_EVERY == 1:
                return_freed_memory()
            logits, rows = trained.forward(rows)
            loss = batch_loss(logits, torch.from_numpy(data.labels[rows]).to(logits.device))
            losses.append(loss.detach())
            if on_cpu or number % CHECK_EVERY == 0 or number == len(plan.batches):
                yield torch.stack(losses).tolist()
                losses.clear()
            flat.gradient(loss, kept, plan.settings.clip)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            flat.refresh()


@contextlib.contextmanager
def in_training(model: nn.Module, data: Encoded, plan: Plan) -> Iterator[tuple[Trained, Flat]]:
    """A model made ready for the steps of a plan, and its parameters as one tensor."""
    with (
        trained_parts(model, data, plan.settings.weight_decay, plan.settings.precision) as trained,
        Flat([part.values for part in trained.parts], trained.low) as flat,
    ):
        yield trained, flat


@contextlib.contextmanager
def trained_parts(model: nn.Module, data: Encoded, weight_decay: float, precision: str = "fp32") -> Iterator[Trained]:
    """What is needed to train `model`, which has the result at the end.

    Query, key and value of a layer are trained as one tensor, and of the word table the rows in use: the others get no
    gradient, and without weight decay Adam leaves them where they are.
    """
    with torch.no_grad():
        view = PackedModel(model, precision)
        stacked = [part for i in range(len(view.layers)) for part in _stacked(view, i)]
        table, used, rows = view.words, np.unique(data.ids), None
        if not weight_decay and len(used) <= WORTH_IT * len(table):
            rows = torch.from_numpy(used.astype(np.int64)).to(view.device)
            view.words = nn.Parameter(table[rows])
            data = dataclasses.replace(data, ids=np.searchsorted(used, data.ids).astype(np.int32), pad=0)
    replaced = {id(p) for part in stacked for p in part.stands_for} | (set() if rows is None else {id(table)})
    others = [p for p in model.parameters() if p.numel() and id(p) not in replaced]
    parts = stacked + [Part(p, (p,)) for p in (others if rows is None else [*others, view.words])]
    matrices = _products(view) if view.low else set()
    if view.low or weight_decay:
        parts = _vectors_last(parts, matrices)
    try:
        yield Trained(PackedForward(view, data), parts, len(matrices))
    finally:
        with torch.no_grad():
            for part in stacked:
                for p, values in zip(part.stands_for, part.values.split([len(p) for p in part.stands_for])):
                    p.copy_(values)
            if rows is not None:
                table[rows] = view.words


def _products(view: PackedModel) -> set[int]:
    """The ids of the encoder's weights, which are multiplied in bfloat16."""
    heads = {id(m) for layer in view.layers if layer.heads for m in (layer.qkv, layer.out)}
    return heads | {id(m.weight) for layer in view.layers if layer.mlp for m in (layer.mlp_in, layer.mlp_out)}


def _vectors_last(parts: list[Part], matrices: set[int]) -> list[Part]:
    """`parts` with `matrices` (ids) first, then other weights, then vectors."""
    return sorted(parts, key=lambda part: (part.values.dim() < 2, id(part.values) not in matrices))


def _stacked(view: PackedModel, i: int) -> list[Part]:
    """Parameters in place of layer `i`'s stacked query, key and value."""
    layer, linears = view.layers[i], view.anatomy.qkv(i)
    if not layer.heads:
        return []
    weight, bias = nn.Parameter(layer.qkv.clone()), nn.Parameter(layer.qkv_bias.clone())
    view.layers[i] = dataclasses.replace(layer, qkv=weight, qkv_bias=bias)
    return [Part(weight, tuple(x.weight for x in linears)), Part(bias, tuple(x.bias for x in linears))]


class Flat:
    """Inside the context `params` are views of `values` (all elements,), so that what moves `values` moves them.

    Each has a `gradient_place`, its view of the gradient's tensor, in which a backward pass may leave its gradient. The
    first `low` of them have a `low_copy` in bfloat16, which follows at `refresh`.
    """

    def __init__(self, params: list[nn.Parameter], low: int = 0):
        self.params, self.low = params, params[:low]
        self.values = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in params]))
        self.values.grad = torch.zeros_like(self.values)
        self.places: list[torch.Tensor] = []

    def __enter__(self) -> Flat:
        sizes = [p.numel() for p in self.params]
        for p, part, place in zip(self.params, self.values.detach().split(sizes), self.values.grad.split(sizes)):
            p.data, p.gradient_place = part.view(p.shape), place.view(p.shape)
            self.places.append(p.gradient_place)
        sizes = [p.numel() for p in self.low]
        self.copy = torch.empty(sum(sizes), dtype=torch.bfloat16, device=self.values.device)
        for p, part in zip(self.low, self.copy.split(sizes)):
            p.low_copy = part.view(p.shape)
        self.refresh()
        return self

    def refresh(self) -> None:
        """Bring the copies in bfloat16 up to date, after a step."""
        if self.low:
            self.copy.copy_(self.values.detach()[: len(self.copy)])

    def __exit__(self, *error) -> None:
        for p in self.params:  # storage of their own again: checkpoints must not share memory
            p.data = p.data.clone()
            del p.gradient_place
        for p in self.low:
            del p.low_copy

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
        moved = [(place, grad) for place, grad in zip(self.places, grads) if place.data_ptr() != grad.data_ptr()]
        if moved:
            torch._foreach_copy_(*zip(*moved))
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
