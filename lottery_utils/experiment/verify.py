"""A look at a whole store: every cell read in full, and all that is no intact cell named. Nothing is changed."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import one_line
from .fingerprints import CACHE
from .identity import earlier_addresses, version_note
from .locks import FOLDER, is_claimed
from .packs import PACK, DamagedPack, read_pack
from .record import RECORD, Damaged, is_address
from .store import FAILURES, OPTIONAL, SCRATCH, STAGING, Store

# kind to what it means and what to do
KINDS = {
    "damaged": "a run that needs it sets it aside and computes it again; a pack: get it back as it was, or remove it",
    "done": "intact",
    "earlier version": "intact and shown; not reproducible by today's code, and no run uses it",
    "orphan": "intact, but a cell it was made from is not stored",
    "set aside": "damaged once; look at it or delete it",
    "failed": "'lottery run --retry-failed' tries again",
    "running": "a live worker computes it",
    "leftover": "a killed writer's; the next run of the cell removes it",
    "foreign": "not of this project; left alone",
}
NAMED = re.compile(r".+-\d+-[0-9a-f]{10}")  # how the address of a cell ends: its seed and a hash
OWN = (STAGING, FOLDER, FAILURES, SCRATCH)


@dataclass(frozen=True)
class Finding:
    """One thing in a store: its kind (of `KINDS`), its name, and for some a note in one line."""

    kind: str
    name: str
    note: str = ""


def verify_store(store: Store) -> list[Finding]:
    """Everything in the store; checksums of all files are compared, checkpoints included."""
    records: dict[str, dict] = {}
    names = sorted(_names(store.root))
    findings = [finding for name in names for finding in _look_at(store, store.root / name, records)]
    earlier = earlier_addresses(records.values())
    for address, record in records.items():
        old = address in earlier
        findings.append(Finding("earlier version", address, version_note(record)) if old else Finding("done", address))
        if lost := sorted(key for key in record["upstream"].values() if key not in records):
            findings.append(Finding("orphan", address, f"lacks {', '.join(lost)}"))
    return [*findings, *_unfinished(store, records)]


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


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
            yield Finding("damaged", name, str(error))
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
    yield from (Finding("foreign", f"{address}/{name}") for name in sorted({*files} - {RECORD, *record["files"]}))


def _unfinished(store: Store, records: dict[str, dict]) -> Iterator[Finding]:
    """What failed, what live workers compute, and what killed ones left: halves of cells, claims nobody holds."""
    tried = sorted({name.removesuffix(".json") for name in _names(store.root / FAILURES)} - records.keys())
    yield from (Finding("failed", key, failure["error"]) for key in tried if (failure := store.failure(key)))
    claims = sorted(_names(store.root / FOLDER))
    live = [name for name in claims if is_claimed(store.root, name)]
    yield from (Finding("running", name) for name in live)
    yield from (Finding("leftover", f"{FOLDER}/{name}") for name in claims if name not in live)
    staged = sorted(_names(store.root / STAGING))
    yield from (Finding("leftover", f"{STAGING}/{name}") for name in staged if name.partition(".")[0] not in live)


def verify_lines(findings: list[Finding], root: Path) -> list[str]:
    """What `lottery verify` prints: a line for each thing that is not simply done, then the count of each kind."""
    lines = [one_line(f"{f.kind}: {f.name}" + (f": {f.note}" if f.note else "")) for f in findings if f.kind != "done"]
    counts = Counter(finding.kind for finding in findings)
    lines += [f"{counts[kind]:6d} {kind}: {meaning}" for kind, meaning in KINDS.items() if counts[kind]]
    verdict = f"{counts['damaged']} damaged" if counts["damaged"] else "nothing is damaged" if findings else "empty"
    return [*lines, f"{root}: {counts['done'] + counts['earlier version'] + counts['damaged']} cells, {verdict}"]
