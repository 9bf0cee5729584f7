"""One split as read from any source, and the checks every row must pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from ..errors import UserError
from .files import short
from .glue import Task

# QQP is known to hold a few questions without text; more than this share of a split is damage
EMPTY_SHARE = 0.001
NO_LABEL = (None, -1, "-1", "", "-")  # as test splits and rows without a gold label have it


@dataclass(frozen=True)
class RawSplit:
    """Columns of one split, the task's texts and ``label``, before they are checked.

    `where` names the split in errors, `name` in notes (no path of this machine), `part` says that the file's name
    marks it as a part, `places` says where each row stands; without, rows count from 0.
    """

    columns: dict[str, list]
    where: str
    name: str
    part: bool = False
    notes: tuple[str, ...] = ()
    places: Sequence[str] | None = None

    def row(self, row: int) -> str:
        """Return how a reader finds row `row` (from 0) in the source."""
        return f"row {row}" if self.places is None else self.places[row]

    def take(self, rows: Sequence[int]) -> RawSplit:
        """The split with only `rows`, in that order."""
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, places=[self.row(row) for row in rows])


def checked_texts(task: Task, raw: RawSplit) -> tuple[list[tuple[str, ...]], list[int]]:
    """Return the texts row by row and the (few) rows with an empty text, see EMPTY_SHARE.

    Raises UserError for no rows, a cell that is no text, or too many empty ones.
    """
    rows = len(raw.columns["label"])
    if not rows:
        raise UserError(f"{raw.where}: the split has no rows; {task.title} needs at least one example; get it again")
    empty: set[int] = set()
    for column in task.columns:
        for row, value in enumerate(raw.columns[column]):
            if not isinstance(value, str) or not _is_unicode(value):
                expected = "be text" if not isinstance(value, str) else "hold no half of a character (a lone surrogate)"
                raise UserError(
                    f"{raw.where}: {raw.row(row)}, column {column!r} must {expected}, got {short(value)}; "
                    "correct or remove the row"
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
    if task.regression:
        low, high = task.scores
        expected = f"a number from {low:g} to {high:g}" if np.isfinite((low, high)).all() else "a finite number"
        return _labels(raw, lambda value: _score(value, low, high), expected, np.float32)
    if task.label_values:
        ids = {value: i for i, value in enumerate(task.label_values)}
        ids = {_plain(value): i for value, i in reversed(ids.items())} | ids
        names = ", ".join(map(repr, task.label_values[:20])) + (", ..." if task.num_labels > 20 else "")

        def own_class(value) -> int | None:
            text = _as_text(value)
            return ids.get(text, ids.get(_plain(text)))

        return _labels(raw, own_class, f"one of {names}", np.int64)
    ids = {name: i for i, name in enumerate(task.label_names)} | {str(i): i for i in range(task.num_labels)}
    names = ", ".join(f"{i} ({name})" for i, name in enumerate(task.label_names))
    return _labels(raw, lambda value: ids.get(value if isinstance(value, str) else _whole(value)), names, np.int64)


def _labels(raw: RawSplit, known, expected: str, kind: type) -> np.ndarray:
    """What `known` makes of each label; raises UserError at the first of which it makes None."""
    values = raw.columns["label"]
    labels = [known(value) for value in values]
    wrong = next((row for row, label in enumerate(labels) if label is None), None)
    if wrong is None:
        return np.array(labels, dtype=kind)
    without = sum(_lacks_label(value) for value in values)
    hint = "correct or remove the row"
    if without == len(values):
        hint = "this looks like an unlabelled test split, use train and dev"
    elif _lacks_label(values[wrong]):
        hint = f"{without} of {len(values)} rows have no label: label or remove them"
    raise UserError(f"{raw.where}: {raw.row(wrong)} has label {short(values[wrong])}, expected {expected}; {hint}")


def _lacks_label(value) -> bool:
    return isinstance(value, (str, int, type(None))) and value in NO_LABEL or value != value


def _as_text(value) -> str | None:
    """A label as a text file would hold it: 1 and 1.0 are "1", 0.5 is "0.5", True is "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not np.isfinite(value):
            return None
        return str(int(value)) if value == int(value) else str(value)
    return str(value) if isinstance(value, (str, int, Decimal)) else None


def _plain(text: str | None) -> str | None:
    """The same label as other tools write it: "1.0" is "1" (a column of floats in CSV), "True" is "true"."""
    if text in ("True", "TRUE", "False", "FALSE"):
        return text.lower()
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text) if text else text


def _whole(value) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _score(value, low: float, high: float) -> float | None:
    if isinstance(value, bool) or isinstance(value, str) and "_" in value:  # Python reads 1_0 as 10
        return None
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # a comparison with NaN is false; beyond 1e38 a score is infinite as float32
    return score if low <= score <= high and abs(score) < 1e38 else None
