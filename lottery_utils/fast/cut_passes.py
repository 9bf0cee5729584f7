"""Passes over the dev set under masks, for one model: scores first, importances when they are asked for.

The weights are frozen, examples are packed without padding, and what a mask removes is not computed. The gradient of a
component's gate is the sum of its output times the gradient of what the gate lets through, so one backward pass gives
it for every example, and that pass ends at the lowest component still there. No activations outlive a chunk.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from ..pruning.importance import TOKENS, Pass, Removed
from ..pruning.masks import StructuredMask
from ..training.batches import Encoded
from ..training.evaluate import batch_loss, in_order
from .packed import Packed, pack, packed_batches
from .packed_layer import Gate, Layer, block
from .packed_model import PackedModel, is_known

Gradients = tuple[np.ndarray, np.ndarray]


class CutPasses:
    """As `pruning.importance.GatedPasses`, but no removed component is computed.

    But removed ones that are "gated" are computed, though they add nothing: their gates, at 0, have gradients too.
    """

    def __init__(
        self, model: torch.nn.Module, data: Encoded, precision: str, heads: Removed, mlps: Removed, at_once: bool
    ):
        with torch.no_grad():
            self.view = PackedModel(model, precision)
        self.data, self.device, self.at_once = data, self.view.device, at_once
        if not self.view.anatomy.whole:
            raise ValueError("a search needs the whole model, this one is compact")
        self.gated = {"heads": heads == "gated", "mlps": mlps == "gated"}
        self.chunks: list[tuple[Packed, np.ndarray, torch.Tensor]] = []
        for rows in packed_batches(data, TOKENS):
            batch, rows = pack(data, rows, self.device, low=self.view.low)
            with torch.no_grad():
                batch = self.view.with_bias(batch)
            self.chunks.append((batch, rows, torch.from_numpy(data.labels[rows]).to(self.device)))

    def run(self, mask: StructuredMask) -> Pass:
        """The pass under `mask`, with `at_once` its gradients too."""
        return self._pass(mask, self.at_once)

    def measure(self, under: Pass) -> Gradients:
        """The pass's gradients: d loss(x) / d gate for every example, heads (N, L, H) and MLPs (N, L)."""
        if under.gradients is None:
            under.gradients = self._pass(under.mask, True).gradients
        return under.gradients

    def _pass(self, mask: StructuredMask, measured: bool) -> Pass:
        layers = [self._cut(i, mask) for i in range(len(self.view.layers))]
        parts = [self._of_chunk(layers, batch, labels, mask, measured) for batch, _, labels in self.chunks]
        rows = [rows for _, rows, _ in self.chunks]
        logits, *gradients = (in_order(of_chunks, rows) for of_chunks in zip(*parts))
        return Pass(mask, logits, tuple(gradients) or None)

    def _of_chunk(
        self, layers: list[Layer], batch: Packed, labels: torch.Tensor, mask: StructuredMask, measured: bool
    ) -> tuple[np.ndarray, ...]:
        """A chunk's logits and, when `measured`, its gradients by example, in the chunk's order."""
        gates: list[list[Gate]] = [[] for _ in layers]
        with torch.set_grad_enabled(measured), self.view.autocast():
            x = self.view.embed(batch)
            for i, layer in enumerate(layers):
                x = block(layer, x, batch, i == len(layers) - 1, gates=gates[i] if measured else None)
            logits = self.view.head(x)
        found = logits.detach().float().cpu().numpy()
        return (found, *self._gradients(gates, logits, batch, labels, mask)) if measured else (found,)

    def _gradients(
        self,
        gates: list[list[Gate]],
        logits: torch.Tensor,
        batch: Packed,
        labels: torch.Tensor,
        mask: StructuredMask,
    ) -> Gradients:
        """Gradients (B, L, H) and (B, L), NaN for what is cut."""
        heads = np.full((len(labels), *mask.heads.shape), np.nan)
        mlps = np.full((len(labels), len(mask.mlps)), np.nan)
        wanted = [(i, gate) for i, of_layer in enumerate(gates) for gate in of_layer]
        if not wanted:
            return heads, mlps
        loss = batch_loss(logits, labels, "sum")
        grads = torch.autograd.grad(loss, [gate.through for _, gate in wanted])
        for (i, gate), grad in zip(wanted, grads):
            if gate.of == "mlp":
                mlps[:, i] = _by_example(gate.output, grad, gate.output.shape[1], batch)[:, 0]
                continue
            if gate.projection is not None:
                kind = torch.bfloat16 if self.view.low else torch.float32
                grad = grad.to(kind) @ gate.projection.to(kind)
            which = mask.heads[i] if gate.of == "heads" else ~mask.heads[i]
            heads[:, i, which] = _by_example(gate.output, grad, self.view.anatomy.head_dim, batch)
        return heads, mlps

    def _cut(self, i: int, mask: StructuredMask) -> Layer:
        """Layer `i` without what the mask removes, or with gates on it."""
        layer, dim = self.view.layers[i], self.view.anatomy.head_dim
        if not mask.heads[i].all():
            removed = _choose(layer, ~mask.heads[i], dim) if self.gated["heads"] else None
            layer = dataclasses.replace(_choose(layer, mask.heads[i], dim), removed=removed)
        if not mask.mlps[i]:
            change = {"mlp_gate": 0.0} if self.gated["mlps"] else {"mlp": False}
            layer = dataclasses.replace(layer, **change)
        return layer


def _choose(layer: Layer, heads: np.ndarray, dim: int) -> Layer:
    """`layer` with some of its heads (H,) only."""
    columns = torch.from_numpy(np.repeat(heads, dim)).to(layer.qkv.device)
    rows = columns.repeat(3)
    return dataclasses.replace(
        layer,
        heads=int(heads.sum()),
        qkv=layer.qkv[rows],
        qkv_bias=layer.qkv_bias[rows],
        out=layer.out[:, columns],
        places=torch.from_numpy(np.flatnonzero(heads)).to(layer.qkv.device),
    )


def _by_example(output: torch.Tensor, grad: torch.Tensor, width: int, batch: Packed) -> np.ndarray:
    """Sums of output * grad over `width` columns and an example's tokens: (T, K * width), or (B, ...), to (B, K)."""
    values = (output.detach().float() * grad.float()).unflatten(1, (-1, width)).sum(-1)
    if len(values) != len(batch.first):  # in the last layer there is one token an example
        sizes = [group.tokens for group in batch.groups]
        parts = zip(values[: sum(sizes)].split(sizes), batch.groups)
        values = torch.cat([part.view(group.count, group.length, -1).sum(1) for part, group in parts])
    return values.double().cpu().numpy()


def passes_of(model: torch.nn.Module, data: Encoded, *how) -> CutPasses | None:
    """Passes for a model that is known here, `how` as `CutPasses` takes it; None for another."""
    return CutPasses(model, data, *how) if is_known(model, data) else None
