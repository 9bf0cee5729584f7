"""Importance of heads and MLPs: how much the loss feels their gates (paper, section 3.2; protocol: Importance).

A pass under a mask gives the model's logits and, when asked, d loss(x) / d gate for every example x; `reduce_gradients`
makes scores of these, and `normalise_heads` makes the scores of heads comparable between layers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from ..models.gates import Gates
from ..switch import faster
from ..training.batches import Encoded, eval_batches
from ..training.evaluate import PlainForward, batch_loss, forward_of, in_order, model_device
from .masks import StructuredMask

RELEASED_BATCH = 64  # the authors' batch size in all stored searches
EPS = 1e-20
TOKENS = 2048  # that go through the model together: large products, activations that stay in the cache

Rule = Literal["exact", "batched", "running", "released"]
Removed = Literal["cut", "gated"]  # what becomes of what a mask removes: without a gradient, or with its gate's


def reduce_gradients(
    gradients: np.ndarray, rule: Rule, batch: int = RELEASED_BATCH, order: np.ndarray | None = None
) -> np.ndarray:
    """Scores from the gates' gradients of every example in data order, (N, ...) to (...).

    "exact": E_x |dL(x)/d gate|, the formula the paper prints. With g_b the mean gradient of batch b, of `batch`
    examples in `order` (rows, None: as they come): "batched" is mean_b |g_b|, a script that zeroes gradients between
    batches; "running" (and "released") is sum_b |sum_{b'<=b} g_b'|, one that does not, such as the authors'. In one
    batch of all examples both are |mean gradient|; "batched" with one example a batch is "exact".
    """
    if rule == "exact":
        return np.abs(gradients).mean(axis=0)
    if order is not None:
        gradients = gradients[order]
    starts = range(0, len(gradients), batch)
    means = np.stack([gradients[start : start + batch].mean(axis=0) for start in starts])
    return np.abs(means).mean(axis=0) if rule == "batched" else np.abs(np.cumsum(means, axis=0)).sum(axis=0)


def normalise_heads(scores: np.ndarray) -> np.ndarray:
    """Divide each layer's head scores (L, H) by the layer's L2 norm over all its heads, removed ones included.

    Over living heads only, a layer's last head would always have importance 1 and could never go.
    """
    return scores / (np.sqrt((scores**2).sum(axis=1, keepdims=True)) + EPS)


def shuffled(examples: int, number: int | None) -> np.ndarray | None:
    """The order `number` of `examples` rows, the same for every model; None, the data's own, for None."""
    return None if number is None else np.random.default_rng(number).permutation(examples)


@dataclass
class Pass:
    """One mask's logits (N, C), and once measured the gates' gradients, heads (N, L, H) and MLPs (N, L)."""

    mask: StructuredMask
    logits: np.ndarray
    gradients: tuple[np.ndarray, np.ndarray] | None = None


class GatedPasses:
    """All passes of one search, over frozen weights and with dropout off.

    They go through the model itself, with gates on it: what a mask removes is multiplied by zero.
    """

    def __init__(self, gates: Gates, data: Encoded, precision: str, heads: Removed, mlps: Removed):
        """`heads` and `mlps`: whether removed ones have gradients too."""
        self.gates, self.data, self.removed = gates, data, (heads, mlps)
        self.forward = PlainForward(gates.anatomy.model, data, precision)
        self.rows = list(eval_batches(data, TOKENS))

    @torch.no_grad()
    def run(self, mask: StructuredMask, base: Pass | None = None) -> Pass:
        """The pass under `mask`: logits (N, C) in data order; `base` is not needed."""
        self.gates.set(mask.heads, mask.mlps)
        parts = [self.forward(rows)[0].float().cpu().numpy() for rows in self.rows]
        return Pass(mask, in_order(parts, self.rows))

    def measure(self, under: Pass) -> tuple[np.ndarray, np.ndarray]:
        """The pass's gradients: d loss(x) / d gate for every example, heads (N, L, H) and MLPs (N, L), NaN if cut."""
        if under.gradients is None:
            masks = under.mask.heads, under.mask.mlps
            batches = zip(*(self._gradients(masks, rows) for rows in self.rows))
            under.gradients = tuple(in_order(parts, self.rows) for parts in batches)
            for gradients, kept, removed in zip(under.gradients, masks, self.removed):
                if removed == "cut":
                    gradients[:, ~kept] = np.nan
        return under.gradients

    def _gradients(self, masks: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
        """Gradients of a batch, (B, L, H) and (B, L), in one pass: each example has gates of its own."""
        gates = [self._one_each(mask, len(rows)) for mask in masks]
        self.gates.set(*gates)
        labels = torch.from_numpy(self.data.labels[rows]).to(self.forward.device)
        with torch.enable_grad():
            loss = batch_loss(self.forward(rows)[0], labels, "sum")
        return [grad.transpose(0, 1).double().cpu().numpy() for grad in torch.autograd.grad(loss, gates)]

    def _one_each(self, mask: np.ndarray, examples: int) -> torch.Tensor:
        """A gate for each example: (L, ...) to (L, examples, ...)."""
        gate = torch.from_numpy(mask).float().to(self.forward.device)
        return gate.unsqueeze(1).repeat(1, examples, *[1] * (gate.dim() - 1)).requires_grad_()


@contextlib.contextmanager
def frozen(model: torch.nn.Module) -> Iterator[None]:
    """Dropout off and no weight gradients: the backward pass then costs about half."""
    params, was_training = [p for p in model.parameters() if p.requires_grad], model.training
    model.eval()
    for p in params:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in params:
            p.requires_grad_(True)
        model.train(was_training)


@contextlib.contextmanager
def open_passes(
    model: torch.nn.Module,
    data: Encoded,
    precision: str = "fp32",
    heads: Removed = "cut",
    mlps: Removed = "cut",
    keep: int | None = None,
) -> Iterator[GatedPasses]:
    """Passes of `model` over `data`: `GatedPasses`, or what does the same sooner; inside, its weights are frozen.

    `heads` and `mlps` say what becomes of removed ones. `keep`: bytes of activations that a fast pass may keep for the
    next (None: by the memory at hand; results do not depend on it). Raises ValueError for a compact model.
    """
    with frozen(model):
        if fast := faster("passes", model, data, precision, heads, mlps, keep):
            yield fast
            return
        with Gates(model) as gates:
            yield GatedPasses(gates, data, precision, heads, mlps)


@dataclass(frozen=True)
class Importance:
    """Scores of one pass under one mask: heads float64 (L, H), mlps float64 (L,), and the pass's logits (N, C)."""

    heads: np.ndarray
    mlps: np.ndarray
    logits: np.ndarray


def importance(
    model: torch.nn.Module,
    data: Encoded,
    mask: StructuredMask,
    rule: Rule = "exact",
    precision: str = "fp32",
    batch: int = RELEASED_BATCH,
) -> Importance:
    """Importance of every component under `mask`, removed ones too, raw, with the logits of the same pass.

    `rule` and `batch` as in `reduce_gradients`. The model is left as found.
    """
    with open_passes(model, data, precision, heads="gated", mlps="gated", keep=0) as passes:
        under = passes.run(mask)
        heads, mlps = (reduce_gradients(g, rule, batch) for g in passes.measure(under))
    return Importance(heads, mlps, under.logits)


def loss_gradients(
    model: torch.nn.Module, parameters: dict[str, torch.nn.Parameter], data: Encoded, precision: str = "fp32"
) -> dict[str, torch.Tensor]:
    """d L / d w for each of `parameters` (name to parameter), L the mean loss over `data`; the model is left as found.

    Gates on the model count. Parameters that the loss does not reach have a gradient of 0.
    """
    params, device, was_training = list(parameters.values()), model_device(model), model.training
    asked = [p.requires_grad for p in params]
    total = [torch.zeros_like(p) for p in params]
    model.eval()
    try:
        for p in params:
            p.requires_grad_(True)
        for rows in list(forward_of(model, data, precision).batches(TOKENS)):
            with torch.enable_grad():
                logits, rows = forward_of(model, data, precision)(rows)  # anew: it may hold a graph of the weights
                loss = batch_loss(logits, torch.from_numpy(data.labels[rows]).to(device), "sum") / len(data)
            for whole, part in zip(total, torch.autograd.grad(loss, params, materialize_grads=True)):
                whole += part
    finally:
        for p, before in zip(params, asked):
            p.requires_grad_(before)
        model.train(was_training)
    return dict(zip(parameters, total))
