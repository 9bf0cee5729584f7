"""HANS, pairs that word overlap gets wrong: an out-of-distribution test of MNLI models (McCoy et al., 2019).

Its two classes and MNLI's three: "entailment" is MNLI's entailment, "non-entailment" is neutral or contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UserError
from .files import read_table, short
from .glue import Task, get_task
from .load import Split, fingerprint
from .tsv import cut_short

LABELS = ("entailment", "non-entailment")
HEURISTICS = ("lexical_overlap", "subsequence", "constituent")
COLUMNS = ("gold_label", "sentence1", "sentence2", "heuristic")
ENTAILMENT = 0  # MNLI's class; the other two say that the hypothesis does not follow


@dataclass(frozen=True)
class Hans:
    """The examples of a HANS file: premise and hypothesis, labels (N,) into `LABELS`, heuristic (N,) into `HEURISTICS`.

    `fingerprint` depends on texts and labels only.
    """

    split: Split
    heuristics: np.ndarray
    fingerprint: str


def hans_task() -> Task:
    """MNLI's task with the two classes of HANS, scored by accuracy."""
    return replace(get_task("mnli"), label_names=LABELS)


def to_hans(logits: np.ndarray) -> np.ndarray:
    """HANS's classes (N,) from an MNLI model's logits (N, 3): not entailment is neutral or contradiction."""
    if logits.ndim != 2 or logits.shape[1] != 3:
        raise ValueError(f"an MNLI model has three classes, got logits {logits.shape}")
    return (logits.argmax(axis=1) != ENTAILMENT).astype(np.int64)


def read_hans(path: str | Path) -> Hans:
    """Read ``heuristics_evaluation_set.txt``: tab-separated, a header line, then a pair a line.

    Raises UserError naming the line for a missing file or column, a cut line, an unknown label or heuristic.
    """
    path = Path(path).expanduser()
    rows = read_table(path, COLUMNS)
    if rows.cut:
        raise cut_short(path, rows)
    texts, labels, heuristics = [], [], []
    for line, *cells in zip(rows.lines, *rows.columns.values()):
        label, premise, hypothesis, heuristic = map(str.strip, cells)
        for what, value, valid in (("label", label, LABELS), ("heuristic", heuristic, HEURISTICS)):
            if value not in valid:
                expected = " or ".join(valid)
                raise UserError(f"hans: {path}: line {line} has {what} {short(value)}, expected {expected}")
        if not premise or not hypothesis:
            raise UserError(f"hans: {path}: line {line} has an empty sentence; get the file again")
        texts.append((premise, hypothesis))
        labels.append(LABELS.index(label))
        heuristics.append(HEURISTICS.index(heuristic))
    if not texts:
        raise UserError(f"hans: {path} holds no example; expected heuristics_evaluation_set.txt")
    split = Split(texts, np.array(labels, np.int64))
    return Hans(split, np.array(heuristics, np.int64), fingerprint(split))
