"""Packs: the cells of one task and seed of a study in one file, which the store reads in place and no run changes.

``<task>-<seed>.tar.xz`` is a tar archive of ``<address>/record.json`` and the files beside it, as two xz streams: all
records, then everything else. Records of a study resemble each other, so they are compressed together, and they are
read without the rest. A file that a record names and its pack leaves out keeps its checksum in the record.
"""

from __future__ import annotations

import functools
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..disk import readable, replace, require_file
from ..errors import UserError, one_line, shown
from .record import PART, RECORD, is_address

if TYPE_CHECKING:
    import tarfile

PACK = re.compile(r"[a-z][a-z0-9_]*-\d+\.tar\.xz")
XZ_END = b"YZ"  # how an xz stream ends

Cells = dict[str, dict[str, bytes]]  # address to name of a file to its content


class DamagedPack(UserError):
    """A pack whose bytes were read and are wrong."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{path} is no intact pack of cells ({reason}); get it back, or remove it")


def pack_of(address: str) -> str:
    """File name of the pack that a cell belongs into: ``mrpc-42.tar.xz``; empty for what no cell is called."""
    parts = address.split("-")
    name = f"{parts[0]}-{parts[-2]}.tar.xz" if len(parts) > 2 else ""
    return name if PACK.fullmatch(name) else ""


def pack_paths(root: Path) -> list[Path]:
    """The packs in a folder, sorted by name."""
    names = os.listdir(root) if root.is_dir() else ()
    return sorted(root / name for name in names if PACK.fullmatch(name) and (root / name).is_file())


def read_pack(path: Path, records_only: bool = False) -> Cells:
    """The cells of a pack with all their files, or their records; remembered while the file keeps size and time.

    Raises DamagedPack for a file that is cut short, altered, or no pack, and UserError for one that cannot be read; of
    what is not read not all is noticed.
    """
    with readable(path):
        about = path.stat()
        return _read(path, records_only, about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=512)
def _read(path: Path, records_only: bool, size: int, changed: int) -> Cells:
    import lzma
    import tarfile

    require_file("pack", path)
    cells: Cells = {}
    try:
        archive = io.BytesIO(_unpacked(path.read_bytes(), records_only))
        with tarfile.open(fileobj=archive, mode="r:") as file:
            for member in file:
                address, name = _place(member, path.name)
                cells.setdefault(address, {})[name] = file.extractfile(member).read()
        if bare := [address for address, files in cells.items() if RECORD not in files]:
            raise ValueError(f"it holds no record of {bare[0]}")
    except (ValueError, lzma.LZMAError, tarfile.TarError) as error:
        raise DamagedPack(path, one_line(error, 200)) from None
    return cells


def _unpacked(content: bytes, first_only: bool) -> bytes:
    """What the two xz streams of `content` hold, or the first of them; raises ValueError or LZMAError."""
    import lzma

    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    archive = reader.decompress(content)
    if not reader.eof or not content.endswith(XZ_END):
        raise ValueError("it is cut short")
    return archive if first_only else archive + lzma.decompress(reader.unused_data, lzma.FORMAT_XZ)


def _place(member: tarfile.TarInfo, pack: str) -> tuple[str, str]:
    """Address and name of a file in a tar archive; raises ValueError for what is no file of the pack's."""
    address, _, name = member.name.partition("/")
    if not member.isreg() or member.issparse() or not is_address(address) or not PART.fullmatch(name):
        raise ValueError(f"it holds {shown(member.name)}, which is no file of a cell")
    if pack_of(address) != pack:
        raise ValueError(f"it holds {address}, which belongs into {pack_of(address) or 'no pack'}")
    return address, name


def write_pack(path: Path, cells: Cells) -> None:
    """Write a pack in place of the one at `path`, as a whole: equal cells make equal bytes."""
    import lzma
    import tarfile

    archive, first = io.BytesIO(), 0
    places = [(name != RECORD, address, name) for address, files in cells.items() for name in files]
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as file:
        for is_rest, address, name in sorted(places):
            member = file.tarinfo(f"{address}/{name}")  # without time, owner and rights of this machine
            member.size = len(cells[address][name])
            file.addfile(member, io.BytesIO(cells[address][name]))
            first = first if is_rest else file.offset
    whole = archive.getvalue()
    numbers = {"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 2, "pb": 2}  # for numbers of four bytes
    replace(path, lzma.compress(whole[:first]) + lzma.compress(whole[first:], filters=[numbers]))
