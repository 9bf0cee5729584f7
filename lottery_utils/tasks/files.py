"""Files of rows, read as they are: CSV, TSV, JSON lines, parquet; what is wrong is named by file and line.

`csv` reads strictly what `pyarrow.csv` does not: there a quote that is never closed joins lines without a word.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..disk import content_of
from ..errors import UserError, library_errors, shown

COMPRESSED = b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"  # gzip, zip, zstandard
SHORT = 60  # characters of a value in an error
csv.field_size_limit(100_000_000)  # characters of a cell; csv's own limit, 131,072, is less than a book


@dataclass(frozen=True)
class Table:
    """Columns of a split by name, not yet checked, and where each of its rows stands, such as "line 3".

    `where` names the split in errors, `name` in notes (no path of this machine); `part` says that its file's name
    marks it as a part.
    """

    columns: dict[str, list]
    places: Sequence[str]
    where: str
    name: str
    notes: tuple[str, ...] = ()
    part: bool = False

    def renamed(self, names: Sequence[str]) -> Table:
        """The same columns, in their order, under other names."""
        return replace(self, columns=dict(zip(names, self.columns.values(), strict=True)))

    def take(self, rows: Sequence[int]) -> Table:
        """The table with only `rows`, in that order."""
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, places=[self.places[row] for row in rows])


@dataclass(frozen=True)
class RawSplits:
    """The two splits of a task as found."""

    source: str
    train: Table
    dev: Table
    notes: tuple[str, ...] = ()


def require_columns(where: str, present: Sequence[str], wanted: Sequence[str], hint: str = "") -> None:
    """Raise UserError unless each of `wanted` is among the columns `present` exactly once."""
    for name in wanted:
        if (count := list(present).count(name)) != 1:
            what = "missing" if not count else f"there {count} times"
            raise UserError(
                f"{where}: column {name!r} is {what}; the task needs {', '.join(map(repr, wanted))} once each, got "
                f"{', '.join(shown(c, SHORT) for c in present[:12]) or 'none'}; "
                f"{hint or 'rename the columns, or name others'}"
            )


def read_table(path: Path, wanted: Sequence[str], header: Sequence[str] = (), spared: float | None = None) -> Table:
    """`wanted` columns of a CSV file (commas, some cells quoted); any other is TSV, where quotes are characters.

    The first row names the columns unless `header` does. Raises UserError for a missing or double column, quotes that
    do not pair, and rows of another length than the header. With `spared`, a share of the rows, longer rows and so many
    shorter ones are noted instead: surplus cells are ignored, shorter rows left out.
    """
    style = {"strict": True} if path.suffix.lower() == ".csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    rows = csv.reader(io.StringIO(_text_of(path), newline=""), **style)
    kept, lines, ragged, filled, begin = [], [], {}, filter(None, rows), 1
    try:
        names = header or next(filled)
        require_columns(str(path), names, wanted, _separator_hint(path, names))
        places = [names.index(name) for name in wanted]
        begin = rows.line_num + 1
        for row in filled:
            if len(row) != len(names):
                ragged[rows.line_num] = len(row)
            if len(row) >= len(names):
                lines.append(rows.line_num)
                kept.append([row[place] for place in places])
            begin = rows.line_num + 1
    except csv.Error as error:
        cause = f"a quoted cell that begins there is not closed as it should be ({error})"
        raise UserError(f"{path}: line {begin}: {cause}; write quotes inside quoted cells twice") from None
    notes = _ragged_rows(path, lines, ragged, len(names), spared)
    columns = dict(zip(wanted, map(list, zip(*kept)))) if kept else {name: [] for name in wanted}
    return Table(columns, [f"line {line}" for line in lines], str(path), path.name, notes)


def _ragged_rows(
    path: Path, lines: list[int], ragged: dict[int, int], width: int, spared: float | None
) -> tuple[str, ...]:
    """Notes on rows, by line their number of cells, that do not fit the header; see `read_table`."""
    cut = [line for line, cells in ragged.items() if cells < width]
    long = [line for line, cells in ragged.items() if cells > width]
    refused = [*ragged] if spared is None else cut
    total, last = len(lines) + len(cut), max([0, *lines[-1:], *cut[-1:]])
    # at the end of a file a shorter row means that the file was cut
    if refused and (spared is None or len(cut) > spared * total or last in cut):
        hint = "the file is cut short or not tab-separated, get it again"
        hint = "quote cells that hold commas" if path.suffix.lower() == ".csv" else hint
        raise UserError(
            f"{path}: line {refused[0]} has {ragged[refused[0]]} cells, the header has {width} ({len(refused)} such "
            f"lines of {total}); {hint}"
        )
    notes = {"malformed and left out": cut, "with surplus columns, ignored": long}
    return tuple(f"{path.name}: {_listed(rows)} {what}" for what, rows in notes.items() if rows)


def _listed(lines: list[int]) -> str:
    first = ", ".join(map(str, lines[:5])) + (" ..." if len(lines) > 5 else "")
    return f"{len(lines)} line{'s' * (len(lines) > 1)} ({first})"


def _text_of(path: Path) -> str:
    """A file's text without a byte order mark; raises UserError for what is no readable UTF-8 text."""
    content = content_of("data", path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        todo = "unpack the file" if content.startswith(COMPRESSED) else "convert the file to UTF-8"
        raise UserError(f"{path}: line {line}: expected UTF-8 text, got byte {byte:#04x}; {todo}") from None
    if (at := text.find("\0")) >= 0:
        raise UserError(f"{path}: line {text.count(chr(10), 0, at) + 1} holds a NUL byte, expected text; get it again")
    if not text.strip():
        raise UserError(f"{path}: the file is empty, expected rows; get it again")
    return text


def _separator_hint(path: Path, header: Sequence[str]) -> str:
    """What to do about a header that is separated or quoted in another way than its ending says."""
    if any(cell.startswith('"') for cell in header):
        return "quotes are characters in TSV: write the file without them, or as CSV"
    if len(header) == 1 and any(sign in header[0] for sign in ";,|\t"):
        return f"separate columns by {'commas' if path.suffix.lower() == '.csv' else 'tabs'}, as the file's ending says"
    return ""


def _object(pairs: list[tuple[str, object]]) -> dict:
    """A JSON object; raises ValueError for a key that is there twice, of which Python would keep the last value."""
    keys = [key for key, _ in pairs]
    if len({*keys}) < len(keys):
        raise ValueError(f"key {max(keys, key=keys.count)!r} is there twice")
    return dict(pairs)


def read_json_lines(path: Path, wanted: Sequence[str]) -> Table:
    """`wanted` of a file with a JSON object a line; raises UserError for any other line, a missing or a double key."""
    columns: dict[str, list] = {name: [] for name in wanted}
    places = []
    for number, line in enumerate(_text_of(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{path}: line {number} is no JSON object ({str(error)[:80]}); expected JSON lines, an object a line"
            ) from None
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number} must be a JSON object, got {shown(row, SHORT)}; write JSON lines")
        require_columns(f"{path}: line {number}", list(row), wanted)
        for name in wanted:
            columns[name].append(row[name])
        places.append(f"line {number}")
    return Table(columns, places, str(path), path.name)


def read_parquet(path: Path, wanted: Sequence[str]) -> Table:
    """`wanted` columns of a parquet file; raises UserError for a missing or double column, and a damaged file."""
    import pyarrow.parquet as pq

    content = io.BytesIO(content_of("data", path))  # a name that is no UTF-8 is damage to pyarrow
    with library_errors(f"{path}: expected a parquet file, but it is damaged, cut short or no parquet file"):
        with pq.ParquetFile(content) as file:
            require_columns(str(path), file.schema_arrow.names, wanted)
            table = file.read(columns=list(wanted), use_threads=False)
    columns = values_of(table, wanted, str(path))
    return Table(columns, [f"row {row}" for row in range(table.num_rows)], str(path), path.name)


def joined(tables: Sequence[Table], where: str, name: str) -> Table:
    """The rows of tables with the same columns, one after the other, and their notes; a single one as it is."""
    if len(tables) == 1:
        return tables[0]
    columns = {key: [value for table in tables for value in table.columns[key]] for key in tables[0].columns}
    places = [f"{place} of {table.name}" for table in tables for place in table.places]
    return Table(columns, places, where, name, tuple(note for table in tables for note in table.notes))


def values_of(table, wanted: Sequence[str], where: str) -> dict[str, list]:
    """Columns of an Arrow table as lists of Python values; raises UserError for one that Python cannot hold."""
    with library_errors(f"{where}: expected texts in UTF-8 and labels, got a value that cannot be read"):
        return {name: table.column(name).to_pylist() for name in wanted}
