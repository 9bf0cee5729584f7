"""The physically smaller model: removed heads and MLPs are cut out of the weights, and it computes what gates compute.

A layer without heads still adds its projection's bias, as it does under zero gates; a removed MLP adds zero (protocol:
Gates and pruning). Residual connections and LayerNorms stay. `dense` puts it back to full size, with zeros, for any
library.
"""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

from ..errors import UserError, one_line
from .anatomy import Anatomy, anatomy, family_of
from .load import build_classifier, quiet_transformers

FORMAT = 1
Mask = torch.Tensor | np.ndarray
Where = torch.Tensor | slice  # places along one side of a matrix
WEIGHTS, DESCRIPTION = "model.safetensors", "compact.json"


class NoHeads(nn.Module):
    """Attention with no heads left: an empty concatenation, projected to the bias where the family projects inside.

    It keeps the names of the module that it replaces, with no rows in the projections, so that paths stay valid.
    """

    def __init__(self, attention: nn.Module, projection: str):
        super().__init__()
        for name, child in attention.named_children():
            self.add_module(name, child)
        self.projection = projection if projection in self._modules else None

    def forward(self, hidden_states: torch.Tensor, *args, **kwargs) -> tuple[torch.Tensor, None]:
        nothing = hidden_states[..., :0]  # (batch, tokens, 0): no attention is computed at all
        return (nothing if self.projection is None else self._modules[self.projection](nothing)), None


def compact(model: nn.Module, heads: Mask, mlps: Mask, inplace: bool = False) -> nn.Module:
    """Return a copy of `model` (or `model` itself) without the heads and MLPs whose mask is False.

    `heads` (layers, heads) and `mlps` (layers,) are boolean tensors or arrays, True stays. The result trains and
    infers like the gated model, takes less time and memory, and keeps the masks as `kept_heads` and `kept_mlps`.
    Raises ValueError on a wrong shape, a mask that is not boolean, gates still in place, or a compact model.
    """
    body = anatomy(model)
    if not body.whole:
        raise ValueError("the model is compact already; cut the whole model instead")
    if any(body.attention_out(i)._forward_pre_hooks or body.mlp_out(i)._forward_hooks for i in range(body.layers)):
        raise ValueError("the model carries gates or other hooks, which a copy would inherit; remove them first")
    heads = _mask("heads", heads, (body.layers, body.heads))
    mlps = _mask("mlps", mlps, (body.layers,))
    if not inplace:
        model = copy.deepcopy(model)
        body = anatomy(model)
    for i in range(body.layers):
        if not heads[i].all():
            _cut_heads(body, i, heads[i])
        if not mlps[i]:
            _cut_mlp(body, i)
    model.kept_heads, model.kept_mlps = heads, mlps
    return model


def _mask(name: str, mask: Mask, shape: tuple[int, ...]) -> torch.Tensor:
    mask = torch.as_tensor(np.asarray(mask) if not isinstance(mask, torch.Tensor) else mask).detach().cpu().clone()
    if mask.dtype != torch.bool or tuple(mask.shape) != shape:
        raise ValueError(f"mask of {name} must be boolean of shape {shape}, got {mask.dtype} {tuple(mask.shape)}")
    return mask


def _cut_heads(body: Anatomy, i: int, kept: torch.Tensor) -> None:
    """Cut layer `i`'s heads to `kept` (heads,): rows of query, key and value, columns of the projection."""
    columns = kept.repeat_interleave(body.head_dim)
    projections = body.qkv(i)
    rows = columns.repeat(3 // len(projections))  # one Linear may stack query, key and value
    for linear in projections:
        _shrink(linear, rows=rows)
    _shrink(body.attention_out(i), columns=columns)
    attention, left = body.attention(i), int(kept.sum())
    for field, value in (("num_attention_heads", left), ("n_heads", left), ("all_head_size", left * body.head_dim)):
        if hasattr(attention, field):
            setattr(attention, field, value)
    if body.family.score_bias:
        _keep_own_bias(attention, kept.to(body.model.device))
    if left == 0:
        path, inside = body.family.attention, body.family.attention_out.removeprefix(body.family.attention + ".")
        body.layer(i).set_submodule(path, NoHeads(attention, inside))


def _keep_own_bias(attention: nn.Module, kept: torch.Tensor) -> None:
    """Have a layer's attention take the score bias of its `kept` heads (heads,) only: the model hands it all heads'.

    The class changes and not the module, so that names stay and there is no hook, which a copy would share.
    """
    attention.register_buffer("kept", kept.nonzero().flatten(), persistent=False)
    attention.__class__ = _with_own_bias(type(attention))


@functools.lru_cache
def _with_own_bias(plain: type) -> type:
    def forward(self, hidden_states, attention_mask=None, position_bias=None, **kwargs):
        return plain.forward(self, hidden_states, attention_mask, position_bias[:, self.kept], **kwargs)

    return type(f"{plain.__name__}OfKeptHeads", (plain,), {"forward": forward})


def _cut_mlp(body: Anatomy, i: int) -> None:
    """Cut layer `i`'s MLP to width 0; without a bias its second projection gives zeros."""
    _shrink(body.mlp_in(i), rows=slice(0))
    _shrink(body.mlp_out(i), columns=slice(0))
    body.mlp_out(i).bias = None


def _shrink(linear: nn.Linear, rows: Where = slice(None), columns: Where = slice(None)) -> None:
    """Keep the given rows (outputs) and columns (inputs) of a Linear, in place; the weights are copied."""

    def keep(parameter: nn.Parameter, *where: Where) -> nn.Parameter:
        return nn.Parameter(parameter.detach()[where].contiguous().clone(), requires_grad=parameter.requires_grad)

    linear.weight = keep(linear.weight, rows, columns)
    if linear.bias is not None:
        linear.bias = keep(linear.bias, rows)
    linear.out_features, linear.in_features = linear.weight.shape


@torch.no_grad()
def dense(model: nn.Module) -> nn.Module:
    """A full-size model that computes what the compact `model` computes; a model that is whole is returned as it is.

    Removed heads have zero query, key and value rows and zero columns of the attention output; removed MLPs are zero
    altogether, the bias included. The attention output's bias stays, as in the compact model.
    """
    small = anatomy(model)
    if small.whole:
        return model
    whole = build_classifier(model.config)
    large = anatomy(whole)
    inside = {name.rpartition(".")[0] for name in small.prunable_parameters()}
    state = {name: value for name, value in model.state_dict().items() if name.rpartition(".")[0] not in inside}
    whole.load_state_dict(state, strict=False)
    for i in range(small.layers):
        columns = model.kept_heads[i].repeat_interleave(small.head_dim)
        for to, source in zip(large.qkv(i), small.qkv(i)):
            _place(to, source, rows=columns.repeat(3 // len(large.qkv(i))))
        _place(large.attention_out(i), small.attention_out(i), columns=columns)
        inner = slice(None) if model.kept_mlps[i] else slice(0)
        _place(large.mlp_in(i), small.mlp_in(i), rows=inner)
        _place(large.mlp_out(i), small.mlp_out(i), columns=inner)
    return whole.eval()


def _place(to: nn.Linear, source: nn.Linear, rows: Where = slice(None), columns: Where = slice(None)) -> None:
    """Copy a smaller Linear into the given rows (outputs) and columns (inputs) of a larger one; the rest is zero."""
    for parameter in to.parameters():
        parameter.zero_()
    to.weight[rows, columns] = source.weight
    if source.bias is not None:
        to.bias[rows] = source.bias


def save_compact(model: nn.Module, folder: str | Path) -> None:
    """Write a compact classifier as model.safetensors and, last, compact.json (configuration and masks)."""
    if not hasattr(model, "kept_heads"):
        raise ValueError("only a model made by compact() can be saved as a compact model")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, folder / WEIGHTS)
    description = {
        "format": FORMAT,
        "family": model.config.model_type,
        "num_labels": model.config.num_labels,
        "heads": model.kept_heads.int().tolist(),
        "mlps": model.kept_mlps.int().tolist(),
        "config": {key: value for key, value in model.config.to_dict().items() if key != "_name_or_path"},
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_compact(folder: str | Path) -> nn.Module:
    """Return the compact classifier that save_compact wrote, in eval mode, without network.

    Raises UserError when the folder holds no compact model or a damaged one.
    """
    from transformers import AutoConfig
    from transformers.initialization import no_init_weights

    folder = Path(folder).expanduser()
    if not (folder / DESCRIPTION).is_file() and (folder / "compact").is_dir():
        folder = folder / "compact"  # as in a folder of `lottery export`
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(f"no compact model in {folder}: expected {DESCRIPTION} and {WEIGHTS}, {name} is missing")
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if description["format"] != FORMAT:
            raise UserError(f"compact model in {folder} has format {description['format']!r}, expected {FORMAT}")
        config = AutoConfig.for_model(**description["config"])
        family_of(config)
        heads = torch.tensor(description["heads"], dtype=torch.bool)
        mlps = torch.tensor(description["mlps"], dtype=torch.bool)
        with quiet_transformers(), torch.random.fork_rng(devices=[]), no_init_weights():
            model = compact(build_classifier(config), heads, mlps, inplace=True)
        model.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except UserError:
        raise
    except Exception as error:  # damaged JSON, masks, configuration or weights come as many kinds
        raise UserError(f"compact model in {folder} is damaged ({one_line(error, 200)}); write it again") from error
    return model.eval()
