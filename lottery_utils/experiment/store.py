"""The store: one folder a finished cell, complete or absent, never overwritten.

``<root>/<address>/record.json`` with its payload beside it. A cell is written into ``.staging`` and
renamed into place as a whole after everything is flushed, so a killed writer leaves no half cell.
A cell without a folder may be in a pack of `root`, see `packs`; packs are only read.
This module alone knows file names. It imports no torch.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..disk import Unreadable, as_umask, flush, readable, replace, require_file, sha256
from ..errors import UserError, one_line, usable_path
from .locks import FOLDER
from .packs import DamagedPack, pack_of, pack_paths, read_pack
from .record import FORMAT, RECORD, Damaged, checksum, dump, is_address, parse

MASK = "mask.safetensors"
TRAJECTORY = "trajectory.safetensors"
PREDICTIONS = "predictions.safetensors"
CHECKPOINT = "model.safetensors"
# may be absent: records are shared without what has a byte or more a weight; the second is listed by older curves
OPTIONAL = (CHECKPOINT, "levels.safetensors")
STAGING, FAILURES, SCRATCH = ".staging", ".failures", ".scratch"


class Store:
    """Finished cells below the folder `root`, which is made at the first write."""

    def __init__(self, root: Path | str):
        self.root = usable_path("results directory", str(root))
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
        folders = {name for name in os.listdir(self.root) if is_address(name) and self.has_record(name)}
        return sorted(folders.union(*(read_pack(path, records_only=True) for path in pack_paths(self.root))))

    def has_record(self, address: str) -> bool:
        """Whether a cell's folder has a record, or may have one and cannot be looked into."""
        try:
            return (self.root / address / RECORD).is_file()
        except OSError:  # whoever reads it will say so
            return True

    def records(self) -> Iterator[dict]:
        """The intact records, in the order of addresses; one that cannot be read is named on standard error."""
        for address in self.addresses():
            try:
                record = self.read(address)
            except Unreadable as error:
                print(f"left out: {error}", file=sys.stderr)
                continue
            except Damaged:
                continue
            if record is not None:
                yield record

    def read(self, address: str, deep: bool = False) -> dict | None:
        """The record of a cell, None when there is none.

        Raises Damaged when the record does not parse, or does not match its own checksum or address; with `deep` also
        when another file is missing or altered, but for the `OPTIONAL` ones, which are looked at when they are used.
        DamagedPack for a damaged pack, and Unreadable for a file that cannot be read.
        """
        content = self.file(address, RECORD)
        if content is None:
            folder = self.folder(address)
            if folder.is_symlink() and not folder.exists():  # its bytes are elsewhere, and may be intact
                raise Unreadable(f"stored cell: {folder} is a link to nothing; bring back what it leads to")
            if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
                raise Damaged(f"{address}: half-written, it has no {RECORD}")
            return None
        record = parse(content, address)
        for name in record["files"].keys() - OPTIONAL if deep else ():
            self._checked(record, name)
        return record

    def content(self, address: str, name: str) -> bytes | None:
        """A payload file, after comparing its checksum with the record's; None where the cell came without it.

        Raises KeyError when the cell is not stored or its record lists no such file, Damaged when the
        file is missing or altered.
        """
        record = self.read(address)
        if record is None or name not in record["files"]:
            raise KeyError(address, name)
        return self._checked(record, name)

    def _checked(self, record: dict, name: str) -> bytes | None:
        """A file of a cell, None where it may be absent and is; raises Damaged for another than the recorded one."""
        address = record["address"]
        content = self.file(address, name)
        if content is None:
            if name in OPTIONAL or (name == MASK and record["cell"].get("method") == "magnitude"):
                return None  # what has a byte or a bit a weight is not always shared
            raise Damaged(f"{address}: {name} is missing")
        if hashlib.sha256(content).hexdigest() != record["files"][name]:
            raise Damaged(f"{address}: {name} does not match its checksum")
        return content

    def file(self, address: str, name: str) -> bytes | None:
        """A file as it lies there: of a cell's folder, or where that has no record of its pack; None for none."""
        path = self.folder(address) / name
        with readable(path):
            if path.with_name(RECORD).is_file():
                return path.read_bytes() if path.is_file() else None
        pack = self.root / pack_of(address)
        return read_pack(pack, name == RECORD).get(address, {}).get(name) if pack.is_file() else None

    def write(self, address: str, record: dict, files: dict[str, Callable[[Path], None]]) -> dict:
        """Store a cell and return its record.

        `files` maps a name to a function that writes the file at the path it is given. A cell that is
        already stored is left as it is, and its record returned.
        """
        record = {**record, "format": FORMAT, "address": address}

        def complete(path: Path) -> None:
            record["files"] = {name: sha256(path.with_name(name)) for name in files}
            record["checksum"] = checksum(record)
            path.write_text(dump(record), encoding="utf-8")

        return record if self.put(address, {**files, RECORD: complete}) else self.read(address)

    def put(self, address: str, files: dict[str, Callable[[Path], object]]) -> bool:
        """Have a cell's files written into a folder, and rename that into place; False where a cell is there."""
        staging = self._staging() / f"{address}.{os.getpid()}.{secrets.token_hex(4)}"
        staging.mkdir()
        try:
            for name, writer in files.items():
                writer(staging / name)
                as_umask(staging / name)
                flush(staging / name)
            flush(staging)
            os.rename(staging, self.folder(address))
            flush(self.root)
            return True
        except OSError:
            if self.read(address) is None:
                raise
            return False  # another worker was first: theirs stays
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def set_aside(self, address: str) -> Path:
        """Rename a damaged cell to ``<address>.damaged-N`` and return where it now is.

        UserError for one in a pack, and where a file of it is not there to be read.
        """
        if not os.path.lexists(self.folder(address)):
            raise DamagedPack(self.root / pack_of(address), f"{address} is not as its record says")
        for path in self.folder(address).glob("*"):
            require_file("stored cell", path)  # bytes that are elsewhere, as behind a link or a pointer, may be intact
        names = (self.root / f"{address}.damaged-{number}" for number in itertools.count(1))
        target = next(path for path in names if not path.exists())
        os.rename(self.folder(address), target)
        return target

    # weights, which may be absent

    def checkpoint(self, address: str) -> Path | None:
        """Path of a cell's checkpoint; None when it is gone, or another than the recorded one."""
        path = self.folder(address) / CHECKPOINT
        with suppress(Damaged):
            record = self.read(address) if path.exists() else None
            return path if record and record["files"].get(CHECKPOINT) == sha256(path) else None
        return None

    def scratch(self, address: str) -> Path:
        """A folder for files about `address` that are no result and may be deleted at any time."""
        path = self.root / SCRATCH / address
        path.mkdir(parents=True, exist_ok=True)
        return path

    # failures: what went wrong with a cell that has no record

    def fail(self, address: str, failure: dict) -> None:
        """Note the failure of a cell (its name, the error's one line, when)."""
        replace(self._failure(address), dump(failure).encode())

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
        return self.root / FAILURES / f"{address}.json"

    # housekeeping

    def prepare(self) -> None:
        """Make the folders; raises UserError where cells cannot be written, flushed or renamed, as on some mounts."""
        try:
            for name in (FOLDER, FAILURES):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="probe.", dir=self._staging()) as probe:
                (cell := Path(probe, "cell")).mkdir()
                (cell / RECORD).touch()
                flush(cell / RECORD)
                cell.rename(cell.with_name("renamed"))
            flush(self.root)
        except OSError as error:
            place = error.filename or str(self.root)
            text = f"cannot write results to {place!r}: {error.strerror or error}; give another results directory"
            raise UserError(text) from None

    def clear_staging(self, address: str) -> None:
        """Remove what killed writers of a cell left; call it under the cell's claim."""
        for path in self._staging().glob(f"{address}.*"):
            shutil.rmtree(path, ignore_errors=True)

    def _staging(self) -> Path:
        path = self.root / STAGING
        path.mkdir(parents=True, exist_ok=True)
        return path
