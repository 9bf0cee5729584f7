"""Masks as validated types: which heads and MLPs, or which single weights, a subnetwork keeps.

The masks of a magnitude search are nested and kept in one byte a weight (`Levels`): weights do not change during it, so
its masks are cuts of one order of |w|, a threshold each for the whole encoder. Equal weights go in model order;
torch.nn.utils.prune leaves the choice among them open.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from ..errors import UserError, shown
from ..models.anatomy import anatomy
from ..switch import faster


@dataclass(frozen=True)
class ModelSizes:
    """Parameter counts of a full model: one head, one MLP, one projection bias, all prunable, all."""

    layers: int
    heads: int  # per layer
    per_head: int
    per_mlp: int
    prunable: int
    total: int


@dataclass(frozen=True)
class StructuredMask:
    """Heads kept, bool (L, H), and MLPs kept, bool (L,)."""

    heads: np.ndarray
    mlps: np.ndarray

    def __post_init__(self):
        for name, value, ndim in (("heads", self.heads, 2), ("mlps", self.mlps, 1)):
            if not isinstance(value, np.ndarray) or value.dtype != np.bool_ or value.ndim != ndim:
                got = f"{getattr(value, 'dtype', type(value).__name__)} with shape {getattr(value, 'shape', None)}"
                raise UserError(f"mask {name}: expected a bool array with {ndim} dimension(s), got {got}")
        if len(self.heads) != len(self.mlps):
            raise UserError(f"mask: heads have {len(self.heads)} layers but mlps {len(self.mlps)}; expected the same")

    @classmethod
    def full(cls, layers: int, heads: int) -> StructuredMask:
        """The mask that keeps everything."""
        return cls(np.ones((layers, heads), bool), np.ones(layers, bool))

    def __eq__(self, other) -> bool:
        return (
            isinstance(other, StructuredMask)
            and np.array_equal(self.heads, other.heads)
            and np.array_equal(self.mlps, other.mlps)
        )

    def __le__(self, other: StructuredMask) -> bool:
        """True when every component kept here is kept in `other` (nested masks)."""
        return not (self.heads & ~other.heads).any() and not (self.mlps & ~other.mlps).any()

    def __and__(self, other: StructuredMask) -> StructuredMask:
        return StructuredMask(self.heads & other.heads, self.mlps & other.mlps)

    def __invert__(self) -> StructuredMask:
        return StructuredMask(~self.heads, ~self.mlps)

    @property
    def size(self) -> tuple[int, int]:
        """(heads kept, MLPs kept)."""
        return int(self.heads.sum()), int(self.mlps.sum())

    def shares(self, sizes: ModelSizes) -> dict[str, float]:
        """Surviving shares of heads, of MLPs, of prunable weights and of all weights."""
        n_heads, n_mlps = self.size
        gone = (self.heads.size - n_heads) * sizes.per_head + (self.mlps.size - n_mlps) * sizes.per_mlp
        return {
            "heads": n_heads / self.heads.size,
            "mlps": n_mlps / self.mlps.size,
            "prunable": 1 - gone / sizes.prunable,
            "all": 1 - gone / sizes.total,
        }

    def save(self, path: Path, meta: dict | None = None) -> None:
        """Write the mask, one bit a component, as safetensors."""
        _write(path, {"heads": self.heads, "mlps": self.mlps}, "structured", meta)


@dataclass(frozen=True, eq=False)
class WeightMask:
    """Single weights kept: parameter name to bool tensor of the parameter's shape."""

    weights: dict[str, torch.Tensor]

    def __post_init__(self):
        for name, value in self.weights.items():
            if not isinstance(value, torch.Tensor) or value.dtype != torch.bool:
                raise UserError(f"mask of {name}: expected a bool tensor, got {getattr(value, 'dtype', type(value))}")

    def __eq__(self, other) -> bool:
        return (
            isinstance(other, WeightMask)
            and self.weights.keys() == other.weights.keys()
            and all(torch.equal(value, other.weights[name]) for name, value in self.weights.items())
        )

    def __le__(self, other: WeightMask) -> bool:
        """True when every weight kept here is kept in `other` (nested masks)."""
        return all(not (value & ~other.weights[name]).any() for name, value in self.weights.items())

    def __invert__(self) -> WeightMask:
        return WeightMask({name: ~value for name, value in self.weights.items()})

    @property
    def size(self) -> int:
        """Weights kept."""
        return sum(int(value.sum()) for value in self.weights.values())

    @property
    def total(self) -> int:
        """Weights the mask speaks of."""
        return sum(value.numel() for value in self.weights.values())

    def shares(self, sizes: ModelSizes) -> dict[str, float]:
        """Surviving shares of prunable weights and of all weights (components are not removed as wholes)."""
        gone = self.total - self.size
        return {"prunable": 1 - gone / self.total, "all": 1 - gone / sizes.total}

    @torch.no_grad()
    def apply_(self, model: torch.nn.Module) -> torch.nn.Module:
        """Multiply the mask into the model's weights, in place. Raises UserError when names or shapes differ."""
        named = dict(model.named_parameters())
        for name, value in self.weights.items():
            if name not in named or named[name].shape != value.shape:
                got = tuple(named[name].shape) if name in named else "no such parameter"
                raise UserError(f"mask of {name}: expected a parameter of shape {tuple(value.shape)}, got {got}")
            named[name].mul_(value.to(named[name].device))
        return model

    def save(self, path: Path, meta: dict | None = None) -> None:
        """Write the mask, one bit a weight, as safetensors."""
        _write(path, {name: value.cpu().numpy() for name, value in self.weights.items()}, "weights", meta)


def global_threshold(weights: dict[str, torch.Tensor], pruned: int, largest_first: bool = False) -> WeightMask:
    """The mask without the `pruned` smallest |w| of the whole encoder: one threshold for all matrices.

    So the paper, section 3.1. `weights`: name to tensor, in model order. With `largest_first` the largest go instead.
    """
    sizes = torch.cat([w.detach().abs().flatten().cpu() for w in weights.values()])
    kept = torch.ones(len(sizes), dtype=torch.bool)
    kept[sizes.argsort(stable=True, descending=largest_first)[:pruned]] = False
    parts = kept.split([w.numel() for w in weights.values()])
    return WeightMask({name: part.view(w.shape) for part, (name, w) in zip(parts, weights.items())})


def survivals(weights: dict[str, torch.Tensor], counts: list[int], largest_first: bool) -> dict[str, np.ndarray]:
    """For each weight the number of masks that keep it, uint8, end to end; one mask for each of `counts`."""
    survived = {name: np.zeros(w.numel(), np.uint8) for name, w in weights.items()}
    for count in counts:
        for name, kept in global_threshold(weights, count, largest_first).weights.items():
            survived[name] += kept.flatten().numpy()
    return survived


class Levels:
    """The masks after `counts` weights are gone, which must not fall; with `largest_first` the largest |w| go first.

    `weights`: name to tensor, in model order. `survived`: for each weight the number of masks that keep it. Raises
    ValueError for counts out of range or falling.
    """

    def __init__(self, weights: dict[str, torch.Tensor], counts: list[int], largest_first: bool = False):
        total = sum(w.numel() for w in weights.values())
        if sorted(counts) != list(counts) or (counts and not 0 <= counts[0] <= counts[-1] <= total):
            raise ValueError(f"counts must rise within 0 and {total}, got {counts}")
        if len(counts) > 255:
            raise ValueError(f"at most 255 masks at once, got {len(counts)}")
        arguments = weights, list(counts), largest_first
        self.survived = faster("survivals", *arguments) or survivals(*arguments)
        self.shapes = {name: w.shape for name, w in weights.items()}

    def mask(self, level: int) -> WeightMask:
        """The mask after `counts[level]` weights are gone."""
        kept = {name: torch.from_numpy(survived > level) for name, survived in self.survived.items()}
        return WeightMask({name: part.view(self.shapes[name]) for name, part in kept.items()})


def load_mask(path: Path) -> StructuredMask | WeightMask:
    """Read a mask written by `save`. Raises UserError for a damaged file or one that holds no mask."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"no mask at {path}") from None
    return mask_from(content, str(path))


def mask_from(content: bytes, source: str) -> StructuredMask | WeightMask:
    """The mask in the bytes of a file written by `save`; errors as `load_mask`, which call it `source`."""
    try:
        stored = load(content)  # checks the layout that the header is read from
        header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
        meta = json.loads(header["__metadata__"]["mask"])
        arrays = {name: _unpack(stored[name], shape, name) for name, shape in meta["shapes"].items()}
        kind = meta["kind"]
    except (SafetensorError, KeyError, ValueError, TypeError, RecursionError, AttributeError) as error:
        line = str(error).splitlines()[0]
        raise UserError(f"{source} is not a mask of this project, or is damaged: {line}") from None
    if kind == "structured":
        return StructuredMask(arrays["heads"], arrays["mlps"])
    return WeightMask({name: torch.from_numpy(value) for name, value in arrays.items()})


def _write(path: Path, arrays: dict[str, np.ndarray], kind: str, meta: dict | None) -> None:
    shapes = {name: list(value.shape) for name, value in arrays.items()}
    about = json.dumps({**(meta or {}), "kind": kind, "shapes": shapes}, sort_keys=True)
    # one entry: safetensors writes several in an order that changes, and equal masks must be equal files
    save_file({name: np.packbits(value.reshape(-1)) for name, value in arrays.items()}, str(path), {"mask": about})


def _unpack(bits: np.ndarray, shape: list[int], name: str) -> np.ndarray:
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise ValueError(f"{name}: expected a shape, got {shown(shape)}")
    count = math.prod(shape)
    if bits.dtype != np.uint8 or len(bits) != -(-count // 8):
        raise ValueError(f"{name}: expected {-(-count // 8)} bytes for shape {shape}, got {bits.size} of {bits.dtype}")
    return np.unpackbits(bits, count=count).astype(bool).reshape(shape)


def model_sizes(model: torch.nn.Module) -> ModelSizes:
    """Parameter counts, read off the modules of a full model; raises ValueError for a compact one.

    The attention output's bias belongs to no head: it stays when all heads of a layer are gone.
    """
    body = anatomy(model)
    if not body.whole:
        raise ValueError("the sizes of heads and MLPs are read from the whole model, this one is compact")
    per_head = sum(p.numel() for linear in body.qkv(0) for p in linear.parameters()) // body.heads
    per_head += body.attention_out(0).weight.numel() // body.heads
    per_mlp = sum(p.numel() for linear in (body.mlp_in(0), body.mlp_out(0)) for p in linear.parameters())
    prunable = sum(p.numel() for p in body.prunable_parameters().values())
    total = sum(p.numel() for p in model.parameters())
    return ModelSizes(body.layers, body.heads, per_head, per_mlp, prunable, total)
