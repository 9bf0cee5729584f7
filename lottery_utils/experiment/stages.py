"""The stages: one function each, from the results of the cells upstream to a `Result`.

finetune -> search -> control -> score / retrain, the baselines beside them, attention patterns after the searches, and
what compares the full, good, random and bad networks after all of these.
"""

from __future__ import annotations

from ..places import function_at
from .stage import Result, Work

HERE = __package__
STAGE_FUNCTIONS = {  # those of one chapter lie with it
    "finetune": f"{HERE}.train_stages:run_finetune",
    "baseline": f"{HERE}.baseline_stages:run_baseline",
    "search": f"{HERE}.prune_stages:run_search",
    "control": f"{HERE}.prune_stages:run_control",
    "score": f"{HERE}.prune_stages:run_score",
    "retrain": f"{HERE}.train_stages:run_retrain",
    "retrain_longer": f"{HERE}.train_stages:run_retrain_longer",
    "hans": f"{HERE}.hans_stages:run_hans",
    "hans_retrain": f"{HERE}.hans_stages:run_hans_retrain",
    "attention": "lottery_book.attention_patterns.stage:run_attention",
    "landscape": "lottery_book.loss_surface.stage:run_landscape",
    "surface": "lottery_book.loss_surface.stage:run_surface",
    "probes": "lottery_book.probes.stage:run_probes",
    "importance": "lottery_book.importance_rules.stage:run_importance",
    "curve": "lottery_book.method_comparison.stage:run_curve",
}


def run(work: Work) -> Result:
    """Compute the cell's result; raises CellFailed or UserError with a line that names what is wrong."""
    result = Result()
    function_at(STAGE_FUNCTIONS[work.cell.stage])(work, result)
    return result
