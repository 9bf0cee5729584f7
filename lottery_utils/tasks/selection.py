"""Examples that choose a subnetwork and are not those it is scored on: a held-out part of train, a half of dev."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import UserError
from .load import TaskData
from .rows import Split, drawn_rows, generator_of, rows_of

MOST = 0.5  # share of train that may be held out


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
