"""Scores of heads and MLPs beside the paper's importance: what else people rank components by.

A score is a function from a `View` to two arrays, heads (L, H) and MLPs (L,); the lowest go first, heads among heads
and MLPs among MLPs. It is asked anew under each mask, and what it says of removed components is ignored. Heads' scores
are then divided by their layer's L2 norm, as in the paper, whatever the score (see `structured.open_ranking`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from ..errors import CellFailed, UserError
from ..methods import function_of
from ..models.anatomy import Anatomy, anatomy, component_sums, kept_heads
from ..models.attention_maps import attention_maps
from ..models.compact import compact
from ..training.batches import Batch, Encoded, collate, eval_batches
from ..training.evaluate import model_device
from .importance import importance, loss_gradients
from .masks import StructuredMask

TOKENS = 8192  # of attention maps that are computed together
Scores = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class View:
    """What a score may look at: the whole fine-tuned model, the mask it is asked under, the dev set.

    `compact()` is the subnetwork as a smaller model; `batches()` are the examples; `rng()` starts anew at each call, so
    a score that draws gives the same order under every mask.
    """

    model: torch.nn.Module
    mask: StructuredMask
    data: Encoded
    precision: str = "fp32"
    seed: int = 0

    @property
    def body(self) -> Anatomy:
        """Where the whole model's heads and MLPs are."""
        return anatomy(self.model)

    def compact(self) -> torch.nn.Module:
        """A copy of the model without the removed components."""
        return compact(self.model, self.mask.heads, self.mask.mlps)

    def batches(self) -> Iterator[Batch]:
        """All examples once, padded."""
        for rows in eval_batches(self.data):
            yield collate(self.data, rows, model_device(self.model))

    def rng(self) -> np.random.Generator:
        """A generator that depends on the cell only."""
        return np.random.default_rng(self.seed)


class Scorer:
    """A score of the registry, or the user's, for one model: from a mask to importances, NaN for what is gone.

    It works on a copy of the model, dropout off. Raises UserError for an unknown score.
    """

    def __init__(self, name: str, model: torch.nn.Module, data: Encoded, precision: str = "fp32", seed: int = 0):
        self.name, self.function = name, function_of("score", name)
        self.given = copy.deepcopy(model).eval(), data, precision, seed

    def __call__(self, mask: StructuredMask) -> Scores:
        """Importances (L, H) and (L,) under `mask`; raises CellFailed where the function gives something else."""
        model, data, precision, seed = self.given
        scores = self.function(View(model, mask, data, precision, seed))
        if not isinstance(scores, tuple) or len(scores) != 2:
            raise CellFailed(f"score {self.name}: expected two arrays, heads and MLPs, got {type(scores).__name__}")
        return tuple(self._checked(of_kind, kept) for of_kind, kept in zip(scores, (mask.heads, mask.mlps)))

    def _checked(self, scores, kept: np.ndarray) -> np.ndarray:
        scores = np.asarray(scores, np.float64)
        if scores.shape != kept.shape:
            raise CellFailed(f"score {self.name}: expected shape {kept.shape}, got {scores.shape}")
        if not np.isfinite(scores[kept]).all():
            raise CellFailed(f"score {self.name}: a score is not finite")
        return np.where(kept, scores, np.nan)


def gate(view: View) -> Scores:
    """The paper's importance, E_x |dL(x)/d gate|; a search takes it from the pass that also gives the mask's score."""
    under = importance(view.model, view.data, view.mask, "exact", view.precision)
    return under.heads, under.mlps


def taylor(view: View) -> Scores:
    """First-order Taylor by weight group: the sum of (w dL/dw)^2 over a component's weights (Molchanov et al. 2019).

    L is the mean loss over the dev set; a head's group is its rows of query, key and value and its output columns, with
    biases.
    """
    body = anatomy(view.compact())
    parameters = body.prunable_parameters()
    gradients = loss_gradients(body.model, parameters, view.data, view.precision)
    heads, mlps = component_sums(body, {n: (g * parameters[n].detach()).square() for n, g in gradients.items()})
    return heads, mlps


@torch.no_grad()
def output(view: View) -> Scores:
    """Magnitude of outputs: the L2 norm of what a component adds to a token, mean over tokens, then over examples.

    Of a head that is its context times its columns of the output matrix, without the bias, which belongs to no head; of
    an MLP its second map's output, bias included. Needs no labels.
    """
    body = anatomy(view.compact())
    kept = [kept_heads(body, i) for i in range(body.layers)]
    sizes = [(len(places), body.head_dim) for places in kept]
    weights = [body.attention_out(i).weight.float().unflatten(1, sizes[i]) for i in range(body.layers)]
    inner = [torch.einsum("ohd,ohe->hde", w, w) for w in weights]  # |W c|^2 = c' (W'W) c
    heads, mlps = np.zeros((body.layers, body.heads)), np.zeros(body.layers)
    real: torch.Tensor | None = None  # (B, T), 0 for padding; None without any

    def mean(norms: torch.Tensor) -> torch.Tensor:
        """Over an example's tokens, summed over examples and divided by their number: (B, T, K) to (K,)."""
        weight = torch.ones_like(norms[..., 0]) if real is None else real.float()
        weight = weight / weight.sum(1, keepdim=True) / len(view.data)
        return torch.einsum("btk,bt->k", norms.double(), weight.double()).cpu()

    def add_heads(i: int, module, args) -> None:
        context = args[0].float().unflatten(-1, sizes[i])
        squares = torch.einsum("bthd,hde,bthe->bth", context, inner[i], context)
        heads[i, kept[i]] += mean(squares.clamp(min=0).sqrt()).numpy()

    def add_mlp(i: int, module, args, added) -> None:
        mlps[i] += float(mean(added.float().norm(dim=-1, keepdim=True)))

    for i in range(body.layers):  # on a copy, which is not needed any more after this
        if len(kept[i]):
            body.attention_out(i).register_forward_pre_hook(partial(add_heads, i))
        body.mlp_out(i).register_forward_hook(partial(add_mlp, i))
    for batch in view.batches():
        real = batch.inputs.get("attention_mask")
        body.model(**batch.inputs)
    return heads, mlps


def entropy(view: View) -> Scores:
    """`focus` for heads, MLPs as by magnitude of outputs (they attend to nothing)."""
    return focus(view), output(view)[1]


def focus(view: View) -> np.ndarray:
    """1 - H / log T of each head, (L, H).

    H is the entropy of a token's attention over the T tokens of its example, mean over tokens, then over examples: the
    score is 0 for a head that looks everywhere alike, 1 for one that looks at a single token. Needs no labels. Raises
    UserError for a model whose attention is not softmax(q k / sqrt(d)).
    """
    model, lengths = view.compact(), view.data.lengths
    heads = np.zeros(view.mask.heads.shape)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for begin in range(0, len(rows), max(1, TOKENS // length)):
            part = rows[begin : begin + max(1, TOKENS // length)]
            try:
                layers = attention_maps(model, collate(view.data, part, model_device(model)).inputs)
            except RuntimeError as error:
                raise UserError(f"score entropy: {error}; take gate or output") from None
            for layer in layers:
                spread = torch.special.entr(layer.probabilities.double()).sum(-1).mean(-1)  # (B, h)
                focused = 1 - spread / np.log(max(length, 2))
                heads[layer.layer, layer.heads.numpy()] += focused.sum(0).cpu().numpy() / len(view.data)
    return heads


def random(view: View) -> Scores:
    """Uniform draws: the same ones under every mask of a search, so a random order fixed in advance."""
    rng = view.rng()
    return rng.random(view.mask.heads.shape), rng.random(view.mask.mlps.shape)
