"""The paper's stages: train the full model, search, control, score, retrain; baselines; and MNLI's networks on HANS.

Training randomness depends on (task, seed) only, so that a full and a retrained run share classifier, data
order and dropout.
"""

from __future__ import annotations

import numpy as np
from safetensors.numpy import load
from torch import nn

from ..pruning.controls import magnitude_control, structured_control
from ..pruning.magnitude import magnitude_search
from ..pruning.masks import StructuredMask, model_sizes
from ..pruning.structured import structured_search
from ..pruning.unstructured import WeightView, weight_scores
from ..tasks.hans import read_hans, to_hans
from ..tasks.load import TaskData
from ..tasks.metrics import majority_score, predictions_from_logits
from ..training.baselines import bag_of_words, majority, word_model_logits
from ..training.evaluate import predict
from ..training.finetune import finetune
from . import bench
from .actions import evaluate, fine_tuned, mask_of, prune, set_size, timed, train
from .cells import full, upstream
from .identity import generator_for, numpy_generator_for, seed_for
from .stage import Mask, Result, Work
from .stage_table import SUPER, TRANSFORMERS
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


def run_search(work: Work, result: Result) -> None:
    """Search the good subnetwork of the fine-tuned model on the dev set."""
    model, data = fine_tuned(work, result)
    least, seed = majority_score(data.task, data.dev.labels), seed_for(work.address(), "score")
    given = (model.to(work.device), data.dev, data.task, work.preset, least)
    with timed(result, "search"):
        if work.cell.method == "structured":
            found = structured_search(*given, seed=seed)
        else:
            found = magnitude_search(*given, train=data.train, seed=seed)
    result.mask, result.trajectory, result.degenerate = found.mask, found.trajectory, not found.searchable
    result.notes += found.notes
    result.search_score = float(found.trajectory["score"][np.flatnonzero(found.trajectory["passed"])[-1]])
    set_size(result, model_sizes(model), found.mask)


def run_control(work: Work, result: Result) -> None:
    """Draw a subnetwork to compare the good one with; its randomness comes from the cell's own address."""
    cell, key = work.cell, work.address()
    searches = [c for c in upstream(cell, work.preset.seeds) if c.stage == "search"]
    masks = [work.mask(c) for c in searches]
    result.degenerate = any(work.record(c)["degenerate"] for c in searches)
    if cell.method == "structured":
        model, good = work.classifier(), masks[0]
        seeds = masks if cell.subnetwork in SUPER else None
        rng = numpy_generator_for(key, "control")
        result.mask = structured_control(cell.subnetwork, good, rng, work.preset.random_sizes, seeds)
    else:
        model, data = fine_tuned(work, result)
        seed = seed_for(work.address(searches[0]), "score")
        view = WeightView(model.to(work.device), data.train, work.preset.precision, seed)
        scores = weight_scores(work.preset.unstructured, view)
        result.mask = magnitude_control(cell.subnetwork, masks[0], scores, generator_for(key, "control"))
    set_size(result, model_sizes(model), result.mask)


def run_score(work: Work, result: Result) -> None:
    """Score the fine-tuned weights under the mask, without training: "pruned" in the paper."""
    mask = mask_of(work, result)
    model, data = fine_tuned(work, result)
    set_size(result, model_sizes(model), mask)
    evaluate(work, result, prune(model, mask), data)


def run_baseline(work: Work, result: Result) -> None:
    """Score a baseline: the majority class, bag of words, CBoW, BiLSTM, or the same network from random weights."""
    cell = work.cell
    if cell.subnetwork in TRANSFORMERS:
        _random_init(work, result)
        return
    with timed(result, "load"):
        data = bench.train_data(work.preset, cell.task)
    with timed(result, "train"):
        if cell.subnetwork in ("majority", "bag_of_words"):
            predict = {"majority": majority, "bag_of_words": bag_of_words}[cell.subnetwork]
            result.predictions = np.asarray(predict(data))
        else:
            _word_model(work, result, data)


def _word_model(work: Work, result: Result, data: TaskData) -> None:
    key = (work.cell.task, work.cell.seed)
    result.logits, losses = word_model_logits(work.cell.subnetwork, data, key, work.device, work.cell.name)
    result.predictions = predictions_from_logits(data.task, result.logits)
    result.trajectory = {"loss": np.array(losses, np.float64)}


def _random_init(work: Work, result: Result) -> None:
    """Train the network from random weights, whole or under the mask of the structured random control."""
    pruned = work.cell.subnetwork == "random_init_pruned"
    mask = mask_of(work, result) if pruned else None
    with timed(result, "load"):
        model, data = work.classifier(init="random"), work.examples()
    set_size(result, model_sizes(model), mask)
    train(work, result, prune(model, mask) if pruned else model, data)


def run_hans(work: Work, result: Result) -> None:
    """Score the fine-tuned full model, or a subnetwork of it without training, on HANS."""
    mask = mask_of(work, result) if work.cell.method else None
    model, data = fine_tuned(work, result)
    set_size(result, model_sizes(model), mask)
    _evaluate_on_hans(work, result, model if mask is None else prune(model, mask), data)


def run_hans_retrain(work: Work, result: Result) -> None:
    """Fine-tune the pre-trained weights under the mask, as `run_retrain` does to the bit, and score them on HANS."""
    mask = mask_of(work, result)
    with timed(result, "load"):
        model, data = work.classifier(), work.examples()
    set_size(result, model_sizes(model), mask)
    structured = isinstance(mask, StructuredMask)
    model = (prune(model, mask) if structured else model).to(work.device)
    key, weights = (work.cell.task, work.cell.seed), None if structured else mask.weights
    with timed(result, "train"):
        log = finetune(
            model, data.train, work.preset, key, weight_mask=weights, name=work.cell.name, cuda_graphs=work.cuda_graphs
        )
    result.notes += log.notes
    _evaluate_on_hans(work, result, model, data)


def _evaluate_on_hans(work: Work, result: Result, model: nn.Module, data: bench.Examples) -> None:
    """Predict HANS; `heuristic` (N,) says which one each example is about."""
    with timed(result, "evaluate"):
        result.model = model
        result.logits = predict(model.to(work.device), data.dev, work.preset.precision)
        result.predictions = to_hans(result.logits)
    result.trajectory = {"heuristic": np.asarray(read_hans(work.preset.hans).heuristics)}
