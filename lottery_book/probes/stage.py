"""Stage probes: what linear probes find in each layer of full, good, random and bad networks, with control tasks.

They read the hidden states of a network at the words of sentences.
"""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from lottery_utils.errors import UserError
from lottery_utils.experiment.stage import prune, set_size, timed
from lottery_utils.experiment.work import Result, Work
from lottery_utils.models.load import load_classifier, load_tokenizer
from lottery_utils.training.batches import Encoded, collate, eval_batches
from lottery_utils.training.evaluate import model_device

from ..networks import masks_of, networks
from .linear import accuracies, floors
from .sentences import Questions, annotated, questions
from .tokens import PROBES, Token, text_print


def run_probes(work: Work, result: Result) -> None:
    """Probe the hidden states of each network at the words of sentences that it has never seen.

    The arrays: for the pre-trained model, one with random weights, the pre-trained one under each mask
    (``good.masked``), the full model and each subnetwork (as in `networks.networks`) ``accuracy.NAME`` (probes,
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


def states_of(model: str, parsed: list[list[Token]]) -> np.ndarray:
    """Hidden states of pre-trained `model` at each word of annotated sentences, as from `word_states`."""
    texts = [" ".join(token.word for token in sentence) for sentence in parsed]
    return word_states(load_classifier(model, 2), *encode_words(load_tokenizer(model), texts))


def encode_words(tokenizer, sentences: list[str]) -> tuple[Encoded, np.ndarray]:
    """Tokenise sentences; returns them and where each word's first piece is among all tokens end to end (words,).

    Needs a fast tokenizer, as all that `load_tokenizer` returns are.
    """
    out = tokenizer(sentences, padding=False, return_attention_mask=False, return_offsets_mapping=True)
    lengths = [len(row) for row in out["input_ids"]]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = []
    for sentence, start, offsets in zip(sentences, starts, out["offset_mapping"]):
        first = {}
        for i, (begin, end) in enumerate(offsets):
            if end > begin:
                first.setdefault(begin, i)
        begin = 0
        for word in sentence.split():
            if begin not in first:
                raise UserError(f"the tokenizer has no token for {word!r} in {sentence!r}; leave the sentence out")
            places.append(start + first[begin])
            begin += len(word) + 1
    types = out.get("token_type_ids", [])
    flat = np.concatenate([np.asarray(row, np.int32) for row in out["input_ids"]])
    flat_types = np.concatenate([np.asarray(row, np.int32) for row in types]) if types else np.empty(0, np.int32)
    encoded = Encoded(flat, flat_types, starts, np.zeros(len(sentences), np.int64), int(tokenizer.pad_token_id or 0))
    return encoded, np.array(places, np.int64)


@torch.inference_mode()
def word_states(model: nn.Module, encoded: Encoded, places: np.ndarray) -> np.ndarray:
    """Hidden states at `places` (T,) after the embeddings and after each layer, float32 (layers + 1, T, hidden).

    `model` is a whole or compact classifier; dropout off. `places` are in ascending order.
    """
    was_training = model.training
    model.eval()
    device, found = model_device(model), None
    sentence = np.searchsorted(encoded.starts, places, side="right") - 1
    column = places - encoded.starts[sentence]
    for rows in eval_batches(encoded):
        states = model.base_model(**collate(encoded, rows, device).inputs, output_hidden_states=True).hidden_states
        if found is None:
            found = np.empty((len(states), len(places), states[0].shape[-1]), np.float32)
        at = np.full(len(encoded), -1)
        at[rows] = np.arange(len(rows))
        own = np.flatnonzero(at[sentence] >= 0)
        where = torch.from_numpy(at[sentence[own]]).to(device), torch.from_numpy(column[own]).to(device)
        for layer, state in enumerate(states):
            found[layer, own] = state[where].float().cpu().numpy()
    model.train(was_training)
    return found
