"""Fingerprints of the model and the data, remembered so that looking at a study reads neither.

A remembered one counts while the files it came from keep name, size and times. Records are shared without
model and data; then the fingerprints in the records stand in, for reading only.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .. import __version__
from ..demo.files import FOLDER
from ..disk import replace
from ..errors import UserError
from ..presets import Preset, limits_of
from ..taskfile import read_task_file, task_file
from .record import dump
from .store import Store

CACHE = ".fingerprints.json"


class Fingerprints:
    """Fingerprints for one preset and store: `model()` and `data(task)`, each found once.

    With `reading` a source that is out of reach may be replaced by what the records say; a run never does that. With
    `stored` too the records are asked first, and nothing is written beside them: they were made before, elsewhere.
    """

    def __init__(self, preset: Preset, store: Store, reading: bool = False, stored: bool = False):
        self.preset, self.store, self.reading, self.stored = preset, store, reading or stored, stored
        self._found: dict[str, str] = {}  # by task; "" is the model

    def model(self) -> str:
        """Fingerprint of the pre-trained model; raises UserError when the model cannot be had."""
        return self.data("")

    def data(self, task: str) -> str:
        """Fingerprint of a task's data under the preset's limits; raises UserError for unusable data."""
        if task not in self._found:  # asked for each cell: a signature looks at files
            self._found[task] = self._find(task)
        return self._found[task]

    def _find(self, task: str) -> str:
        value = self._remembered(task)
        if value is None and self.reading and (self.stored or not _is_local(self._source(task))):
            value = self._recorded(task)
        if value is not None:
            return value
        try:
            value = self._hash(task)
        except UserError:
            value = self._recorded(task) if self.reading else None
            if value is None:
                raise
        else:
            self._remember(task, value)
        return value

    def _hash(self, task: str) -> str:
        """The fingerprint from the files themselves."""
        if task:
            from ..tasks.load import load_task

            return load_task(task, self.preset.data, limits_of(self.preset, task)).fingerprint
        from ..models.source import model_fingerprint

        return model_fingerprint(self.preset.model)

    def _source(self, task: str) -> str:
        return self.preset.data if task else self.preset.model

    def _signature(self, task: str) -> str | None:
        """What changes with the files behind a fingerprint; None where nothing may be believed unread."""
        source = self._source(task)
        if task and source == "hub":
            from ..tasks.sources import GLUE_REVISION

            return GLUE_REVISION  # pinned, so it cannot change
        if not _is_local(source):
            return None  # a model of the hub may have moved on
        with suppress(UserError, OSError):
            files = _files_behind(source)
            return None if files is None else _digest(files)
        return None

    def _key(self, task: str, signature: str | None) -> str:
        # hashed, so that a shared results folder names no place on this machine
        source = self._source(task)
        place = str(Path(source).expanduser().resolve()) if _is_local(source) and source != "embedded" else source
        limits = limits_of(self.preset, task) if task else None
        return _hex("\0".join(map(str, (task, limits, place, signature))))

    def _remembered(self, task: str) -> str | None:
        signature = self._signature(task)
        if signature is None and not self.reading:  # what was seen last is good enough for a reader
            return None
        return _read_cache(self.store.root).get(self._key(task, signature))

    def _remember(self, task: str, value: str) -> None:
        if self.stored or not self.store.root.is_dir():
            return  # nothing is stored yet, and looking stores nothing
        with suppress(OSError):  # a read-only store is still readable
            entries = _read_cache(self.store.root) | {self._key(task, self._signature(task)): value}
            replace(self.store.root / CACHE, dump(entries).encode())

    def remember_all(self) -> None:
        """Write what was found to the store, once a run has made it."""
        for task, value in self._found.items():
            self._remember(task, value)

    def _recorded(self, task: str) -> str | None:
        """The one fingerprint the store's records have for the model, or for a task's data; None if not just one."""
        root, limits = self.store.root, limits_of(self.preset, task)
        wanted = {"train_limit": limits.train, "dev_limit": limits.dev} if task else {"model": label(self.preset.model)}
        of_source, of_any = set(), set()
        for record in _records(root, root.stat().st_mtime_ns) if root.is_dir() else ():
            value = record["inputs"].get("data" if task else "model")
            if isinstance(value, str) and task in ("", record["cell"]["task"]):
                of_any.add(value)
                if wanted.items() <= record["source"].items():
                    of_source.add(value)
        return next((values.pop() for values in (of_source, of_any) if len(values) == 1), None)


@functools.lru_cache(maxsize=4)
def _records(root: Path, changed: int) -> list[dict]:
    """The records in a folder that had its last cell added or removed at `changed`: several studies look at one."""
    return list(Store(root).records())


def label(source: str) -> str:
    """The name of a model or data source without its place on this machine."""
    return Path(source).expanduser().resolve().name if _is_local(source) and source != "embedded" else source


def _is_local(source: str) -> bool:
    here = source == "embedded" or source.startswith((".", "/", "~")) or Path(source).is_dir()
    return here or task_file(source) is not None


def _files_behind(source: str) -> list[Path] | None:
    """The files a local source is read from; None where a dataset of the hub that is not pinned is among them."""
    path = task_file(source)
    if path is None:
        folder = FOLDER if source == "embedded" else Path(source).expanduser()
        found = [file for pattern in ("*", "*/*", "*/*/*") for file in folder.glob(pattern)]
        return sorted(file for file in found if file.is_file() and file.suffix != ".pyc")
    definitions = read_task_file(path).values()
    if any(one.hub is not None and len(one.hub.revision) < 40 for one in definitions):
        return None
    return [path, *(file for one in definitions for split in ("train", "dev") for file in one.files(split))]


def _digest(files: Iterable[Path]) -> str:
    """Digest of the names, sizes and times of files, and of the version of this package."""
    stats = [(file, file.stat()) for file in files]
    lines = [f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\n" for file, stat in stats]
    return _hex("".join([__version__, *lines]))


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]


def _read_cache(root: Path) -> dict[str, str]:
    try:
        found = json.loads((root / CACHE).read_text(encoding="utf-8"))
        return {key: value for key, value in found.items() if isinstance(value, str)}
    except (OSError, ValueError, AttributeError):
        return {}
