"""Stage curve: subnetworks of every size from 95 to 5 %, pruned by the preset's way to rank and scored on dev."""

from __future__ import annotations

from lottery_utils.experiment.actions import fine_tuned, set_size, timed
from lottery_utils.experiment.identity import seed_for
from lottery_utils.experiment.stage import Result, Work
from lottery_utils.pruning.masks import model_sizes
from lottery_utils.tasks.metrics import majority_score

from .nested import magnitude_curve, structured_curve


def run_curve(work: Work, result: Result) -> None:
    """Prune the fine-tuned model to ever smaller sizes, without training; see `pruning.curves`.

    Nothing is pruned where the full model does not beat the majority score: the cell is then degenerate.
    """
    model, data = fine_tuned(work, result)
    least, seed = majority_score(data.task, data.dev.labels), seed_for(work.address(), "score")
    given = (model.to(work.device), data.dev, data.task, work.preset, least)
    with timed(result, "curve"):
        if work.cell.method == "structured":
            found = structured_curve(*given, seed=seed)
        else:
            found = magnitude_curve(*given, train=data.train, seed=seed)
    result.trajectory, result.levels, result.degenerate = found.arrays, found.levels, not found.searchable
    result.search_score = float(found.arrays["score"][0])
    if result.degenerate:
        result.notes.append(f"the full model does not beat the majority score ({least:.4f}); nothing was pruned")
    set_size(result, model_sizes(model), None)
