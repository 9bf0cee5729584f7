"""How many examples a result was computed on, from its record."""

from __future__ import annotations

import re

from ..demo.files import DEMO_SIZES
from ..tasks.glue import TASKS

ROWS = re.compile(r"\b(train|dev) has (\d+) rows")
LIMIT = re.compile(r"\b(train|dev) limited to the first (\d+) of")


def rows_used(record: dict) -> dict[str, int]:
    """Examples in "train" and "dev" that a record's cell used.

    Records from before `data_rows` was stored say where they differ from the whole data; the rest is known.
    """
    if record.get("data_rows"):
        return dict(record["data_rows"])
    task = TASKS[record["cell"]["task"]]
    embedded = record["source"]["data"] == "embedded"
    rows = dict(zip(("train", "dev"), DEMO_SIZES[task.name] if embedded else (task.train_size, task.dev_size)))
    for pattern in (ROWS, LIMIT):
        for note in record["data_notes"]:
            rows |= {split: int(count) for split, count in pattern.findall(note)}
    return rows
