"""Stages that train the network: the full model, and pre-trained weights under a mask.

Training randomness depends on (task, seed) only, so that a full and a retrained run share classifier, data
order and dropout.
"""

from __future__ import annotations

from ..pruning.masks import StructuredMask, model_sizes
from .actions import mask_of, prune, set_size, timed, train
from .stage import Result, Work


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
    with timed(result, "load"):
        model, data = work.classifier(), work.examples()
    set_size(result, model_sizes(model), mask)
    if isinstance(mask, StructuredMask):
        train(work, result, prune(model, mask), data, longer=longer)
    else:
        train(work, result, model, data, mask.weights, longer)
