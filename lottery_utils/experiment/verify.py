"""A look at a whole store: every cell read in full, all that is no intact cell named, and what may go."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, one_line
from .cells import Cell, upstream
from .earlier import earlier_addresses, version_note
from .files import sha256
from .fingerprints import CACHE
from .identity import PROTOCOL
from .locks import FOLDER, is_claimed
from .packs import PACK, read_pack
from .reading import Results
from .store import CHECKPOINT, OPTIONAL, RECORD, Damaged, Store, is_address

# kind to what it means and what to do; `BAD` ones need something done, the others nothing
KINDS = {
    "damaged": "a run that needs it sets it aside and computes it again",
    "damaged pack": "get it back as it was, or remove it",
    "half-written": "a run that needs it sets it aside and computes it again",
    "done": "intact",
    "earlier version": "intact and shown; not reproducible by today's code, and no run uses it",
    "old protocol": f"kept and never used: the present version is {PROTOCOL}",
    "orphan": "intact, but a cell it was made from is not stored",
    "set aside": "damaged once; look at it or delete it",
    "failed": "'lottery run --retry-failed' tries again",
    "running": "a live worker computes it",
    "leftover": "a killed writer's; the next run of the cell, or 'lottery gc', removes it",
    "foreign": "not of this project; left alone",
}
BAD = ("damaged", "damaged pack", "half-written")
CELLS = ("done", "earlier version", "old protocol", *BAD)
NAMED = re.compile(r".+-\d+-[0-9a-f]{10}")  # how the address of a cell ends: its seed and a hash
OWN = (".staging", FOLDER, ".failures", ".scratch")


@dataclass(frozen=True)
class Finding:
    """One thing in a store: its kind (of `KINDS`), its name, and for some a note in one line."""

    kind: str
    name: str
    note: str = ""


def verify_store(store: Store) -> list[Finding]:
    """Everything in the store; checksums of all files are compared, checkpoints included. Changes nothing."""
    records: dict[str, dict] = {}
    findings = [finding for path in _listed(store.root) for finding in _look_at(store, path, records)]
    earlier = earlier_addresses(records.values())
    for address, record in records.items():
        old = address in earlier
        findings.append(Finding("earlier version", address, version_note(record)) if old else Finding("done", address))
        if lost := [key for key in record["upstream"].values() if key not in records]:
            findings.append(Finding("orphan", address, f"lacks {', '.join(sorted(lost))}"))
    return [*findings, *_notes(store, records)]


def _look_at(store: Store, path: Path, records: dict[str, dict]) -> Iterator[Finding]:
    """What there is to say of a file or folder in a store; intact cells go into `records`."""
    name = path.name
    if name in OWN or name.startswith(CACHE):
        return
    if ".damaged-" in name:
        yield Finding("set aside", name)
    elif PACK.fullmatch(name) and path.is_file():
        try:
            for address, files in read_pack(path).items():
                if not os.path.lexists(store.folder(address)):  # else it is looked at in its folder
                    yield from _cell(store, address, records, files)
        except UserError as error:
            yield Finding("damaged pack", name, str(error))
    elif is_address(name) and path.is_dir() and (os.path.lexists(path / RECORD) or NAMED.fullmatch(name)):
        yield from _cell(store, name, records, os.listdir(path))
    else:
        yield Finding("foreign", name)


def _cell(store: Store, address: str, records: dict[str, dict], files: Iterable[str]) -> Iterator[Finding]:
    folder = store.folder(address)
    try:
        record = store.read(address, deep=True)
        if record is None:
            yield Finding("foreign", address, "an empty folder")
            return
        for name in OPTIONAL:
            if (folder / name).is_file() and sha256(folder / name) != record["files"].get(name):
                raise Damaged(f"{address}: {name} does not match its checksum")
    except Damaged as damage:
        yield Finding("half-written" if damage.half else "damaged", address, str(damage).partition(": ")[2])
        return
    if record["protocol"] == PROTOCOL:
        records[address] = record
    else:
        yield Finding("old protocol", address, f"protocol {record['protocol']}")
    for name in sorted(set(files) - {RECORD, *record["files"]}):
        kind = "leftover" if name.startswith(f"{CHECKPOINT}.damaged-") else "foreign"
        yield Finding(kind, f"{address}/{name}")


def _notes(store: Store, records: dict[str, dict]) -> Iterator[Finding]:
    """Failures, claims and what killed writers left."""
    for path in _entries(store.root / ".failures"):
        if _is_left_note(store, path, records):
            yield Finding("leftover", f".failures/{path.name}")
        else:
            yield Finding("failed", path.stem, store.failure(path.stem)["error"])
    live = {path.name for path in _entries(store.root / FOLDER) if is_claimed(store.root, path.name)}
    for path in _entries(store.root / FOLDER):
        running = path.name in live
        yield Finding("running", path.name) if running else Finding("leftover", f"{FOLDER}/{path.name}")
    for path in _entries(store.root / ".staging"):
        if path.name.partition(".")[0] not in live:
            yield Finding("leftover", f".staging/{path.name}")


def _is_left_note(store: Store, path: Path, stored: Iterable[str]) -> bool:
    """Whether the note of a failure says nothing any more."""
    return path.suffix != ".json" or store.failure(path.stem) is None or path.stem in stored


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _entries(folder: Path) -> list[Path]:
    """What is in a folder of the store; a link leads out of it."""
    return [] if folder.is_symlink() else _listed(folder)


def verify_lines(findings: list[Finding], root: Path) -> list[str]:
    """What `lottery verify` prints: a line for each thing that is not simply done, then the count of each kind."""
    lines = [one_line(f"{f.kind}: {f.name}" + (f": {f.note}" if f.note else "")) for f in findings if f.kind != "done"]
    counts = {kind: sum(f.kind == kind for f in findings) for kind in KINDS}
    lines += [f"{count:6d} {kind}: {KINDS[kind]}" for kind, count in counts.items() if count]
    bad = sum(counts[kind] for kind in BAD)
    verdict = f"{bad} damaged" if bad else "nothing is damaged" if findings else "empty"
    return [*lines, f"{root}: {sum(counts[kind] for kind in CELLS)} cells, {verdict}"]


# what may go


@dataclass(frozen=True)
class Garbage:
    """A file or folder in the store that may go: its path, bytes, and why, in a few words."""

    path: Path
    size: int
    why: str


@dataclass(frozen=True)
class Freeable:
    """What could be freed, and the kept checkpoints: (path, bytes, why)."""

    garbage: list[Garbage]
    kept: list[Garbage]


def find_garbage(study: Results, cells: Iterable[Cell]) -> Freeable:
    """What may go from the study's store when `cells` are all that shall still be computed; removes nothing.

    A checkpoint is needed by every cell directly behind it that is not stored; those of other studies are kept.
    Raises UserError while a worker computes a cell in the store.
    """
    store, root, cells = study.store, study.store.root, list(cells)
    if busy := [path.name for path in _entries(root / FOLDER) if is_claimed(root, path.name)]:
        raise UserError(f"{len(busy)} cells are being computed in {str(root)!r} ({busy[0]}); wait or stop the run")
    missing = [cell for cell in cells if study.state(cell) != "done"]
    needed = [(other, cell) for cell in missing for other in upstream(cell, study.preset.seeds)]
    needed_by = {study.address(other): cell.name for other, cell in needed if other.stage == "finetune"}
    own = {study.address(cell) for cell in cells if cell.stage == "finetune"}
    garbage, kept = [], []
    for path in _checkpoints(root):
        address, size = path.parent.name, path.stat().st_size
        if path.name != CHECKPOINT or ".damaged-" in address:
            garbage.append(Garbage(path, size, "damaged"))
        elif address in own and address not in needed_by:
            garbage.append(Garbage(path, size, "no missing cell needs it"))
        else:
            user = needed_by.get(address)
            kept.append(Garbage(path, size, f"{user} needs it" if user else "of another study"))
    stored = set(store.addresses())
    left = [*_entries(root / ".staging"), *_entries(root / FOLDER)]
    left += [path for path in _entries(root / ".failures") if _is_left_note(store, path, stored)]
    garbage += [Garbage(path, _size(path), "a killed writer's") for path in left if not path.is_symlink()]
    again = [path for path in _entries(root / ".scratch") if path.name not in needed_by and not path.is_symlink()]
    return Freeable([*garbage, *(Garbage(path, _size(path), "weights made again") for path in again)], kept)


def _checkpoints(root: Path) -> Iterator[Path]:
    """Weights in the folders of cells, and in those set aside; links are nobody's."""
    for folder in _listed(root):
        if is_address(folder.name.partition(".damaged-")[0]) and folder.is_dir():
            for path in _entries(folder):
                if path.name.startswith(CHECKPOINT) and path.is_file() and not path.is_symlink():
                    yield path


def remove(garbage: Iterable[Garbage]) -> None:
    """Delete what `find_garbage` named: nothing outside the store, no record."""
    for item in garbage:
        try:
            shutil.rmtree(item.path) if item.path.is_dir() else item.path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"cannot remove {str(item.path)!r}: {error.strerror}; remove it, then try again") from None


def _size(path: Path) -> int:
    parts = path.rglob("*") if path.is_dir() else [path]
    return sum(part.lstat().st_size for part in parts if not part.is_dir())


def gc_lines(plan: Freeable, root: Path, removed: bool) -> list[str]:
    """What `lottery gc` prints: each thing, then the sum."""
    lines = [f"{_mb(item.size)}  {one_line(str(item.path.relative_to(root)))}: {item.why}" for item in plan.garbage]
    for why in dict.fromkeys(item.why for item in plan.kept):
        sizes = [item.size for item in plan.kept if item.why == why]
        lines.append(f"kept: {len(sizes)} checkpoints, {_mb(sum(sizes)).strip()}: {why}")
    if not plan.garbage:
        return [*lines, "nothing to free"]
    total = _mb(sum(item.size for item in plan.garbage)).strip()
    done = f"freed {total}" if removed else f"would free {total}; nothing was removed, add --yes to do it"
    return [*lines, f"{len(plan.garbage)} files and folders: {done}", "records stay, weights are made again if needed"]


def _mb(size: int) -> str:
    return f"{size / 1e6:8.1f} MB"
