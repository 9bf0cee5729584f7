"""Passes over the dev set under masks, for one model: scores first, importances when they are asked for.

The weights are frozen, examples are packed without padding, and what a mask removes is not computed. The gradient of a
component's gate is the sum of its output times the gradient of what the gate lets through, so one backward pass gives
it for every example, and that pass ends at the lowest component still there. A pass begins at the lowest layer where
its mask differs from that of the pass before, whose activations are kept as far as memory allows.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field

import numpy as np
import torch

from ..pruning.importance import TOKENS, Pass, Removed
from ..pruning.masks import StructuredMask
from ..training.batches import Encoded
from ..training.device import TRIM_EVERY, leaves_holes, return_freed_memory
from ..training.evaluate import batch_loss, in_order
from .cpu_attention import tokens_of
from .packed import Packed, pack, packed_batches
from .packed_layer import Gate, Layer, block
from .packed_model import PackedModel, is_known


def memory_to_keep(device: torch.device) -> int:
    """Bytes of activations that one pass may keep, in as many processes as there are cores.

    A process on one thread is taken for one of several workers, which are to fit into a laptop's memory together.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 8
    most = 2**31 if torch.get_num_threads() > 1 else 2**28
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # not every system says
        return min(most, 2**29)
    return min(most, free // (4 * (os.cpu_count() or 1)))


@dataclass
class _Course:
    """A chunk's way through the layers: the input of each, its gates, the logits."""

    inputs: list[torch.Tensor]
    gates: list[list[Gate]]
    logits: torch.Tensor | None = None


Gradients = tuple[np.ndarray, np.ndarray]


@dataclass
class CutPass(Pass):
    """A pass with what the next one may need: for each chunk its activations, or its gradients where not kept."""

    courses: list[_Course | None] = field(default_factory=list)
    parts: list[Gradients | None] = field(default_factory=list)


class CutPasses:
    """As `pruning.importance.GatedPasses`, but no removed component is computed, from the layer where masks differ.

    But removed ones that are "gated" are computed, though they add nothing: their gates, at 0, have gradients too.
    """

    def __init__(
        self, model: torch.nn.Module, data: Encoded, precision: str, heads: Removed, mlps: Removed, keep: int | None
    ):
        with torch.no_grad():
            self.view = PackedModel(model, precision)
        self.data, self.device = data, self.view.device
        self.trims, self.masks = leaves_holes(model), 0
        if not self.view.anatomy.whole:
            raise ValueError("a search needs the whole model, this one is compact")
        self.gated = {"heads": heads == "gated", "mlps": mlps == "gated"}
        self.chunks: list[tuple[Packed, np.ndarray, torch.Tensor]] = []
        for rows in packed_batches(data, TOKENS):
            batch, rows = pack(data, rows, self.device, low=self.view.low)
            with torch.no_grad():
                batch = self.view.with_bias(batch)
            self.chunks.append((batch, rows, torch.from_numpy(data.labels[rows]).to(self.device)))
        bytes_so_far = np.cumsum([self._bytes(batch) for batch, _, _ in self.chunks])
        self.keeps = (bytes_so_far <= (memory_to_keep(self.device) if keep is None else keep)).tolist()

    def run(self, mask: StructuredMask, base: CutPass | None = None) -> CutPass:
        """The pass under `mask`, from the activations that `base` kept as far as both masks agree.

        Of a `base` whose gradients were taken, only those activations are kept: memory is that of one pass.
        """
        if self.trims and self.masks % TRIM_EVERY == 0:
            return_freed_memory()
        self.masks += 1
        layers = [self._cut(i, mask) for i in range(len(self.view.layers))]
        agree = _agreeing(mask, base.mask) if base is not None else 0
        courses, gradients, logits = [], [], []
        with torch.enable_grad():
            for number, (batch, _, labels) in enumerate(self.chunks):
                old = base.courses[number] if base is not None else None
                course, begin = self._start(batch, old, agree)
                if old is not None and base.gradients is not None:  # what the masks do not share is needed no more
                    base.courses[number] = _Course(old.inputs[: begin + 1], old.gates[:begin])
                self._forward(layers, batch, course, begin)
                keep = self.keeps[number]
                courses.append(course if keep else None)
                gradients.append(None if keep else self._backward(course, batch, labels, mask, retain=False))
                logits.append(course.logits.detach().float().cpu().numpy())
        return CutPass(mask, self._in_order(logits), None, courses, gradients)

    def measure(self, under: CutPass) -> Gradients:
        """The pass's gradients: d loss(x) / d gate for every example, heads (N, L, H) and MLPs (N, L)."""
        if under.gradients is None:
            parts = [
                self._backward(course, batch, labels, under.mask, retain=True) if part is None else part
                for course, part, (batch, _, labels) in zip(under.courses, under.parts, self.chunks)
            ]
            heads, mlps = zip(*parts)
            under.gradients = self._in_order(heads), self._in_order(mlps)
        return under.gradients

    def _in_order(self, parts: list[np.ndarray]) -> np.ndarray:
        return in_order(parts, [rows for _, rows, _ in self.chunks])

    def _start(self, batch: Packed, base: _Course | None, agree: int) -> tuple[_Course, int]:
        """A chunk's way as far as it is known from `base`, and the layer from which it is not."""
        if base is not None:
            begin = min(agree, len(base.gates))
            return _Course(base.inputs[: begin + 1], base.gates[:begin]), begin
        with torch.no_grad(), self.view.autocast():
            return _Course([self.view.embed(batch)], []), 0

    def _forward(self, layers: list[Layer], batch: Packed, course: _Course, begin: int) -> None:
        x = course.inputs[-1]
        with self.view.autocast():
            for i in range(begin, len(layers)):
                gates: list[Gate] = []
                x = block(layers[i], x, batch, i == len(layers) - 1, gates=gates)
                course.gates.append(gates)
                course.inputs.append(x)
            course.logits = self.view.head(x)

    def _backward(
        self, course: _Course, batch: Packed, labels: torch.Tensor, mask: StructuredMask, retain: bool
    ) -> Gradients:
        """A chunk's gradients by example, in the chunk's order, NaN for what is cut."""
        heads = np.full((len(labels), *mask.heads.shape), np.nan)
        mlps = np.full((len(labels), len(mask.mlps)), np.nan)
        wanted = [(i, gate) for i, gates in enumerate(course.gates) for gate in gates]
        if not wanted:
            return heads, mlps
        loss = batch_loss(course.logits, labels, "sum")
        grads = torch.autograd.grad(loss, [gate.through for _, gate in wanted], retain_graph=retain)
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

    def _bytes(self, batch: Packed) -> int:
        """Bytes of activations that a chunk with its graph holds on to, about."""
        total = 0
        for group in batch.groups:
            for layer in self.view.layers:
                hidden, width = layer.out.shape
                floats = 4 * width + layer.heads * group.length + 4 * hidden + layer.mlp_in.out_features
                total += 4 * floats * group.tokens
        return total


def _agreeing(mask: StructuredMask, other: StructuredMask) -> int:
    """Layers, from the lowest, in which two masks are the same."""
    differ = (mask.heads != other.heads).any(1) | (mask.mlps != other.mlps)
    return int(differ.argmax()) if differ.any() else len(differ)


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
        parts = zip(values[: tokens_of(batch.groups)].split([g.tokens for g in batch.groups]), batch.groups)
        values = torch.cat([part.view(group.count, group.length, -1).sum(1) for part, group in parts])
    return values.double().cpu().numpy()


def passes_of(model: torch.nn.Module, data: Encoded, *how) -> CutPasses | None:
    """Passes for a model that is known here, `how` as `CutPasses` takes it; None for another."""
    return CutPasses(model, data, *how) if is_known(model, data) else None
