"""What the address of a cell was made of, and in what two cells differ.

A cell is a record, or of one that is not stored what it would say: its address, name and inputs.
"""

from __future__ import annotations

from .cells import Cell
from .identity import DEFAULTS, Versions
from .store import Damaged, Store


def why_lines(cell: dict, stored: bool) -> list[str]:
    """What the address was made of, one line a thing; settings at the default are not hashed, and marked so."""
    made = cell["inputs"]
    lines = [f"{cell['address']}  {cell['name']}" + ("" if stored else "  (not stored)")]
    lines += [f"  {name} = {value}" for name, value in _flat(made).items()]
    defaults = [name for name in Cell(**made["cell"]).case.settings if name not in made["settings"]]
    return [*lines, *(f"  settings.{name} = {DEFAULTS[name]!r}  (the default, not hashed)" for name in defaults)]


def difference_lines(one: dict, other: dict, store: Store) -> list[str]:
    """In what the addresses of two cells differ; where upstream cells do, in what those differ."""
    lines = [f"{one['address']}  against  {other['address']}"]
    if one["address"] == other["address"]:
        return [*lines, "  the same cell: nothing differs"]
    differences = _differences(one["inputs"], other["inputs"], store, "  ")
    return [*lines, *(differences or ["  nothing that was recorded differs"])]


def _differences(one: dict, other: dict, store: Store, indent: str) -> list[str]:
    first, second = _flat(one, defaults=True), _flat(other, defaults=True)
    lines = []
    for name in dict.fromkeys((*first, *second)):
        if name != "upstream" and first.get(name) != second.get(name):
            lines.append(f"{indent}{name}: {first.get(name, 'none')}  against  {second.get(name, 'none')}")
    if len(one["upstream"]) != len(other["upstream"]):
        lines.append(f"{indent}upstream: {len(one['upstream'])} cells  against  {len(other['upstream'])}")
    for pair in zip(one["upstream"], other["upstream"]):
        if pair[0] != pair[1]:
            lines.append(f"{indent}upstream {pair[0]}  against  {pair[1]}:")
            made = [_inputs(store, address) for address in pair]
            known = None not in made
            lines += _differences(*made, store, indent + "  ") if known else [f"{indent}  not both stored"]
    return lines


def _flat(made: dict, defaults: bool = False) -> dict[str, str]:
    """Dotted name to value as text, upstream addresses as one; on request with what is left out at its default."""
    flat: dict[str, str] = {}
    if defaults:
        flat |= {f"settings.{name}": repr(DEFAULTS[name]) for name in Cell(**made["cell"]).case.settings}
        flat |= {f"versions.{name}": "1" for name in Versions._fields}
    for name, value in made.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": repr(item) for key, item in value.items() if item != ""}
        else:
            flat[name] = (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)
    return flat


def _inputs(store: Store, address: str) -> dict | None:
    try:
        record = store.read(address)
    except Damaged:
        return None
    return record["inputs"] if record else None
