"""The magnitude search: remove the smallest weights of the whole encoder, step by step (protocol, section 4)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..models.anatomy import anatomy
from ..tasks.metrics import compute_metrics, predictions_from_logits, search_score
from ..training.batches import Encoded
from ..training.evaluate import predict
from .masks import WeightMask
from .stopping import stop_rule
from .structured import Search


def pruned_counts(total: int, step: float, steps: int) -> list[int]:
    """Weights removed in all after 0, 1, ... `steps` steps, each of round(`step` x what remains)."""
    counts = [0]
    for _ in range(steps):
        counts.append(counts[-1] + round(step * (total - counts[-1])))
    return counts


class Ranking:
    """The order in which prunable weights go: by |w|, equal ones in model order.

    Weights do not change during a search, so all its masks are nested cuts of one ordering: one sort of the
    values gives every threshold, and a mask is one comparison.
    """

    def __init__(self, parameters: dict[str, torch.Tensor], largest_first: bool = False):
        self.parameters = {name: p.detach() for name, p in parameters.items()}
        self.sign = -1.0 if largest_first else 1.0
        self._sorted = torch.cat([self._values(p) for p in self.parameters.values()]).sort().values
        self.total = len(self._sorted)

    def _values(self, p: torch.Tensor) -> torch.Tensor:
        return self.sign * p.abs().reshape(-1)

    def mask(self, pruned: int) -> WeightMask:
        """The mask after exactly `pruned` weights are gone."""
        if not 0 <= pruned <= self.total:
            raise ValueError(f"pruned must lie between 0 and {self.total}, got {pruned}")
        if pruned == 0:
            return WeightMask({name: torch.ones_like(p, dtype=torch.bool) for name, p in self.parameters.items()})
        threshold = self._sorted[pruned - 1]
        ties = pruned - int(torch.searchsorted(self._sorted, threshold))  # of these equal ones go, in model order
        weights = {}
        for name, p in self.parameters.items():
            values = self._values(p)
            keep = values > threshold
            equal = (values == threshold).nonzero().squeeze(1)
            keep[equal[max(ties, 0) :]] = True
            ties -= len(equal)
            weights[name] = keep.view(p.shape)
        return WeightMask(weights)


def magnitude_search(
    model: torch.nn.Module,
    dev: Encoded,
    task,
    preset,
    majority: float,
    progress: Callable[[int, int], None] | None = None,
) -> Search:
    """Search the good magnitude subnetwork: the last mask whose dev score passes, at most `magnitude_max_steps`.

    The model's weights are left as found. Trajectory arrays, S steps of which the first is the full model:
    kept (S,) weights, share (S,), score (S,), passed (S,), target (1,), head_share (S, L, H) and mlp_share
    (S, L), the shares of each component's weights that remain.
    """
    view = anatomy(model)
    parameters = view.prunable_parameters()
    ranking = Ranking(parameters)
    counts = pruned_counts(ranking.total, preset.magnitude_step, preset.magnitude_max_steps)
    originals = {name: p.detach().clone() for name, p in parameters.items()}
    released = preset.importance == "released"
    best, rows, rule = ranking.mask(0), [], None
    try:
        for number, pruned in enumerate(counts):
            mask = ranking.mask(pruned)
            with torch.no_grad():
                for name, p in parameters.items():
                    torch.mul(originals[name], mask.weights[name], out=p)
            metrics = compute_metrics(task, predictions_from_logits(task, predict(model, dev, preset.precision)), dev.labels)
            score = search_score(task, metrics)
            rule = rule or stop_rule(score, majority, preset.threshold, released)
            passed = number == 0 or score >= rule.target
            rows.append((ranking.total - pruned, score, passed, *component_shares(view, mask)))
            if progress:
                progress(number, len(counts) - 1)
            if not passed or not rule.searchable:
                break
            best = mask
    finally:
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(originals[name])
    capped = rule.searchable and len(rows) == len(counts) and rows[-1][2]
    notes = rule.notes + ((f"stopped by the cap of {preset.magnitude_max_steps} steps",) if capped else ())
    kept, score, passed, heads, mlps = zip(*rows)
    trajectory = {
        "kept": np.array(kept, np.int64),
        "share": np.array(kept) / ranking.total,
        "score": np.array(score),
        "passed": np.array(passed, bool),
        "target": np.array([rule.target if rule.searchable else 0.0]),
        "head_share": np.stack(heads),
        "mlp_share": np.stack(mlps),
    }
    return Search(best, trajectory, notes, rule.searchable)


def component_shares(view, mask: WeightMask) -> tuple[np.ndarray, np.ndarray]:
    """Share of each head's weights (L, H) and each MLP's (L,) that the mask keeps.

    A head's weights are its rows of query, key and value (with biases) and its columns of the projection.
    """
    names = {id(p): name for name, p in view.prunable_parameters().items()}
    heads, mlps = np.zeros((view.layers, view.heads), np.float32), np.zeros(view.layers, np.float32)
    for layer in range(view.layers):
        kept, size = torch.zeros(view.heads), 0
        for module in view.qkv(layer):
            for p in module.parameters():
                value = mask.weights[names[id(p)]].view(view.heads, -1)
                kept, size = kept + value.sum(1).cpu(), size + value.shape[1]
        out = mask.weights[names[id(view.attention_out(layer).weight)]]
        kept += out.view(len(out), view.heads, view.head_dim).sum(dim=(0, 2)).cpu()
        heads[layer] = (kept / (size + len(out) * view.head_dim)).numpy()
        parts = [mask.weights[names[id(p)]] for m in (view.mlp_in(layer), view.mlp_out(layer)) for p in m.parameters()]
        mlps[layer] = sum(int(p.sum()) for p in parts) / sum(p.numel() for p in parts)
    return heads, mlps
