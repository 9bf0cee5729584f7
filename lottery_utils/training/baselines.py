"""Baselines without pre-training: the majority class, bags of words, GLUE's CBoW and BiLSTM over the task's words.

The last two are of Wang et al. 2019 (GLUE), section 5: a sentence becomes a vector u, a pair [u, v, |u - v|, u * v],
and a small network reads the answer off it. Embeddings are learned from scratch on the task's own training data; the
paper's table 2 quotes BiLSTMs with GloVe and ELMo, which bring knowledge of other text.
"""

from __future__ import annotations

import math
import re
from collections import Counter

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from ..errors import CellFailed
from ..tasks.load import Split, TaskData
from .device import derived_seed, seeded
from .evaluate import batch_loss

WORD = re.compile(r"\w+|[^\w\s]")
PAD, UNKNOWN = 0, 1
MAX_WORDS, MAX_LENGTH = 30_000, 128
HIDDEN, DROPOUT = 128, 0.2
SETTINGS = {
    "cbow": {"width": 100, "rate": 5e-3, "batch": 64, "epochs": 5, "min_steps": 300},
    "bilstm": {"width": 64, "rate": 5e-3, "batch": 32, "epochs": 5, "min_steps": 160},
}


def majority(data: TaskData) -> np.ndarray:
    """Predictions (N,) for dev: dev's most frequent class (protocol: Scores); for regression dev's mean."""
    labels = data.dev.labels
    if data.task.regression:
        return np.full(len(labels), labels.mean(), np.float32)
    return np.full(len(labels), np.bincount(labels).argmax(), np.int64)


def bag_of_words(data: TaskData) -> np.ndarray:
    """Predictions (N,) for dev of logistic regression (ridge for STS-B) on word counts.

    A pair contributes the counts of each side and of the words both sides share. Where train has one class only, that
    is the prediction.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge

    labels = data.train.labels
    if not data.task.regression and np.ptp(labels) == 0:
        return np.full(len(data.dev), labels[0])
    count = CountVectorizer(token_pattern=r"(?u)\b\w+\b|[^\w\s]")
    count.fit([text for row in data.train.texts for text in row])

    def features(split: Split):
        sides = [count.transform(column) for column in zip(*split.texts)]
        return hstack(sides + [sides[0].minimum(sides[1])]).tocsr() if len(sides) == 2 else sides[0]

    model = Ridge(alpha=10.0) if data.task.regression else LogisticRegression(max_iter=2000)
    model.fit(features(data.train), labels)
    return model.predict(features(data.dev))


class WordModel(nn.Module):
    """Word embeddings, an encoder (mean of words, or max-pooled BiLSTM), and a network on top."""

    def __init__(self, kind: str, words: int, sides: int, outputs: int):
        super().__init__()
        width = SETTINGS[kind]["width"]
        self.embed = nn.Embedding(words, width, padding_idx=PAD)
        directions = 2 if kind == "bilstm" else 0
        self.lstms = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(directions))
        size = width * (directions or 1) * (4 if sides == 2 else 1)
        self.top = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) of one or two sides a row: word ids (B, sides, T), lengths (B, sides)."""
        vectors = self.encode(ids.flatten(0, 1), lengths.flatten()).unflatten(0, ids.shape[:2])
        if ids.shape[1] == 1:
            return self.top(vectors[:, 0])
        u, v = vectors[:, 0], vectors[:, 1]
        return self.top(torch.cat([u, v, (u - v).abs(), u * v], dim=1))

    def encode(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """One vector a sentence, from word ids (N, T) and lengths (N,)."""
        embedded = self.embed(ids)  # padding is embedded as zeros
        if not self.lstms:
            return embedded.sum(1) / lengths.to(embedded)[:, None]
        # each direction by itself, over padding at the end, which the maximum leaves out: a bidirectional LSTM needs
        # packed sequences for that, and those take twice as long on a CPU
        place = torch.arange(ids.shape[1], device=ids.device)
        backwards = ids.gather(1, (lengths[:, None] - 1 - place).clamp(min=0))
        ahead, back = (lstm(x)[0] for lstm, x in zip(self.lstms, (embedded, self.embed(backwards))))
        states = torch.cat([ahead, back], dim=2)
        return states.masked_fill((place >= lengths[:, None])[:, :, None], -math.inf).max(1).values


def word_model_logits(
    kind: str, data: TaskData, key: tuple[str, int], device: torch.device
) -> tuple[np.ndarray, list[float]]:
    """Train the baseline `kind` ("cbow" or "bilstm") on a task's texts; dev logits (N, C) and the loss of each step.

    `key` (task, seed) decides start, order and dropout. Raises CellFailed at the first loss that is not finite.
    """
    task, labels, settings = data.task, torch.as_tensor(data.train.labels), SETTINGS[kind]
    words = vocabulary(data.train.texts)
    encoded, dev = (encode_words(part.texts, words) for part in (data.train, data.dev))
    steps = math.ceil(len(labels) / settings["batch"])
    epochs = max(settings["epochs"], math.ceil(settings["min_steps"] / steps))
    losses: list[float] = []
    with seeded(derived_seed(kind, *key), device):
        model = WordModel(kind, len(words) + 2, encoded[0].shape[1], task.num_labels)
        if task.regression:
            nn.init.constant_(model.top[-1].bias, float(labels.mean()))
        model.to(device)
        optimiser = torch.optim.Adam(model.parameters(), lr=settings["rate"], fused=True)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, total_iters=epochs * steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(labels)).split(settings["batch"]):
                loss = batch_loss(model(*_gather(*encoded, rows, device)), labels[rows].to(device))
                if not math.isfinite(value := loss.item()):
                    raise CellFailed(f"loss is {value} at step {len(losses) + 1}")
                losses.append(value)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                schedule.step()
    model.eval()
    with torch.inference_mode():
        parts = torch.arange(len(dev[1])).tensor_split(math.ceil(len(dev[1]) / 256))
        logits = torch.cat([model(*_gather(*dev, rows, device)) for rows in parts])
    return logits.float().cpu().numpy(), losses


def vocabulary(texts: list[tuple[str, ...]]) -> dict[str, int]:
    """The most frequent words of `texts` (rows of one or two sentences), in small letters, to ids from 2 on."""
    counts = Counter(word for row in texts for text in row for word in WORD.findall(text.lower()))
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: i for i, word in enumerate(ordered[:MAX_WORDS], UNKNOWN + 1)}


def encode_words(texts: list[tuple[str, ...]], words: dict[str, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Word ids, int64 (N, sides, longest), padded, and lengths (N, sides); an empty text is one unknown word."""
    sides = [torch.tensor(_ids(text, words)) for row in texts for text in row]
    ids, lengths = pad_sequence(sides, batch_first=True, padding_value=PAD), torch.tensor([len(x) for x in sides])
    return ids.unflatten(0, (len(texts), -1)), lengths.view(len(texts), -1)


def _ids(text: str, words: dict[str, int]) -> list[int]:
    return [words.get(word, UNKNOWN) for word in WORD.findall(text.lower())[:MAX_LENGTH]] or [UNKNOWN]


def _gather(ids: torch.Tensor, lengths: torch.Tensor, rows: torch.Tensor, device: torch.device) -> list[torch.Tensor]:
    """The batch of `rows`, cut to its longest text."""
    return [x.to(device) for x in (ids[rows, :, : lengths[rows].max()], lengths[rows])]
