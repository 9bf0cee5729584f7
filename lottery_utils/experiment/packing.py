"""`lottery pack` and `lottery unpack`: from the folders of a store to packs and back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..disk import writable
from ..errors import UserError, usable_folder
from .packs import Cells, pack_of, pack_paths, read_pack, write_pack
from .record import RECORD, Damaged
from .store import MASK, OPTIONAL, Store

LARGE_MASK = 50_000  # bytes: a mask of more has a bit a weight and stays out of packs


@dataclass
class PackCounts:
    """What `pack` did: cells in the packs now, packs written, packs that were so already, one line per damaged cell."""

    cells: int = 0
    written: list[str] = field(default_factory=list)
    unchanged: int = 0
    damaged: list[str] = field(default_factory=list)


def pack(store: Store, folder: Path) -> PackCounts:
    """Put every intact cell of `store` into the packs of `folder`, one a task and seed.

    A pack is rewritten, as a whole, where a cell comes to it; cells that it has already stay. Left out are the
    `OPTIONAL` files and masks above `LARGE_MASK`. Raises UserError, before anything is written, for a damaged pack
    and where a pack has another cell at the same address.
    """
    done, packs = PackCounts(), {}
    for address in store.addresses():
        try:
            packs.setdefault(pack_of(address), {})[address] = _shared_files(store, address)
        except Damaged as damage:
            done.damaged.append(str(damage))
    merged = {name: _merged(folder / name, cells) for name, cells in packs.items()}
    usable_folder("folder", folder)
    for name, cells in merged.items():
        done.cells += len(cells)
        if (folder / name).is_file() and read_pack(folder / name) == cells:
            done.unchanged += 1
        else:
            with writable(folder / name):
                write_pack(folder / name, cells)
            done.written.append(name)
    return done


def _shared_files(store: Store, address: str) -> dict[str, bytes]:
    """The files of a cell that go into a pack; raises Damaged."""
    if not pack_of(address):
        raise Damaged(f"{address}: not named as a cell is")
    files = {RECORD: store.file(address, RECORD)}
    for name in store.read(address)["files"]:
        content = None if name in OPTIONAL else store.content(address, name)
        if content is not None and not (name == MASK and len(content) > LARGE_MASK):
            files[name] = content
    return files


def _merged(path: Path, cells: Cells) -> Cells:
    """`cells` and those that are in the pack at `path` already, each with the files that either has."""
    there = read_pack(path) if os.path.lexists(path) else {}
    for address in cells.keys() & there.keys():
        if cells[address][RECORD] != there[address][RECORD]:
            raise UserError(f"{path} has another cell {address}: their checksums differ; pack into another folder")
    return {address: there.get(address, {}) | cells.get(address, {}) for address in cells.keys() | there.keys()}


def unpack(folder: Path, target: Path) -> int:
    """Write the cells of all packs in `folder` as folders into `target`, and return how many were not there yet.

    A cell that is there already is left as it is. Raises UserError for a damaged pack, before anything is written,
    and where there is no pack.
    """
    packs = [read_pack(path) for path in pack_paths(folder)]
    if not packs:
        raise UserError(f"there is no pack (mrpc-42.tar.xz, ...) in {str(folder)!r}; name a folder of packed records")
    cells = {address: files for cells in packs for address, files in cells.items()}
    store, written = Store(target), 0
    store.prepare()
    for address, files in cells.items():
        writers = {name: partial(Path.write_bytes, data=content) for name, content in files.items()}
        with writable(target):
            written += not store.folder(address).exists() and store.put(address, writers)
    return written


def packed_lines(done: PackCounts, folder: Path) -> list[str]:
    """What `lottery pack` prints."""
    lines = [f"damaged, left out: {line}" for line in done.damaged]
    lines += [f"written: {name}" for name in done.written]
    return [*lines, f"{folder}: {done.cells} cells; packs: {len(done.written)} written, {done.unchanged} as before"]
