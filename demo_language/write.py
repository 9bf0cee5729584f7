"""Write the demo's data anew where the packages keep it: ``python -m demo_language.write``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lottery_book.probes.sentences import SENTENCES
from lottery_utils.demo import demo_task_dir
from lottery_utils.presets import PROBE_SENTENCES
from lottery_utils.tasks.glue import TASKS, Task

from .sentences import annotated_sentences
from .tasks import demo_task

TOKEN = pa.struct([
    ("word", pa.string()), ("part", pa.string()), ("head", pa.int8()), ("depth", pa.int8()), ("number", pa.string()),
    ("role", pa.string()), ("hidden_subject", pa.int8()),
])  # fmt: skip


def task_tables(task: Task) -> dict[Path, pa.Table]:
    """The tables of a demo task by the files they belong in, with the column types of ``nyu-mll/glue``."""
    types = [(column, pa.string()) for column in task.columns]
    schema = pa.schema([*types, ("label", pa.float32() if task.regression else pa.int64())])
    files = [demo_task_dir(task.name) / f"{split}.parquet" for split in ("train", task.dev_split)]
    return {path: pa.table(columns, schema) for path, columns in zip(files, demo_task(task.name))}


def sentence_table(count: int = PROBE_SENTENCES) -> pa.Table:
    """The probes' first `count` sentences, a row each: the tokens, as `Token` has them."""
    rows = [[asdict(token) for token in sentence] for sentence in annotated_sentences(count)]
    return pa.table({"tokens": rows}, pa.schema([("tokens", pa.list_(pa.field("element", TOKEN)))]))


def main() -> None:
    """Write every file, small: texts hardly repeat, so only what does is kept as a dictionary."""
    for task in TASKS.values():
        for path, table in task_tables(task).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(table, path, ["label"])
    _write(sentence_table(), SENTENCES, True)


def _write(table: pa.Table, path: Path, dictionary: bool | list[str]) -> None:
    pq.write_table(
        table, path, compression="zstd", compression_level=19, use_dictionary=dictionary, write_statistics=False
    )


if __name__ == "__main__":
    main()
