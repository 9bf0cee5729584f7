"""One split as read from any source, and the checks every row must pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ..errors import UserError, shown
from .glue import Task

# QQP is known to hold a few questions without text; more than this share of a split is damage
EMPTY_SHARE = 0.001


@dataclass(frozen=True)
class RawSplit:
    """Columns of one split before they are checked.

    `where` names the split in errors, `name` in notes (no path of this machine), `part` says that the
    file's name marks it as a part, `lines` holds each row's line in a text file. Rows count from 0.
    """

    columns: dict[str, Sequence]
    where: str
    name: str
    part: bool = False
    notes: tuple[str, ...] = ()
    lines: Sequence[int] | None = None

    def row(self, row: int) -> str:
        """Return how a reader finds row `row` (from 0) in the source."""
        return f"row {row}" if self.lines is None else f"line {self.lines[row]}"


def short(value) -> str:
    """Return the `repr` of `value`, cut to a length that fits in an error."""
    text = shown(value)
    return text if len(text) <= 60 else text[:57] + "..."


def check_columns(task: Task, present: Sequence[str], where: str) -> None:
    """Raise UserError unless each column of `task` and ``label`` is in `present` exactly once."""
    expected = (*task.columns, "label")
    shown = ", ".join(map(short, present[:12])) or "none"
    for column in expected:
        count = list(present).count(column)
        if count != 1:
            what = "missing" if not count else f"there {count} times"
            raise UserError(
                f"{where}: column {column!r} is {what}; {task.title} needs {', '.join(map(repr, expected))} once each, "
                f"got {shown}; rename or convert the columns"
            )


def checked_texts(task: Task, raw: RawSplit) -> tuple[list[tuple[str, ...]], list[int]]:
    """Return the texts row by row and the (few) rows with an empty text, see EMPTY_SHARE.

    Raises UserError for a missing column, no rows, a cell that is no text, or too many empty ones.
    """
    check_columns(task, list(raw.columns), raw.where)
    rows = len(raw.columns["label"])
    if not rows:
        raise UserError(f"{raw.where}: the split has no rows; {task.title} needs at least one example; get it again")
    empty: set[int] = set()
    for column in task.columns:
        values = raw.columns[column]
        if len(values) != rows:
            raise UserError(
                f"{raw.where}: column {column!r} has {len(values)} rows, 'label' has {rows}; get the file again"
            )
        for row, value in enumerate(values):
            if not isinstance(value, str):
                raise UserError(
                    f"{raw.where}: {raw.row(row)}, column {column!r} must be text, got {short(value)}; "
                    "fill or remove the row"
                )
            if not _is_unicode(value):
                raise UserError(
                    f"{raw.where}: {raw.row(row)}, column {column!r} holds half a character (a lone surrogate), got "
                    f"{short(value)}; correct or remove the row"
                )
            if not value or value.isspace():
                empty.add(row)
    if len(empty) > rows * EMPTY_SHARE:
        raise UserError(
            f"{raw.where}: empty text in {len(empty)} of {rows} rows, first in {raw.row(min(empty))}; expected text in "
            f"{' and '.join(map(repr, task.columns))}; fill or remove the rows"
        )
    return list(zip(*(raw.columns[column] for column in task.columns))), sorted(empty)


def _is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: an escape in JSON may stand for half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_labels(task: Task, raw: RawSplit) -> np.ndarray:
    """Return the labels (N,): int64 class ids, or float32 scores for regression.

    A class of GLUE may be given by its id or its official name, one of an own task by its value in the data only.
    Raises UserError naming the first wrong row; -1, which marks the unlabelled test split, is wrong too.
    """
    values = raw.columns["label"]
    if task.regression:
        return _scores(task, raw, values)
    if task.label_values:
        return _own_classes(task, raw, values)
    ids = {name: i for i, name in enumerate(task.label_names)}
    ids |= {str(i): i for i in range(task.num_labels)}
    labels = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        known = ids.get(value) if isinstance(value, str) else _class_id(value, task.num_labels)
        if known is None:
            names = ", ".join(f"{i} ({name})" for i, name in enumerate(task.label_names))
            _wrong_label(raw, row, value, names)
        labels[row] = known
    return labels


def _own_classes(task: Task, raw: RawSplit, values: Sequence) -> np.ndarray:
    ids = {value: i for i, value in enumerate(task.label_values)}
    for value, i in list(ids.items()):
        ids.setdefault(_plain(value), i)
    labels = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        text = _as_text(value)
        if (known := ids.get(text, ids.get(_plain(text)))) is None:
            _wrong_label(raw, row, value, "one of " + _some(task.label_values))
        labels[row] = known
    return labels


def _some(values: Sequence[str]) -> str:
    return ", ".join(map(repr, values[:20])) + (", ..." if len(values) > 20 else "")


def _as_text(value) -> str | None:
    """A label as a text file would hold it: 1 and 1.0 are "1", 0.5 is "0.5", True is "true"."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (float, np.floating)):
        if not np.isfinite(value):
            return None
        return str(int(value)) if value == int(value) else str(value)
    return str(value) if isinstance(value, (str, int, np.integer, Decimal)) else None


def _plain(text: str | None) -> str | None:
    """The same label as other tools write it: "1.0" is "1" (a column of floats in CSV), "True" is "true"."""
    if text in ("True", "TRUE", "False", "FALSE"):
        return text.lower()
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text) if text else text


def _class_id(value, classes: int) -> int | None:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return int(value) if whole and 0 <= value < classes else None


def _scores(task: Task, raw: RawSplit, values: Sequence) -> np.ndarray:
    labels, (low, high) = np.empty(len(values), dtype=np.float32), task.scores
    expected = f"a number from {low:g} to {high:g}" if np.isfinite((low, high)).all() else "a finite number"
    for row, value in enumerate(values):
        try:
            score = float(value)
        except (TypeError, ValueError, OverflowError):
            score = float("nan")
        # a comparison with NaN is false; beyond 1e38 a score is infinite as float32
        if isinstance(value, bool) or not (low <= score <= high and abs(score) < 1e38):
            _wrong_label(raw, row, value, expected)
        labels[row] = score
    return labels


def _wrong_label(raw: RawSplit, row: int, value, expected: str) -> None:
    unlabelled = value is None or isinstance(value, (int, np.integer, str)) and value in (-1, "-1", "")
    hint = "this looks like an unlabelled test split, use train and dev" if unlabelled else "correct or remove the row"
    raise UserError(f"{raw.where}: {raw.row(row)} has label {short(value)}, expected {expected}; {hint}")
