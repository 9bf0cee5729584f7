"""HANS, pairs that word overlap gets wrong: an out-of-distribution test of MNLI models (McCoy et al., 2019).

Its two classes and MNLI's three: "entailment" is MNLI's entailment, "non-entailment" is neutral or contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UserError, shown
from .files import read_table
from .glue import Task, get_task
from .load import fingerprint
from .rows import Split, checked_rows

LABELS = ("entailment", "non-entailment")
HEURISTICS = ("lexical_overlap", "subsequence", "constituent")
COLUMNS = ("sentence1", "sentence2", "gold_label", "heuristic")
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
    return replace(get_task("mnli"), label_names=LABELS, label_values=LABELS)


def to_hans(logits: np.ndarray) -> np.ndarray:
    """HANS's classes (N,) from an MNLI model's logits (N, 3): not entailment is neutral or contradiction."""
    return (logits.argmax(axis=1) != ENTAILMENT).astype(np.int64)


def text_print(path: str | Path) -> str:
    """Fingerprint of the file's content. Raises UserError as `read_hans` does."""
    return read_hans(path).fingerprint


def read_hans(path: str | Path) -> Hans:
    """Read ``heuristics_evaluation_set.txt``: tab-separated, a header line, then a pair a line.

    Raises UserError naming the line for a missing file or column, a cut line, an unknown label or heuristic.
    """
    task = hans_task()
    table = read_table(Path(path).expanduser(), COLUMNS, spared=0.0).renamed((*task.columns, "label", "heuristic"))
    table = replace(table, columns={name: [*map(str.strip, cells)] for name, cells in table.columns.items()})
    split, empty = checked_rows(task, table)
    if empty:
        raise UserError(f"{table.where}: {table.places[empty[0]]} has an empty sentence; get the file again")
    heuristics = table.columns["heuristic"]
    for place, name in zip(table.places, heuristics):
        if name not in HEURISTICS:
            raise UserError(f"{table.where}: {place} has heuristic {shown(name)}, expected {' or '.join(HEURISTICS)}")
    return Hans(split, np.array([HEURISTICS.index(name) for name in heuristics], np.int64), fingerprint(split))
