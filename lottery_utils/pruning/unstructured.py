"""Scores of single weights: what m-pruning may rank by instead of |w| over the whole encoder.

A method is a function from a `WeightView` to a tensor of scores for each prunable parameter. It is asked once, of the
fine-tuned model; the weights with the lowest |score| go first, over all parameters, so all masks are nested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..errors import CellFailed
from ..methods import function_of
from ..models.anatomy import anatomy
from ..training.batches import Encoded, take
from .gradients import loss_gradients

EXAMPLES = 512  # training examples that a method may look at

WeightScores = dict[str, torch.Tensor]


@dataclass(frozen=True)
class WeightView:
    """What a method may look at: the fine-tuned model, training examples (never the dev set), a seed of the cell's."""

    model: torch.nn.Module
    train: Encoded | None = None
    precision: str = "fp32"
    seed: int = 0

    @property
    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """The prunable parameters by name, in model order."""
        return anatomy(self.model).prunable_parameters()

    def rng(self) -> np.random.Generator:
        """A generator that depends on the cell only."""
        return np.random.default_rng(self.seed)

    def examples(self) -> Encoded:
        """`EXAMPLES` training examples, drawn at random; all where there are fewer."""
        if self.train is None:
            raise ValueError("this method looks at training examples, and was given none")
        return take(self.train, np.sort(self.rng().permutation(len(self.train))[:EXAMPLES]))


def weight_scores(name: str, view: WeightView) -> WeightScores:
    """Scores float32 of every prunable parameter by method `name`, in model order; the weights are left as found.

    Raises UserError for an unknown method, CellFailed when the function gives something else than finite tensors.
    """
    given, parameters = function_of("unstructured", name)(view), view.parameters
    if not isinstance(given, dict) or given.keys() != parameters.keys():
        raise CellFailed(f"unstructured {name}: expected a tensor for each prunable parameter by name")
    scores = {key: torch.as_tensor(given[key]).detach().float() for key in parameters}
    for key, value in scores.items():
        if value.shape != parameters[key].shape or not torch.isfinite(value).all():
            shape = tuple(parameters[key].shape)
            raise CellFailed(f"unstructured {name}: expected finite scores of shape {shape} for {key}")
    return scores


def global_size(view: WeightView) -> WeightScores:
    """The weights themselves: |w| decides, over the whole encoder."""
    return {name: p.detach() for name, p in view.parameters.items()}


def layer_size(view: WeightView) -> WeightScores:
    """The place of |w| in the order of its own matrix or bias, as a share: every tensor loses the same share."""
    scores = {}
    for name, p in view.parameters.items():
        order = p.detach().abs().flatten().sort(stable=True).indices
        places = (torch.arange(len(order), dtype=torch.float32, device=p.device) + 0.5) / len(order)
        scores[name] = torch.empty_like(places).index_copy_(0, order, places).view(p.shape)
    return scores


def snip(view: WeightView) -> WeightScores:
    """|w dL/dw|, L the mean loss over training examples: first order, as SNIP (Lee et al. 2019), in one look.

    SNIP does so at initialisation; here the fine-tuned weights decide, as they do for |w|.
    """
    parameters = view.parameters
    gradients = loss_gradients(view.model, parameters, view.examples(), view.precision)
    return {name: (g * parameters[name].detach()).abs() for name, g in gradients.items()}


def random(view: WeightView) -> WeightScores:
    """Uniform draws: a random order."""
    rng = view.rng()
    return {n: torch.from_numpy(rng.random(p.shape, np.float32)) for n, p in view.parameters.items()}
