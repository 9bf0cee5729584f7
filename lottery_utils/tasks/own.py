"""The rows of tasks of your own: from the data files that a description names, or from a dataset of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..hub import snapshot
from ..taskfile import Definition
from .files import Rows, library_errors, read_json_lines, read_parquet, read_table, require_columns, values_of
from .load import drawn_rows
from .rows import RawSplit
from .sources import Found

DATA_FILES = ("*.csv", "*.tsv", "*.json", "*.jsonl", "*.parquet", "*.txt", "*.gz", "*.zst", "*.zip", "*.arrow")


def own_splits(definition: Definition, description: str) -> Found:
    """Train and dev as read from files or the hub; `description` names the YAML file in the source.

    Raises UserError, one line, for a missing or damaged file, a missing or double column, a cut row.
    """
    if definition.hub is not None:
        return _hub_splits(definition)
    train = _read(definition, "train", definition.files("train"))
    if definition.dev_share:
        rows = len(train.columns["label"])
        chosen = drawn_rows("dev of train", definition.name, rows, round(definition.dev_share * rows))
        rest = np.setdiff1d(np.arange(rows), chosen)
        source = f"{description}: {train.name}, of which a drawn share of {definition.dev_share:g} is dev"
        return Found(source, train.take(rest), train.take(chosen), (None, None))
    dev = _read(definition, "dev", definition.files("dev"))
    return Found(f"{description}: {train.name}, {dev.name}", train, dev, (None, None))


def _read(definition: Definition, split: str, paths: Sequence[Path]) -> RawSplit:
    """One split from its files, one after another; the ending of each says its format."""
    columns: dict[str, list] = {column: [] for column in (*definition.columns, "label")}
    places: list[str] = []
    notes: list[str] = []
    for path in paths:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise UserError(f"data file {path} {what}; task {definition.name} names it as {split}; correct the path")
        rows = _rows(path, (*definition.columns, definition.label))
        if not rows.lines:
            raise UserError(f"{path}: the file has no rows; task {definition.name} needs examples; get the file again")
        for column, values in zip(columns.values(), rows.columns.values()):
            column += values
        places += [f"{rows.unit} {line}" + (f" of {path.name}" if len(paths) > 1 else "") for line in rows.lines]
        notes += _quoted(path, rows, definition)
    where = str(paths[0]) if len(paths) == 1 else f"{paths[0].parent}: {len(paths)} files of {split}"
    return RawSplit(columns, where, ", ".join(path.name for path in paths), places=places, notes=tuple(notes))


def _rows(path: Path, wanted: tuple[str, ...]) -> Rows:
    """The wanted columns of a file; raises UserError for rows of another length than the header's."""
    kind = path.suffix.lower()
    if kind == ".parquet":
        columns = values_of(read_parquet(path, wanted)[0], wanted, str(path))
        return Rows(columns, list(range(len(columns[wanted[0]]))), unit="row")
    if kind not in (".csv", ".tsv"):
        return read_json_lines(path, wanted)
    rows = read_table(path, wanted)
    if rows.cut or rows.surplus:
        line, cells = min((*rows.cut, *rows.surplus))
        hint = "quote cells that hold commas" if kind == ".csv" else "the file is cut or not TSV"
        raise UserError(f"{path}: line {line} has {cells} cells, the header has {rows.width}; {hint}")
    return rows


def _quoted(path: Path, rows: Rows, definition: Definition) -> list[str]:
    """A note where the texts of a TSV file stand in quotes, which are part of them there."""
    if path.suffix.lower() != ".tsv":
        return []
    quoted = sum(text[:1] == text[-1:] == '"' for text in rows.columns[definition.columns[0]] if len(text) > 1)
    said = f"{path.name}: {quoted} of {len(rows.lines)} texts stand in double quotes, which TSV keeps"
    return [said] if quoted > len(rows.lines) / 2 else []


def _hub_splits(definition: Definition) -> Found:
    """Both splits of a dataset of the hub, from the hub's cache where the network cannot be reached.

    The repository's files are fetched first, at the one revision asked for, and read from their folder: by its name
    alone `datasets` would, without network, take whatever revision it has seen.
    """
    import datasets

    hub = definition.hub
    what = f"dataset {hub.dataset}, " + (f"configuration {hub.config}, " if hub.config else "")
    what += f"revision {hub.revision[:12]}"
    folder = _snapshot(definition, what)
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        with library_errors(f"{what}: cannot be read", "check config, train, dev and files in the YAML"):
            splits = [datasets.load_dataset(str(folder), name=hub.config, split=s) for s in (hub.train, hub.dev)]
    except UserError as error:
        raise UserError(str(error).replace(str(folder), hub.dataset)) from None
    finally:
        if shown:
            datasets.enable_progress_bars()
    raws = [_raw(definition, data, split, what) for data, split in zip(splits, (hub.train, hub.dev))]
    return Found(f"{what}: {hub.train}, {hub.dev}", *raws, (None, None))


def _snapshot(definition: Definition, what: str) -> Path:
    hub = definition.hub
    patterns = ["README.md", *(hub.files or (*DATA_FILES, *(f"**/{name}" for name in DATA_FILES)))]

    def has_data(folder: Path) -> bool:
        return any(path.is_file() and path.name != "README.md" for path in folder.rglob("*"))

    try:
        return snapshot(hub.dataset, hub.revision, patterns, has_data, dataset=True)
    except UserError as error:
        raise UserError(
            f"{what} is neither in the hub's cache nor to be had from the hub ({error}); check its name, connect once "
            "to fetch it, or give train and dev as files"
        ) from None


def _raw(definition: Definition, data, split: str, what: str) -> RawSplit:
    """The wanted columns of one split; classes stored as numbers are named where the description uses the names."""
    where, wanted = f"{what}: split {split}", (*definition.columns, definition.label)
    require_columns(where, data.column_names, wanted)
    *texts, labels = values_of(data, wanted, where).values()
    names = getattr(data.features[definition.label], "names", None)
    if names and definition.labels and {value for value, _ in definition.labels} <= set(names):
        labels = [names[i] if isinstance(i, int) and 0 <= i < len(names) else i for i in labels]
    return RawSplit(dict(zip((*definition.columns, "label"), (*texts, labels))), where, split)
