"""Read the official GLUE TSV folders (CoLA/, SST-2/, MRPC/, STS-B/, QQP/, MNLI/, QNLI/, RTE/, WNLI/)."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from .glue import Task
from .rows import RawSplit

# file columns in the order of Task.columns, then the label's; the others are as named in the data
_HEADERS = {
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
            raise UserError(f"{path}: no such file; {task.title} needs {train.name} and {dev.name}; add the missing file")
    return _read(task, train), _read(task, dev)


def _dev_name(task: Task) -> str:
    return "dev_matched.tsv" if task.name == "mnli" else "dev.tsv"


def _read(task: Task, path: Path) -> RawSplit:
    """Return one file as a RawSplit; quotes are characters like any other, as GLUE's own readers take them."""
    header, rows, lines, notes = _table(task, path)
    positions = _positions(task, header, path)
    cells = {name: [row[i] for row in rows] for name, i in zip((*task.columns, "label"), positions)}
    return RawSplit(cells, str(path), path.name, notes=notes, lines=lines)


def _table(task: Task, path: Path) -> tuple[list[str], list[list[str]], list[int], tuple[str, ...]]:
    """Return header, rows, each row's line number, and notes on lines that do not have the header's columns."""
    try:
        # utf-8-sig: Microsoft's MRPC files begin with a byte order mark
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#04x} at position {error.start}; "
            "convert the file to UTF-8"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    if "\0" in text:
        raise UserError(f"{path}: expected text, got a NUL byte at character {text.index(chr(0))}; get the file again")
    if not text.strip():
        raise UserError(f"{path}: the file is empty; {task.title} needs at least one example; get the file again")
    # split at line ends only: str.splitlines would also split at characters that occur inside texts
    table = [line.split("\t") for line in text.removesuffix("\n").split("\n")]
    header, first = (list(_COLA), 0) if task.name == "cola" else (table[0], 1)
    rows, lines, cut, surplus = [], [], [], []
    for number, row in enumerate(table[first:], first + 1):
        if len(row) < len(header):
            cut.append(number)
            continue
        if len(row) > len(header):
            surplus.append(number)
        rows.append(row)
        lines.append(number)
    total = len(rows) + len(cut)
    # QQP's readers have always dropped such lines; at the end of a file they mean that it was cut
    tolerated = task.name == "qqp" and len(cut) <= total * MALFORMED_SHARE and len(table) not in cut
    if cut and not tolerated:
        raise UserError(
            f"{path}: line {cut[0]} has {len(table[cut[0] - 1])} of {len(header)} columns ({len(cut)} such lines of "
            f"{total}); the file is cut short or not tab-separated; get the file again"
        )
    notes = [f"{path.name}: {_lines(cut)} malformed and left out"] if cut else []
    notes += [f"{path.name}: {_lines(surplus)} with surplus columns, ignored"] if surplus else []
    return header, rows, lines, tuple(notes)


def _positions(task: Task, header: list[str], path: Path) -> list[int]:
    expected = ("sentence", "label") if task.name == "cola" else _HEADERS[task.name]
    for name in expected:
        count = header.count(name)
        if count != 1:
            what = "missing" if not count else f"there {count} times"
            shown = ", ".join(repr(column)[:40] for column in header[:12])
            raise UserError(
                f"{path}: column {name!r} is {what}; {task.title} needs {', '.join(map(repr, expected))} once each in "
                f"the first line, got {shown}; use the official file"
            )
    return [header.index(name) for name in expected]


def _read_msr(task: Task, folder: Path) -> tuple[RawSplit, RawSplit]:
    path = folder / _MSR_TRAIN
    whole, ids = _read(task, path), folder / _MRPC_DEV_IDS
    if ids.is_file():
        header, rows, _, _ = _table(task, path)
        for name in ("#1 ID", "#2 ID"):
            if name not in header:
                raise UserError(f"{path}: column {name!r} is missing; it selects GLUE's dev set; use the official file")
        pair = header.index("#1 ID"), header.index("#2 ID")
        try:
            wanted = {tuple(line.split("\t")[:2]) for line in ids.read_text(encoding="utf-8-sig").splitlines()}
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{ids}: expected two tab-separated ids a line in UTF-8; get the file again") from error
        in_dev = [(row[pair[0]], row[pair[1]]) in wanted for row in rows]
        return _part(whole, in_dev, False, "train"), _part(whole, in_dev, True, "dev")
    test = folder / _MSR_TEST
    if not test.is_file():
        raise UserError(
            f"{folder}: {_MSR_TRAIN} needs {_MRPC_DEV_IDS} (GLUE's dev set) or {_MSR_TEST} beside it; add one of them"
        )
    note = f"dev is {_MSR_TEST}, the corpus's own test set, not GLUE's dev set; train holds GLUE's dev set"
    return whole, RawSplit(**{**vars(_read(task, test)), "notes": (note,), "part": True})


def _part(whole: RawSplit, in_dev: list[bool], wanted: bool, name: str) -> RawSplit:
    keep = [row for row, value in enumerate(in_dev) if value == wanted]
    columns = {column: [values[row] for row in keep] for column, values in whole.columns.items()}
    lines = [whole.lines[row] for row in keep]
    return RawSplit(columns, whole.where, f"{whole.name} ({name} by {_MRPC_DEV_IDS})", False, whole.notes, lines)


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} line{'s' * (len(numbers) > 1)} ({shown})"
