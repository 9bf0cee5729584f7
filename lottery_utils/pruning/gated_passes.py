"""Passes over the dev set under masks for models that `models.lean` does not compute: gates on the model itself.

It answers as `passes.Passes` does and is slower: removed parts are computed and multiplied by zero, examples are
padded, and nothing is kept between passes.
"""

from __future__ import annotations

import numpy as np
import torch

from ..models.gates import Gates
from ..models.lean import is_lean
from ..training.batches import Encoded, collate, packed_batches
from ..training.device import autocast, precision_of
from ..training.evaluate import batch_loss, model_device
from .masks import StructuredMask
from .passes import CHUNK, Pass, Passes, frozen


def open_passes(
    model: torch.nn.Module,
    data: Encoded,
    precision: str = "fp32",
    heads: str = "cut",
    mlps: str = "cut",
    keep: int | None = None,
) -> Passes | GatedPasses:
    """The fastest passes that `model` allows; a context manager, see `Passes`."""
    if is_lean(model, data):
        return Passes(model, data, precision, heads, mlps, keep)
    return GatedPasses(model, data, precision, heads, mlps)


class GatedPasses:
    """All passes of one search through the model's own forward function, with gates on it."""

    def __init__(self, model: torch.nn.Module, data: Encoded, precision: str, heads: str, mlps: str):
        """Raises ValueError for a compact model."""
        self.model, self.data, self.precision = model, data, precision_of(model, precision)
        self.device = model_device(model)
        self.gated = {"heads": heads == "gated", "mlps": mlps == "gated"}
        self.freeze = frozen(model)
        self.gates = Gates(model)
        self.rows = list(packed_batches(data, CHUNK))

    def __enter__(self) -> GatedPasses:
        self.freeze.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.gates.remove()
        self.freeze.__exit__(*error)

    def run(self, mask: StructuredMask, base: Pass | None = None) -> Pass:
        """The pass under `mask`: logits (N, C) in data order; `base` is not needed."""
        parts = []
        self.gates.set(mask.heads, mask.mlps)
        with torch.no_grad():
            for rows in self.rows:
                parts.append(self._logits(rows).float().cpu().numpy())
        return Pass(mask, self._in_order(parts))

    def measure(self, found: Pass) -> tuple[np.ndarray, np.ndarray]:
        """The pass's gradients: d loss(x) / d gate for every example, heads (N, L, H) and MLPs (N, L), NaN if cut."""
        if found.gradients is not None:
            return found.gradients
        masks = (found.mask.heads, found.mask.mlps)
        parts: tuple[list, list] = ([], [])
        for rows in self.rows:
            gates = [self._each(mask, len(rows)) for mask in masks]
            self.gates.set(*gates)
            labels = torch.from_numpy(self.data.labels[rows]).to(self.device)
            with torch.enable_grad():
                loss = batch_loss(self._logits(rows), labels, "sum")
            for part, grad in zip(parts, torch.autograd.grad(loss, gates)):
                part.append(grad.transpose(0, 1).double().cpu().numpy())
        heads, mlps = map(self._in_order, parts)
        if not self.gated["heads"]:
            heads[:, ~found.mask.heads] = np.nan
        if not self.gated["mlps"]:
            mlps[:, ~found.mask.mlps] = np.nan
        found.gradients = heads, mlps
        return found.gradients

    def _logits(self, rows: np.ndarray) -> torch.Tensor:
        with autocast(self.device, self.precision):
            return self.model(**collate(self.data, rows, self.device).inputs).logits

    def _each(self, mask: np.ndarray, count: int) -> torch.Tensor:
        """A gate for each example: (L, ...) to (L, count, ...)."""
        gate = torch.from_numpy(mask).float().to(self.device)
        return gate.unsqueeze(1).repeat(1, count, *[1] * (gate.dim() - 1)).requires_grad_()

    def _in_order(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts)[np.argsort(np.concatenate(self.rows))]
