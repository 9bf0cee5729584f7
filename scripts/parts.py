"""Folders in one archive, cut into files of limited size with a list of them; and whole again, checked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from lottery_utils.errors import UserError, usable_folder

LIST = "parts.json"


class _Cut(io.RawIOBase):
    """A file to write to that is many: each of `size` bytes, but the last."""

    def __init__(self, folder: Path, size: int):
        self.folder, self.size, self.parts = folder, size, []
        self.file, self.room = None, 0

    def writable(self) -> bool:
        return True

    def write(self, content) -> int:
        content = memoryview(content)
        rest = content
        while len(rest):
            if not self.room:
                self._next()
            piece, rest = rest[: self.room], rest[self.room :]
            self.file.write(piece)
            self.room -= len(piece)
        return len(content)

    def _next(self) -> None:
        self.finish()
        self.parts.append(self.folder / f"part-{len(self.parts) + 1:02d}")
        self.file, self.room = self.parts[-1].open("wb"), self.size

    def finish(self) -> None:
        if self.file is not None:
            self.file.close()


class _Joined(io.RawIOBase):
    """The parts, end to end, as a file to read from."""

    def __init__(self, paths: list[Path]):
        self.paths, self.file = list(paths), None

    def readable(self) -> bool:
        return True

    def readinto(self, room) -> int:
        while self.file is not None or self.paths:
            self.file = self.file or self.paths.pop(0).open("rb")
            if count := self.file.readinto(room):
                return count
            self.file.close()
            self.file = None
        return 0


def write_parts(folder: Path, out: Path, megabytes: float, files: int | None = None) -> list[Path]:
    """Write what is in `folder` as parts of at most `megabytes` (10^6 bytes) into `out`, and return their paths.

    Raises UserError where `out` is not empty, and where parts and their list are more than `files`.
    """
    usable_folder("the folder for parts", out)
    if any(out.iterdir()):
        raise UserError(f"{out} is not empty; give a new folder, so that old parts do not mix with these")
    cut = _Cut(out, int(megabytes * 1e6))
    with tarfile.open(fileobj=cut, mode="w|gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name)
    cut.finish()
    if files is not None and len(cut.parts) + 1 > files:
        for path in cut.parts:
            path.unlink()
        needed = f"{len(cut.parts)} parts of {megabytes:g} MB and their list are more than {files} files"
        raise UserError(f"{needed}; allow more, or larger ones, or choose fewer tasks with --tasks")
    listed = [{"name": path.name, "bytes": path.stat().st_size, "sha256": _sha256(path)} for path in cut.parts]
    (out / LIST).write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return cut.parts


def read_parts(folder: Path, target: Path) -> None:
    """Unpack the parts in `folder` into `target`; raises UserError for a part that is missing or altered."""
    paths = [_checked(folder, part) for part in _listed(folder)]
    usable_folder("the folder to unpack into", target)
    try:
        with tarfile.open(fileobj=_Joined(paths), mode="r|gz") as archive:
            archive.extractall(target, filter="data")
    except tarfile.TarError as error:
        raise UserError(f"{folder}: its parts hold no archive ({error}); pack them again") from None


def _listed(folder: Path) -> list[dict]:
    try:
        parts = json.loads((folder / LIST).read_text(encoding="utf-8"))
        return [{key: part[key] for key in ("name", "bytes", "sha256")} for part in parts]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder} has no readable {LIST}, the list of its parts; bring that file along too") from None


def _checked(folder: Path, part: dict) -> Path:
    path = folder / Path(part["name"]).name
    if not path.is_file():
        raise UserError(f"{path} is missing, one of the parts that {LIST} lists; bring it too")
    if path.stat().st_size != part["bytes"]:
        raise UserError(f"{path} has {path.stat().st_size} bytes, expected {part['bytes']}; bring it again")
    if _sha256(path) != part["sha256"]:
        raise UserError(f"{path} has another checksum than {LIST} says; bring it again")
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
