"""A look at a whole store: every cell read in full, all that is no intact cell named, and what may go."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, one_line
from .cells import Cell, upstream
from .fingerprints import CACHE
from .identity import earlier_addresses, version_note
from .locks import FOLDER, is_claimed
from .packs import PACK, DamagedPack, is_address, read_pack
from .reading import Results
from .store import CHECKPOINT, OPTIONAL, RECORD, Damaged, Store

# kind to what it means and what to do; `BAD` ones need something done, the others nothing
KINDS = {
    "damaged": "a run that needs it sets it aside and computes it again",
    "damaged pack": "get it back as it was, or remove it",
    "done": "intact",
    "earlier version": "intact and shown; not reproducible by today's code, and no run uses it",
    "orphan": "intact, but a cell it was made from is not stored",
    "set aside": "damaged once; look at it or delete it",
    "failed": "'lottery run --retry-failed' tries again",
    "running": "a live worker computes it",
    "leftover": "a killed writer's; the next run of the cell, or 'lottery gc', removes it",
    "foreign": "not of this project; left alone",
}
BAD = ("damaged", "damaged pack")
CELLS = ("done", "earlier version", *BAD)
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
    live = _live(store.root)
    left = _leftovers(store, records, live)
    failed = [path.stem for path in _entries(store.root / ".failures") if path not in left]
    findings += [Finding("failed", address, store.failure(address)["error"]) for address in failed]
    findings += [Finding("running", name) for name in live]
    return findings + [Finding("leftover", str(path.relative_to(store.root))) for path in left]


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
        except DamagedPack as error:
            yield Finding("damaged pack", name, str(error))
    elif is_address(name) and path.is_dir() and (os.path.lexists(path / RECORD) or NAMED.fullmatch(name)):
        yield from _cell(store, name, records, os.listdir(path))
    else:
        yield Finding("foreign", name)


def _cell(store: Store, address: str, records: dict[str, dict], files: Iterable[str]) -> Iterator[Finding]:
    try:
        record = store.read(address, deep=True)
        if record is None:
            yield Finding("foreign", address, "an empty folder")
            return
        for name in record["files"].keys() & set(OPTIONAL):
            store.content(address, name)
    except Damaged as damage:
        yield Finding("damaged", address, str(damage).partition(": ")[2])
        return
    records[address] = record
    for name in sorted(set(files) - {RECORD, *record["files"]}):
        kind = "leftover" if name.startswith(f"{CHECKPOINT}.damaged-") else "foreign"
        yield Finding(kind, f"{address}/{name}")


def _live(root: Path) -> list[str]:
    """What live workers compute."""
    return [path.name for path in _entries(root / FOLDER) if is_claimed(root, path.name)]


def _leftovers(store: Store, stored: Collection[str], live: Collection[str]) -> list[Path]:
    """What killed writers left: claims nobody holds, halves of cells, and notes of failures that say nothing now."""
    left = [path for path in _entries(store.root / FOLDER) if path.name not in live]
    left += [path for path in _entries(store.root / ".staging") if path.name.partition(".")[0] not in live]
    for path in _entries(store.root / ".failures"):
        if path.suffix != ".json" or path.stem in stored or store.failure(path.stem) is None:
            left.append(path)
    return left


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _entries(folder: Path) -> list[Path]:
    """What is in a folder of the store; links lead out of it and are nobody's."""
    return [] if folder.is_symlink() else [path for path in _listed(folder) if not path.is_symlink()]


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
    """A file or folder in the store that may go: its path, and why, in a few words."""

    path: Path
    why: str

    @property
    def size(self) -> int:
        """Its bytes."""
        parts = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(part.lstat().st_size for part in parts if not part.is_dir())


def find_garbage(study: Results, cells: Iterable[Cell]) -> list[Garbage]:
    """What may go from the study's store when `cells` are all that shall still be computed; removes nothing.

    A checkpoint is needed by every cell directly behind it that is not stored; those of other studies stay.
    Raises UserError while a worker computes a cell in the store.
    """
    store, root, cells = study.store, study.store.root, list(cells)
    if live := _live(root):
        raise UserError(f"{len(live)} cells are being computed in {str(root)!r} ({live[0]}); wait or stop the run")
    missing = [cell for cell in cells if study.state(cell) != "done"]
    needed = {study.address(other) for cell in missing for other in upstream(cell, study.preset.seeds)}
    unneeded = {study.address(cell) for cell in cells if cell.stage == "finetune"} - needed
    garbage = []
    for path in _checkpoints(root):
        if path.name != CHECKPOINT or ".damaged-" in path.parent.name:
            garbage.append(Garbage(path, "damaged"))
        elif path.parent.name in unneeded:
            garbage.append(Garbage(path, "no missing cell needs it"))
    garbage += [Garbage(path, "a killed writer's") for path in _leftovers(store, store.addresses(), ())]
    again = [path for path in _entries(root / ".scratch") if path.name not in needed]
    return garbage + [Garbage(path, "made again") for path in again]


def _checkpoints(root: Path) -> Iterator[Path]:
    """Weights in the folders of cells, and in those set aside."""
    for folder in _listed(root):
        if is_address(folder.name.partition(".damaged-")[0]) and folder.is_dir():
            yield from (path for path in _entries(folder) if path.name.startswith(CHECKPOINT) and path.is_file())


def remove(garbage: Iterable[Garbage]) -> None:
    """Delete what `find_garbage` named: nothing outside the store, no record."""
    for item in garbage:
        try:
            shutil.rmtree(item.path) if item.path.is_dir() else item.path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"cannot remove {str(item.path)!r}: {error.strerror}; remove it, then try again") from None


def gc_lines(garbage: list[Garbage], root: Path, remove_it: bool) -> list[str]:
    """What `lottery gc` prints: each thing, then the sum."""
    if not garbage:
        return ["nothing to free"]
    sizes = [item.size / 1e6 for item in garbage]
    lines = [f"{mb:8.1f} MB  {one_line(str(g.path.relative_to(root)))}: {g.why}" for mb, g in zip(sizes, garbage)]
    total = f"{sum(sizes):.1f} MB"
    done = f"{total} are freed" if remove_it else f"would free {total}; nothing was removed, add --yes to do it"
    return [*lines, f"{len(garbage)} files and folders: {done}", "records stay, weights are made again if needed"]
