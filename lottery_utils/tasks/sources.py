"""Where a task's rows come from: the hub, a folder of parquet or TSV files, or the embedded demo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..demo.files import DEMO_SIZES, demo_task_dir
from ..errors import UserError
from .glue import TASKS, Task
from .parquet import parquet_files, read_parquet
from .rows import RawSplit
from .tsv import read_tsv_folder, tsv_files

GLUE_REPOSITORY = "nyu-mll/glue"
GLUE_REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"  # main since parquet replaced the loading script


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
    from huggingface_hub import snapshot_download

    patterns = [f"{task.name}/{split}-*.parquet" for split in ("train", task.dev_split)]
    what = f"{GLUE_REPOSITORY}, configuration {task.name}, revision {GLUE_REVISION[:7]}"
    folder = None
    # a revision never changes, so the cache is asked first and the network only for what is not there
    for local in (True, False):
        try:
            snapshot = snapshot_download(
                GLUE_REPOSITORY,
                repo_type="dataset",
                revision=GLUE_REVISION,
                allow_patterns=patterns,
                local_files_only=local,
            )
        except Exception as error:  # the hub raises errors of several libraries; all mean "not to be had"
            reason = type(error).__name__
            continue
        folder = Path(snapshot) / task.name
        if all(parquet_files(folder, split) for split in ("train", task.dev_split)):
            break
        folder, reason = None, "its files are not in the cache"
    if folder is None:
        raise UserError(
            f"{what} is neither in the hub's cache nor reachable ({reason}); connect once to fetch it, or give "
            'data as a directory of GLUE files, or use data="embedded"'
        )
    return _parquet(task, folder, what)


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
    try:
        inside = sorted(path for path in root.iterdir() if path.is_dir() and _plain(path.name) == task.name)
    except OSError as error:
        raise UserError(f"data directory {data} cannot be read: {error.strerror}; check its permissions") from error
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
    if other and not inside:
        raise UserError(
            f"data directory {data} is the folder of {TASKS[own].title}, not of {task.title}; give the directory above "
            f"it, or one that holds {task.name}/"
        )
    names = ", ".join(sorted(path.name for path in (inside[0] if inside else root).iterdir())[:12]) or "nothing"
    where = f"{inside[0]}" if inside else f"data directory {data}"
    raise UserError(
        f"{where} has no files of {task.title}; expected {task.name}/train*.parquet with "
        f"{task.name}/{task.dev_split}*.parquet, or the official {task.title}/train.tsv and its dev file; found {names}"
    )


def _parquet(task: Task, folder: Path, what: str) -> Found:
    splits = []
    for split in ("train", task.dev_split):
        files = parquet_files(folder, split)
        if not files:
            raise UserError(
                f"{folder}: no {split}*.parquet for {task.title}; found only the other split; add the missing file"
            )
        splits.append(read_parquet(task, split, files))
    source = f"{what}: {splits[0].name}, {splits[1].name}"
    return Found(source, *splits, (task.train_size, task.dev_size))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
