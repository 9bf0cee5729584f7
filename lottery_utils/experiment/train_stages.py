"""Stages that train the network: the full model, and pre-trained weights under a mask.

Training randomness depends on (task, seed) only, so that a full and a retrained run share classifier, data
order and dropout.
"""

from __future__ import annotations

from safetensors.numpy import load

from ..pruning.masks import StructuredMask, model_sizes
from .actions import evaluate, fine_tuned, mask_of, prune, set_size, timed, train
from .cells import full
from .stage import Mask, Result, Work
from .store import TRAJECTORY


def run_finetune(work: Work, result: Result) -> None:
    """Fine-tune the full pre-trained model; its weights are kept for searches and scores."""
    with timed(result, "load"):
        model, data = work.classifier(), work.examples()
    set_size(result, model_sizes(model), None)
    train(work, result, model, data)
    result.checkpoint = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def run_retrain(work: Work, result: Result) -> None:
    """Fine-tune the pre-trained weights under the mask; the mask stays fixed."""
    _retrain(work, result)


def run_retrain_longer(work: Work, result: Result) -> None:
    """As `run_retrain`, `preset.longer` times the epochs (the paper's appendix: it does not help bad subnetworks)."""
    _retrain(work, result, work.preset.longer)


def _retrain(work: Work, result: Result, longer: int = 1) -> None:
    mask = mask_of(work, result)
    whole = bool(mask.heads.all() and mask.mlps.all()) if isinstance(mask, StructuredMask) else mask.size == mask.total
    if whole and longer == 1:
        _as_full(work, result)
    else:
        train_under(work, result, mask, longer)


def train_under(work: Work, result: Result, mask: Mask, longer: int = 1) -> None:
    """Fine-tune the pre-trained weights under `mask`: the compact model, or the weights it leaves at mask x weight."""
    with timed(result, "load"):
        model, data = work.classifier(), work.examples()
    set_size(result, model_sizes(model), mask)
    if isinstance(mask, StructuredMask):
        train(work, result, prune(model, mask), data, longer=longer)
    else:
        train(work, result, model, data, mask.weights, longer)


def _as_full(work: Work, result: Result) -> None:
    """With nothing pruned a retrained run is the full model's: the same start, order and dropout. It is read again."""
    model, data = fine_tuned(work, result)
    set_size(result, model_sizes(model), None)
    evaluate(work, result, model, data)
    course = work.store.content(work.address(full(work.cell.task, work.cell.seed)), TRAJECTORY)
    result.trajectory = load(course)
    result.notes.append("nothing is pruned, so this is the full model's run, read again and not repeated")
