"""The paper's stages: train the full model, search, control, score, retrain; baselines; and MNLI's networks on HANS.

Training randomness depends on (task, seed) only, so that a full and a retrained run share classifier, data
order and dropout.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from safetensors.numpy import load

from ..pruning.controls import magnitude_control, structured_control
from ..pruning.magnitude import WeightView, magnitude_search, weight_scores
from ..pruning.masks import StructuredMask
from ..pruning.structured import structured_search
from ..tasks.metrics import predictions_from_logits
from ..training.baselines import bag_of_words, majority, word_model_logits
from .cells import full
from .identity import numpy_generator_for, seed_for
from .stage import (
    by_method,
    evaluate,
    fine_tuned,
    mask_of,
    masks_found,
    prune,
    set_size,
    timed,
    train,
    untrained,
)
from .stage_table import CHANCELESS, SUPER, TRANSFORMERS
from .store import TRAJECTORY
from .work import Result, Work


def run_finetune(work: Work, result: Result) -> None:
    """Fine-tune the full pre-trained model; its weights are kept for searches and scores."""
    train(work, result, *untrained(work, result))
    result.checkpoint = {name: value.detach().cpu().contiguous() for name, value in result.model.state_dict().items()}


def run_retrain(work: Work, result: Result) -> None:
    """Fine-tune the pre-trained weights under the mask, which stays fixed; on HANS's dev for stage "hans_retrain".

    For "retrain_longer" `preset.longer` times the epochs (the paper's appendix: it does not help bad subnetworks).
    """
    mask, stage = mask_of(work, result), work.cell.stage
    whole = bool(mask.heads.all() and mask.mlps.all()) if isinstance(mask, StructuredMask) else mask.size == mask.total
    if whole and stage == "retrain":
        _as_full(work, result)
    else:
        longer = work.preset.longer if stage == "retrain_longer" else 1
        train(work, result, *untrained(work, result), mask, longer)


def _as_full(work: Work, result: Result) -> None:
    """With nothing pruned a retrained run is the full model's: the same start, order and dropout. It is read again."""
    model, data = fine_tuned(work, result)
    set_size(result, model)
    evaluate(work, result, model, data)
    course = work.store.content(work.address(full(work.cell.task, work.cell.seed)), TRAJECTORY)
    result.trajectory = load(course)
    result.notes.append("nothing is pruned, so this is the full model's run, read again and not repeated")


def run_search(work: Work, result: Result) -> None:
    """Search the good subnetwork of the fine-tuned model on the dev set."""
    model, _, found = by_method(work, result, structured_search, magnitude_search)
    result.mask, result.trajectory = found.mask, found.trajectory
    result.notes += found.notes
    result.search_score = float(found.trajectory["score"][np.flatnonzero(found.trajectory["passed"])[-1]])
    set_size(result, model, found.mask)


def run_control(work: Work, result: Result) -> None:
    """Draw a subnetwork to compare the good one with; its randomness comes from the cell's own address."""
    cell, key = work.cell, work.address()
    good, *others = masks_found(work, result)
    if cell.method == "structured":
        model, seeds = work.classifier(), [good, *others] if cell.subnetwork in SUPER else None
        rng = numpy_generator_for(key, "control")
        result.mask = structured_control(cell.subnetwork, good, rng, work.preset.random_sizes, seeds)
    else:
        model, data = fine_tuned(work, result)
        search = dataclasses.replace(cell, stage="search", subnetwork="good")
        seed = seed_for(work.address(search), "score")
        view = WeightView(model.to(work.device), data.train, work.preset.precision, seed)
        scores = weight_scores(work.preset.unstructured, view)
        generator = torch.Generator().manual_seed(seed_for(key, "control"))
        result.mask = magnitude_control(cell.subnetwork, good, scores, generator)
    set_size(result, model, result.mask)


def run_score(work: Work, result: Result) -> None:
    """Score the fine-tuned weights without training, whole or under the mask: "pruned" in the paper."""
    mask = mask_of(work, result) if work.cell.method else None
    model, data = fine_tuned(work, result)
    set_size(result, model, mask)
    evaluate(work, result, model if mask is None else prune(model, mask), data)


def run_baseline(work: Work, result: Result) -> None:
    """Score a baseline: the majority class, bag of words, CBoW, BiLSTM, or the same network from random weights."""
    name = work.cell.subnetwork
    if name in TRANSFORMERS:  # the pruned one under the mask of the structured random control
        mask = mask_of(work, result) if name == "random_init_pruned" else None
        train(work, result, *untrained(work, result, "random"), mask)
        return
    with timed(result, "load"):
        data = work.examples()
    with timed(result, "train"):
        if name in CHANCELESS:
            result.predictions = np.asarray({"majority": majority, "bag_of_words": bag_of_words}[name](data))
        else:
            key = (work.cell.task, work.cell.seed)
            result.logits, losses = word_model_logits(name, data, key, work.device)
            result.predictions = predictions_from_logits(data.task, result.logits)
            result.trajectory = {"loss": np.array(losses, np.float64)}
