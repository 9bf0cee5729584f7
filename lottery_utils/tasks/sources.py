"""Where a GLUE task's rows come from: the hub, a folder of parquet or TSV files, or the embedded demo."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..demo.files import DEMO_SIZES, demo_task_dir
from ..disk import readable
from ..errors import UserError
from ..hub import snapshot
from .files import read_parquet, values_of
from .glue import TASKS, Task
from .rows import RawSplit
from .tsv import read_tsv_folder, tsv_files

GLUE_REPOSITORY = "nyu-mll/glue"
GLUE_REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"  # main since parquet replaced the loading script
# train-00000-of-00001.parquet, also as the hub named it before, with 16 hex digits of a hash at the end
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})(-[0-9a-f]{16})?\.parquet$")
_CONVERTED = re.compile(r"(\d{4})\.parquet")  # train/0000.parquet, as the hub converts what is no parquet


@dataclass(frozen=True)
class Found:
    """The two splits of a task as found; `sizes` are the rows that train and dev should have."""

    source: str
    train: RawSplit
    dev: RawSplit
    sizes: tuple[int, int] | tuple[None, None]
    notes: tuple[str, ...] = ()


def embedded_splits(task: Task) -> Found:
    """Return the task of the embedded demo, whose sizes are its own."""
    source = f"embedded demo language, {task.title}-like task"
    return replace(_parquet(task, demo_task_dir(task.name), source), source=source, sizes=DEMO_SIZES[task.name])


def hub_splits(task: Task) -> Found:
    """Return the task from nyu-mll/glue at GLUE_REVISION, from the hub's cache if it is there.

    The parquet files are read as they are: the loader of `datasets` would need a second cache and,
    without network, would take another dataset called ``glue`` for this one. Raises UserError when
    the files are neither cached nor reachable.
    """
    patterns = [f"{task.name}/{split}-*.parquet" for split in ("train", task.dev_split)]
    what = f"{GLUE_REPOSITORY}, configuration {task.name}, revision {GLUE_REVISION[:7]}"

    def is_whole(folder: Path) -> bool:
        return all(parquet_files(folder / task.name, split) for split in ("train", task.dev_split))

    try:
        folder = snapshot(GLUE_REPOSITORY, GLUE_REVISION, patterns, is_whole, dataset=True)
    except UserError as error:
        raise UserError(
            f"{what} is neither in the hub's cache nor reachable ({error}); connect once to fetch it, or give "
            'data as a directory of GLUE files, or use data="embedded"'
        ) from None
    return _parquet(task, folder / task.name, what)


def folder_splits(task: Task, data: str) -> Found:
    """Return the task from directory `data`: its subfolder for the task, or `data` itself if it is that folder.

    A subfolder's name counts without regard to case and hyphens (``sst2``, ``SST-2``). Raises
    UserError for a missing directory, one without the task, or one that belongs to another task.
    """
    root = Path(data).expanduser()
    if not root.is_dir():
        what = "is not a directory" if root.exists() else "does not exist"
        raise UserError(
            f"data directory {data} {what}; expected 'hub', 'embedded' or a directory with "
            f"{task.name}/train.parquet or {task.title}/train.tsv"
        )
    with readable(root):
        inside = sorted(path for path in root.iterdir() if path.is_dir() and _plain(path.name) == task.name)
    inside.sort(key=lambda path: (path.name != task.name, path.name != task.title))
    own = _plain(root.resolve().name)
    other = own in TASKS and own != task.name
    for folder in inside if other else (*inside, root):
        name = folder.resolve().name
        if parquet_files(folder, "train") or parquet_files(folder, task.dev_split):
            found = _parquet(task, folder, f"parquet folder {name}")
        elif tsv_files(task, folder):
            train, dev = read_tsv_folder(task, folder)
            source = f"GLUE TSV folder {name}: {train.name}, {dev.name}"
            found = Found(source, train, dev, (task.train_size, task.dev_size))
        else:
            continue
        # several tasks have the same columns and labels, so only the name tells them apart
        strange = folder is root and own != task.name
        return replace(found, notes=(f"folder {name} is taken to be {task.title}",)) if strange else found
    raise _no_files(task, data, (inside or [root])[0], TASKS[own].title if other and not inside else "")


def _no_files(task: Task, data: str, where: Path, other: str) -> UserError:
    """The error about a folder without files of a task, or of another one."""
    if other:
        return UserError(
            f"data directory {data} is the folder of {other}, not of {task.title}; give the directory above "
            f"it, or one that holds {task.name}/"
        )
    names = ", ".join(sorted(path.name for path in where.iterdir())[:12]) or "nothing"
    return UserError(
        f"{where} has no files of {task.title}; expected {task.name}/train*.parquet with "
        f"{task.name}/{task.dev_split}*.parquet, or the official {task.title}/train.tsv and its dev file; found {names}"
    )


def parquet_files(folder: Path, split: str) -> list[Path]:
    """Return the parquet files of `split` in `folder`, sorted.

    ``train.parquet``, ``train-00000-of-00001.parquet``, ``train.subset.parquet`` and ``train/0000.parquet`` belong to
    split train; ``validation_mismatched.parquet`` does not belong to validation.
    """
    if not folder.is_dir():
        return []
    name = re.compile(rf"{re.escape(split)}(-\d{{5}}-of-\d{{5}}(-[0-9a-f]{{16}})?)?(\.[^.]+)*\.parquet")
    with readable(folder):
        files = sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
        if not files and (folder / split).is_dir():
            files = sorted(path for path in (folder / split).iterdir() if _CONVERTED.fullmatch(path.name))
    return files


def _parquet(task: Task, folder: Path, what: str) -> Found:
    splits = []
    for split in ("train", task.dev_split):
        files = parquet_files(folder, split)
        if not files:
            raise UserError(
                f"{folder}: no {split}*.parquet for {task.title}; found only the other split; add the missing file"
            )
        splits.append(_parquet_split(task, split, files))
    source = f"{what}: {splits[0].name}, {splits[1].name}"
    return Found(source, *splits, (task.train_size, task.dev_size))


def _parquet_split(task: Task, split: str, files: list[Path]) -> RawSplit:
    """Return `split` read from `files`: one file, or all the numbered shards of one set."""
    sharded = _require_one_set(split, files)
    columns: dict[str, list] = {column: [] for column in (*task.columns, "label")}
    notes: list[str] = []
    for path in files:
        data, names = read_parquet(path, list(columns))
        _check_types(task, data.data.schema, path)
        for name, values in values_of(data, list(columns), str(path)).items():
            columns[name] += values
        classes = getattr(data.features["label"], "names", None)
        if classes is not None and tuple(classes) != task.label_names:
            notes.append(f"{path.name}: label names {', '.join(classes)}, officially {', '.join(task.label_names)}")
        if extra := [name for name in names if name not in (*columns, "idx")]:
            notes.append(f"{path.name}: columns not in the official data, ignored: {', '.join(extra)}")
    name = files[0].name if len(files) == 1 else f"{len(files)} shards of {split}"
    where = str(files[0]) if len(files) == 1 else f"{files[0].parent}/{split}-*.parquet"
    # "train.subset.parquet": any word between the split and the ending marks a part
    part = not sharded and files[0].name != f"{split}.parquet"
    return RawSplit(columns, where, name, part, tuple(dict.fromkeys(notes)))


def _require_one_set(split: str, files: list[Path]) -> bool:
    """Whether files are numbered shards; raises UserError for several candidates or a missing shard."""
    shards = [_SHARD.search(path.name) or _CONVERTED.fullmatch(path.name) for path in files]
    numbers = [int(shard[1]) for shard in shards if shard]
    totals = {int(shard[2]) if shard.re is _SHARD else len(files) for shard in shards if shard}
    listed = ", ".join(path.name for path in files[:4])
    mixed = len(numbers) not in (0, len(files)) or (not numbers and len(files) > 1)
    if mixed or len(totals) > 1 or len(set(numbers)) < len(numbers):
        raise UserError(f"{files[0].parent}: several files could be split {split}: {listed}; keep one")
    if totals and numbers != list(range(*totals)):
        raise UserError(
            f"{files[0].parent}: split {split} has {len(files)} of {max(totals)} shards ({listed}); add the others"
        )
    return bool(numbers)


def _check_types(task: Task, schema, path: Path) -> None:
    import pyarrow.types as kinds

    for column in (*task.columns, "label"):
        kind = schema.field(column).type
        number = kinds.is_integer(kind) or (task.regression and kinds.is_floating(kind))
        wanted = "text" if column != "label" else "a number" if task.regression else "a whole number or a label name"
        if not kinds.is_string(kind) and not (column == "label" and number):
            raise UserError(f"{path}: column {column!r} must be {wanted}, got type {kind}; convert the column")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
