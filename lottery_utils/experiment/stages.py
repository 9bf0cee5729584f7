"""The stages: one function each, from the results of the cells upstream to a `Result`.

finetune -> search -> control -> score / retrain, the baselines beside them, attention patterns after the searches, and
what compares the full, good, random and bad networks after all of these.
"""

from __future__ import annotations

from .attention_stage import run_attention
from .baseline_stages import run_baseline
from .curve_stage import run_curve
from .hans_stages import run_hans, run_hans_retrain
from .importance_stage import run_importance
from .landscape_stage import run_landscape, run_surface
from .probe_stage import run_probes
from .prune_stages import run_control, run_score, run_search
from .stage import Result, Work
from .train_stages import run_finetune, run_retrain, run_retrain_longer

STAGE_FUNCTIONS = {
    "finetune": run_finetune,
    "baseline": run_baseline,
    "search": run_search,
    "control": run_control,
    "score": run_score,
    "retrain": run_retrain,
    "retrain_longer": run_retrain_longer,
    "attention": run_attention,
    "landscape": run_landscape,
    "surface": run_surface,
    "probes": run_probes,
    "importance": run_importance,
    "hans": run_hans,
    "hans_retrain": run_hans_retrain,
    "curve": run_curve,
}


def run(work: Work) -> Result:
    """Compute the cell's result; raises CellFailed or UserError with a line that names what is wrong."""
    result = Result()
    STAGE_FUNCTIONS[work.cell.stage](work, result)
    return result
