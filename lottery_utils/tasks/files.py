"""Files of rows, read as they are: CSV, TSV, JSON lines, parquet; what is wrong is named by file and line.

`csv` reads strictly what `pyarrow.csv` does not: there a quote that is never closed joins lines without a word.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..disk import readable, require_file
from ..errors import UserError, one_line, shown

if TYPE_CHECKING:
    import datasets

LONGEST_CELL = 100_000_000  # characters; csv's own limit, 131,072, is less than a book


@dataclass(frozen=True)
class Rows:
    """Wanted columns of a file and where each row stands in it: its line, or for parquet its number from 0.

    (line, cells) of rows that do not fit the header of `width` cells: `cut`, which are left out, and `surplus`, of
    which the further cells are.
    """

    columns: dict[str, list]
    lines: list[int]
    unit: str = "line"
    width: int = 0
    cut: tuple[tuple[int, int], ...] = ()
    surplus: tuple[tuple[int, int], ...] = ()


def short(value) -> str:
    """The `repr` of `value`, cut to a length that fits in an error."""
    text = shown(value)
    return text if len(text) <= 60 else text[:57] + "..."


def require_columns(where: str, present: Sequence[str], wanted: Sequence[str], hint: str = "") -> None:
    """Raise UserError unless each of `wanted` is among the columns `present` exactly once."""
    for name in wanted:
        if (count := list(present).count(name)) != 1:
            what = "missing" if not count else f"there {count} times"
            raise UserError(
                f"{where}: column {name!r} is {what}; the task needs {', '.join(map(repr, wanted))} once each, got "
                f"{', '.join(map(short, present[:12])) or 'none'}; {hint or 'rename the columns, or name others'}"
            )


def text_of(path: Path) -> str:
    """A file's text without a byte order mark; raises UserError for what is no readable UTF-8 text."""
    require_file("data", path)
    with readable(path):
        content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        raise UserError(
            f"{path}: line {line}: expected UTF-8 text, got byte {byte:#04x}; convert the file to UTF-8"
        ) from None
    if (at := text.find("\0")) >= 0:
        raise UserError(f"{path}: line {text.count(chr(10), 0, at) + 1} holds a NUL byte, expected text; get it again")
    if not text.strip():
        raise UserError(f"{path}: the file is empty, expected rows; get it again")
    return text


def read_table(path: Path, wanted: Sequence[str], header: Sequence[str] = ()) -> Rows:
    """`wanted` columns of a CSV file (commas, some cells quoted); any other is TSV, where quotes are characters.

    The first row names the columns unless `header` does. Raises UserError for a missing or double column, and quotes
    that do not pair.
    """
    style = {"strict": True} if path.suffix.lower() == ".csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    rows = csv.reader(io.StringIO(text_of(path), newline=""), **style)
    limit, begin = csv.field_size_limit(LONGEST_CELL), 1
    kept, lines, cut, surplus, places = [], [], [], [], []
    try:
        for row in rows:
            if not row:
                continue
            if not places:
                names = header or row
                require_columns(str(path), names, wanted, _separator_hint(path, names))
                places = [names.index(name) for name in wanted]
                if not header:
                    continue
            begin = rows.line_num + 1
            if len(row) < len(names):
                cut.append((rows.line_num, len(row)))
                continue
            if len(row) > len(names):
                surplus.append((rows.line_num, len(row)))
            lines.append(rows.line_num)
            kept.append([row[place] for place in places])
    except csv.Error as error:
        cause = f"a quoted cell that begins there is not closed as it should be ({error})"
        raise UserError(f"{path}: line {begin}: {cause}; write quotes inside quoted cells twice") from None
    finally:
        csv.field_size_limit(limit)
    columns = dict(zip(wanted, map(list, zip(*kept)))) if kept else {name: [] for name in wanted}
    return Rows(columns, lines, width=len(names), cut=tuple(cut), surplus=tuple(surplus))


def _separator_hint(path: Path, header: Sequence[str]) -> str:
    """What to do about a header that is separated or quoted in another way than its ending says."""
    if any(cell.startswith('"') for cell in header):
        return "quotes are characters in TSV: write the file without them, or as CSV"
    if len(header) == 1 and any(sign in header[0] for sign in ";,|\t"):
        return f"separate columns by {'commas' if path.suffix.lower() == '.csv' else 'tabs'}, as the file's ending says"
    return ""


def read_json_lines(path: Path, wanted: Sequence[str]) -> Rows:
    """`wanted` of a file with a JSON object a line; raises UserError for any other line, a missing or a double key."""
    columns: dict[str, list] = {name: [] for name in wanted}
    lines = []
    for number, line in enumerate(text_of(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{path}: line {number} is no JSON object ({str(error)[:80]}); expected JSON lines, an object a line"
            ) from None
        if not isinstance(row, _Pairs):
            raise UserError(f"{path}: line {number} must be a JSON object, got {short(row)}; write JSON lines")
        require_columns(f"{path}: line {number}", [key for key, _ in row], wanted)
        for name, value in row:
            if name in columns:
                columns[name].append(value)
        lines.append(number)
    return Rows(columns, lines)


@contextlib.contextmanager
def library_errors(text: str, advice: str = "get it again") -> Iterator[None]:
    """Within, any error of a library that reads data is a UserError: `text`, its reason, `advice`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # what pyarrow and datasets raise has no kind in common
        raise UserError(f"{text} ({one_line(str(error) or type(error).__name__, 200)}); {advice}") from None


def values_of(dataset: datasets.Dataset, wanted: Sequence[str], where: str) -> dict[str, list]:
    """Columns of a dataset as lists of Python values; raises UserError for one that Python cannot hold."""
    with library_errors(f"{where}: expected texts in UTF-8 and labels, got a value that cannot be read"):
        return {name: dataset.data.column(name).to_pylist() for name in wanted}


class _Pairs(list):
    """A JSON object as read: its (key, value) pairs, a key that is there twice included."""


def read_parquet(path: Path, wanted: Sequence[str]) -> tuple[datasets.Dataset, list[str]]:
    """`wanted` columns of a parquet file, texts as plain strings, and the names of all its columns.

    Raises UserError for a missing or double column and for what is no intact parquet file.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        is_text = pa.types.is_large_string(kind) or (hasattr(pa, "string_view") and kind == pa.string_view())
        return column.cast(pa.string() if is_text else kind)

    require_file("data", path)
    with library_errors(f"{path}: expected a parquet file, but it is damaged, cut short or no parquet file"):
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            require_columns(str(path), names, wanted)
            table = file.read(columns=list(wanted), use_threads=False)
        columns = [plain(table[name]) for name in wanted]
        schema = pa.schema(list(zip(wanted, (column.type for column in columns))), table.schema.metadata)
        return datasets.Dataset(pa.table(columns, schema=schema), fingerprint=path.name), names
