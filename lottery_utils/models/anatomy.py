"""Where each model family keeps its heads and MLPs; one entry of paths per family, everything else is shared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..errors import UserError

if TYPE_CHECKING:
    from transformers import PretrainedConfig


@dataclass(frozen=True)
class Family:
    """Module paths of one model family; `encoder` from the base model, the others from one layer.

    `qkv` names three projections, or one that stacks the three. `attention_out` is the Linear after the heads'
    concatenation, `mlp_out` the last one of the MLP: the gates of heads and MLPs sit at the input of the first and at
    the output of the second. `attention` is the module that computes the heads (and perhaps also projects them).
    `dropouts` are the configuration's dropout fields; `padded_positions` says that position numbers start after the
    padding id, so that fewer tokens fit than there are positions. `score_bias`: from the base model, the module whose
    `compute_position_bias` gives what is added to the attention scores of every layer, a bias for each head and
    distance (empty: nothing is).

    The others are for `fast`, of layers that do what BERT's does; a family without them is computed plainly.
    `activation` lies between the MLP's two Linears, `norms` after the residual connections of attention and MLP,
    `drops` are the dropouts of the attention probabilities, of the attention's output and of the MLP's (empty: none).
    """

    encoder: str
    attention: str
    qkv: tuple[str, ...]
    attention_out: str
    mlp_in: str
    mlp_out: str
    dropouts: tuple[str, ...]
    padded_positions: bool = False
    score_bias: str = ""
    activation: str = ""
    norms: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()


BERT = Family(
    encoder="encoder.layer",
    attention="attention.self",
    qkv=("attention.self.query", "attention.self.key", "attention.self.value"),
    attention_out="attention.output.dense",
    mlp_in="intermediate.dense",
    mlp_out="output.dense",
    dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
    activation="intermediate.intermediate_act_fn",
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    drops=("attention.self.dropout", "attention.output.dropout", "output.dropout"),
)
DISTILBERT = Family(
    encoder="transformer.layer",
    attention="attention",
    qkv=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    attention_out="attention.out_lin",
    mlp_in="ffn.lin1",
    mlp_out="ffn.lin2",
    dropouts=("dropout", "attention_dropout", "seq_classif_dropout"),
    activation="ffn.activation",
    norms=("sa_layer_norm", "output_layer_norm"),
    drops=("attention.dropout", "", "ffn.dropout"),
)
MPNET = Family(
    encoder="encoder.layer",
    attention="attention.attn",
    qkv=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    attention_out="attention.attn.o",
    mlp_in="intermediate.dense",
    mlp_out="output.dense",
    dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
    padded_positions=True,
    score_bias="encoder",
    activation="intermediate.intermediate_act_fn",
    norms=("attention.LayerNorm", "output.LayerNorm"),
    drops=("attention.attn.dropout", "attention.dropout", "output.dropout"),
)
MODERNBERT = Family(
    encoder="layers",
    attention="attn",
    qkv=("attn.Wqkv",),
    attention_out="attn.Wo",
    mlp_in="mlp.Wi",
    mlp_out="mlp.Wo",
    dropouts=("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout"),
)
FAMILIES = {  # by config.model_type
    "bert": BERT,
    "roberta": replace(BERT, padded_positions=True),
    "electra": BERT,
    "distilbert": DISTILBERT,
    "mpnet": MPNET,
    "modernbert": MODERNBERT,
}


def family_of(config: PretrainedConfig) -> Family:
    """Return the family of a transformers configuration; raises UserError for an unknown one, listing the known."""
    return family_named(config.model_type)


def family_named(name: str | None) -> Family:
    """Return the family whose configurations have this `model_type`; errors as `family_of`."""
    if name not in FAMILIES:
        known = f"known families: {', '.join(FAMILIES)}; the page on model families says how to add one"
        raise UserError(f"unknown model family {name!r}; {known}")
    return FAMILIES[name]


def max_tokens(config: PretrainedConfig) -> int:
    """Return the greatest number of tokens, special ones included, that a model takes."""
    return config.max_position_embeddings - (config.pad_token_id + 1 if family_of(config).padded_positions else 0)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A family's paths bound to one model; sizes are those of the whole model, also where it is compact by now."""

    model: nn.Module
    family: Family
    layers: int
    heads: int  # per layer
    head_dim: int

    def layer(self, i: int) -> nn.Module:
        """Return encoder layer `i`."""
        return self.model.base_model.get_submodule(self.family.encoder)[i]

    def attention(self, i: int) -> nn.Module:
        """Return the module of layer `i` that computes the heads."""
        return self.layer(i).get_submodule(self.family.attention)

    def qkv(self, i: int) -> tuple[nn.Linear, ...]:
        """Return layer `i`'s query, key and value projections (one Linear where the family stacks them)."""
        return tuple(self.layer(i).get_submodule(path) for path in self.family.qkv)

    def attention_out(self, i: int) -> nn.Linear:
        """Return layer `i`'s projection after the heads' concatenation, (heads * head_dim) -> hidden."""
        return self.layer(i).get_submodule(self.family.attention_out)

    def mlp_in(self, i: int) -> nn.Linear:
        """Return layer `i`'s first MLP projection."""
        return self.layer(i).get_submodule(self.family.mlp_in)

    def mlp_out(self, i: int) -> nn.Linear:
        """Return layer `i`'s second MLP projection."""
        return self.layer(i).get_submodule(self.family.mlp_out)

    def score_bias(self, length: int) -> torch.Tensor | None:
        """What is added to the attention scores of `length` tokens in every layer, (heads, length, length), or None."""
        if not self.family.score_bias:
            return None
        module = self.model.base_model.get_submodule(self.family.score_bias)
        tokens = next(module.parameters()).new_empty(1, length, 1)  # of which only shape and device are looked at
        return module.compute_position_bias(tokens)[0]

    @property
    def whole(self) -> bool:
        """Whether all heads and MLPs are still there physically."""
        width = self.heads * self.head_dim
        return all(
            self.attention_out(i).in_features == width and self.mlp_out(i).in_features for i in range(self.layers)
        )

    def prunable_parameters(self) -> dict[str, nn.Parameter]:
        """Return the encoder's prunable weights and biases by full name, in model order (protocol: Magnitude search).

        Per layer: query, key, value, attention output, MLP in and out. Embeddings, LayerNorms, pooler and classifier
        are never pruned.
        """
        prunable = {
            id(parameter)
            for i in range(self.layers)
            for linear in (*self.qkv(i), self.attention_out(i), self.mlp_in(i), self.mlp_out(i))
            for parameter in linear.parameters()
        }
        return {name: p for name, p in self.model.named_parameters() if id(p) in prunable}


def anatomy(model: nn.Module) -> Anatomy:
    """Return the anatomy of a transformers model (base model or with a head).

    Raises UserError for an unknown family, and for one that this version of transformers lays out in another way.
    """
    config = model.config
    family = family_of(config)
    try:
        layers = len(model.base_model.get_submodule(family.encoder))
    except AttributeError:
        import transformers

        raise UserError(
            f"family {config.model_type!r}: transformers {transformers.__version__} has no {family.encoder!r} in "
            f"{type(model.base_model).__name__}; update it, or correct the family's entry"
        ) from None
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Anatomy(model=model, family=family, layers=layers, heads=heads, head_dim=head_dim)


def component_sums(view: Anatomy, values: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Sums of `values` (parameter name to tensor of its shape) over each head's weights (L, H) and each MLP's (L,).

    Biases of query, key and value count; the attention output's bias belongs to no head. Components that a compact
    model lacks have 0.
    """
    names = {id(p): name for name, p in view.prunable_parameters().items()}
    heads, mlps = np.zeros((view.layers, view.heads)), np.zeros(view.layers)
    for layer in range(view.layers):
        kept = kept_heads(view, layer)
        projections = view.qkv(layer)
        parts = 3 // len(projections)  # one Linear may stack query, key and value
        total = torch.zeros(len(kept), dtype=torch.float64)
        for module in projections if len(kept) else ():
            for p in module.parameters():
                by_head = values[names[id(p)]].view(parts, len(kept), -1)
                total += by_head.sum(dim=(0, 2), dtype=torch.float64).cpu()
        out = values[names[id(view.attention_out(layer).weight)]]
        total += out.view(len(out), len(kept), view.head_dim).sum(dim=(0, 2), dtype=torch.float64).cpu()
        heads[layer, kept] = total.numpy()
        linears = (view.mlp_in(layer), view.mlp_out(layer))
        mlps[layer] = sum(float(values[names[id(p)]].sum(dtype=torch.float64)) for m in linears for p in m.parameters())
    return heads, mlps


def kept_heads(view: Anatomy, layer: int) -> np.ndarray:
    """Places of the heads that a layer's projections hold: of all in a whole model."""
    if view.whole:
        return np.arange(view.heads)
    return np.flatnonzero(view.model.kept_heads[layer].numpy())
