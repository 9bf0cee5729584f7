"""Stage probes: what linear probes find in each layer of full, good, random and bad networks, with control tasks."""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np
from torch import nn

from lottery_utils.experiment.stage import prune, set_size, timed
from lottery_utils.experiment.work import Result, Work
from lottery_utils.models.load import load_tokenizer
from lottery_utils.training.batches import Encoded

from ..networks import masks_of, networks
from .conllu import text_print
from .linear import accuracies, floors
from .sentences import Questions, annotated, questions
from .states import encode_words, word_states
from .tokens import PROBES


def run_probes(work: Work, result: Result) -> None:
    """Probe the hidden states of each network at the words of sentences that it has never seen.

    The arrays: for the pre-trained model, one with random weights, the pre-trained one under each mask
    (``good.masked``), the full model and each subnetwork (as in `actions.networks`) ``accuracy.NAME`` (probes,
    linguistic and control, layers + 1), the first layer being the embeddings, and ``hard.NAME`` (layers + 1,) of the
    probe "number"; `majority` and `word` (probes, 2), the accuracies of the most frequent label and of each word's own;
    `tokens` (probes, 2) for training and testing; `hard_tokens`.
    After a degenerate search there are no subnetworks, with `probe_retrained` off no retrained ones.
    """
    cell, preset = work.cell, work.preset
    masks = masks_of(work, cell.seed)
    result.degenerate = not masks
    with timed(result, "load"):
        found = {"pretrained": work.classifier(), "random_init": work.classifier("random")}
        kept = {f"{name}.masked": prune(copy.deepcopy(found["pretrained"]), mask) for name, mask in masks.items()}
        found = {name: model.to(work.device) for name, model in {**found, **kept}.items()}
        found |= networks(work, result, masks, preset.probe_retrained)
        text = None if preset.probe_text is None else (preset.probe_text, text_print(preset.probe_text))
        encoded, places, asked = _sentences(preset.model, work.key.model, text, preset.probe_sentences)
    set_size(result, found["full"])
    lows = [floors(asked[probe]) for probe in PROBES]
    tests = [int(asked[probe].test.sum()) for probe in PROBES]
    hard = asked["number"].hard[asked["number"].test]
    result.trajectory = {
        "majority": np.array([low[0] for low in lows]),
        "word": np.array([low[1] for low in lows]),
        "tokens": np.array([(len(asked[p].labels) - n, n) for p, n in zip(PROBES, tests)], np.int64),
        "hard_tokens": np.array([int(hard.sum())], np.int64),
    }
    for name, model in found.items():
        result.trajectory |= _read(result, name, model, encoded, places, asked)


def _read(
    result: Result, name: str, model: nn.Module, encoded: Encoded, places: np.ndarray, asked: dict[str, Questions]
) -> dict[str, np.ndarray]:
    with timed(result, "states"):
        states = word_states(model, encoded, places)
    with timed(result, "probes"):
        answers = {probe: accuracies(states, asked[probe]) for probe in PROBES}
    found = {f"accuracy.{name}": np.stack([answers[probe][0] for probe in PROBES])}
    hard = answers["number"][1]
    return found | ({f"hard.{name}": hard} if len(hard) else {})


@lru_cache(maxsize=1)
def _sentences(
    model: str, model_print: str, text: tuple[str, str] | None, count: int
) -> tuple[Encoded, np.ndarray, dict[str, Questions]]:
    """Sentences, encoded, and what is asked about them; the fingerprints are for the cache."""
    parsed = annotated(text and text[0], count)
    encoded, places = encode_words(load_tokenizer(model), [" ".join(t.word for t in own) for own in parsed])
    return encoded, places, questions(parsed)
