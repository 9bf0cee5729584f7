"""Stage importance: one pass over the full model, its gradients summed in every way that scripts do."""

from __future__ import annotations

import numpy as np

from lottery_utils.experiment.stage import fine_tuned, set_size, timed
from lottery_utils.experiment.work import Result, Work
from lottery_utils.pruning.importance import open_passes, reduce_gradients, shuffled
from lottery_utils.pruning.masks import StructuredMask, model_sizes

RULES = ("batched", "running")
BATCHES = (1, 8, 32, 64, 0)  # 0: all examples in one batch
ORDERS = (0, 1, 2, 3, 4, 5)  # 0: the data's own, others as `importance.shuffled` numbers them


def run_importance(work: Work, result: Result) -> None:
    """Raw importances of the full model on dev: arrays exact_heads (L, H) and exact_mlps (L,), and for each of `RULES`
    RULE_heads (batches, orders, L, H) and RULE_mlps (batches, orders, L), by `batches` and `orders`.
    """
    model, data = fine_tuned(work, result)
    sizes = model_sizes(model)
    set_size(result, model)
    mask = StructuredMask.full(sizes.layers, sizes.heads)
    with timed(result, "pass"), open_passes(model.to(work.device), data.dev, work.preset.precision, keep=0) as passes:
        gradients = dict(zip(("heads", "mlps"), passes.measure(passes.run(mask))))
    examples = len(data.dev)
    for component, found in gradients.items():
        result.trajectory[f"exact_{component}"] = reduce_gradients(found, "exact").astype(np.float32)
        for rule in RULES:
            pairs = [[(batch or examples, shuffled(examples, order or None)) for order in ORDERS] for batch in BATCHES]
            sums = [[reduce_gradients(found, rule, *pair) for pair in of_batch] for of_batch in pairs]
            result.trajectory[f"{rule}_{component}"] = np.array(sums, np.float32)
    result.trajectory["batches"] = np.array(BATCHES, np.int64)
    result.trajectory["orders"] = np.array(ORDERS, np.int64)
