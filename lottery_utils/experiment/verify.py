"""A look at a whole store: every cell read in full, and all that is no intact cell named. No cell is changed."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..disk import Unreadable
from ..errors import one_line
from .identity import earlier_addresses, version_note
from .locks import FOLDER, is_claimed
from .packs import DamagedPack, pack_paths, read_pack
from .record import Damaged, is_address
from .store import FAILURES, OPTIONAL, Store

# kind to what it means and what to do
KINDS = {
    "damaged": "a run that needs it sets it aside and computes it again; a pack: get it back as it was, or remove it",
    "unreadable": "there, and perhaps intact: make it readable, then look again",
    "done": "intact",
    "earlier version": "intact and shown; not reproducible by today's code, and no run uses it",
    "orphan": "intact, but a cell it was made from is not stored",
    "set aside": "damaged once; look at it or delete it",
    "failed": "'lottery run --retry-failed' tries again",
    "running": "a live worker computes it",
}
BAD = ("damaged", "unreadable")
NAMED = re.compile(r".+-\d+-[0-9a-f]{10}")  # how the address of a cell ends: its seed and a hash


@dataclass(frozen=True)
class Finding:
    """One thing in a store: its kind (of `KINDS`), its name, and for some a note in one line."""

    kind: str
    name: str
    note: str = ""


def verify_store(store: Store) -> list[Finding]:
    """Every cell in the store; checksums of all files are compared, checkpoints included. And what failed or runs."""
    records: dict[str, dict] = {}
    addresses, findings = _addresses(store)
    for address in sorted(addresses):
        try:
            if (record := _whole(store, address)) is not None:
                records[address] = record
        except Damaged as damage:
            findings.append(Finding("damaged", address, str(damage).partition(": ")[2]))
        except Unreadable as error:
            findings.append(Finding("unreadable", address, str(error)))
    earlier = earlier_addresses(records.values())
    known = records.keys() | {finding.name for finding in findings if finding.kind == "unreadable"}
    for address, record in records.items():
        old = address in earlier
        findings.append(Finding("earlier version", address, version_note(record)) if old else Finding("done", address))
        if lost := sorted(set(record["upstream"].values()) - known):
            findings.append(Finding("orphan", address, f"lacks {', '.join(lost)}"))
    return [*findings, *_unfinished(store, records)]


def _addresses(store: Store) -> tuple[set[str], list[Finding]]:
    """Addresses of cells, damaged ones too, in folders and packs; and packs that are damaged or cannot be read."""
    root, findings = store.root, []
    addresses = {n for n in _names(root) if is_address(n) and (NAMED.fullmatch(n) or store.has_record(n))}
    for path in pack_paths(root):
        try:
            addresses |= read_pack(path).keys()
        except DamagedPack as error:
            findings.append(Finding("damaged", path.name, str(error)))
        except Unreadable as error:
            findings.append(Finding("unreadable", path.name, str(error)))
    return addresses, findings


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def _whole(store: Store, address: str) -> dict | None:
    """A cell's record, after a look at all its files; None for an empty folder. Raises Damaged."""
    record = store.read(address, deep=True)
    for name in record["files"].keys() & set(OPTIONAL) if record else ():
        store.content(address, name)
    return record


def _unfinished(store: Store, records: dict[str, dict]) -> list[Finding]:
    """What was set aside, what failed, and what live workers compute."""
    root = store.root
    tried = {name.removesuffix(".json") for name in _names(root / FAILURES)} - records.keys()
    failures = {key: store.failure(key) for key in sorted(tried)}
    found = [Finding("set aside", name) for name in _names(root) if ".damaged-" in name]
    found += [Finding("failed", key, failure["error"]) for key, failure in failures.items() if failure]
    return found + [Finding("running", name) for name in _names(root / FOLDER) if is_claimed(root, name)]


def verify_lines(findings: list[Finding], root: Path) -> list[str]:
    """What `lottery verify` prints: a line for each thing that is not simply done, then the count of each kind."""
    lines = [one_line(f"{f.kind}: {f.name}" + (f": {f.note}" if f.note else "")) for f in findings if f.kind != "done"]
    counts = Counter(finding.kind for finding in findings)
    lines += [f"{counts[kind]:6d} {kind}: {meaning}" for kind, meaning in KINDS.items() if counts[kind]]
    bad = ", ".join(f"{counts[kind]} {kind}" for kind in BAD if counts[kind])
    cells = sum(counts[kind] for kind in ("done", "earlier version", *BAD))
    return [*lines, f"{root}: {cells} cells, {bad or ('nothing is damaged' if findings else 'empty')}"]
