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
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import UserError, one_line, shown
from .files import flush, is_address

if TYPE_CHECKING:
    import tarfile

SUFFIX = ".tar.xz"
PACK = re.compile(r"[a-z][a-z0-9_]*-\d+\.tar\.xz")
PART = re.compile(r"[a-z]+\.(json|safetensors)")
RECORD = "record.json"
LARGEST = 1_000_000_000  # bytes of all files in a pack
KEPT = 256  # packs whose content is remembered

XZ_END = b"YZ"  # how an xz stream ends

Content = TypeVar("Content")
Cells = dict[str, dict[str, bytes]]  # address to name of a file to its content


def pack_of(address: str) -> str:
    """File name of the pack that a cell belongs into: ``mrpc-42.tar.xz``; empty for what no cell is called."""
    parts = address.split("-")
    name = f"{parts[0]}-{parts[-2]}{SUFFIX}" if len(parts) > 2 else ""
    return name if PACK.fullmatch(name) else ""


def pack_paths(root: Path) -> list[Path]:
    """The packs in a folder, sorted by name."""
    if not root.is_dir():
        return []
    return sorted(root / name for name in os.listdir(root) if PACK.fullmatch(name) and (root / name).is_file())


def packed_record(root: Path, address: str) -> bytes | None:
    """The record of a cell that is in a pack of the folder `root`; None when it is in none. Errors as `read_pack`."""
    path = root / pack_of(address)
    return pack_records(path).get(address) if path.is_file() else None


def pack_records(path: Path) -> dict[str, bytes]:
    """The records in a pack by address, remembered while the file keeps size and time of change.

    Raises UserError for a file that is cut short, altered, or no pack; of the other files not all is noticed.
    """
    return _looked_at(path, _records)


def read_pack(path: Path) -> Cells:
    """All cells of a pack with all their files, remembered as `pack_records` are.

    Raises UserError for a file that is cut short, altered, or no pack.
    """
    return _looked_at(path, _cells)


def _looked_at(path: Path, look: Callable[[Path, int, int], Content]) -> Content:
    try:
        about = path.stat()
        return look(path, about.st_size, about.st_mtime_ns)
    except (OSError, ValueError) as error:
        raise damaged_pack(path, str(error)) from None


def damaged_pack(path: Path, reason: str) -> UserError:
    """The one line about a pack that cannot be used."""
    return UserError(f"{path} is no intact pack of cells ({one_line(reason, 200)}); get it back, or remove it")


@functools.lru_cache(maxsize=KEPT)
def _records(path: Path, size: int, changed: int) -> dict[str, bytes]:
    content = path.read_bytes()
    if not content.endswith(XZ_END):
        raise ValueError("it is cut short, or no xz file")
    members = _members(_stream(content)[0], path.name)
    return {address: text for address, name, text in members if name == RECORD}


@functools.lru_cache(maxsize=KEPT)
def _cells(path: Path, size: int, changed: int) -> Cells:
    archive, rest = b"", path.read_bytes()
    while rest:
        part, rest = _stream(rest, LARGEST - len(archive))
        archive += part
    cells: Cells = {}
    for address, name, content in _members(archive, path.name):
        cells.setdefault(address, {})[name] = content
    if bare := [address for address, files in cells.items() if RECORD not in files]:
        raise ValueError(f"it holds no record of {bare[0]}")
    return cells


def _stream(content: bytes, largest: int = LARGEST) -> tuple[bytes, bytes]:
    """What the first xz stream of `content` holds, and the bytes behind it; raises ValueError."""
    import lzma

    reader = lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
    try:
        held = reader.decompress(content, max_length=largest + 1)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from None
    if len(held) > largest:
        raise ValueError(f"it holds more than {LARGEST} bytes")
    if not reader.eof:
        raise ValueError("it is cut short")
    return held, reader.unused_data


def _members(archive: bytes, pack: str) -> Iterator[tuple[str, str, bytes]]:
    """Address, file name and content of each member of a tar archive; raises ValueError."""
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as file:
            for member in file:
                yield *_place(member, pack), archive[member.offset_data : member.offset_data + member.size]
    except tarfile.TarError as error:
        raise ValueError(str(error)) from None


def _place(member: tarfile.TarInfo, pack: str) -> tuple[str, str]:
    """Address and file name of an archive's member; raises ValueError for what is no file of a cell of this pack."""
    address, _, name = member.name.partition("/")
    if not member.isreg() or member.issparse() or not is_address(address) or not PART.fullmatch(name):
        raise ValueError(f"it holds {shown(member.name)}, which is no file of a cell")
    if pack_of(address) != pack:
        raise ValueError(f"it holds {address}, which belongs into {pack_of(address) or 'no pack'}")
    return address, name


def write_pack(path: Path, cells: Cells) -> None:
    """Write a pack in place of the one at `path`, as a whole: equal cells make equal bytes."""
    staging = path.parent / ".staging"
    staging.mkdir(parents=True, exist_ok=True)
    part = staging / f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        part.write_bytes(_packed(cells))
        flush(part)
        os.replace(part, path)
        flush(path.parent)
    finally:
        part.unlink(missing_ok=True)
        with suppress(OSError):  # others may be writing there
            staging.rmdir()


def _packed(cells: Cells) -> bytes:
    import lzma
    import tarfile

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as file:
        for address in sorted(cells):
            _add(file, address, RECORD, cells[address][RECORD])
        records = file.offset
        for address in sorted(cells):
            for name in sorted(cells[address].keys() - {RECORD}):
                _add(file, address, name, cells[address][name])
    whole = archive.getvalue()
    numbers = {"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 2, "pb": 2}  # for numbers of four bytes
    return lzma.compress(whole[:records]) + lzma.compress(whole[records:], filters=[numbers])


def _add(file: tarfile.TarFile, address: str, name: str, content: bytes) -> None:
    """Add a file without time, owner and rights of this machine."""
    member = file.tarinfo(f"{address}/{name}")
    member.size = len(content)
    file.addfile(member, io.BytesIO(content))
