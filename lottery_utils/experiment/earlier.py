"""Records of earlier versions of the rules: they are shown as such, and today's code would not make them again."""

from __future__ import annotations

from collections.abc import Iterable

from ..presets import Preset
from .cells import Cell
from .identity import PRESENT, versions_of

EARLIER_VERSION = "earlier version, not reproducible by today's code"


def is_earlier(record: dict) -> bool:
    """Whether a record's own step was made by another version of the rules than today's code would make it by."""
    return record["inputs"].get("versions", {}) != _versions_today(record)


def earlier_addresses(records: Iterable[dict]) -> set[str]:
    """Addresses of those of `records` that are earlier, or were made from one of them that is."""
    earlier, upstream = set(), {}
    for record in records:
        upstream[record["address"]] = record["inputs"]["upstream"]
        if is_earlier(record):
            earlier.add(record["address"])
    while behind := {a for a, needed in upstream.items() if a not in earlier and not earlier.isdisjoint(needed)}:
        earlier |= behind
    return earlier


def version_note(record: dict) -> str:
    """By which version of which rules an earlier record was made: "search 1, today 2", or by what it was made from."""
    made, today = record["inputs"].get("versions", {}), _versions_today(record)
    differing = [name for name in PRESENT._fields if made.get(name, 1) != today.get(name, 1)]
    texts = [f"{name} {made.get(name, 1)}, today {today.get(name, 1)}" for name in differing]
    return "; ".join(texts) or "made from such a one"


def _versions_today(record: dict) -> dict[str, int]:
    inputs = record["inputs"]
    # what decides is among the settings that the stage reads, and those at the default are left out
    deciding = {name: inputs["settings"][name] for name in ("dropout", "importance") if name in inputs["settings"]}
    return versions_of(Cell(**inputs["cell"]), Preset(**deciding))
