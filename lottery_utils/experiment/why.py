"""What the address of a cell was made of, and in what two cells differ."""

from __future__ import annotations

from dataclasses import dataclass

from .cells import Cell
from .identity import DEFAULTS, Versions
from .store import Damaged, Store


@dataclass(frozen=True)
class Made:
    """A cell's address, name, and everything that was hashed into the address (see `identity.inputs`)."""

    address: str
    name: str
    inputs: dict
    stored: bool


def made_of(record: dict) -> Made:
    """From a record."""
    return Made(record["address"], record["name"], record["inputs"], True)


def why_lines(made: Made) -> list[str]:
    """What the address was made of, one line a thing; settings at the default are not hashed, and marked so."""
    lines = [f"{made.address}  {made.name}" + ("" if made.stored else "  (not stored)")]
    settings = made.inputs.get("settings", {})
    for name, value in _flat(made.inputs).items():
        lines.append(f"  {name} = {value}")
    for name in Cell(**made.inputs["cell"]).case.settings:
        if name not in settings:
            lines.append(f"  settings.{name} = {DEFAULTS[name]!r}  (the default, not hashed)")
    return lines


def difference_lines(one: Made, other: Made, store: Store) -> list[str]:
    """In what the addresses of two cells differ; where upstream cells do, in what those differ."""
    lines = [f"{one.address}  against  {other.address}"]
    if one.address == other.address:
        return [*lines, "  the same cell: nothing differs"]
    return lines + (_differences(one.inputs, other.inputs, store, "  ") or ["  nothing that was recorded differs"])


def _differences(one: dict, other: dict, store: Store, indent: str) -> list[str]:
    first, second = ({**_defaults(made), **_flat(made)} for made in (one, other))
    lines = []
    for name in dict.fromkeys((*first, *second)):
        if name != "upstream" and first.get(name) != second.get(name):
            lines.append(f"{indent}{name}: {first.get(name, 'none')}  against  {second.get(name, 'none')}")
    ups = [one.get("upstream", []), other.get("upstream", [])]
    if len(ups[0]) != len(ups[1]):
        lines.append(f"{indent}upstream: {len(ups[0])} cells  against  {len(ups[1])}")
    for left, right in zip(*ups, strict=False):
        if left != right:
            lines.append(f"{indent}upstream {left}  against  {right}:")
            inputs = [_inputs(store, left), _inputs(store, right)]
            if None in inputs:
                lines.append(f"{indent}  not both stored, so not looked into")
            else:
                lines += _differences(*inputs, store, indent + "  ")
    return lines


def _defaults(inputs: dict) -> dict[str, str]:
    settings = {f"settings.{name}": repr(DEFAULTS[name]) for name in Cell(**inputs["cell"]).case.settings}
    return settings | {f"versions.{name}": "1" for name in Versions._fields}


def _flat(inputs: dict) -> dict[str, str]:
    """Dotted name to value as text; upstream addresses as one."""
    found = {}
    for name, value in inputs.items():
        if isinstance(value, dict):
            found |= {f"{name}.{key}": repr(item) for key, item in value.items() if item != ""}
        elif isinstance(value, list):
            found[name] = ", ".join(map(str, value)) or "none"
        else:
            found[name] = str(value)
    return found


def _inputs(store: Store, address: str) -> dict | None:
    try:
        record = store.read(address)
    except Damaged:
        return None
    return record["inputs"] if record else None
