"""Load a task's train and dev split, check every row, and say how it differs from the official data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..presets import ALL, Limits
from ..taskfile import definition_digest, task_file
from .glue import Task, get_task
from .rows import RawSplit, checked_labels, checked_texts


@dataclass(frozen=True)
class Split:
    """Examples of one split: `texts` are N tuples of one or two strings, `labels` (N,) int64, float32 for STS-B."""

    texts: list[tuple[str, ...]]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TaskData:
    """A task's data, where it came from, and `notes` on every difference from the official data.

    `partial` is True when train or dev is not the whole official split; it is shown wherever a result is.
    `fingerprint` depends on texts and labels only, not on the format they were stored in.
    """

    task: Task
    train: Split
    dev: Split
    source: str
    notes: tuple[str, ...]
    partial: bool
    fingerprint: str


def load_task(name: str, data: str = "hub", limits: Limits = ALL) -> TaskData:
    """Return task `name` from `data`: "hub", "embedded", a directory of GLUE files, or a YAML file of own tasks.

    "hub" is ``nyu-mll/glue`` at a pinned revision and works offline once it is in the hub's cache. A
    directory holds ``<task>/train*.parquet`` and ``<task>/validation*.parquet``, or the official
    folders ``CoLA/``, ``SST-2/`` ... with TSV files, or is one task's folder itself. The limits keep
    the first n rows, or draw n. Raises UserError, one line, for anything missing, damaged or unlabelled.
    """
    from . import sources

    path = task_file(data)
    if path is not None:
        return _load_own(name, path, limits)
    task = get_task(name)
    if data == "embedded":
        found = sources.embedded_splits(task)
    elif data == "hub":
        found = sources.hub_splits(task)
    else:
        found = sources.folder_splits(task, data)
    train, train_notes, train_partial = _split(task, "train", found.train, found.sizes[0], limits)
    dev, dev_notes, dev_partial = _split(task, "dev", found.dev, found.sizes[1], limits)
    notes = (*found.notes, *train_notes, *dev_notes)
    partial = train_partial or dev_partial
    return TaskData(task, train, dev, found.source, notes, partial, fingerprint(train, dev))


def _load_own(name: str, path: Path, limits: Limits) -> TaskData:
    """An own task; its fingerprint covers the description too, and it is partial only under a limit."""
    from .own import own_splits, own_task
    from .registry import find_definition

    definition = find_definition(name, path)
    task, found = own_task(definition), own_splits(definition, path.name)
    train, train_notes, train_partial = _split(task, "train", found.train, None, limits)
    dev, dev_notes, dev_partial = _split(task, "dev", found.dev, None, limits)
    notes = (*found.notes, *train_notes, *dev_notes, *_own_notes(task, train, dev))
    digest = f"{definition_digest(definition)}\n{fingerprint(train, dev)}"
    own = hashlib.sha256(digest.encode()).hexdigest()[:16]
    return TaskData(task, train, dev, found.source, notes, train_partial or dev_partial, own)


def _own_notes(task: Task, train: Split, dev: Split) -> list[str]:
    """What is no error but should be known wherever a result of the data is shown."""
    notes, seen = [], set(train.texts)
    if again := sum(texts in seen for texts in dev.texts):
        notes.append(f"dev: {again} of {len(dev)} rows have texts that are in train too")
    for role, split in (("train", train), ("dev", dev)):
        if task.regression and np.ptp(split.labels) == 0:
            notes.append(f"{role}: every row has the same score, a correlation is undefined and counts as 0")
        absent = [label for i, label in enumerate(task.label_names) if not (split.labels == i).any()]
        notes += [f"{role}: no row has label {', '.join(absent)}"] if absent else []
    return notes


def fingerprint(*splits: Split) -> str:
    """Return 16 hex digits of the SHA-256 over the splits' texts and labels, in order."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(f"{len(split)}\n".encode())
        for texts in split.texts:
            # lengths first, so that moving text from one cell to the next changes the digest
            digest.update("".join(f"{len(text)}:{text}" for text in texts).encode())
        kind = "<f4" if split.labels.dtype.kind == "f" else "<i8"
        digest.update(kind.encode() + split.labels.astype(kind).tobytes())
    return digest.hexdigest()[:16]


def _split(
    task: Task, role: str, raw: RawSplit, official: int | None, limits: Limits
) -> tuple[Split, list[str], bool]:
    """Check `raw`, apply the limit of `role`; return the split, its notes and whether it is partial."""
    texts, empty = checked_texts(task, raw)
    labels, notes = checked_labels(task, raw), list(raw.notes)
    if empty:
        notes.append(f"{role}: empty text in {len(empty)} of {len(texts)} rows, first in {raw.row(empty[0])}")
    rows = len(texts)
    other = official is not None and rows != official
    if other:
        word = "partial: " if rows < official else ""
        notes.append(f"{word}{role} has {rows} rows, officially {official} ({raw.name})")
    if raw.part:
        notes.append(f"partial: {role} comes from {raw.name}, by its name not the official split")
    split, partial, limit = Split(texts, labels), other or raw.part, getattr(limits, role)
    if limit is None or limit >= rows:
        return split, notes, partial
    chosen = drawn_rows(f"{role} limit", task.name, rows, limit) if limits.drawn else np.arange(limit)
    notes.append(f"partial: {role} limited to {'a draw of' if limits.drawn else 'the first'} {limit} of {rows} rows")
    return rows_of(split, chosen), notes, True


def rows_of(split: Split, rows: np.ndarray) -> Split:
    """The examples `rows` of a split, in that order."""
    return Split([split.texts[row] for row in rows], split.labels[rows])


def drawn_rows(purpose: str, task: str, rows: int, count: int) -> np.ndarray:
    """`count` of `rows` rows, in order, drawn by a generator of this purpose and task: the same in every process."""
    return np.sort(generator_of(purpose, task).permutation(rows)[:count])


def generator_of(purpose: str, task: str) -> np.random.Generator:
    """A generator that depends on what it is for, and on the task."""
    digest = hashlib.sha256(f"{purpose}/{task}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
