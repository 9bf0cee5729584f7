"""A compact model's weights at full size again, with zeros where heads and MLPs were: any library loads that."""

from __future__ import annotations

import torch
from torch import nn

from .anatomy import anatomy
from .load import build_classifier


@torch.no_grad()
def dense(model: nn.Module) -> nn.Module:
    """A full-size model that computes what the compact `model` computes; a model that is whole is returned as it is.

    Removed heads have zero query, key and value rows and zero columns of the attention output; removed MLPs are zero
    altogether, the bias included. The attention output's bias stays, as in the compact model.
    """
    small = anatomy(model)
    if small.whole:
        return model
    whole = build_classifier(model.config, "sdpa")
    large = anatomy(whole)
    inside = {name.rpartition(".")[0] for name in small.prunable_parameters()}
    state = {name: value for name, value in model.state_dict().items() if name.rpartition(".")[0] not in inside}
    whole.load_state_dict(state, strict=False)
    for i in range(small.layers):
        columns = model.kept_heads[i].repeat_interleave(small.head_dim)
        for to, source in zip(large.qkv(i), small.qkv(i)):
            _place(to, source, rows=columns.repeat(3 // len(large.qkv(i))))
        _place(large.attention_out(i), small.attention_out(i), columns=columns)
        kept = bool(model.kept_mlps[i])
        for to, source in ((large.mlp_in(i), small.mlp_in(i)), (large.mlp_out(i), small.mlp_out(i))):
            if kept:
                to.load_state_dict(source.state_dict())
            else:
                for parameter in to.parameters():
                    parameter.zero_()
    return whole.eval()


def _place(to: nn.Linear, source: nn.Linear, rows: torch.Tensor | None = None, columns: torch.Tensor | None = None):
    """Copy a smaller Linear into the given rows (outputs) or columns (inputs) of a larger one; the rest is zero."""
    to.weight.zero_()
    if rows is None:
        to.weight[:, columns] = source.weight
        if to.bias is not None:
            to.bias.copy_(source.bias)
        return
    to.weight[rows] = source.weight
    if to.bias is not None:
        to.bias.zero_()
        to.bias[rows] = source.bias
