"""The store: one folder a finished cell, complete or absent, never overwritten.

``<root>/<address>/record.json`` with its payload beside it. A cell is written into ``.staging`` and
renamed into place as a whole after everything is flushed, so a killed writer leaves no half cell.
A cell without a folder may be in a pack of `root`, see `packs`; packs are only read.
This module alone knows file names. It imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from ..disk import readable
from ..errors import UserError, one_line, usable_path
from .files import dump, flush, is_address, replace, sha256, usual_mode
from .form import record_problem
from .identity import PROTOCOL, canonical
from .locks import FOLDER
from .packs import RECORD, damaged_pack, pack_of, pack_paths, pack_records, packed_record, read_pack

FORMAT = 1
USUAL = 30_000  # characters: what has more is looked at each time, so that little is remembered
MASK = "mask.safetensors"
TRAJECTORY = "trajectory.safetensors"
PREDICTIONS = "predictions.safetensors"
LEVELS = "levels.safetensors"
CHECKPOINT = "model.safetensors"
OPTIONAL = (CHECKPOINT, LEVELS)  # may be absent: records are shared without what has a byte or more a weight


class Damaged(Exception):
    """A stored cell that cannot be trusted; the message says why, in one line."""

    def __init__(self, message: str, half: bool = False):
        super().__init__(message)
        self.half = half  # there is no record: its writer died, or it was removed


class Store:
    """Finished cells below the folder `root`, which is made at the first write."""

    def __init__(self, root: Path | str):
        usable_path("results directory", str(root))
        self.root = Path(root).expanduser()
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f"results directory {str(root)!r} is a file; name a directory")

    def folder(self, address: str) -> Path:
        """Folder of a cell; an address is one path component of letters, digits and ``-_``."""
        if not is_address(address):
            raise UserError(f"{address!r} is not the address of a cell")
        return self.root / address

    def addresses(self) -> list[str]:
        """Addresses of the stored cells, sorted; cells set aside are not among them."""
        if not self.root.is_dir():
            return []
        folders = {p.name for p in self.root.iterdir() if is_address(p.name) and (p / RECORD).is_file()}
        return sorted(folders | self._packed())

    def _packed(self) -> set[str]:
        return {address for path in pack_paths(self.root) for address in pack_records(path)}

    def names(self) -> set[str]:
        """Addresses of which there is anything: a folder, a place in a pack, a claim or the note of a failure."""
        places = (self.root, self.root / FOLDER, self.root / ".failures")
        listed = [os.listdir(place) if place.is_dir() else [] for place in places]
        return {*listed[0], *listed[1], *(name.removesuffix(".json") for name in listed[2]), *self._packed()}

    def read(self, address: str, deep: bool = False) -> dict | None:
        """The record of a cell, None when there is none.

        Raises Damaged when the record does not parse, does not match its own checksum or address, lacks a field,
        or a file is missing; `deep` also compares the checksums of the files (not of the `OPTIONAL` ones, which are
        checked when they are loaded). UserError for a damaged pack.
        """
        text = self._text(address)
        packed = None if text is not None else packed_record(self.root, address)
        if packed is not None:
            text = packed.decode(errors="replace")
        if text is None:
            return None
        look = _problem if len(text) <= USUAL else _problem.__wrapped__
        if problem := look(text, address):
            raise Damaged(f"{address}: {RECORD} {problem}")
        record = json.loads(text)
        if deep:
            for name in set(record["files"]) - set(OPTIONAL):
                self._file(record, name)
        elif packed is None:  # the rest of a pack is read when it is asked for
            for name in record["files"]:
                if not (self.root / address / name).is_file() and not _may_lack(record, name):
                    raise Damaged(f"{address}: {name} is missing")
        return record

    def _file(self, record: dict, name: str) -> bytes | None:
        """A file of a cell, None where it may be absent and is; raises Damaged for another than the recorded one."""
        address, path = record["address"], self.root / record["address"] / name
        if path.with_name(RECORD).is_file():
            with readable(path):
                content = path.read_bytes() if path.is_file() else None
        else:
            content = read_pack(self.root / pack_of(address))[address].get(name)
        if content is None and not _may_lack(record, name):
            raise Damaged(f"{address}: {name} is missing")
        if content is not None and hashlib.sha256(content).hexdigest() != record["files"][name]:
            raise Damaged(f"{address}: {name} does not match its checksum")
        return content

    def _text(self, address: str) -> str | None:
        """The record in a cell's folder, as text; None when there is no folder, or an empty one.

        Raises Damaged, and UserError for one that cannot be read.
        """
        folder = self.folder(address)
        path = folder / RECORD
        with readable(path):
            if path.is_file():
                try:
                    return path.read_bytes().decode()
                except UnicodeDecodeError:
                    raise Damaged(f"{address}: {RECORD} is no UTF-8 text") from None
            if not folder.exists():
                return None
            if not folder.is_dir():
                raise Damaged(f"{address} is no folder")
            if any(folder.iterdir()):
                raise Damaged(f"{address}: half-written, it has no {RECORD}", half=True)
        return None

    def content(self, address: str, name: str) -> bytes | None:
        """A payload file, after comparing its checksum with the record's; None where the cell came without it.

        Raises KeyError when the cell is not stored or its record lists no such file, Damaged when the
        file is missing or altered.
        """
        record = self.read(address)
        if record is None or name not in record["files"]:
            raise KeyError(address, name)
        return self._file(record, name)

    def write(self, address: str, record: dict, files: dict[str, Callable[[Path], None]]) -> dict:
        """Store a cell and return its record: payload first, record last, then the folder by one rename.

        `files` maps a name to a function that writes the file at the path it is given. A cell that is
        already stored is left as it is, and its record returned.
        """
        staging = self._staging() / f"{address}.{os.getpid()}.{secrets.token_hex(4)}"
        staging.mkdir()
        try:
            digests = {}
            for name, writer in files.items():
                writer(staging / name)
                os.chmod(staging / name, usual_mode())  # safetensors makes files for their owner only
                flush(staging / name)
                digests[name] = sha256(staging / name)
            record = {**record, "format": FORMAT, "address": address, "files": digests}
            record["checksum"] = _checksum(record)
            part = staging / f"{RECORD}.part"
            part.write_text(dump(record), encoding="utf-8")
            flush(part)
            os.rename(part, staging / RECORD)
            flush(staging)
            try:
                os.rename(staging, self.folder(address))
            except OSError:
                stored = self.read(address)  # another worker was first: theirs stays
                if stored is None:
                    raise
                return stored
            flush(self.root)
            return record
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def set_aside(self, address: str) -> Path:
        """Rename a damaged cell to ``<address>.damaged-N`` and return where it now is; UserError for one in a pack."""
        if not os.path.lexists(self.folder(address)):
            raise damaged_pack(self.root / pack_of(address), f"{address} is not as its record says")
        names = (self.root / f"{address}.damaged-{number}" for number in itertools.count(1))
        target = next(path for path in names if not path.exists())
        os.rename(self.folder(address), target)
        return target

    def checkpoint(self, address: str) -> Path | None:
        """Path of a cell's intact checkpoint; None when it is gone. An altered one is set aside."""
        path = self.folder(address) / CHECKPOINT
        try:
            record = self.read(address)
        except Damaged:
            record = None
        if not path.exists():
            return None
        if record is not None and record["files"].get(CHECKPOINT) == sha256(path):
            return path
        os.rename(path, path.with_name(f"{CHECKPOINT}.damaged-{secrets.token_hex(2)}"))
        return None

    def restore(self, address: str, path: Path) -> bool:
        """Give a cell's folder its checkpoint back if the file at `path` is, bit for bit, the recorded one."""
        record = self.read(address)
        if record is None or record["files"].get(CHECKPOINT) != sha256(path) or not self.folder(address).is_dir():
            return False
        flush(path)
        os.replace(path, self.folder(address) / CHECKPOINT)
        return True

    def scratch(self, address: str) -> Path:
        """A folder for files about `address` that are no result and may be deleted at any time."""
        path = self.root / ".scratch" / address
        path.mkdir(parents=True, exist_ok=True)
        return path

    # failures: what went wrong with a cell that has no record

    def fail(self, address: str, failure: dict) -> None:
        """Note the failure of a cell (its name, the error's one line, when)."""
        replace(self._failure(address), dump(failure))

    def failure(self, address: str) -> dict | None:
        """The noted failure of a cell that is not stored, None when there is none (or no readable one)."""
        try:
            failure = json.loads(self._failure(address).read_text(encoding="utf-8"))
            return failure | {"error": one_line(failure["error"], 1000)}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget_failure(self, address: str) -> None:
        """Remove the note of a failure, before the cell is tried again."""
        self._failure(address).unlink(missing_ok=True)

    def _failure(self, address: str) -> Path:
        return self.root / ".failures" / f"{address}.json"

    # housekeeping

    def prepare(self) -> None:
        """Make the folders; raises UserError when the place cannot be written, or flush what was, as on some mounts."""
        try:
            for name in (".staging", FOLDER, ".failures"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe = self.root / ".staging" / f"probe.{os.getpid()}.{secrets.token_hex(4)}"
            probe.touch()
            flush(probe)
            probe.unlink()
            flush(self.root)
        except OSError as error:
            place = error.filename or str(self.root)
            raise UserError(f"cannot write results to {place!r}: {error.strerror or error}") from None

    def clear_staging(self, address: str) -> None:
        """Remove what killed writers of a cell left; call it under the cell's claim."""
        for path in self._staging().glob(f"{address}.*"):
            shutil.rmtree(path, ignore_errors=True)

    def _staging(self) -> Path:
        path = self.root / ".staging"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def records(self, old: bool = False) -> Iterator[dict]:
        """The intact records of the present protocol, in the order of addresses, with `old` those of others too."""
        for address in self.addresses():
            try:
                record = self.read(address)
            except Damaged:
                continue
            if record is not None and (old or record["protocol"] == PROTOCOL):
                yield record

    def old_protocols(self) -> int:
        """How many intact records are of another protocol version than the present one."""
        return sum(record["protocol"] != PROTOCOL for record in self.records(old=True))


def _may_lack(record: dict, name: str) -> bool:
    """Whether a cell may be without a file: what has a byte or a bit a weight is not always shared."""
    return name in OPTIONAL or (name == MASK and record["cell"].get("method") == "magnitude")


@functools.lru_cache(maxsize=4096)
def _problem(text: str, address: str) -> str:
    """What is wrong with a record's text, as the end of a sentence; empty when nothing is.

    Remembered, as chapters read the same records again and again, and looking takes longer than reading.
    """
    try:
        record = json.loads(text)
        intact = record["checksum"] == _checksum(record) and isinstance(record["files"], dict)
    except (ValueError, KeyError, TypeError, RecursionError):
        return "is not a complete record"
    if not intact:
        return "does not match its checksum"
    if record.get("address") != address:
        return f"belongs to {record.get('address')!r}"
    if record.get("format") != FORMAT:
        return f"has record format {record.get('format')!r}, expected {FORMAT}"
    return record_problem(record, text, PROTOCOL)


def _checksum(record: dict) -> str:
    content = {key: value for key, value in record.items() if key != "checksum"}
    return hashlib.sha256(canonical(content).encode()).hexdigest()
