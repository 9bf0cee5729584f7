"""The official GLUE TSV folders (CoLA/, SST-2/, MRPC/, STS-B/, QQP/, MNLI/, QNLI/, RTE/, WNLI/)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import UserError
from .files import Rows, read_table, text_of
from .glue import Task
from .rows import RawSplit

# the columns of the official files: those of Task.columns, then the label's
_FILE_COLUMNS = {
    "cola": ("sentence", "label"),
    "sst2": ("sentence", "label"),
    "mrpc": ("#1 String", "#2 String", "Quality"),
    "stsb": ("sentence1", "sentence2", "score"),
    "qqp": ("question1", "question2", "is_duplicate"),
    "mnli": ("sentence1", "sentence2", "gold_label"),
    "qnli": ("question", "sentence", "label"),
    "rte": ("sentence1", "sentence2", "label"),
    "wnli": ("sentence1", "sentence2", "label"),
}
_HEADERS = {"cola": ("source", "label", "star", "sentence")}  # CoLA's files have none
_MSR_TRAIN, _MSR_TEST, _MRPC_DEV_IDS = "msr_paraphrase_train.txt", "msr_paraphrase_test.txt", "dev_ids.tsv"
# the official QQP files break a few questions over two lines; more than this share is damage
MALFORMED_SHARE = 0.05


def tsv_files(task: Task, folder: Path) -> bool:
    """Return whether `folder` holds a train or dev file of `task` under an official name."""
    names = ["train.tsv", _dev_name(task)] + ([_MSR_TRAIN] if task.name == "mrpc" else [])
    return any((folder / name).exists() for name in names)


def read_tsv_folder(task: Task, folder: Path) -> tuple[RawSplit, RawSplit]:
    """Return train and dev of `task` from an official folder.

    MRPC may also come as Microsoft distributes it: ``msr_paraphrase_train.txt`` with GLUE's
    ``dev_ids.tsv``, or with ``msr_paraphrase_test.txt`` as dev set, which is not GLUE's and is noted.
    Raises UserError for a missing file, a file that is not UTF-8, a missing or double column, a cut row.
    """
    train, dev = folder / "train.tsv", folder / _dev_name(task)
    if task.name == "mrpc" and not (train.exists() or dev.exists()):
        return _read_msr(task, folder)
    for path in (train, dev):
        if not path.is_file():
            raise UserError(f"{path}: no such file; {task.title} needs {train.name} and {dev.name}; add it")
    return _read(task, train), _read(task, dev)


def _dev_name(task: Task) -> str:
    return "dev_matched.tsv" if task.name == "mnli" else "dev.tsv"


def _read(task: Task, path: Path, extra: tuple[str, ...] = ()) -> RawSplit:
    """Return one file as a RawSplit, with the file columns `extra` beside the task's own."""
    rows = read_table(path, (*_FILE_COLUMNS[task.name], *extra), _HEADERS.get(task.name, ()))
    total = len(rows.lines) + len(rows.cut)
    # QQP's readers have always dropped such lines; at the end of a file they mean that it was cut
    last = max((rows.lines or [0])[-1], (rows.cut or [(0, 0)])[-1][0])
    tolerated = task.name == "qqp" and len(rows.cut) <= total * MALFORMED_SHARE
    if rows.cut and (not tolerated or rows.cut[-1][0] == last):
        raise cut_short(path, rows)
    notes = [f"{path.name}: {_lines(rows.cut)} malformed and left out"] if rows.cut else []
    notes += [f"{path.name}: {_lines(rows.surplus)} with surplus columns, ignored"] if rows.surplus else []
    columns = dict(zip((*task.columns, "label", *extra), rows.columns.values()))
    lines = [f"line {line}" for line in rows.lines]
    return RawSplit(columns, str(path), path.name, notes=tuple(notes), places=lines)


def cut_short(path: Path, rows: Rows) -> UserError:
    """The error about rows with fewer cells than the header."""
    (line, cells), total = rows.cut[-1], len(rows.lines) + len(rows.cut)
    return UserError(
        f"{path}: line {line} has {cells} of {rows.width} columns ({len(rows.cut)} such lines of {total}); "
        "the file is cut short or not tab-separated; get it again"
    )


def _read_msr(task: Task, folder: Path) -> tuple[RawSplit, RawSplit]:
    """Return MRPC's train and dev from Microsoft's own files, divided by GLUE's list of dev ids if it is there."""
    ids, test = folder / _MRPC_DEV_IDS, folder / _MSR_TEST
    if ids.is_file():
        pair = ("#1 ID", "#2 ID")
        whole = _read(task, folder / _MSR_TRAIN, pair)
        wanted = {tuple(line.split()[:2]) for line in text_of(ids).splitlines()}
        in_dev = [key in wanted for key in zip(*(whole.columns[name] for name in pair))]
        return _part(whole, in_dev, False, "train"), _part(whole, in_dev, True, "dev")
    if not test.is_file():
        raise UserError(
            f"{folder}: {_MSR_TRAIN} needs {_MRPC_DEV_IDS} (GLUE's dev set) or {_MSR_TEST} beside it; add one of them"
        )
    note = f"dev is {_MSR_TEST}, the corpus's own test set, not GLUE's dev set, which is inside train"
    return _read(task, folder / _MSR_TRAIN), replace(_read(task, test), notes=(note,), part=True)


def _part(whole: RawSplit, in_dev: list[bool], wanted: bool, name: str) -> RawSplit:
    keep = [row for row, value in enumerate(in_dev) if value == wanted]
    return replace(whole.take(keep), name=f"{whole.name}, {name} by {_MRPC_DEV_IDS}")


def _lines(rows: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(str(line) for line, _ in rows[:5]) + (" ..." if len(rows) > 5 else "")
    return f"{len(rows)} line{'s' * (len(rows) > 1)} ({shown})"
