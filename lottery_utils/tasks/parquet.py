"""Read one split from parquet files laid out as ``nyu-mll/glue`` lays them out."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..errors import UserError
from .glue import Task
from .rows import RawSplit, check_columns

_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.parquet$")


def parquet_files(folder: Path, split: str) -> list[Path]:
    """Return the parquet files of `split` in `folder`, sorted.

    ``train.parquet``, ``train-00000-of-00001.parquet`` and ``train.subset.parquet`` belong to split
    train; ``validation_mismatched.parquet`` does not belong to validation.
    """
    name = re.compile(rf"{re.escape(split)}(-\d{{5}}-of-\d{{5}})?(\.[^.]+)*\.parquet")
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))


def read_parquet(task: Task, split: str, files: list[Path]) -> RawSplit:
    """Return `split` read from `files`: one file, or all the numbered shards of one set.

    Raises UserError for several candidates, a missing shard, a damaged file, a missing or double
    column, or a column of the wrong type.
    """
    shards = [_SHARD.search(path.name) for path in files]
    numbers = [int(shard[1]) for shard in shards if shard]
    totals = {int(shard[2]) for shard in shards if shard}
    shown = ", ".join(path.name for path in files[:4])
    if len(numbers) not in (0, len(files)) or (not numbers and len(files) > 1) or len(totals) > 1:
        raise UserError(f"{files[0].parent}: several files could be split {split}: {shown}; keep one")
    if totals and numbers != list(range(*totals)):
        raise UserError(
            f"{files[0].parent}: split {split} has {len(files)} of {max(totals)} shards ({shown}); add the others"
        )
    columns: dict[str, list] = {column: [] for column in (*task.columns, "label")}
    notes: list[str] = []
    for path in files:
        table, names, extra = _read(task, path)
        for column in columns:
            columns[column] += table[column]
        if names is not None and tuple(names) != task.label_names:
            notes.append(f"{path.name}: label names {', '.join(names)}, officially {', '.join(task.label_names)}")
        if extra:
            notes.append(f"{path.name}: columns not in the official data, ignored: {', '.join(extra)}")
    name = files[0].name if len(files) == 1 else f"{len(files)} shards of {split}"
    where = str(files[0]) if len(files) == 1 else f"{files[0].parent}/{split}-*.parquet"
    # "train.subset.parquet": any word between the split and the ending marks a part
    part = not numbers and files[0].name != f"{split}.parquet"
    return RawSplit(columns, where, name, part, tuple(dict.fromkeys(notes)))


def _read(task: Task, path: Path) -> tuple[dict[str, list], list[str] | None, list[str]]:
    """Return the needed columns of one file, the label names it declares (None if it does not), and other columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UserError(f"{path}: expected a parquet file, got a directory or a broken link; get the file again")
    needed = [*task.columns, "label"]
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            check_columns(task, schema.names, str(path))
            _check_types(task, schema, path)
            table = file.read(columns=needed, use_threads=False).to_pydict()
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{path}: expected a parquet file, but it is damaged, cut short or no parquet file ({reason}); get it again"
        ) from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UserError(f"{path}: expected UTF-8 text, got byte {byte:#04x}; get the file again") from error
    extra = [name for name in schema.names if name not in (*needed, "idx")]
    return table, _label_names(schema.metadata), extra


def _check_types(task: Task, schema, path: Path) -> None:
    import pyarrow as pa

    for column in (*task.columns, "label"):
        kind = schema.field(column).type
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
        number = pa.types.is_integer(inner) or (task.regression and pa.types.is_floating(inner))
        wanted = "text" if column != "label" else "a number" if task.regression else "a whole number or a label name"
        if not (text if column in task.columns else number or text):
            raise UserError(f"{path}: column {column!r} must be {wanted}, got type {kind}; convert the column")


def _label_names(metadata: dict | None) -> list[str] | None:
    """Return the ClassLabel names that `datasets` writes into a file's metadata, if any."""
    try:
        info = json.loads((metadata or {})[b"huggingface"])
        names = info["info"]["features"]["label"]["names"]
    except (KeyError, ValueError, TypeError):
        return None
    return [str(name) for name in names]
