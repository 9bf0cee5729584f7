"""Where a GLUE task's rows come from: the hub, a folder of parquet or official TSV files, or the embedded demo."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ..demo import demo_task_dir
from ..disk import readable
from ..errors import UserError, library_errors
from ..hub import snapshot
from .files import RawSplits, Table, joined, read_parquet, read_table
from .glue import TASKS, Task

GLUE_REPOSITORY = "nyu-mll/glue"
GLUE_REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"  # main since parquet replaced the loading script
OWN = "for data of your own give a YAML file that describes them, see the page on your own task"
TSV_COLUMNS = {  # of the official TSV files, where they are not those of Task.columns and "label"
    "mrpc": ("#1 String", "#2 String", "Quality"),
    "stsb": ("sentence1", "sentence2", "score"),
    "qqp": ("question1", "question2", "is_duplicate"),
    "mnli": ("sentence1", "sentence2", "gold_label"),
}
TSV_HEADERS = {"cola": ("source", "label", "star", "sentence")}  # CoLA's files have none
SHARD = re.compile(r".*-(\d{5})-of-(\d{5})(?:-[0-9a-f]{16})?|(\d{4})")  # as `datasets` names them; as the hub does
# QQP's files break a few questions over two lines, which its readers have always dropped; a larger share is damage
TSV_MALFORMED = {"qqp": 0.05}


def glue_splits(task: Task, data: str) -> RawSplits:
    """A GLUE task's train and dev from `data`: "hub", "embedded" or a directory; see `load.load_task`."""
    if data == "embedded":
        source = f"embedded demo language, {task.title}-like task"
        raw = _parquet(task, demo_task_dir(task.name), source)
        return replace(raw, source=source)
    return _hub_splits(task) if data == "hub" else _folder_splits(task, data)


def _hub_splits(task: Task) -> RawSplits:
    """The task from nyu-mll/glue at GLUE_REVISION, from the hub's cache if it is there.

    The parquet files are read as they are: the loader of `datasets` would need a second cache and,
    without network, would take another dataset called ``glue`` for this one. Raises UserError when
    the files are neither cached nor reachable.
    """
    patterns = [f"{task.name}/{split}-*.parquet" for split in ("train", task.dev_split)]
    what = f"{GLUE_REPOSITORY}, configuration {task.name}, revision {GLUE_REVISION[:7]}"

    def is_whole(folder: Path) -> bool:
        return all(_parquet_files(folder / task.name, split) for split in ("train", task.dev_split))

    advice = 'connect once to fetch it, or give data as a directory of GLUE files, or use data="embedded"'
    absent = f"{what} is neither in the hub's cache nor reachable", advice
    folder = snapshot(GLUE_REPOSITORY, GLUE_REVISION, patterns, is_whole, absent, dataset=True)
    return _parquet(task, folder / task.name, what)


def _folder_splits(task: Task, data: str) -> RawSplits:
    """The task from directory `data`: its subfolder for the task, or `data` itself if it is that folder.

    Raises UserError for a missing directory, one without the task, or one that belongs to another task.
    """
    folders = _folders(task, data)
    for folder in folders:
        name = folder.resolve().name
        if _parquet_files(folder, "train") or _parquet_files(folder, task.dev_split):
            raw = _parquet(task, folder, f"parquet folder {name}")
        elif any((folder / file).exists() for file in _tsv_files(task)):
            raw = _tsv(task, folder, name)
        else:
            continue
        # several tasks have the same columns and labels, so only the name tells them apart
        is_named = task.name in (_plain(folder.name), _plain(name))
        return raw if is_named else replace(raw, notes=(f"folder {name} is taken to be {task.title}",))
    names = ", ".join(sorted(path.name for path in folders[0].iterdir())[:12]) or "nothing"
    raise UserError(
        f"{folders[0]} has no files of {task.title}; expected {task.name}/train*.parquet with "
        f"{task.name}/{task.dev_split}*.parquet, or the official {task.title}/train.tsv and its dev file; found "
        f"{names}; {OWN}"
    )


def _folders(task: Task, data: str) -> list[Path]:
    """Subfolders with the task's name, without regard to case and hyphens, and `data` unless it is another task's."""
    root = Path(data).expanduser()
    if not root.is_dir():
        what = "is not a directory" if root.exists() else "does not exist"
        raise UserError(
            f"data directory {data} {what}; expected 'hub', 'embedded' or a directory with "
            f"{task.name}/train.parquet or {task.title}/train.tsv; {OWN}"
        )
    with readable(root):
        inside = [path for path in root.iterdir() if path.is_dir() and _plain(path.name) == task.name]
    inside.sort(key=lambda path: (path.name != task.name, path.name != task.title, path.name))
    other = TASKS.get(_plain(root.resolve().name), task)
    if other.name == task.name:
        return [*inside, root]
    if not inside:
        what = f"data directory {data} is the folder of {other.title}, not of {task.title}"
        raise UserError(f"{what}; give the directory above it, or one that holds {task.name}/")
    return inside


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _tsv_files(task: Task) -> tuple[str, str]:
    return "train.tsv", "dev_matched.tsv" if task.name == "mnli" else "dev.tsv"


def _tsv(task: Task, folder: Path, name: str) -> RawSplits:
    """Both splits of a folder as GLUE distributes it."""
    tables, names = [], (*task.columns, "label")
    for path in (folder / file for file in _tsv_files(task)):
        if not path.is_file():
            raise UserError(f"{path}: no such file; {task.title} needs {' and '.join(_tsv_files(task))}; add it")
        wanted, header = TSV_COLUMNS.get(task.name, names), TSV_HEADERS.get(task.name, ())
        tables.append(read_table(path, wanted, header, TSV_MALFORMED.get(task.name, 0.0)).renamed(names))
    source = f"GLUE TSV folder {name}: {tables[0].name}, {tables[1].name}"
    return RawSplits(source, *tables)


def _parquet_files(folder: Path, split: str) -> list[Path]:
    """The parquet files of `split` in `folder`, sorted.

    ``train.parquet``, ``train-00000-of-00001.parquet``, ``train.subset.parquet`` and ``train/0000.parquet`` belong to
    split train; ``validation_mismatched.parquet`` does not belong to validation.
    """
    if not folder.is_dir():
        return []
    # the hub once ended names with 16 hex digits of a hash
    name = re.compile(rf"{re.escape(split)}(-\d{{5}}-of-\d{{5}}(-[0-9a-f]{{16}})?)?(\.[^.]+)*\.parquet")
    with readable(folder):
        files = sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
        return files or sorted((folder / split).glob("[0-9][0-9][0-9][0-9].parquet"))  # as the hub converts data


def _parquet(task: Task, folder: Path, what: str) -> RawSplits:
    tables = [_parquet_split(task, folder, split) for split in ("train", task.dev_split)]
    return RawSplits(f"{what}: {tables[0].name}, {tables[1].name}", *tables)


def _parquet_split(task: Task, folder: Path, split: str) -> Table:
    """The rows of `split`, of one file or of all its shards in order."""
    files = _parquet_files(folder, split)
    if not files:
        raise UserError(
            f"{folder}: no {split}*.parquet for {task.title}; found only the other split; add the missing file"
        )
    _require_one_set(split, files)
    tables = [read_parquet(path, (*task.columns, "label")) for path in files]
    table = joined(tables, f"{folder}/{split}-*.parquet", f"{len(files)} shards")
    # "train.subset.parquet": any word between the split and the ending marks a part
    part = bool(re.fullmatch(rf"{re.escape(split)}\.[^.]+\..*", files[0].name))
    return replace(table, notes=_parquet_notes(task, files[0]), part=part)


def _require_one_set(split: str, files: list[Path]) -> None:
    """Raises UserError unless `files` are one file, or all the shards of one set, numbered from 0 on."""
    matches = [SHARD.fullmatch(file.stem) for file in files]
    shards = [(int(m[1] or m[3]), int(m[2] or len(files))) if m else (0, 1) for m in matches]
    if shards != [(number, len(files)) for number in range(len(files))]:
        names = ", ".join(file.name for file in files[:4])
        wanted = "one file, or every shard of one set, numbered from 0 on"
        raise UserError(f"{files[0].parent}: split {split} must be {wanted}; got {names}; remove or add files")


def _parquet_notes(task: Task, path: Path) -> tuple[str, ...]:
    """How a file's columns and the class names that `datasets` stores with them differ from the official data."""
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    with library_errors(f"{path}: expected a parquet file as datasets writes it, but its schema cannot be read"):
        with open(path, "rb") as content:
            schema = pq.read_schema(content)
        label = schema.field("label")
        features = datasets.Features.from_arrow_schema(pa.schema([label], schema.metadata))
    notes, classes = [], getattr(features["label"], "names", None)
    if classes is not None and tuple(classes) != task.label_names:
        notes.append(f"{path.name}: label names {', '.join(classes)}, officially {', '.join(task.label_names)}")
    if extra := [name for name in schema.names if name not in (*task.columns, "label", "idx")]:
        notes.append(f"{path.name}: columns not in the official data, ignored: {', '.join(extra)}")
    return tuple(notes)
