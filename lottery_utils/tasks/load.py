"""Load a task's train and dev split, check every row, and say how it differs from the official data.

And parts of them: examples that choose a subnetwork and are not those it is scored on, of train or half of dev.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from ..presets import ALL, Limits
from ..taskfile import definition_digest, task_file
from .files import Table
from .glue import Task, find_definition, get_task, own_task
from .own import own_splits
from .rows import Split, checked_rows, drawn_rows, generator_of, rows_of
from .sources import glue_splits

MOST = 0.5  # share of train that may be held out


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
    path = task_file(data)
    if path is None:
        task, definition = get_task(name), None
        raw = glue_splits(task, data)
    else:
        definition = find_definition(name, path)
        task, raw = own_task(definition), own_splits(definition, path.name)
    sizes = (None, None) if data == "embedded" else (task.train_size, task.dev_size)
    train, train_notes, train_partial = _split(task, "train", raw.train, sizes[0], limits)
    dev, dev_notes, dev_partial = _split(task, "dev", raw.dev, sizes[1], limits)
    notes, content = (*raw.notes, *train_notes, *dev_notes), fingerprint(train, dev)
    if definition is not None:  # what is described is part of the data
        notes += tuple(_own_notes(task, train, dev))
        content = hashlib.sha256(f"{definition_digest(definition)}\n{content}".encode()).hexdigest()[:16]
    return TaskData(task, train, dev, raw.source, notes, train_partial or dev_partial, content)


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


def _split(task: Task, role: str, table: Table, official: int | None, limits: Limits) -> tuple[Split, list[str], bool]:
    """Check a table, apply the limit of `role`; return the split, its notes and whether it is partial."""
    split, empty = checked_rows(task, table)
    rows, notes, limit = len(split), list(table.notes), getattr(limits, role)
    if empty:
        notes.append(f"{role}: empty text in {len(empty)} of {rows} rows, first in {table.places[empty[0]]}")
    differs = official is not None and rows != official
    if differs:
        word = "partial: " if rows < official else ""
        notes.append(f"{word}{role} has {rows} rows, officially {official} ({table.name})")
    if table.part:
        notes.append(f"partial: {role} comes from {table.name}, by its name not the official split")
    if limit is None or limit >= rows:
        return split, notes, differs or table.part
    notes.append(f"partial: {role} limited to {'a draw of' if limits.drawn else 'the first'} {limit} of {rows} rows")
    return _limited(task, role, table, split, limits), notes, True


def _limited(task: Task, role: str, table: Table, split: Split, limits: Limits) -> Split:
    """As many examples as the limit of `role`; raises UserError where all have one class and those left out another."""
    limit = getattr(limits, role)
    chosen = drawn_rows(f"{role} limit", task.name, len(split), limit) if limits.drawn else np.arange(limit)
    part = rows_of(split, chosen)
    if 1 < limit and not task.regression and np.ptp(part.labels) == 0 and np.ptp(split.labels) > 0:
        only = task.label_names[part.labels[0]]
        raise UserError(
            f"{table.where}: with {role}_limit={limit} every row has label {only}; shuffle the rows, raise the limit, "
            f'or have as many drawn: limited=["{task.name}"]'
        )
    return part


def halves(task: str, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the first and the second half of a dev set of `examples`, each in order; the same in every process.

    The draw depends on the task's name and the number of examples only, so that pages can cut stored predictions.
    """
    order = generator_of("halves", task).permutation(examples)
    return np.sort(order[: examples // 2]), np.sort(order[examples // 2 :])


def held_out_rows(data: TaskData, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of train that are trained on, and rows held out: `share` times as many as dev has, at most half of train.

    A row whose texts are those of a held-out one is in neither: no held-out example is trained on, not even a copy.
    """
    train = data.train
    count = max(1, round(min(share * len(data.dev), int(MOST * len(train)))))
    held = drawn_rows("held out", data.task.name, len(train), count)
    texts = {train.texts[row] for row in held}
    kept = [row for row, example in enumerate(train.texts) if example not in texts]
    return np.array(kept, np.int64), held


def require_parts(data: TaskData, share: float, selection: str) -> None:
    """Raise UserError where a part of the data that these settings need would hold no example."""
    if selection in ("half", "other_half") and len(data.dev) < 2:
        raise UserError(
            f"task {data.task.name}: selection={selection} halves dev, which has {len(data.dev)} example; give more "
            "examples, or leave selection out"
        )
    if share and not len(held_out_rows(data, share)[0]):
        raise UserError(
            f"task {data.task.name}: held_out={share:g} leaves none of {len(data.train)} train examples to train on; "
            "lower it, or give more train examples"
        )


def set_aside(data: TaskData, share: float) -> tuple[TaskData, Split | None]:
    """`data` without its held-out examples, and those; with `share` 0 the data as they are, and None.

    The fingerprint stays that of the whole data: which rows are held out follows from it and `share`.
    """
    if not share:
        return data, None
    kept, held = held_out_rows(data, share)
    lost = len(data.train) - len(kept) - len(held)
    note = f"{len(held)} of {len(data.train)} train examples are held out"
    note += f", {lost} with the same texts as one of them left out" if lost else ""
    train = rows_of(data.train, kept)
    return replace(data, train=train, notes=(*data.notes, note)), rows_of(data.train, held)
