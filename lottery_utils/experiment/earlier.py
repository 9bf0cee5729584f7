"""Records of earlier versions of the rules: they are shown as such, and today's code would not make them again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import UserError
from ..presets import PRESETS, Preset
from .cells import Cell
from .identity import EARLIER, PRESENT, address, versions_of

EARLIER_VERSION = "earlier version, not reproducible by today's code"


def is_earlier(record: dict) -> bool:
    """Whether a record's own step was made by another version of the rules than today's code would make it by."""
    return record["inputs"].get("versions", {}) != _versions_today(record)


def earlier_addresses(records: Iterable[dict]) -> set[str]:
    """Addresses of those of `records` that are earlier, or were made from what is.

    Where that is not among them, the record's preset tells, unless other settings than the preset's made it.
    """
    of_address = {record["address"]: record for record in records}
    upstream = {key: record["inputs"]["upstream"] for key, record in of_address.items()}
    earlier = {key for key, record in of_address.items() if is_earlier(record)}
    orphans = (key for key, needed in upstream.items() if not of_address.keys() >= set(needed))
    earlier |= {key for key in orphans if key not in earlier and _is_earlier_by_preset(of_address[key])}
    while behind := {a for a, needed in upstream.items() if a not in earlier and not earlier.isdisjoint(needed)}:
        earlier |= behind
    return earlier


def _is_earlier_by_preset(record: dict) -> bool:
    """Whether a record's preset, with the settings it names, leads to its address by earlier versions only."""
    made, seeds = record["inputs"], {int(name.split("/")[1]) for name in record["upstream"]}
    try:
        preset = replace(PRESETS[record["preset"]], **made["settings"], seeds=tuple(sorted(seeds)))
        keys = [address(Cell(**made["cell"]), preset, made["model"], made["data"], v) for v in (PRESENT, *EARLIER)]
    except (UserError, KeyError, TypeError):  # its files are not at hand, or preset or settings are not known
        return False
    return record["address"] in keys and record["address"] != keys[0]


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
