"""Stages that choose and score subnetworks of the fine-tuned model: search, control, score."""

from __future__ import annotations

import numpy as np

from ..pruning.controls import magnitude_control, structured_control
from ..pruning.magnitude import magnitude_search
from ..pruning.masks import model_sizes
from ..pruning.structured import structured_search
from ..pruning.unstructured import WeightView, weight_scores
from ..tasks.metrics import majority_score
from .actions import evaluate, fine_tuned, mask_of, prune, set_size, timed
from .cells import upstream
from .identity import generator_for, numpy_generator_for, seed_for
from .stage import Result, Work
from .stage_table import SUPER


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
