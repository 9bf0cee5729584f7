"""What went wrong with a cell, in one line, and what follows: it failed, is tried alone, or the run must stop."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

import torch

from ..errors import CellFailed
from .cells import Cell
from .store import Damaged

# The place, not the cell, is to blame; every other cell would meet the same.
PLACE = {
    errno.ENOSPC: "no space is left where results are written; free some",
    errno.EDQUOT: "the disk quota is used up where results are written; free some",
    errno.EFBIG: "a file grew larger than this process may write (ulimit -f); raise the limit",
    errno.EROFS: "the place where results are written is read-only; make it writable or name another with --results",
    errno.EACCES: "no permission to write results; make the place writable or name another with --results",
    errno.EIO: "the disk gave an input/output error; look at it",
    errno.ESTALE: "the network disk with the results went away; bring it back",
    errno.EMFILE: "too many open files (ulimit -n); raise the limit",
    errno.ENFILE: "too many open files on this machine",
}
MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)
CODE = re.compile(r"os error (\d+)")  # how safetensors says it


def answer_to(error: Exception, cell: Cell, alone: bool) -> dict:
    """The answer (status and the error's one line) to an error met while a cell was computed."""
    if place := _place(error):
        return {"status": "user_error", "error": f"{place}, then start the same run again: finished cells are kept"}
    line = one_line(error, cell)
    if not _is_memory(error):
        return {"status": "failed", "error": line}
    if alone:
        return {"status": "failed", "error": f"{line} (tried twice, the second time alone on its device)"}
    return {"status": "out_of_memory", "error": line}


def one_line(error: Exception, cell: Cell) -> str:
    """The error as one line that begins with the cell's name."""
    text = " ".join(str(error).split())[:500] or "no message"
    if isinstance(error, CellFailed):
        return text if text.startswith(cell.name) else f"{cell.name}: {text}"
    kind = "damaged upstream" if isinstance(error, Damaged) else type(error).__name__
    return f"{cell.name}: {kind}: {text}"


def _place(error: BaseException) -> str | None:
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in PLACE:
            return PLACE[link.errno]
        if type(link).__name__ == "SafetensorError" and (code := CODE.search(str(link))):
            return PLACE.get(int(code[1]))
    return None


def _is_memory(error: BaseException) -> bool:
    return any(
        isinstance(link, (MemoryError, torch.OutOfMemoryError))
        or (isinstance(link, RuntimeError) and MEMORY.search(str(link)))
        for link in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
