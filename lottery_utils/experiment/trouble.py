"""What went wrong with a cell, in one line, and what follows: it failed, is tried alone, or the run must stop."""

from __future__ import annotations

import re

import torch

from .. import errors
from ..disk import chain, problem_of
from ..errors import CellFailed
from .cells import Cell
from .store import Damaged
from .worker import Answer

MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


def answer_to(error: Exception, cell: Cell, alone: bool) -> Answer:
    """The answer to an error met while a cell was computed."""
    if problem := problem_of(error):
        return Answer("user_error", f"{problem}; then start the same run again: finished cells are kept")
    line = one_line(error, cell)
    if not _is_memory(error):
        return Answer("failed", line)
    if alone:
        return Answer("failed", f"{line} (tried twice, the second time alone on its device)")
    return Answer("out_of_memory", line)


def one_line(error: Exception, cell: Cell) -> str:
    """The error as one line that begins with the cell's name."""
    text = errors.one_line(error, 500)
    if isinstance(error, CellFailed):
        return text if text.startswith(cell.name) else f"{cell.name}: {text}"
    kind = "damaged upstream" if isinstance(error, Damaged) else type(error).__name__
    return f"{cell.name}: {kind}: {text}"


def _is_memory(error: BaseException) -> bool:
    return any(
        isinstance(link, (MemoryError, torch.OutOfMemoryError))
        or (isinstance(link, RuntimeError) and MEMORY.search(str(link)))
        for link in chain(error)
    )
