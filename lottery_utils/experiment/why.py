"""What the address of a cell was made of, and in what two cells differ.

A cell is a record, or of one that is not stored what it would say: its address, name and inputs.
"""

from __future__ import annotations

from .cells import Cell
from .identity import DEFAULTS, Versions
from .store import Damaged, Store


def why_lines(cell: dict) -> list[str]:
    """What the address was made of, one line a thing; defaults, which are not hashed, are among them."""
    head = f"{cell['address']}  {cell['name']}" + ("" if "checksum" in cell else "  (not stored)")
    return [head, *(f"  {name} = {value}" for name, value in _flat(cell["inputs"]).items())]


def difference_lines(one: dict, other: dict, store: Store) -> list[str]:
    """In what the addresses of two cells differ; where upstream cells do, in what those differ."""
    first, second = (_flat(cell["inputs"], store) for cell in (one, other))
    names = [name for name in first | second if first.get(name) != second.get(name)]
    lines = [f"  {name}: {first.get(name, 'none')}  against  {second.get(name, 'none')}" for name in names]
    nothing = ["  the same cell: nothing differs"]
    return [f"{one['address']}  against  {other['address']}", *(lines or nothing)]


def _flat(made: dict, store: Store | None = None) -> dict[str, str]:
    """Dotted name to value as text, defaults included; with `store` also those of the cells upstream that it has."""
    defaults = {name: DEFAULTS[name] for name in Cell(**made["cell"]).case.settings}
    versions = dict.fromkeys(Versions._fields, 1) | made.get("versions", {})
    flat: dict[str, str] = {}
    for name, value in {**made, "settings": defaults | made["settings"], "versions": versions}.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": repr(item) for key, item in value.items() if item != ""}
        elif name != "upstream":
            flat[name] = str(value)
    for place, address in enumerate(made["upstream"]):
        flat[f"upstream {place}"] = address
        if store is not None and (upstream := _inputs(store, address)) is not None:
            flat |= {f"upstream {place}: {name}": value for name, value in _flat(upstream, store).items()}
    return flat


def _inputs(store: Store, address: str) -> dict | None:
    try:
        record = store.read(address)
    except Damaged:
        return None
    return record["inputs"] if record else None
