"""A classifier's forward pass on packed examples: the same function as transformers', with less work.

There is no padding, query, key and value are one product, and the last layer is computed for the first token of each
example only, as that is all the classifier reads. Whole and compact models of the families with BERT's layers take it;
a model with hooks (gates) does not, as the hooks would not be called.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..models.anatomy import FAMILIES, Anatomy, anatomy
from ..training.batches import Encoded, eval_batches
from ..training.device import autocast, precision_of
from ..training.evaluate import model_device
from .cpu_attention import dropped
from .cpu_halves import is_exact_gelu
from .packed import Packed, pack, packed_batches
from .packed_layer import Layer, block

CHUNK = 4096  # tokens that go through the model together on a CPU


def is_known(model: nn.Module, data: Encoded | None = None) -> bool:
    """Whether `PackedModel` computes a model: a classifier of a family with BERT's layers, without hooks.

    `data`: the examples it is to compute, if known. RoBERTa gives no position to a padding token, not even to one in
    the text.
    """
    family = FAMILIES.get(getattr(getattr(model, "config", None), "model_type", None))
    if family is None or not family.norms or not type(model).__name__.endswith("ForSequenceClassification"):
        return False
    if data is not None and family.padded_positions and (data.ids == model.config.pad_token_id).any():
        return False
    return not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())


class PackedModel:
    """A view of a model as it is now: `words` its word table, `layers` its encoder, all else is read from it.

    In bf16 on a CPU the encoder's products are in bfloat16 (`low`); a GPU computes inside `autocast`.
    """

    def __init__(self, model: nn.Module, precision: str = "fp32"):
        self.model, self.device = model, model_device(model)
        on_cpu, precision = self.device.type == "cpu", precision_of(model, precision)
        self.low, self.cast = on_cpu and precision == "bf16", "fp32" if on_cpu else precision
        self.anatomy: Anatomy = anatomy(model)
        self.words: torch.Tensor = model.base_model.embeddings.word_embeddings.weight
        self.layers = [self._layer(i) for i in range(self.anatomy.layers)]

    def __call__(self, batch: Packed) -> torch.Tensor:
        """Logits (B, C) of a batch, in its order; dropout as the model's mode says."""
        x, batch = self.embed(batch), self.with_bias(batch)
        for layer in self.layers:
            x = block(layer, x, batch, layer is self.layers[-1], self.model.training)
        return self.head(x)

    def autocast(self) -> AbstractContextManager:
        """Context in which the view computes in its precision."""
        return autocast(self.device, self.cast)

    def with_bias(self, batch: Packed) -> Packed:
        """The batch with what the model adds to all attention scores, where it adds something."""
        longest = max(group.length for group in batch.groups)
        bias = self.anatomy.score_bias(longest)
        return batch if bias is None else dataclasses.replace(batch, bias=bias)

    def embed(self, batch: Packed) -> torch.Tensor:
        """The tokens' embeddings (T, hidden)."""
        parts = self.model.base_model.embeddings
        x = F.embedding(batch.ids, self.words)
        if hasattr(parts, "token_type_embeddings"):
            types = parts.token_type_embeddings.weight
            x = x + (types[0] if batch.types is None else F.embedding(batch.types, types))
        places = parts.position_embeddings
        start = places.padding_idx + 1 if self.anatomy.family.padded_positions else 0
        x = x + F.embedding(batch.positions + start, places.weight)
        x = dropped(parts.LayerNorm(x), parts.dropout.p if parts.dropout.training else 0.0)
        project = getattr(self.model.base_model, "embeddings_project", None)
        return x if project is None else project(x)

    def _layer(self, i: int) -> Layer:
        body, family = self.anatomy, self.anatomy.family
        layer, out = body.layer(i), body.attention_out(i)
        activation = layer.get_submodule(family.activation)
        kept = getattr(self.model, "kept_heads", None)
        return Layer(
            out.in_features // body.head_dim,
            torch.cat([linear.weight for linear in body.qkv(i)]),
            torch.cat([linear.bias for linear in body.qkv(i)]),
            out.weight,
            out.bias,
            body.mlp_in(i),
            activation,
            body.mlp_out(i),
            tuple(layer.get_submodule(path) for path in family.norms),
            tuple(layer.get_submodule(path).p if path else 0.0 for path in family.drops),
            body.mlp_in(i).out_features > 0,
            is_exact_gelu(activation),
            places=None if kept is None else kept[i].nonzero().flatten().to(out.weight.device),
            low=self.low,
        )

    def head(self, first: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) from the first tokens' last hidden states (B, hidden)."""
        model = self.model
        if hasattr(model, "pre_classifier"):  # DistilBERT
            return model.classifier(model.dropout(F.relu(model.pre_classifier(first))))
        pooler = getattr(model.base_model, "pooler", None)
        if pooler is not None:  # BERT
            return model.classifier(model.dropout(pooler(first[:, None])))
        return model.classifier(first[:, None])  # RoBERTa, ELECTRA: their head takes the first token itself


class PackedForward:
    """From rows to logits by a `PackedModel`, as `training.evaluate.PlainForward` does."""

    def __init__(self, view: PackedModel, data: Encoded):
        self.view, self.data = view, data

    def batches(self, tokens: int) -> Iterator[np.ndarray]:
        """All rows once, longest first; on a CPU as many tokens as stay in its cache."""
        on_cpu = self.view.device.type == "cpu"
        return packed_batches(self.data, min(tokens, CHUNK)) if on_cpu else eval_batches(self.data, tokens)

    def __call__(self, rows: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        batch, rows = pack(self.data, rows, self.view.device, low=self.view.low)
        with self.view.autocast():
            return self.view(batch), rows


def forward_of(model: nn.Module, data: Encoded, precision: str = "fp32") -> PackedForward | None:
    """How a model computes packed examples; None for a model or examples that are not known here."""
    return PackedForward(PackedModel(model, precision), data) if is_known(model, data) else None
