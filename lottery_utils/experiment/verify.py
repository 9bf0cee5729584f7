"""A look at a whole store: every cell read in full, and everything that is not an intact cell named."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, one_line
from .earlier import earlier_addresses, version_note
from .files import sha256
from .fingerprints import CACHE
from .identity import PROTOCOL
from .locks import FOLDER, is_claimed
from .packs import PACK, read_pack
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
    if not store.root.is_dir():
        return []
    found: list[Finding] = []
    records: dict[str, dict] = {}
    for path in sorted(store.root.iterdir()):
        if path.name.startswith("."):
            if path.name not in OWN and not path.name.startswith(CACHE):
                found.append(Finding("foreign", path.name))
        elif ".damaged-" in path.name:
            found.append(Finding("set aside", path.name))
        elif PACK.fullmatch(path.name) and path.is_file():
            found += _pack(store, path, records)
        elif not is_address(path.name) or not path.is_dir() or path.is_symlink() or not _is_cell(path):
            found.append(Finding("foreign", path.name))
        else:
            found += _cell(store, path.name, records)
    found += _intact(records)
    return found + _notes(store, records)


def _intact(records: dict[str, dict]) -> list[Finding]:
    """What there is to say of intact cells of the present protocol."""
    found, earlier = [], earlier_addresses(records.values())
    for address, record in records.items():
        if address in earlier:
            found.append(Finding("earlier version", address, version_note(record)))
        else:
            found.append(Finding("done", address))
        lost = [key for key in record["upstream"].values() if key not in records]
        if lost:
            found.append(Finding("orphan", address, f"lacks {', '.join(sorted(lost))}"))
    return found


def _is_cell(folder: Path) -> bool:
    """Whether a folder has a record or is named as a cell that could have lost it."""
    return os.path.lexists(folder / RECORD) or NAMED.fullmatch(folder.name) is not None


def _pack(store: Store, path: Path, records: dict[str, dict]) -> list[Finding]:
    """What there is to say of the cells in a pack; those that have a folder too are looked at there."""
    try:
        cells = read_pack(path)
    except UserError as error:
        return [Finding("damaged pack", path.name, str(error))]
    found = []
    for address, files in cells.items():
        if not os.path.lexists(store.folder(address)):
            found += _cell(store, address, records, set(files))
    return found


def _cell(store: Store, address: str, records: dict[str, dict], packed: set[str] | None = None) -> list[Finding]:
    """What there is to say of a cell, in its folder or with the files `packed`; an intact one goes into `records`."""
    folder = store.folder(address)
    try:
        record = store.read(address, deep=True)
        if record is None:
            return [Finding("foreign", address, "an empty folder")]
        for name in OPTIONAL:
            if (folder / name).is_file() and sha256(folder / name) != record["files"].get(name):
                raise Damaged(f"{address}: {name} does not match its checksum")
    except Damaged as damage:
        return [Finding("half-written" if damage.half else "damaged", address, str(damage).partition(": ")[2])]
    found = []
    if record["protocol"] != PROTOCOL:
        found.append(Finding("old protocol", address, f"protocol {record['protocol']}"))
    else:
        records[address] = record
    for name in sorted(os.listdir(folder) if packed is None else packed):
        if name != RECORD and name not in record["files"]:
            kind = "leftover" if name.startswith(f"{CHECKPOINT}.damaged-") else "foreign"
            found.append(Finding(kind, f"{address}/{name}"))
    return found


def _notes(store: Store, records: dict[str, dict]) -> list[Finding]:
    """Failures, claims and what killed writers left."""
    found = []
    for path in _entries(store.root / ".failures"):
        failure = store.failure(path.stem)
        if path.suffix == ".json" and failure is not None and path.stem not in records:
            found.append(Finding("failed", path.stem, failure["error"]))
        else:
            found.append(Finding("leftover", f".failures/{path.name}"))
    live = set()
    for path in _entries(store.root / FOLDER):
        if is_claimed(store.root, path.name):
            live.add(path.name)
            found.append(Finding("running", path.name))
        else:
            found.append(Finding("leftover", f"{FOLDER}/{path.name}"))
    for path in _entries(store.root / ".staging"):
        if path.name.partition(".")[0] not in live:
            found.append(Finding("leftover", f".staging/{path.name}"))
    return found


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() and not os.path.islink(folder) else []


def verify_lines(found: list[Finding], root: Path) -> list[str]:
    """What `lottery verify` prints: a line for each thing that is not simply done, then the count of each kind."""
    lines = [one_line(f"{f.kind}: {f.name}" + (f": {f.note}" if f.note else "")) for f in found if f.kind != "done"]
    counts = {kind: sum(f.kind == kind for f in found) for kind in KINDS}
    lines += [f"{count:6d} {kind}: {KINDS[kind]}" for kind, count in counts.items() if count]
    bad = sum(counts[kind] for kind in BAD)
    verdict = f"{bad} damaged" if bad else "nothing is damaged" if found else "empty"
    return [*lines, f"{root}: {sum(counts[kind] for kind in CELLS)} cells, {verdict}"]
