"""Executed chapters that need not run again: nothing that they are made from has changed since."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

PACKAGES = [Path(__file__).resolve().parents[2] / name for name in ("lottery_utils", "lottery_book")]
SETTINGS = ("LOTTERY_", "MPL")  # environment variables that decide what a chapter shows
UNREAD = (".claims", ".scratch", ".staging", ".fingerprints.json", "__pycache__")  # no chapter shows what is there


class Kept:
    """Executed chapters in `folder`, each with a digest of all that it was made from.

    That is: the notebook, `parameters`, the code and data of the two packages, the files of the results folder and of
    `records` in the working directory (names, sizes and times of change), Python and every installed package.
    """

    def __init__(self, folder: Path, parameters: dict, results_dir: str | Path):
        self.folder = folder
        self.folders = (Path(results_dir), Path("records"))
        settings = {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}
        packages = sorted(f"{found.name} {found.version}" for found in distributions())
        code = [line for folder in PACKAGES for line in _contents(folder)]
        made_with = [parameters, settings, sys.prefix, sys.version, packages, *code]
        self.made_with = json.dumps(made_with, default=str)
        self.state = self._digest()

    def take(self, source: Path, target: Path) -> bool:
        """Copy the executed chapter of notebook `source` into folder `target`, if nothing changed since it was run."""
        name, digest = self.folder / source.name, self.folder / f"{source.name}.made-from"
        if not name.is_file() or not digest.is_file() or digest.read_text(encoding="utf-8") != self._of(source):
            return False
        shutil.copyfile(name, target / source.name)
        return True

    def keep(self, source: Path, executed: Path) -> None:
        """Keep chapter `executed` of notebook `source`, unless what it was made from changed while it ran."""
        if self._digest() != self.state:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        name, digest = self.folder / source.name, self.folder / f"{source.name}.made-from"
        digest.unlink(missing_ok=True)  # a stop here leaves a chapter that is run again
        shutil.copyfile(executed, name)
        digest.write_text(self._of(source), encoding="utf-8")

    def _of(self, source: Path) -> str:
        return hashlib.sha256(self.state.encode() + source.read_bytes()).hexdigest()

    def _digest(self) -> str:
        stamps = [stamp for folder in self.folders for stamp in _stamps(folder)]
        return hashlib.sha256(json.dumps([self.made_with, stamps]).encode()).hexdigest()


def _contents(folder: Path) -> Iterator[str]:
    """Digest of each file under `folder`, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not set(UNREAD) & set(path.relative_to(folder).parts):
            yield f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _stamps(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of each file under `folder`, in order."""
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if name not in UNREAD)
        for name in sorted(set(names) - set(UNREAD)):
            about = os.stat(os.path.join(place, name))
            found.append((os.path.join(place, name), about.st_size, about.st_mtime_ns))
    return found
