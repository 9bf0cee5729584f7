"""The magnitude search: remove the smallest weights of the whole encoder, step by step (protocol: Magnitude search).

Weights may be ranked by another score than |w|. Such a method is a function from a `WeightView` to a tensor of scores
for each prunable parameter. It is asked once, of the fine-tuned model; the weights with the lowest |score| go first,
over all parameters, so all masks are nested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from ..errors import CellFailed
from ..methods import function_of
from ..models.anatomy import Anatomy, anatomy, component_sums
from ..presets import Preset
from ..tasks.glue import Task
from ..training.batches import Encoded, take
from ..training.evaluate import predict
from .importance import loss_gradients
from .masks import Levels, WeightMask
from .stopping import stop_rule
from .structured import Search, score_of

EXAMPLES = 512  # training examples that a method may look at
WeightScores = dict[str, torch.Tensor]


def magnitude_search(
    model: torch.nn.Module,
    dev: Encoded,
    task: Task,
    settings: Preset,
    majority: float,
    train: Encoded | None = None,
    seed: int = 0,
) -> Search:
    """Search the good magnitude subnetwork: the last mask whose dev score passes, at most `magnitude_max_steps`.

    Of `settings`, a preset, count threshold, magnitude_step, magnitude_max_steps, precision, importance ("released" has
    the authors' plain stop rule) and `unstructured`, which names another score to rank weights by; `train` and `seed`
    are for one that looks at training examples or draws. The model's weights are left as found. Trajectory arrays, S
    steps of which the first is the full model: kept (S,) weights, share (S,), score (S,), passed (S,), target (1,) and
    lead (1,) as of a structured search, head_share (S, L, H) and mlp_share (S, L), the shares of each component's
    weights that remain.
    """
    body = anatomy(model)
    total = sum(p.numel() for p in body.prunable_parameters().values())
    counts = pruned_counts(total, settings.magnitude_step, settings.magnitude_max_steps)
    view = WeightView(model, train, settings.precision, seed)
    levels = Levels(weight_scores(settings.unstructured, view), counts)
    best, rows, rule = levels.mask(0), [], None
    with under_masks(body) as apply:
        for number, pruned in enumerate(counts):
            mask = levels.mask(number)
            apply(mask)
            score = score_of(task, predict(model, dev, settings.precision), dev)
            rule = rule or stop_rule(score, majority, settings.threshold, settings.importance == "released")
            passed = number == 0 or score >= rule.target
            rows.append((total - pruned, score, passed, *component_shares(body, mask)))
            if not passed or not rule.searchable:
                break
            best = mask
    capped = rule.searchable and len(rows) == len(counts) and rows[-1][2]
    notes = rule.notes + ((f"stopped by the cap of {settings.magnitude_max_steps} steps",) if capped else ())
    kept, score, passed, heads, mlps = zip(*rows)
    trajectory = {
        "kept": np.array(kept, np.int64),
        "share": np.array(kept) / total,
        "score": np.array(score),
        "passed": np.array(passed, bool),
        "target": np.array([rule.target if rule.searchable else 0.0]),
        "lead": np.array([rule.lead]),
        "head_share": np.stack(heads),
        "mlp_share": np.stack(mlps),
    }
    return Search(best, trajectory, notes, rule.searchable)


def pruned_counts(total: int, step: float, steps: int) -> list[int]:
    """Of `total` weights those removed after 0, 1, ... `steps` steps, each of round(`step` x what remains)."""
    counts = [0]
    for _ in range(steps):
        counts.append(counts[-1] + round(step * (total - counts[-1])))
    return counts


@contextmanager
def under_masks(body: Anatomy) -> Iterator[Callable[[WeightMask], None]]:
    """A function that puts the model's own weights under a mask, from the originals; at the end these are back."""
    parameters = body.prunable_parameters()
    originals = {name: p.detach().clone() for name, p in parameters.items()}

    @torch.no_grad()
    def apply(mask: WeightMask) -> None:
        for name, p in parameters.items():
            torch.mul(originals[name], mask.weights[name].to(p.device), out=p)

    try:
        yield apply
    finally:
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(originals[name])


def component_shares(body: Anatomy, mask: WeightMask) -> tuple[np.ndarray, np.ndarray]:
    """Share of each head's weights (L, H) and each MLP's (L,) that the mask keeps.

    A head's weights are its rows of query, key and value (with biases) and its columns of the projection.
    """
    kept = component_sums(body, mask.weights)
    sizes = component_sums(body, {name: torch.ones_like(value) for name, value in mask.weights.items()})
    return tuple((part / size).astype(np.float32) for part, size in zip(kept, sizes))


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
    tensors, parameters = function_of("unstructured", name)(view), view.parameters
    if not isinstance(tensors, dict) or tensors.keys() != parameters.keys():
        raise CellFailed(f"unstructured {name}: expected a tensor for each prunable parameter by name")
    scores = {key: torch.as_tensor(tensors[key]).detach().float() for key in parameters}
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
