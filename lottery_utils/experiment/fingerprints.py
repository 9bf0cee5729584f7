"""Fingerprints of the model and the data, remembered so that looking at a study reads neither.

A remembered one counts while the files it came from keep name, size and times. Records are shared without
model and data; then the fingerprints in the records stand in, for reading only.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable
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
        self._found: dict[str, str] = {}

    def model(self) -> str:
        """Fingerprint of the pre-trained model; raises UserError when the model cannot be had."""
        if "model" not in self._found:  # asked for each cell: a signature looks at files
            self._found["model"] = self._get("model", self._hash_model)
        return self._found["model"]

    def data(self, task: str) -> str:
        """Fingerprint of a task's data under the preset's limits; raises UserError for unusable data."""
        limits = limits_of(self.preset, task)
        key = f"data {task} {(limits.train, limits.dev)}{' drawn' if limits.drawn else ''}"
        if key not in self._found:
            self._found[key] = self._get(key, lambda: self._hash_data(task), task)
        return self._found[key]

    def _get(self, key: str, compute: Callable[[], str], task: str = "") -> str:
        value = self._remembered(key)
        if value is None and self.reading and (self.stored or not _is_local(self._source(key))):
            value = self._recorded(task)
        if value is not None:
            return value
        try:
            value = compute()
        except UserError:
            value = self._recorded(task) if self.reading else None
            if value is None:
                raise
        else:
            self._remember(key, value)
        return value

    def _source(self, key: str) -> str:
        return self.preset.model if key == "model" else self.preset.data

    def _signature(self, key: str) -> str | None:
        """What changes with the files behind a fingerprint; None where nothing may be believed unread."""
        source = self._source(key)
        if source == "embedded":
            return _package_signature()
        if key == "model":
            return _files_signature(Path(source).expanduser()) if _is_local(source) else None
        if (path := task_file(source)) is not None:
            return _own_signature(path)
        if source == "hub":
            from ..tasks.sources import GLUE_REVISION

            return f"hub {GLUE_REVISION}"  # pinned, so it cannot change
        return _files_signature(Path(source).expanduser())

    def _hash_model(self) -> str:
        from ..models.source import model_fingerprint

        return model_fingerprint(self.preset.model)

    def _hash_data(self, task: str) -> str:
        from ..tasks.load import load_task

        return load_task(task, self.preset.data, limits_of(self.preset, task)).fingerprint

    def _key(self, key: str) -> str:
        # hashed, so that a shared results folder names no place on this machine
        source = self._source(key)
        place = str(Path(source).expanduser().resolve()) if _is_local(source) and source != "embedded" else source
        return hashlib.sha256(f"{key}\0{place}".encode()).hexdigest()[:24]

    def _remembered(self, key: str) -> str | None:
        signature, entry = self._signature(key), _read_cache(self.store.root).get(self._key(key))
        # a hub model has no signature here: it may have moved on, so only a reader believes what was seen last
        if not entry or entry[0] != signature or (signature is None and not self.reading):
            return None
        return entry[1]

    def _remember(self, key: str, value: str) -> None:
        if self.stored or not self.store.root.is_dir():
            return  # nothing is stored yet, and looking stores nothing
        with suppress(OSError):  # a read-only store is still readable
            entries = _read_cache(self.store.root)
            entries[self._key(key)] = [self._signature(key), value]
            replace(self.store.root / CACHE, dump(entries).encode())

    def remember_all(self) -> None:
        """Write what was found to the store, once a run has made it."""
        for key, value in self._found.items():
            self._remember(key, value)

    def _records(self) -> Iterable[dict]:
        """The store's records, read once where none are being made."""
        if not self.stored:
            return self.store.records()
        root = self.store.root
        return _kept_records(root, root.stat().st_mtime_ns) if root.is_dir() else ()

    def _recorded(self, task: str) -> str | None:
        """The one fingerprint the store's records have for the model, or for a task's data; None if not just one."""
        field = "data" if task else "model"
        limits = limits_of(self.preset, task)
        wanted = {"train_limit": limits.train, "dev_limit": limits.dev}
        if not task:
            wanted["model"] = label(self.preset.model)
        found: dict[str, set[str]] = {"same source": set(), "any": set()}
        for record in self._records():
            source, value = record.get("source", {}), record.get("inputs", {}).get(field)
            if not isinstance(value, str) or (task and record["cell"]["task"] != task):
                continue
            found["any"].add(value)
            if all(source.get(name) == value for name, value in wanted.items()):
                found["same source"].add(value)
        for values in found.values():
            if len(values) == 1:
                return values.pop()
        return None


@functools.lru_cache(maxsize=4)
def _kept_records(root: Path, changed: int) -> list[dict]:
    """The records in a folder that had its last cell added or removed at `changed`: several studies look at one."""
    return list(Store(root).records())


def label(source: str) -> str:
    """The name of a model or data source without its place on this machine."""
    return Path(source).expanduser().resolve().name if _is_local(source) and source != "embedded" else source


def _is_local(source: str) -> bool:
    here = source == "embedded" or source.startswith((".", "/", "~")) or Path(source).is_dir()
    return here or task_file(source) is not None


def _own_signature(path: Path) -> str | None:
    """Digest of the sizes and times of a YAML file and the data files it names.

    None, so that nothing is believed unread, for an unpinned dataset of the hub and where a file is missing.
    """
    digest = hashlib.sha256()
    try:
        definitions = read_task_file(path).values()
        if any(one.hub is not None and len(one.hub.revision) < 40 for one in definitions):
            return None
        for file in (path, *(file for one in definitions for split in ("train", "dev") for file in one.files(split))):
            stat = file.stat()
            digest.update(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\n".encode())
    except (UserError, OSError):
        return None
    return digest.hexdigest()[:24]


@functools.lru_cache(maxsize=1)
def _package_signature() -> str:
    return f"{__version__} " + _files_signature(FOLDER)


def _files_signature(folder: Path, depth: int = 2) -> str:
    """Digest of the names, sizes and times of the files below a folder, `depth` levels down."""
    digest, level = hashlib.sha256(), [folder]
    for _ in range(depth + 1):
        entries = [entry for place in level if place.is_dir() for entry in sorted(place.iterdir())]
        for path in entries:
            if path.is_file() and path.suffix != ".pyc":
                stat = path.stat()
                name = path.relative_to(folder).as_posix()
                digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}\n".encode())
        level = [path for path in entries if path.is_dir()]
    return digest.hexdigest()[:24]


def _read_cache(root: Path) -> dict[str, list]:
    try:
        return json.loads((root / CACHE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
