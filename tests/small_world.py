"""A tiny random BERT and tiny learnable tasks on disk, small enough to run a whole study in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GOOD, BAD = ("fine", "lovely", "bright", "warm"), ("dull", "awful", "grey", "cold")
FILLERS = ("the", "a", "film", "house", "day", "was", "is", "very", "quite", "and", "song", "of")
SETTINGS = {"max_length": 16, "epochs": 6, "learning_rate": 5e-3, "dropout": 0.0, "warmup": 0.1}


def make_model(folder: Path) -> Path:
    """Save a random two-layer BERT with four heads a layer and a word-level tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True)
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *GOOD, *BAD, *FILLERS)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


def make_task(root: Path, task: str = "sst2", train: int = 160, dev: int = 60, seed: int = 0) -> Path:
    """Write `root`/`task` as parquet: a sentence's label is decided by one word (pairs: whether both agree)."""
    rng = np.random.default_rng(seed)
    folder = root / task
    folder.mkdir(parents=True)
    for split, count in (("train", train), ("validation", dev)):
        labels = rng.permutation(np.arange(count) % 2)
        rows = [_pair(rng, int(y)) if task == "mrpc" else {"sentence": _sentence(rng, int(y))} for y in labels]
        table = {name: [row[name] for row in rows] for name in rows[0]}
        pq.write_table(pa.table({**table, "label": labels.tolist()}), folder / f"{split}-00000-of-00001.parquet")
    return folder


def _sentence(rng, label: int) -> str:
    words = list(rng.choice(FILLERS, size=int(rng.integers(3, 9))))
    words.insert(int(rng.integers(len(words))), str(rng.choice(GOOD if label else BAD)))
    return " ".join(words)


def _pair(rng, label: int) -> dict:
    first = int(rng.integers(2))
    return {"sentence1": _sentence(rng, first), "sentence2": _sentence(rng, first if label else 1 - first)}


def comparable(record: dict) -> str:
    """A record without what may differ between two runs of the same cell, as text."""
    volatile = ("started", "ended", "seconds", "stages_seconds", "command", "checksum", "commit", "dirty", "threads")
    volatile += ("energy_kwh", "co2_kg", "energy", "gpu_hours")
    return json.dumps({k: v for k, v in record.items() if k not in volatile}, sort_keys=True)
