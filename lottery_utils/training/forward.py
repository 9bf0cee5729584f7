"""From rows of examples to logits, on the leanest path that a model allows."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..models.lean import Lean, is_lean
from .batches import Encoded, collate, pack
from .device import autocast, precision_of

Forward = Callable[[np.ndarray], tuple[torch.Tensor, np.ndarray]]
WORTH_IT = 0.8  # share of the vocabulary in use above which training the whole table is as good


def forward_of(
    model: nn.Module, data: Encoded, device: torch.device, precision: str = "fp32", lean: Lean | None = None
) -> Forward:
    """A function from rows (B,) to logits (B, C) and the rows in the logits' order; the weights are those of now.

    Classifiers of families with BERT's layers compute on packed examples; any other model, and one with hooks, is
    called as `model(**inputs).logits` with padded batches.
    """
    if lean is None and is_lean(model, data):
        lean = lean_view(model, precision)
    if lean is None:
        return _plain(model, data, device, precision)
    cast = "fp32" if device.type == "cpu" else precision_of(model, precision)  # on a CPU `lean` casts by itself

    def forward(rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        batch, rows = pack(data, rows, device, low=lean.low)
        with autocast(device, cast):
            return lean(batch), rows

    return forward


def lean_view(model: nn.Module, precision: str) -> Lean:
    """The lean view of a model in the precision asked for."""
    device = next(model.parameters()).device
    return Lean(model, low=device.type == "cpu" and precision_of(model, precision) == "bf16")


def _plain(model: nn.Module, data: Encoded, device: torch.device, precision: str) -> Forward:
    def forward(rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        with autocast(device, precision_of(model, precision)):
            return model(**collate(data, rows, device).inputs).logits, rows

    return forward


@dataclass(frozen=True)
class Part:
    """A tensor that is trained, and the model's parameters that it stands for, end to end (by default itself)."""

    values: nn.Parameter
    stands_for: tuple[nn.Parameter, ...]


@dataclass(frozen=True)
class Trained:
    """A model in training: its forward function, what moves, and on the lean path the view of it, with its examples.

    The first `low` parts are multiplied in bfloat16. With weight decay or `low`, vectors (biases and LayerNorms, which
    do not decay) come last.
    """

    forward: Forward
    parts: list[Part]
    lean: Lean | None
    data: Encoded
    low: int = 0


@contextlib.contextmanager
def trained_parts(
    model: nn.Module, data: Encoded, device: torch.device, weight_decay: float, precision: str = "fp32"
) -> Iterator[Trained]:
    """What is needed to train `model`, which has the result at the end.

    On the lean path query, key and value of a layer are trained as one tensor, and of the word table the rows in use:
    the others get no gradient, and without weight decay Adam leaves them where they are. A model with frozen weights
    (DistilBERT with sinusoidal positions) is called as it is: the lean view would keep stacked weights as they were.
    """
    params = [p for p in model.parameters() if p.requires_grad and p.numel()]
    if not is_lean(model, data) or not all(p.requires_grad for p in model.parameters()):
        parts = [Part(p, (p,)) for p in params]
        parts = _vectors_last(parts) if weight_decay else parts
        yield Trained(_plain(model, data, device, precision), parts, None, data)
        return
    with torch.no_grad():
        lean = lean_view(model, precision)
        stand_ins = [part for i in range(len(lean.layers)) for part in _stacked(lean, i)]
        used, words = np.unique(data.ids), lean.words
        rows = None
        if not weight_decay and len(used) <= WORTH_IT * len(words):
            rows = torch.from_numpy(used.astype(np.int64)).to(device)
            lean.words = nn.Parameter(words[rows])
            data = dataclasses.replace(data, ids=np.searchsorted(used, data.ids).astype(np.int32), pad=0)
    taken = {id(p) for part in stand_ins for p in part.stands_for}
    if rows is not None:
        taken.add(id(words))
    parts = stand_ins + [Part(p, (p,)) for p in params if id(p) not in taken]
    if rows is not None:
        parts.append(Part(lean.words, (lean.words,)))
    matrices = _products(lean) if lean.low else set()
    if lean.low or weight_decay:
        parts = _vectors_last(parts, matrices)
    try:
        yield Trained(forward_of(model, data, device, precision, lean), parts, lean, data, len(matrices))
    finally:
        with torch.no_grad():
            for part in stand_ins:
                for p, values in zip(part.stands_for, part.values.split([len(p) for p in part.stands_for])):
                    p.copy_(values)
            if rows is not None:
                words[rows] = lean.words


def _products(lean: Lean) -> set[int]:
    """The ids of the encoder's weights, which are multiplied in bfloat16."""
    heads = {id(m) for layer in lean.layers if layer.heads for m in (layer.qkv, layer.out)}
    return heads | {id(m.weight) for layer in lean.layers if layer.mlp for m in (layer.mlp_in, layer.mlp_out)}


def _vectors_last(parts: list[Part], matrices: set[int] = frozenset()) -> list[Part]:
    """`parts` with `matrices` (ids) first, then other weights, then vectors."""
    return sorted(parts, key=lambda part: (part.values.dim() < 2, id(part.values) not in matrices))


def _stacked(lean: Lean, i: int) -> list[Part]:
    """Parameters in place of layer `i`'s stacked query, key and value."""
    layer, linears = lean.layers[i], lean.view.qkv(i)
    if not layer.heads:
        return []
    weight, bias = nn.Parameter(layer.qkv.clone()), nn.Parameter(layer.qkv_bias.clone())
    lean.layers[i] = dataclasses.replace(layer, qkv=weight, qkv_bias=bias)
    return [Part(weight, tuple(x.weight for x in linears)), Part(bias, tuple(x.bias for x in linears))]
