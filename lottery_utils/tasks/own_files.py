"""Read a split of an own task from CSV, TSV, JSON lines or parquet files."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import UserError
from ..taskfile import Definition
from .rows import RawSplit, short

LONGEST_CELL = 100_000_000  # characters; csv's own limit, 131,072, is less than a book
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # how "surrogateescape" marks such bytes


def read_own_files(definition: Definition, split: str, paths: Sequence[Path]) -> RawSplit:
    """Return `split` from `paths`, one file after another; the ending of each says its format.

    CSV and TSV need a header. In CSV a cell may be quoted, in TSV a quote is a character like any other. JSON lines
    hold an object a line. Raises UserError for a missing, damaged or empty file, text that is not UTF-8, a missing or
    double column and a row of another length, with the line.
    """
    wanted = (*definition.columns, definition.label)
    columns: dict[str, list] = {column: [] for column in (*definition.columns, "label")}
    lines: list[int | str] = []
    for path in paths:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise UserError(f"data file {path} {what}; task {definition.name} names it as {split}; correct the path")
        before = len(lines)
        for place, row in _rows(path, wanted):
            for column, value in zip(columns.values(), row):
                column.append(value)
            lines.append(place if len(paths) == 1 else f"{_words(place)} of {path.name}")
        if len(lines) == before:
            raise UserError(f"{path}: the file has no rows; task {definition.name} needs examples; get the file again")
    where = str(paths[0]) if len(paths) == 1 else f"{paths[0].parent}: {len(paths)} files of {split}"
    return RawSplit(columns, where, ", ".join(path.name for path in paths), lines=lines)


def _words(place: int | str) -> str:
    return place if isinstance(place, str) else f"line {place}"


def _rows(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int | str, Sequence]]:
    """Each row's place and wanted cells; raises UserError where the file cannot be read on."""
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            yield from _parquet(path, wanted)
            return
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from (_json_lines if kind.startswith((".json", ".ndjson")) else _table)(path, file, wanted)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())[:120]
        raise UserError(f"{path}: cannot be read ({reason}); check the file") from error


def _checked(path: Path, file) -> Iterator[str]:
    """The file's lines; raises UserError at the first that is no text."""
    for number, line in enumerate(file, 1):
        if wrong := _NOT_UTF8.search(line):
            byte = ord(wrong[0]) - 0xDC00
            raise UserError(f"{path}: line {number}: expected UTF-8 text, got byte {byte:#04x}; convert it to UTF-8")
        if "\0" in line:
            raise UserError(f"{path}: line {number} holds a NUL byte, expected text; get the file again")
        yield line


def _table(path: Path, file, wanted: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    if path.suffix.lower() == ".tsv":
        rows = csv.reader(_checked(path, file), delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(_checked(path, file), strict=True)
    limit = csv.field_size_limit(LONGEST_CELL)
    try:
        header = next(rows, None)
        if header is None:
            raise UserError(f"{path}: the file is empty; expected a header and rows; get the file again")
        places = _places(path, header, wanted)
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                hint = "quote cells that hold commas" if path.suffix.lower() == ".csv" else "the file is cut or not TSV"
                raise UserError(
                    f"{path}: line {rows.line_num} has {len(row)} cells, the header has {len(header)}; {hint}"
                )
            yield rows.line_num, [row[place] for place in places]
    except csv.Error as error:
        raise UserError(f"{path}: line {rows.line_num}: no valid CSV ({error}); correct the quotes") from error
    finally:
        csv.field_size_limit(limit)


def _places(path: Path, header: Sequence[str], wanted: tuple[str, ...]) -> list[int]:
    for name in wanted:
        if (count := list(header).count(name)) != 1:
            what = "missing" if not count else f"there {count} times"
            raise UserError(
                f"{path}: column {name!r} is {what}; the task needs {', '.join(map(repr, wanted))} once each, the file "
                f"has {', '.join(map(short, header[:12])) or 'none'}; correct columns and label, or the file"
            )
    return [list(header).index(name) for name in wanted]


def _json_lines(path: Path, file, wanted: tuple[str, ...]) -> Iterator[tuple[int, list]]:
    for number, line in enumerate(_checked(path, file), 1):
        if not line.strip():
            continue
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{path}: line {number} is no JSON object ({str(error)[:80]}); expected JSON lines, an object a line"
            ) from error
        if not isinstance(pairs, _Pairs):
            raise UserError(f"{path}: line {number} must be a JSON object, got {short(pairs)}; write JSON lines")
        values = dict(pairs)
        for name in wanted:
            if name not in values or sum(key == name for key, _ in pairs) > 1:
                what = "is there twice" if name in values else "is missing"
                raise UserError(f"{path}: line {number}: {name!r} {what}, it has {', '.join(map(short, values))}")
        yield number, [values[name] for name in wanted]


class _Pairs(list):
    """A JSON object as read: its (key, value) pairs, a key that is there twice included."""


def _parquet(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, tuple]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _places(path, file.schema_arrow.names, wanted)
            table = file.read(columns=list(wanted), use_threads=False).to_pydict()
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: expected a parquet file, but it is damaged or no parquet file ({reason})") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UserError(f"{path}: expected UTF-8 text, got byte {byte:#04x}; get the file again") from error
    except (ValueError, OverflowError) as error:  # a date that Python does not know
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: expected texts and labels, got one out of range ({reason}); correct it") from error
    for row, values in enumerate(zip(*(table[name] for name in wanted))):
        yield f"row {row}", values
