"""The committed records, read by the standard library alone: what pages show is computed again from these."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

RECORDS = Path(__file__).resolve().parent.parent / "records"


def committed(study: str) -> list[tuple[dict, dict[str, bytes]]]:
    """The record of each packed cell below ``records/<study>``, and its other files by name."""
    cells: dict[str, dict[str, bytes]] = {}
    for path in sorted((RECORDS / study).glob("*.tar.xz")):
        with tarfile.open(path, "r:xz") as archive:
            for member in archive:
                address, name = member.name.split("/")
                cells.setdefault(address, {})[name] = archive.extractfile(member).read()
    return [(json.loads(files["record.json"]), files) for _, files in sorted(cells.items())]
