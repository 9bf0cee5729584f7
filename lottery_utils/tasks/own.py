"""The rows of tasks of your own: from the data files that a description names, or from a dataset of the hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import UserError, library_errors
from ..hub import snapshot
from ..taskfile import Definition
from . import files
from .files import RawSplits, Table
from .rows import drawn_rows

DATA_FILES = ("*.csv", "*.tsv", "*.json", "*.jsonl", "*.parquet", "*.txt", "*.gz", "*.zst", "*.zip", "*.arrow")
READERS = {".parquet": files.read_parquet, ".csv": files.read_table, ".tsv": files.read_table}  # else JSON lines


def own_splits(definition: Definition, description: str) -> RawSplits:
    """Train and dev as read from files or the hub; `description` names the YAML file in the source.

    Raises UserError, one line, for a missing or damaged file, a missing or double column, a cut row.
    """
    if definition.hub is not None:
        return _hub_splits(definition)
    train = _read(definition, "train", definition.files("train"))
    if definition.dev_share:
        rows = len(train.places)
        wanted = round(definition.dev_share * rows)
        if not 0 < wanted < rows:
            got = f"dev is {definition.dev_share:g} of its {rows} rows, so {wanted}"
            raise UserError(f"{train.where}: {got}; dev and train need one each at least, give another share")
        chosen = drawn_rows("dev of train", definition.name, rows, wanted)
        rest = np.setdiff1d(np.arange(rows), chosen)
        source = f"{description}: {train.name}, of which a drawn share of {definition.dev_share:g} is dev"
        return RawSplits(source, train.take(rest), train.take(chosen))
    dev = _read(definition, "dev", definition.files("dev"))
    return RawSplits(f"{description}: {train.name}, {dev.name}", train, dev)


def _read(definition: Definition, split: str, paths: Sequence[Path]) -> Table:
    """One split from its files, one after another; the ending of each says its format."""
    tables = []
    for path in paths:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise UserError(f"data file {path} {what}; task {definition.name} names it as {split}; correct the path")
        reader = READERS.get(path.suffix.lower(), files.read_json_lines)
        table = reader(path, (*definition.columns, definition.label))
        if not table.places:
            raise UserError(f"{path}: the file has no rows; task {definition.name} needs examples; get the file again")
        tables.append(replace(table, notes=_quoted(path, table)).renamed((*definition.columns, "label")))
    names = ", ".join(table.name for table in tables)
    return files.joined(tables, f"{paths[0].parent}: {len(paths)} files of {split}", names)


def _quoted(path: Path, table: Table) -> tuple[str, ...]:
    """A note where the texts of a TSV file stand in quotes, which are part of them there."""
    texts = next(iter(table.columns.values())) if path.suffix.lower() == ".tsv" else []
    quoted = sum(text[:1] == text[-1:] == '"' for text in texts if len(text) > 1)
    note = f"{path.name}: {quoted} of {len(texts)} texts stand in double quotes, which TSV keeps"
    return (note,) if quoted > len(texts) / 2 else ()


def _hub_splits(definition: Definition) -> RawSplits:
    """Both splits of a dataset of the hub, from the hub's cache where the network cannot be reached.

    The repository's files are fetched first, at the one revision asked for, and read from their folder: by its name
    alone `datasets` would, without network, take whatever revision it has seen.
    """
    import datasets

    hub = definition.hub
    what = f"dataset {hub.dataset}, " + (f"configuration {hub.config}, " if hub.config else "")
    what += f"revision {hub.revision[:12]}"
    patterns = ["README.md", *(hub.files or (*DATA_FILES, *(f"**/{name}" for name in DATA_FILES)))]
    advice = "check its name, connect once to fetch it, or give train and dev as files"
    absent = f"{what} is neither in the hub's cache nor to be had from the hub", advice
    folder = snapshot(hub.dataset, hub.revision, patterns, _has_data, absent, dataset=True)
    try:
        with library_errors(f"{what}: cannot be read", "check config, train, dev and files in the YAML"):
            splits = [datasets.load_dataset(str(folder), name=hub.config, split=s) for s in (hub.train, hub.dev)]
    except UserError as error:
        raise UserError(str(error).replace(str(folder), hub.dataset)) from None
    tables = [_table(definition, data, split, what) for data, split in zip(splits, (hub.train, hub.dev))]
    return RawSplits(f"{what}: {hub.train}, {hub.dev}", *tables)


def _has_data(folder: Path) -> bool:
    return any(path.is_file() and path.name != "README.md" for path in folder.rglob("*"))


def _table(definition: Definition, dataset, split: str, what: str) -> Table:
    """The wanted columns of one split; classes stored as numbers are named where the description uses the names."""
    where, wanted = f"{what}: split {split}", (*definition.columns, definition.label)
    files.require_columns(where, dataset.column_names, wanted)
    columns = files.values_of(dataset.data, wanted, where)
    names = getattr(dataset.features[definition.label], "names", None)
    if names and definition.labels and {value for value, _ in definition.labels} <= set(names):
        labels = columns[definition.label]
        columns[definition.label] = [names[i] if isinstance(i, int) and 0 <= i < len(names) else i for i in labels]
    places = [f"row {row}" for row in range(dataset.num_rows)]
    return Table(columns, places, where, split).renamed((*definition.columns, "label"))
