"""Attention entropy as a score of heads: focused heads are kept, heads that look everywhere go."""

from __future__ import annotations

import numpy as np
import torch

from ..errors import UserError
from ..models.attention_maps import attention_maps
from ..training.batches import collate
from ..training.evaluate import model_device
from .scores import Scores, View, output

TOKENS = 8192  # that go through the model together


def entropy(view: View) -> Scores:
    """1 - H / log T for heads, MLPs as by magnitude of outputs (they attend to nothing).

    H is the entropy of a token's attention over the T tokens of its example, mean over tokens, then over examples: the
    score is 0 for a head that looks everywhere alike, 1 for one that looks at a single token. Needs no labels. Raises
    UserError for a model whose attention is not softmax(q k / sqrt(d)).
    """
    model, lengths = view.compact(), view.data.lengths
    heads = np.zeros(view.mask.heads.shape)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        for begin in range(0, len(rows), max(1, TOKENS // length)):
            part = rows[begin : begin + max(1, TOKENS // length)]
            try:
                layers = attention_maps(model, collate(view.data, part, model_device(model)).inputs)
            except RuntimeError as error:
                raise UserError(f"score entropy: {error}; take gate or output") from None
            for found in layers:
                spread = torch.special.entr(found.probabilities.double()).sum(-1).mean(-1)  # (B, h)
                focus = 1 - spread / np.log(max(length, 2))
                heads[found.layer, found.heads.numpy()] += focus.sum(0).cpu().numpy() / len(view.data)
    return heads, output(view)[1]
