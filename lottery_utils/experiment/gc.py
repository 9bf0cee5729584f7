"""Garbage: checkpoints that no missing cell of a study needs, and what killed writers left. Records always stay."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, one_line
from .cells import Cell, upstream
from .identity import PROTOCOL
from .locks import FOLDER, is_claimed
from .reading import Results
from .store import CHECKPOINT, Damaged, is_address


@dataclass(frozen=True)
class Garbage:
    """A file or folder in the store that may go: its path, bytes, and why, in a few words."""

    path: Path
    size: int
    why: str


@dataclass(frozen=True)
class Plan:
    """What could be freed, and the kept checkpoints: (path, bytes, why)."""

    garbage: list[Garbage]
    kept: list[Garbage]


def find_garbage(study: Results, cells: Iterable[Cell]) -> Plan:
    """What may go from the study's store when `cells` are all that shall still be computed; removes nothing.

    A checkpoint is needed by every cell directly behind it that is not stored. Checkpoints of other studies
    (another preset or other settings) are kept. Raises UserError while a worker computes a cell in the store.
    """
    root = study.store.root
    if not root.is_dir():
        return Plan([], [])
    if busy := [path.name for path in _entries(root / FOLDER) if is_claimed(root, path.name)]:
        raise UserError(f"{len(busy)} cells are being computed in {str(root)!r} ({busy[0]}); wait or stop the run")
    cells = list(cells)
    stored = {cell: study.state(cell) == "done" for cell in cells}
    needed_by: dict[str, Cell] = {}
    for cell in cells:
        for other in () if stored[cell] else upstream(cell, study.preset.seeds):
            if other.stage == "finetune":
                needed_by.setdefault(study.address(other), cell)
    own = {study.address(cell) for cell in cells if cell.stage == "finetune" and stored[cell]}
    garbage, kept = [], []
    for folder in _entries(root):
        if folder.is_symlink() or not folder.is_dir():
            continue
        aside = ".damaged-" in folder.name
        if not is_address(folder.name.partition(".damaged-")[0]) or (not aside and "." in folder.name):
            continue
        for path in _entries(folder):
            if path.is_symlink() or not path.is_file() or not path.name.startswith(CHECKPOINT):
                continue
            size, why = path.stat().st_size, ""
            if aside or path.name != CHECKPOINT:
                why = "damaged"
            elif _is_old(study, folder.name):
                why = "of an old protocol version"
            elif folder.name in own and folder.name not in needed_by:
                why = "no missing cell needs it"
            if why:
                garbage.append(Garbage(path, size, why))
            else:
                cell = needed_by.get(folder.name)
                kept.append(Garbage(path, size, f"{cell.name} needs it" if cell else "of another study"))
    scratch = [path for path in _entries(root / ".scratch") if path.name not in needed_by]
    left = [*_entries(root / ".staging"), *_left_notes(study)]
    for why, paths in (("a killed writer's", left), ("weights made again", scratch)):
        garbage += [Garbage(path, _size(path), why) for path in paths if not path.is_symlink()]
    return Plan(garbage, kept)


def _left_notes(study: Results) -> list[Path]:
    """Claims of killed workers, what they left of notes of failures, and notes that say nothing any more."""
    root, stored = study.store.root, set(study.store.addresses())
    left = [path for path in _entries(root / FOLDER) if not is_claimed(root, path.name)]
    for path in _entries(root / ".failures"):
        if path.suffix != ".json" or study.store.failure(path.stem) is None or path.stem in stored:
            left.append(path)
    return left


def remove(garbage: Iterable[Garbage], root: Path) -> int:
    """Delete what `find_garbage` named and return the bytes freed; nothing outside `root`, no record."""
    freed, home = 0, root.resolve()
    for item in garbage:
        if not item.path.parent.resolve().is_relative_to(home) or item.path.is_symlink():
            raise UserError(f"{str(item.path)!r} lies outside the store; nothing more was removed")
        try:
            if item.path.is_dir():
                shutil.rmtree(item.path)  # does not follow links
            else:
                item.path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"cannot remove {str(item.path)!r}: {error.strerror}; {_mb(freed).strip()} freed") from None
        freed += item.size
    return freed


def _is_old(study: Results, address: str) -> bool:
    try:
        record = study.store.read(address)
    except Damaged:
        return False
    return record is not None and record["protocol"] != PROTOCOL


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() and not os.path.islink(folder) else []


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    return sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir())


def gc_lines(plan: Plan, root: Path, removed: bool) -> list[str]:
    """What `lottery gc` prints: each thing, then the sum."""
    lines = [f"{_mb(item.size)}  {one_line(str(item.path.relative_to(root)))}: {item.why}" for item in plan.garbage]
    total = _mb(sum(item.size for item in plan.garbage)).strip()
    reasons: dict[str, list[int]] = {}
    for item in plan.kept:
        reasons.setdefault(item.why, []).append(item.size)
    lines += [f"kept: {len(s)} checkpoints, {_mb(sum(s)).strip()}: {why}" for why, s in reasons.items()]
    if not plan.garbage:
        return [*lines, "nothing to free"]
    done = f"freed {total}" if removed else f"would free {total}; nothing was removed, add --yes to do it"
    return [*lines, f"{len(plan.garbage)} files and folders: {done}", "records stay, weights are made again if needed"]


def _mb(size: int) -> str:
    return f"{size / 1e6:8.1f} MB"
