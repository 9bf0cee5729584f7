"""Passes over the dev set under masks, for one model: scores first, importances when they are asked for.

The weights are frozen, examples are packed without padding, and what a mask removes is not computed. The gradient of a
component's gate is the sum of its output times the gradient of what the gate lets through, so one backward pass gives
it for every example, and that pass ends at the lowest component still there. A pass begins at the lowest layer where
its mask differs from that of the pass before, whose activations are kept where memory allows.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from ..models.lean import Layer, Lean, Seen, block
from ..models.packed import Packed
from ..training.batches import Encoded, pack, packed_batches
from ..training.device import autocast
from ..training.evaluate import batch_loss, model_device
from .masks import StructuredMask

CHUNK = 2048  # tokens that go through the model together: large products, activations that stay in the cache
KEEP = 2**30  # bytes of activations that a pass may keep


@dataclass
class Pass:
    """One mask's logits (N, C); gates' gradients of each example, heads (N, L, H) and MLPs (N, L), NaN where gone."""

    mask: StructuredMask
    logits: np.ndarray
    gradients: tuple[np.ndarray, np.ndarray] | None = None
    chunks: list[_Course] | None = None  # kept activations


@dataclass
class _Course:
    """A chunk's way through the layers: the input of each, what its gates saw, the logits."""

    inputs: list[torch.Tensor]
    seen: list[Seen]
    logits: torch.Tensor | None = None


class Passes:
    """All passes of one search; a context manager, inside which the model's weights are frozen and dropout is off.

    `heads` and `mlps` say what becomes of removed ones: "cut" (not computed, no gradient) or "gated" (computed, and
    multiplied by zero, so that their gates have gradients too).
    """

    def __init__(
        self,
        model: torch.nn.Module,
        data: Encoded,
        precision: str = "fp32",
        heads: str = "cut",
        mlps: str = "cut",
        keep: int = KEEP,
    ):
        with torch.no_grad():
            self.lean = Lean(model)
        self.data, self.precision = data, precision
        self.device = model_device(model)
        if not self.lean.view.whole:
            raise ValueError("a search needs the whole model, this one is compact")
        self.gated = {"heads": heads == "gated", "mlps": mlps == "gated"}
        self.freeze = frozen(model)
        self.chunks: list[tuple[Packed, np.ndarray, torch.Tensor]] = []
        for rows in packed_batches(data, CHUNK):
            batch, rows = pack(data, rows, self.device)
            self.chunks.append((batch, rows, torch.from_numpy(data.labels[rows]).to(self.device)))
        self.keeps = self._bytes() <= keep

    def __enter__(self) -> Passes:
        self.freeze.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.freeze.__exit__(*error)

    def run(self, mask: StructuredMask, base: Pass | None = None) -> Pass:
        """The pass under `mask`, from the activations that `base` kept as far as both masks agree."""
        layers = [self._cut(i, mask) for i in range(len(self.lean.layers))]
        agree = _agreeing(mask, base.mask) if base is not None and base.chunks else 0
        found = Pass(mask, None, None, [] if self.keeps else None)
        parts = []
        with torch.enable_grad():
            for number, (batch, rows, labels) in enumerate(self.chunks):
                course = self._start(batch, base.chunks[number] if agree else None, agree)
                self._forward(layers, batch, course, agree)
                if self.keeps:
                    found.chunks.append(course)
                else:
                    parts.append(self._backward(course, batch, labels, mask, retain=False))
                logits = course.logits.detach().float().cpu().numpy()
                if found.logits is None:
                    found.logits = np.empty((len(self.data), logits.shape[1]), np.float32)
                found.logits[rows] = logits
        if parts:
            found.gradients = self._in_order(parts)
        return found

    def measure(self, found: Pass) -> tuple[np.ndarray, np.ndarray]:
        """The pass's gradients: d loss(x) / d gate for every example, heads (N, L, H) and MLPs (N, L)."""
        if found.gradients is None:
            parts = [
                self._backward(course, batch, labels, found.mask, retain=True)
                for course, (batch, _, labels) in zip(found.chunks, self.chunks)
            ]
            found.gradients = self._in_order(parts)
        return found.gradients

    def _start(self, batch: Packed, base: _Course | None, agree: int) -> _Course:
        if base is not None:
            return _Course(base.inputs[: agree + 1], base.seen[:agree])
        with torch.no_grad(), autocast(self.device, self.precision):
            return _Course([self.lean.embed(batch)], [])

    def _forward(self, layers: list[Layer], batch: Packed, course: _Course, agree: int) -> None:
        x = course.inputs[-1]
        with autocast(self.device, self.precision):
            for i in range(agree, len(layers)):
                seen = Seen()
                x = block(layers[i], x, batch, i == len(layers) - 1, seen=seen)
                course.seen.append(seen)
                course.inputs.append(x)
            course.logits = self.lean.head(x)

    def _backward(
        self, course: _Course, batch: Packed, labels: torch.Tensor, mask: StructuredMask, retain: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """A chunk's gradients by example, in the chunk's order."""
        heads = np.full((len(labels), *mask.heads.shape), np.nan)
        mlps = np.full((len(labels), len(mask.mlps)), np.nan)
        outputs = [(s.context, s.gated_context, i, True) for i, s in enumerate(course.seen) if s.context is not None]
        outputs += [(s.mlp, s.gated_mlp, i, False) for i, s in enumerate(course.seen) if s.mlp is not None]
        if not outputs:
            return heads, mlps
        loss = batch_loss(course.logits, labels, "sum")
        grads = torch.autograd.grad(loss, [gated for _, gated, _, _ in outputs], retain_graph=retain)
        for (raw, _, i, is_head), grad in zip(outputs, grads):
            product = raw.detach().float() * grad.float()
            product = product.unflatten(1, (-1, self.lean.view.head_dim) if is_head else (1, -1)).sum(-1)
            found = _by_example(product, batch).double().cpu().numpy()
            if is_head:
                heads[:, i, slice(None) if self.gated["heads"] else mask.heads[i]] = found
            else:
                mlps[:, i] = found[:, 0]
        return heads, mlps

    def _in_order(self, parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        back = np.argsort(np.concatenate([rows for _, rows, _ in self.chunks]))
        heads, mlps = zip(*parts)
        return np.concatenate(heads)[back], np.concatenate(mlps)[back]

    def _cut(self, i: int, mask: StructuredMask) -> Layer:
        """Layer `i` without what the mask removes, or with gates on it."""
        layer, dim = self.lean.layers[i], self.lean.view.head_dim
        columns = torch.from_numpy(np.repeat(mask.heads[i], dim)).to(self.device)
        if not mask.heads[i].all():
            if self.gated["heads"]:
                layer = dataclasses.replace(layer, gate=columns.float())
            else:
                rows = columns.repeat(3)
                layer = dataclasses.replace(
                    layer,
                    heads=int(mask.heads[i].sum()),
                    qkv=layer.qkv[rows],
                    qkv_bias=layer.qkv_bias[rows],
                    out=layer.out[:, columns],
                )
        if not mask.mlps[i]:
            change = {"mlp_gate": 0.0} if self.gated["mlps"] else {"mlp": False}
            layer = dataclasses.replace(layer, **change)
        return layer

    def _bytes(self) -> int:
        """Bytes of activations that a pass with its graph holds on to, about."""
        total = 0
        for batch, _, _ in self.chunks:
            for group in batch.groups:
                for layer in self.lean.layers:
                    hidden, width = layer.out.shape
                    floats = 5 * width + layer.heads * group.length + 5 * hidden + layer.mlp_in.out_features
                    total += 4 * floats * group.tokens
        return total


def _agreeing(one: StructuredMask, other: StructuredMask) -> int:
    """Layers, from the lowest, in which two masks are the same."""
    differ = (one.heads != other.heads).any(1) | (one.mlps != other.mlps)
    return int(differ.argmax()) if differ.any() else len(differ)


def _by_example(values: torch.Tensor, batch: Packed) -> torch.Tensor:
    """Sums over each example's tokens: (T, K) to (B, K); what is by example already stays."""
    if len(values) == len(batch.first):
        return values
    sizes = [group.tokens for group in batch.groups]
    parts = zip(values.split(sizes), batch.groups)
    return torch.cat([part.view(group.count, group.length, -1).sum(1) for part, group in parts])


@contextlib.contextmanager
def frozen(model: torch.nn.Module):
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
