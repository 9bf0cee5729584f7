"""Fingerprints of the model and the data, remembered so that looking at a study reads neither.

A remembered one counts while the files it came from keep name, size and times. Records are shared without
model and data; then the fingerprints in the records stand in, for reading only.
"""

from __future__ import annotations

import functools
import hashlib
import json
from contextlib import suppress
from pathlib import Path

from .. import __version__
from ..demo import FOLDER
from ..disk import replace
from ..errors import UserError
from ..presets import Preset, limits_of
from ..taskfile import task_file
from .record import dump
from .store import Store

CACHE = ".fingerprints.json"


class Fingerprints(dict[str, str]):
    """Fingerprints for one preset and store: of each task's data by its name, of the model by "", found when asked for.

    With `reading` the records are asked about what is not on this disk; a run never does that. With `stored` they are
    asked before the files: they were made before, elsewhere. Raises UserError for a model that cannot be had, and for
    unusable data.
    """

    def __init__(self, preset: Preset, store: Store, reading: bool = False, stored: bool = False):
        self.preset, self.store, self.reading, self.stored = preset, store, reading or stored, stored

    def __missing__(self, task: str) -> str:
        believed = self.stored or (self.reading and not _is_local(self._source(task)))
        found = _read_cache(self.store.root).get(self._key(task)) or (believed and self._recorded(task))
        try:
            self[task] = found or self._hash(task)
        except UserError:
            if not (self.reading and (found := self._recorded(task))):
                raise
            self[task] = found
        return self[task]

    def _hash(self, task: str) -> str:
        """The fingerprint from the files themselves."""
        if task:
            from ..tasks.load import load_task

            return load_task(task, self.preset.data, limits_of(self.preset, task)).fingerprint
        from ..models.source import model_fingerprint

        return model_fingerprint(self.preset.model)

    def _source(self, task: str) -> str:
        return self.preset.data if task else self.preset.model

    def _key(self, task: str) -> str:
        """What is remembered of a source is under; empty where nothing may be believed unread."""
        signature = _signature(task, self._source(task))
        limits = limits_of(self.preset, task) if task else None
        return _hex("\0".join(map(str, (task, limits, signature)))) if signature else ""

    def remember(self) -> None:
        """Write what was found into the store's folder, if that is there."""
        found = {key: value for task, value in self.items() if (key := self._key(task))}
        before = _read_cache(self.store.root)
        if self.store.root.is_dir() and not found.items() <= before.items():
            with suppress(OSError):  # a read-only store is still readable
                replace(self.store.root / CACHE, dump(before | found).encode())

    def _recorded(self, task: str) -> str | None:
        """The one fingerprint the store's records have for the model, or for a task's data; None if not just one.

        Records that name the same source, and limits, come before the others.
        """
        root, limits = self.store.root, limits_of(self.preset, task)
        wanted = {"train_limit": limits.train, "dev_limit": limits.dev} if task else {"model": label(self.preset.model)}
        of_source, of_any = set(), set()
        for record in _records(root, root.stat().st_mtime_ns) if root.is_dir() else ():
            value = record["inputs"].get("data" if task else "model")
            if value is not None and task in ("", record["cell"]["task"]):
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


def _signature(task: str, source: str) -> str:
    """What changes with the files behind a source; empty for one that is small, or may have moved on at the hub."""
    if task and source == "hub":
        from ..tasks.sources import GLUE_REVISION

        return GLUE_REVISION  # pinned, so it cannot change
    if not _is_local(source) or task_file(source) is not None:
        return ""
    folder = FOLDER if source == "embedded" else Path(source).expanduser().resolve()
    lines = [__version__]
    with suppress(OSError):
        for file in sorted(file for pattern in ("*", "*/*", "*/*/*") for file in folder.glob(pattern)):
            stat = file.stat()
            lines.append(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}")
        return _hex("\n".join(lines))
    return ""


def _hex(text: str) -> str:
    # hashed, so that a shared results folder names no place on this machine
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:24]


def _read_cache(root: Path) -> dict[str, str]:
    try:
        return dict(json.loads((root / CACHE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
