"""Where a result came from: versions, commit, device, dates. No path or host name of the machine is kept."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from .. import __version__
from ..errors import one_line
from ..models.source import model_name, name_of_record
from ..presets import Preset
from .energy import how

# an absolute path: a slash that follows no word, as "mrpc/42" and "https://" have
ROOTED = re.compile(r"""(?<![\w.:/])~?/(?:[^\s"',;=/\[\]{}]+/)*([^\s"',;=/\[\]{}]+)/?""")
PACKAGES = ("torch", "transformers", "datasets", "numpy", "safetensors", "scikit-learn")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of Python, this package and those that can move a result."""
    found = {"python": ".".join(map(str, sys.version_info[:3])), "lottery_utils": __version__}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


class Commit(NamedTuple):
    """The commit of the code, whether tracked files differ from it, and where it is not known, why."""

    head: str | None
    dirty: bool | None
    missing: str | None = None


@lru_cache(maxsize=1)
def commit() -> Commit:
    """The commit of the package's checkout; of installed code there is none, whatever repository lies around it."""
    package = Path(__file__).resolve().parents[1]
    try:
        _git(package, "ls-files", "--error-unmatch", "__init__.py")
        head = _git(package, "rev-parse", "HEAD")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".", "../lottery_book")
        return Commit(head, bool(changed))
    except (OSError, subprocess.SubprocessError) as error:  # it is not installed, gives no answer, or says no
        reason = getattr(error, "stderr", None) or f"{type(error).__name__}: {error}"
        return Commit(None, None, f"git: {without_folders(one_line(reason, 200))}")


def _git(folder: Path, *arguments: str) -> str:
    """What git prints about the checkout around `folder`, whoever owns it, and whatever the environment points at."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    call = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    environment["LC_ALL"] = "C"
    done = subprocess.run(call, capture_output=True, text=True, timeout=20, check=True, env=environment)
    return done.stdout.strip()


def command() -> str:
    """The command that started this process, folders of the machine cut off."""
    name = Path(sys.argv[0] or "python").name
    return " ".join(["lottery" if name == "cli.py" else name, *(without_folders(a) for a in sys.argv[1:])])


def without_folders(text: str) -> str:
    """`text` with every absolute path in it cut to its last part: a record may be published."""
    return ROOTED.sub(r"\1", text)


def now() -> str:
    """The time now in UTC, ISO format to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _model(preset: Preset, records: list[dict]) -> str:
    """The model's readable name, from a record that used it where there is one."""
    used = [record for record in records if "model" in record["inputs"]] or records
    return name_of_record(used[-1]) if used else model_name(preset.model)


def summary(preset: Preset, records: list[dict], earlier: Collection[str] = ()) -> dict:
    """Where finished cells came from: preset, device(s), dates, versions, commits, data, seconds and energy in all.

    seeds are those that have a record, the preset's where there is none. energy_kwh and co2_kg are sums over the
    `measured` cells (None when there is none), `energy_how` says how. `earlier` are the addresses of records that an
    earlier version of the rules made; of the cells so many are.
    """
    measured = [r for r in records if r.get("energy_kwh") is not None]
    versions: dict[str, dict[str, None]] = {}
    for record in records:
        for name, version in record["versions"].items():
            versions.setdefault(name, {})[version] = None
    sources = {r["cell"]["task"]: r for r in records}
    seeds = {r["cell"]["seed"] for r in records}
    return {
        "preset": preset.name,
        "model": _model(preset, records),
        "tasks": list(preset.tasks),
        "seeds": [seed for seed in preset.seeds if seed in seeds] or list(preset.seeds),
        "cells": len(records),
        "earlier": sum(record["address"] in earlier for record in records),
        "devices": sorted({r["device"] for r in records}),
        "started": min((r["started"] for r in records), default=None),
        "ended": max((r["ended"] for r in records), default=None),
        "seconds": sum(r["seconds"] for r in records),
        "measured": len(measured),
        "energy_kwh": sum(r["energy_kwh"] for r in measured) if measured else None,
        "co2_kg": sum(r.get("co2_kg") or 0.0 for r in measured) if measured else None,
        "gpu_hours": sum(r.get("gpu_hours", 0.0) for r in records),
        "energy_how": list(dict.fromkeys(how(r) for r in records)),
        "versions": {name: list(found) for name, found in versions.items()},
        "commits": sorted({r["commit"] for r in records if r["commit"]}),
        "dirty": any(r["dirty"] for r in records),
        "partial": sorted(task for task, r in sources.items() if r["partial"]),
        "data": {task: {"source": r["data_source"], "notes": r["data_notes"]} for task, r in sources.items()},
        "notes": dict(Counter(note for r in records for note in r["notes"])),
    }
