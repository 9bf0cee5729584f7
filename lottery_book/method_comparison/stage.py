"""Stage curve: subnetworks of every size from 95 to 5 %, pruned by the preset's way to rank and scored on dev."""

from __future__ import annotations

from lottery_utils.experiment.stage import Result, Work, by_method, set_size
from lottery_utils.tasks.metrics import majority_score

from .nested import magnitude_curve, structured_curve


def run_curve(work: Work, result: Result) -> None:
    """Prune the fine-tuned model to ever smaller sizes, without training; see `pruning.curves`.

    Nothing is pruned where the full model does not beat the majority score: the cell is then degenerate.
    """
    model, data, found = by_method(work, result, structured_curve, magnitude_curve)
    result.trajectory, result.levels = found.arrays, found.levels
    result.search_score = float(found.arrays["score"][0])
    if result.degenerate:
        least = majority_score(data.task, data.dev.labels)
        result.notes.append(f"the full model does not beat the majority score ({least:.4f}); nothing was pruned")
    set_size(result, model)
