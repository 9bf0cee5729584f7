"""Hidden states of a network at the words of sentences, layer by layer."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from lottery_utils.errors import UserError
from lottery_utils.models.load import load_classifier, load_tokenizer
from lottery_utils.training.batches import Encoded, collate, eval_batches
from lottery_utils.training.evaluate import model_device

from .tokens import Token


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
