"""The checks every row must pass: from a table, as read from any source, to examples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ..errors import UserError, shown
from .files import SHORT, Table
from .glue import Task

# QQP is known to hold a few questions without text; more than this share of a split is damage
EMPTY_SHARE = 0.001
# as test splits and rows without a gold label have it
NO_LABEL = ("-1", "", "-", "?", "nan", "na", "n/a", "<na>", "none", "null")


@dataclass(frozen=True)
class Split:
    """Examples of one split: `texts` are N tuples of one or two strings, `labels` (N,) int64, float32 for STS-B."""

    texts: list[tuple[str, ...]]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


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


def checked_rows(task: Task, table: Table) -> tuple[Split, list[int]]:
    """The examples of `table`, whose columns are the task's and ``label``, and the (few) rows with an empty text.

    Raises UserError, naming the first wrong row, for no rows, a cell that is no text, empty texts in more than
    EMPTY_SHARE of the rows, and a label that is none of the task's; -1, which marks the unlabelled test split, is none.
    """
    if not len(table.places):
        raise UserError(f"{table.where}: the split has no rows; {task.title} needs at least one example; get it again")
    texts, empty = _texts(task, table)
    if task.regression:
        low, high = task.scores
        expected = f"a number from {low:g} to {high:g}" if np.isfinite((low, high)).all() else "a finite number"
        return Split(texts, _labels(table, lambda value: _score(value, low, high), expected, np.float32)), empty
    known, expected = _classes(task)
    return Split(texts, _labels(table, lambda value: _known_class(known, value), expected, np.int64)), empty


def _texts(task: Task, table: Table) -> tuple[list[tuple[str, ...]], list[int]]:
    empty: set[int] = set()
    for column in task.columns:
        for row, value in enumerate(table.columns[column]):
            try:
                value.encode()  # an escape in JSON may stand for half a character
            except (AttributeError, UnicodeEncodeError):
                expected = "hold no half of a character (a lone surrogate)" if isinstance(value, str) else "be text"
                raise UserError(
                    f"{table.where}: {table.places[row]}, column {column!r} must {expected}, got "
                    f"{shown(value, SHORT)}; correct or remove the row"
                ) from None
            if not value or value.isspace():
                empty.add(row)
    if len(empty) > (rows := len(table.places)) * EMPTY_SHARE:
        raise UserError(
            f"{table.where}: empty text in {len(empty)} of {rows} rows, first in {table.places[min(empty)]}; expected "
            f"text in {' and '.join(map(repr, task.columns))}; fill or remove the rows"
        )
    return list(zip(*(table.columns[column] for column in task.columns))), sorted(empty)


def _classes(task: Task) -> tuple[dict[str, int], str]:
    """Class ids by what a label may be, and that in words.

    A class of GLUE may be given by its id or its official name, one of an own task by its value in the data only.
    """
    if not task.label_values:
        ids = {name: i for i, name in enumerate(task.label_names)} | {str(i): i for i in range(task.num_labels)}
        return ids, ", ".join(f"{i} ({name})" for i, name in enumerate(task.label_names))
    ids = {value: i for i, value in enumerate(task.label_values)}
    ids = {_plain(value): i for value, i in reversed(ids.items())} | ids
    return ids, f"one of {', '.join(map(repr, task.label_values[:20]))}" + (", ..." if task.num_labels > 20 else "")


def _known_class(ids: dict[str, int], value: object) -> int | None:
    """The id of a label, which counts as a text file would hold it."""
    if not isinstance(value, (str, int, Decimal)) and not (isinstance(value, float) and np.isfinite(value)):
        return None
    return ids.get(str(value), ids.get(_plain(str(value))))


def _plain(text: str) -> str:
    """The same label as other tools write it: "1.0" is "1" (a column of floats in CSV), "True" is "true"."""
    if text in ("True", "TRUE", "False", "FALSE"):
        return text.lower()
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text)


def _score(value: object, low: float, high: float) -> float | None:
    # Python reads 1_0 as 10, and digits of every script
    if isinstance(value, bool) or isinstance(value, str) and ("_" in value or not value.isascii()):
        return None
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # a comparison with NaN is false; beyond 1e38 a score is infinite as float32
    return score if low <= score <= high and abs(score) < 1e38 else None


def _labels(table: Table, known: Callable, expected: str, kind: type) -> np.ndarray:
    """What `known` makes of each label; raises UserError at the first of which it makes None."""
    values = table.columns["label"]
    labels = [known(value) for value in values]
    wrong = next((row for row, label in enumerate(labels) if label is None), None)
    if wrong is None:
        return np.array(labels, dtype=kind)
    without = sum(label is None and _lacks_label(value) for value, label in zip(values, labels))
    hint = "correct or remove the row"
    if without == len(values):
        hint = "this looks like an unlabelled test split, use train and dev"
    elif _lacks_label(values[wrong]):
        hint = f"{without} of {len(values)} rows have no label: label or remove them"
    elif isinstance(values[wrong], str) and known(values[wrong].strip("\"' ")) is not None:
        hint = "quotes and spaces are characters there: write the file without them, or TSV as CSV"
    got = shown(values[wrong], SHORT)
    raise UserError(f"{table.where}: {table.places[wrong]} has label {got}, expected {expected}; {hint}")


def _lacks_label(value: object) -> bool:
    return _plain(str(value).strip().lower()) in NO_LABEL
