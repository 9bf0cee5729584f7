"""Stage one_look: heads and MLPs ranked once, in the full model, by what the field ranks by, cut to size and scored."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lottery_utils.experiment.identity import seed_for
from lottery_utils.experiment.stage import fine_tuned, masks_found, set_size, timed
from lottery_utils.experiment.work import Result, Work
from lottery_utils.models.anatomy import anatomy
from lottery_utils.models.attention_maps import attention_maps
from lottery_utils.models.compact import compact
from lottery_utils.pruning.importance import normalise_heads
from lottery_utils.pruning.masks import StructuredMask
from lottery_utils.pruning.scores import View, focus, output, random
from lottery_utils.pruning.structured import remove_lowest
from lottery_utils.training.batches import Encoded, collate, eval_batches
from lottery_utils.training.device import autocast, precision_of
from lottery_utils.training.evaluate import batch_loss, model_device

from .stage import dev_score

SUMS = ("exact", "fisher", "fisher_32", "tokens")  # of the same gradients
LOOKS = ("output", "entropy", "random")  # scores of the registry
BATCH = 32
HEADS_GONE = (0.25, 0.5, 0.75)  # shares of all heads removed alone
INACTIVE = ("exact", "output", "entropy", "random")  # what ranks heads there
MAPS = 200  # dev examples whose maps are looked at, the first ones

Scores = dict[str, tuple[np.ndarray, np.ndarray]]


def run_one_look(work: Work, result: Result) -> None:
    """Rank by each of `SUMS` and `LOOKS` in the full model; remove the lowest at once, and score on dev.

    Arrays: NAME_heads (L, H) and NAME_mlps (L,), raw; alone (4, 3), scores with shares `HEADS_GONE` of the heads
    removed by each of `INACTIVE`; same_size (4,), with the good subnetwork's numbers of heads and MLPs kept by each of
    `SUMS`; sinks (2, L, H), the share of attention on the first token and on the separators; good (2,), these numbers;
    full (1,). Heads are ranked after division by their layer's norm, as in the search. After a degenerate search
    nothing is removed and there are no arrays.
    """
    model, data = fine_tuned(work, result)
    model.to(work.device)
    set_size(result, model)
    (mask,) = masks_found(work, result)
    if result.degenerate:
        return
    precision, good = work.preset.precision, mask.size
    with timed(result, "rank"):
        scores = summed(*gate_gradients(model, data.dev, precision))
        mask = StructuredMask.full(*scores["exact"][0].shape)
        view = View(model, mask, data.dev, precision, seed_for(work.address(), "score"))
        scores |= {"output": output(view), "random": random(view)}
        scores["entropy"] = focus(view), scores["output"][1]
        sinks = attention_sinks(model, data.dev)

    def score(name: str, heads: int, mlps: int) -> float:
        kept = cut(*scores[name], heads, mlps)
        return dev_score(compact(model, kept.heads, kept.mlps), data, precision)

    layers, total = len(mask.mlps), mask.heads.size
    with timed(result, "score"):
        alone = [[score(name, total - int(gone * total), layers) for gone in HEADS_GONE] for name in INACTIVE]
        same_size = [score(name, *good) for name in SUMS]
        result.search_score = dev_score(model, data, precision)
    result.trajectory = {f"{name}_heads": heads for name, (heads, _) in scores.items()}
    result.trajectory |= {f"{name}_mlps": mlps for name, (_, mlps) in scores.items()}
    result.trajectory |= {"alone": np.array(alone), "same_size": np.array(same_size), "sinks": sinks}
    result.trajectory |= {"good": np.array(good, np.int64), "full": np.array([result.search_score])}


def cut(heads: np.ndarray, mlps: np.ndarray, heads_left: int, mlps_left: int) -> StructuredMask:
    """The full mask without the lowest heads and MLPs; heads (L, H) are divided by their layer's norm first."""
    mask = StructuredMask.full(*heads.shape)
    return StructuredMask(
        remove_lowest(mask.heads, normalise_heads(heads), heads.size - heads_left),
        remove_lowest(mask.mlps, mlps, len(mlps) - mlps_left),
    )


def gate_gradients(model: nn.Module, data: Encoded, precision: str = "fp32") -> tuple[np.ndarray, ...]:
    """d loss(x) / d gate of every head and MLP, (N, L, H) and (N, L), and the same with absolute values by token.

    A gate's gradient is the sum over tokens of output times gradient; the last two sum its absolute values.
    """
    body, device = anatomy(model), model_device(model)
    shapes = 2 * [(len(data), body.layers, body.heads), (len(data), body.layers)]
    found, taken = [np.zeros(shape) for shape in shapes], {}

    def of_heads(i: int):
        def look(module, args):
            taken[0, i] = args[0] if args[0].requires_grad else args[0].detach().requires_grad_()
            return (taken[0, i], *args[1:])

        return look

    def of_mlp(i: int):
        def look(module, args, output):
            taken[1, i] = output

        return look

    handles = [body.attention_out(i).register_forward_pre_hook(of_heads(i)) for i in range(body.layers)]
    handles += [body.mlp_out(i).register_forward_hook(of_mlp(i)) for i in range(body.layers)]
    was_training = model.training
    model.eval()
    try:
        for rows in eval_batches(data):
            batch = collate(data, rows, device)
            with torch.enable_grad(), autocast(device, precision_of(model, precision)):
                logits = model(**batch.inputs).logits
            places = list(taken)
            gradients = torch.autograd.grad(batch_loss(logits, batch.labels, "sum"), [taken[p] for p in places])
            for (kind, i), gradient in zip(places, gradients, strict=True):
                width = body.head_dim if kind == 0 else gradient.shape[-1]
                product = (taken[kind, i].detach().float() * gradient.float()).unflatten(-1, (-1, width)).sum(-1)
                for array, values in ((found[kind], product), (found[2 + kind], product.abs())):
                    of_example = values.double().sum(1).cpu().numpy()
                    array[rows, i] = of_example if kind == 0 else of_example[:, 0]
            taken.clear()
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)
    return tuple(found)


def summed(heads: np.ndarray, mlps: np.ndarray, heads_by_token: np.ndarray, mlps_by_token: np.ndarray) -> Scores:
    """Importances from gradients of gates (N, ...), in four ways: `SUMS`.

    exact: mean |g|, the paper's. fisher: mean g^2 of examples, the diagonal of the Fisher information. fisher_32: mean
    over batches of 32 of the squared batch mean. tokens: as exact, with the absolute value of each token.
    """
    pairs = [_by_example(heads), _by_example(mlps)]
    found = {name: tuple(each[name] for each in pairs) for name in pairs[0]}
    return found | {"tokens": (heads_by_token.mean(0), mlps_by_token.mean(0))}


def _by_example(gradients: np.ndarray) -> dict[str, np.ndarray]:
    starts = range(0, len(gradients), BATCH)
    means = np.stack([gradients[start : start + BATCH].mean(0) for start in starts])
    return {
        "exact": np.abs(gradients).mean(0),
        "fisher": np.square(gradients).mean(0),
        "fisher_32": np.square(means).mean(0),
    }


def attention_sinks(model: nn.Module, data: Encoded) -> np.ndarray:
    """Share of each head's attention on the first token ([CLS]) and on separators ([SEP]): (2, L, H).

    Mean over the tokens that look, then over the first `MAPS` examples. An example's last token is a separator.
    """
    body = anatomy(model)
    found, count = np.zeros((2, body.layers, body.heads)), min(MAPS, len(data))
    separator = int(data.ids[data.starts[1] - 1])
    for row in range(count):
        inputs = collate(data, np.array([row]), model_device(model)).inputs
        is_separator = (inputs["input_ids"][0] == separator).double()
        for maps in attention_maps(model, inputs):
            received = maps.probabilities[0].double().mean(1)  # (heads, tokens looked at)
            for i, share in enumerate((received[:, 0], received @ is_separator)):
                found[i, maps.layer] += share.cpu().numpy() / count
    return found
