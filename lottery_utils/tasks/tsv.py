"""Read the official GLUE TSV folders (CoLA/, SST-2/, MRPC/, STS-B/, QQP/, MNLI/, QNLI/, RTE/, WNLI/)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ..errors import UserError
from .glue import Task
from .rows import RawSplit, short

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
_COLA = ("source", "label", "star", "sentence")  # CoLA's files have no header
_MSR_TRAIN, _MSR_TEST, _MRPC_DEV_IDS = "msr_paraphrase_train.txt", "msr_paraphrase_test.txt", "dev_ids.tsv"
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # how "surrogateescape" marks such bytes
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
    """Return one file as a RawSplit, with the file columns `extra` beside the task's own.

    Quotes are characters like any other, as GLUE's own readers take them; only the columns asked for are kept.
    """
    official = (*_FILE_COLUMNS[task.name], *extra)
    header = list(_COLA) if task.name == "cola" else None
    positions = _positions(task, official, header, path) if header else []
    cells: list[list[str]] = [[] for _ in official]
    lines, cut, surplus, number = [], [], [], 0
    try:
        # utf-8-sig: Microsoft's MRPC files begin with a byte order mark
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if line == "\n":
                    continue
                if wrong := _NOT_UTF8.search(line):
                    byte = ord(wrong[0]) - 0xDC00
                    raise UserError(
                        f"{path}: line {number}: expected UTF-8 text, got byte {byte:#04x}; convert the file to UTF-8"
                    )
                if "\0" in line:
                    raise UserError(f"{path}: line {number} holds a NUL byte, expected text; get the file again")
                row = line.rstrip("\n").split("\t")
                if header is None:
                    header = row
                    positions = _positions(task, official, header, path)
                    continue
                if len(row) < len(header):
                    cut.append((number, len(row)))
                    continue
                if len(row) > len(header):
                    surplus.append(number)
                lines.append(number)
                for column, position in zip(cells, positions):
                    column.append(row[position])
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    if header is None:
        raise UserError(f"{path}: the file is empty; {task.title} needs at least one example; get the file again")
    total = len(lines) + len(cut)
    # QQP's readers have always dropped such lines; at the end of a file they mean that it was cut
    tolerated = task.name == "qqp" and len(cut) <= total * MALFORMED_SHARE
    if cut and (not tolerated or cut[-1][0] == number):
        raise UserError(
            f"{path}: line {cut[-1][0]} has {cut[-1][1]} of {len(header)} columns ({len(cut)} such lines of {total}); "
            "the file is cut short or not tab-separated; get it again"
        )
    notes = [f"{path.name}: {_lines([line for line, _ in cut])} malformed and left out"] if cut else []
    notes += [f"{path.name}: {_lines(surplus)} with surplus columns, ignored"] if surplus else []
    columns = dict(zip((*task.columns, "label", *extra), cells))
    return RawSplit(columns, str(path), path.name, notes=tuple(notes), lines=lines)


def _positions(task: Task, expected: tuple[str, ...], header: list[str], path: Path) -> list[int]:
    for name in expected:
        count = header.count(name)
        if count != 1:
            what = "missing" if not count else f"there {count} times"
            raise UserError(
                f"{path}: column {name!r} is {what}; {task.title} needs {', '.join(map(repr, expected))} once each in "
                f"the first line, got {', '.join(map(short, header[:12]))}; use the official file"
            )
    return [header.index(name) for name in expected]


def _read_msr(task: Task, folder: Path) -> tuple[RawSplit, RawSplit]:
    """Return MRPC's train and dev from Microsoft's own files, divided by GLUE's list of dev ids if it is there."""
    ids, test = folder / _MRPC_DEV_IDS, folder / _MSR_TEST
    if ids.is_file():
        pair = ("#1 ID", "#2 ID")
        whole = _read(task, folder / _MSR_TRAIN, pair)
        try:
            wanted = {tuple(line.split()[:2]) for line in ids.read_text(encoding="utf-8-sig").splitlines()}
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{ids}: expected two tab-separated ids a line in UTF-8; get the file again") from error
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
    columns = {column: [values[row] for row in keep] for column, values in whole.columns.items()}
    lines = [whole.lines[row] for row in keep]
    return replace(whole, columns=columns, lines=lines, name=f"{whole.name}, {name} by {_MRPC_DEV_IDS}")


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} line{'s' * (len(numbers) > 1)} ({shown})"
