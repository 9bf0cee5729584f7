"""A classifier's forward pass on packed examples: the same function as transformers', with less work.

There is no padding, query, key and value are one product, and the last layer is computed for the first token of each
example only, as that is all the classifier reads. Whole and compact models of the families with BERT's layers take it;
a model with hooks (gates) does not, as the hooks would not be called.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from .anatomy import FAMILIES, Anatomy, anatomy
from .dropped import dropped
from .packed import Packed, attend, attend_first
from .sublayers import LowLinear, attention_half, is_exact_gelu, is_written_out, mlp_half


@dataclass(frozen=True)
class Layer:
    """Weights of one layer: query, key and value stacked (3 * heads * dim, hidden), and what follows.

    `drops` are rates, used in training only. `ghosts` are removed heads whose gates, at 0, have gradients all the same:
    they are computed and add nothing. `mlp_gate` multiplies the MLP's output. `places`: the heads' places in the whole
    model, None for all. `low`: products in bfloat16, see `sublayers`.
    """

    heads: int
    qkv: torch.Tensor
    qkv_bias: torch.Tensor
    out: torch.Tensor
    out_bias: torch.Tensor
    mlp_in: nn.Linear
    activation: nn.Module
    mlp_out: nn.Linear
    norms: tuple[nn.LayerNorm, nn.LayerNorm]
    drops: tuple[float, float, float]
    mlp: bool  # whether it is still there
    exact_gelu: bool
    ghosts: Layer | None = None
    mlp_gate: float = 1.0
    places: torch.Tensor | None = None
    low: bool = False

    def score_bias(self, batch: Packed) -> torch.Tensor | None:
        """What is added to these heads' attention scores, (heads, longest, longest)."""
        return batch.bias if batch.bias is None or self.places is None else batch.bias[self.places]

    def linear(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """x (T, in) times weight transposed, plus bias."""
        return LowLinear.apply(x, weight, bias) if self.low else F.linear(x, weight, bias)


@dataclass
class Seen:
    """What a layer's gates multiply, and what to ask gradients of for them; None for what is gone."""

    context: torch.Tensor | None = None
    attention: torch.Tensor | None = None  # what ghosts would add to
    ghosts: tuple[torch.Tensor, torch.Tensor] | None = None  # their contexts, and the projection's columns for them
    mlp: torch.Tensor | None = None
    gated_mlp: torch.Tensor | None = None


def is_lean(model: nn.Module, data=None) -> bool:
    """Whether `Lean` computes what `model` computes: a classifier of a family with BERT's layers, without hooks.

    `data`: the examples it is to compute, if known. RoBERTa gives no position to a padding token, not even to one in
    the text.
    """
    kind = getattr(getattr(model, "config", None), "model_type", None)
    known = kind in FAMILIES and FAMILIES[kind].lean
    if not known or not type(model).__name__.endswith("ForSequenceClassification"):
        return False
    padded = data is not None and FAMILIES[kind].padded_positions
    if padded and (data.ids == model.config.pad_token_id).any():
        return False
    return not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())


class Lean:
    """The lean view of a model as it is now: `words` its word table, `layers` its encoder, all else is read from it.

    `low`: the encoder's products in bfloat16, for a CPU (on a GPU autocast does it).
    """

    def __init__(self, model: nn.Module, low: bool = False):
        self.model, self.low = model, low
        self.view: Anatomy = anatomy(model)
        self.words: torch.Tensor = model.base_model.embeddings.word_embeddings.weight
        self.layers = [self._layer(i) for i in range(self.view.layers)]

    def __call__(self, batch: Packed) -> torch.Tensor:
        """Logits (B, C) of a batch, in its order; dropout as the model's mode says."""
        x, batch = self.embed(batch), self.with_bias(batch)
        for layer in self.layers:
            x = block(layer, x, batch, layer is self.layers[-1], self.model.training)
        return self.head(x)

    def with_bias(self, batch: Packed) -> Packed:
        """The batch with what the model adds to all attention scores, where it adds something."""
        longest = max(group.length for group in batch.groups)
        bias = self.view.score_bias(longest)
        return batch if bias is None else dataclasses.replace(batch, bias=bias)

    def embed(self, batch: Packed) -> torch.Tensor:
        """The tokens' embeddings (T, hidden)."""
        parts = self.model.base_model.embeddings
        x = F.embedding(batch.ids, self.words)
        if hasattr(parts, "token_type_embeddings"):
            types = parts.token_type_embeddings.weight
            x = x + (types[0] if batch.types is None else F.embedding(batch.types, types))
        places = parts.position_embeddings
        start = places.padding_idx + 1 if self.view.family.padded_positions else 0
        x = x + F.embedding(batch.positions + start, places.weight)
        x = dropped(parts.LayerNorm(x), parts.dropout.p if parts.dropout.training else 0.0)
        project = getattr(self.model.base_model, "embeddings_project", None)
        return x if project is None else project(x)

    def _layer(self, i: int) -> Layer:
        view, family = self.view, self.view.family
        layer, out = view.layer(i), view.attention_out(i)
        drops = tuple(layer.get_submodule(path).p if path else 0.0 for path in family.drops)
        kept = getattr(self.model, "kept_heads", None)
        return Layer(
            out.in_features // view.head_dim,
            torch.cat([linear.weight for linear in view.qkv(i)]),
            torch.cat([linear.bias for linear in view.qkv(i)]),
            out.weight,
            out.bias,
            view.mlp_in(i),
            layer.get_submodule(family.activation),
            view.mlp_out(i),
            tuple(layer.get_submodule(path) for path in family.norms),
            drops,
            view.mlp_in(i).out_features > 0,
            is_exact_gelu(layer.get_submodule(family.activation)),
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


def block(
    layer: Layer, x: torch.Tensor, batch: Packed, last: bool, training: bool = False, seen: Seen | None = None
) -> torch.Tensor:
    """One layer: (T, hidden) to (T, hidden), or to (B, hidden) in the last one. `seen` collects what gates multiply.

    Tensors in `seen` require gradients even where nothing below them does.
    """
    drops = layer.drops if training else (0.0, 0.0, 0.0)
    written = seen is None and is_written_out(x, batch.mask)
    if written and layer.heads:
        x = attention_half(x, layer, batch, last, drops[:2])
    else:
        x = _attended(layer, x, batch, last, drops, seen)
    if not layer.mlp:
        return layer.norms[1].forward(x)
    if written and layer.exact_gelu and layer.mlp_gate == 1.0:
        return mlp_half(x, layer.mlp_in, layer.mlp_out, layer.norms[1], drops[2], layer.low)
    # forward() and not a call: there are no hooks, and with small models the time of calls counts
    inner = layer.activation.forward(layer.linear(x, layer.mlp_in.weight, layer.mlp_in.bias))
    mlp = layer.linear(inner, layer.mlp_out.weight, layer.mlp_out.bias)
    gated = mlp if layer.mlp_gate == 1.0 else mlp * layer.mlp_gate
    if seen is not None:
        seen.mlp, seen.gated_mlp = mlp, _leaf(gated)
    return layer.norms[1].forward(x + dropped(gated, drops[2]))


def _attended(layer: Layer, x: torch.Tensor, batch: Packed, last: bool, drops, seen: Seen | None) -> torch.Tensor:
    """The first half of a layer, operation by operation."""
    rest = x[batch.first] if last else x
    if layer.heads:
        context = _contexts(layer, x, rest, batch, last, drops[0])
        if seen is not None:
            seen.context = context = _leaf(context)
        attention = layer.linear(context, layer.out, layer.out_bias)
    else:
        attention = layer.out_bias.expand_as(rest)
    if layer.ghosts is not None and seen is not None:
        seen.attention = attention = _leaf(attention)
        with torch.no_grad():
            seen.ghosts = _contexts(layer.ghosts, x, rest, batch, last, 0.0), layer.ghosts.out
    return layer.norms[0].forward(rest + dropped(attention, drops[1]))


def _contexts(layer: Layer, x, rest, batch: Packed, last: bool, drop: float) -> torch.Tensor:
    about = batch.groups, layer.heads, drop, batch.mask, layer.score_bias(batch)
    if not last:
        return attend(layer.linear(x, layer.qkv, layer.qkv_bias), *about)
    width = len(layer.qkv) // 3
    q = layer.linear(rest, layer.qkv[:width], layer.qkv_bias[:width])
    kv = layer.linear(x, layer.qkv[width:], layer.qkv_bias[width:])
    return attend_first(q, kv, *about)


def _leaf(x: torch.Tensor) -> torch.Tensor:
    return x if x.requires_grad else x.requires_grad_()
