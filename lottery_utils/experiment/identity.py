"""The address of a cell: a hash of exactly what can change its result, behind a readable prefix.

Records of earlier versions of the rules are shown as such, and today's code would not make them again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UserError
from ..methods import CURVE_SIZES, is_own, own_print
from ..methods import METHODS as OWN_METHODS
from ..places import function_at
from ..presets import PRESETS, Preset
from .cells import Cell, upstream
from .stage_table import STAGES, SUMS

if TYPE_CHECKING:
    import numpy as np

# Raise this by hand when a change of the code changes all results; old records stay beside the new ones.
PROTOCOL = 1
EARLIER_VERSION = "earlier version, not reproducible by today's code"


class Versions(NamedTuple):
    """What a change of the code has changed the results of, numbered by hand; 1 is left out of addresses.

    dropout: what trains with it. 2: on a CPU drawn from 16 bits a place, and in bf16 other products. search: structured
    searches and curves, and the stop rule of all but `released` ones. 2: layer norms over all heads, a continuous least
    target, one MLP a step above 12 layers.
    """

    dropout: int = 2
    search: int = 2


PRESENT = Versions()
EARLIER = (Versions(dropout=1, search=1),)  # in which older records were made: shown, and never made again
# settings that name a file, and what prints its content
FILES = {"hans": "lottery_book.hans:text_print", "probe_text": "lottery_book.probes.tokens:text_print"}
DEFAULTS = {field.name: field.default for field in fields(Preset)}


@lru_cache(maxsize=100_000)
def address(cell: Cell, preset: Preset, model: str, data: str, versions: Versions = PRESENT) -> str:
    """Address such as ``mrpc-structured-good-retrain-42-1a2b3c4d5e``.

    `model` and `data` are content fingerprints (hex), the latter of the cell's task. Settings at
    the default of `Preset` are left out, so a new field does not orphan old records; so are the
    device, the engine, the batch layout of evaluation and where results lie.
    """
    digest = hashlib.sha256(canonical(inputs(cell, preset, model, data, versions)).encode()).hexdigest()
    parts = [cell.task, cell.method, cell.subnetwork, cell.stage, str(cell.seed), digest[:10]]
    return "-".join(part for part in parts if part)


@dataclass(frozen=True)
class Key:
    """What the addresses of a study are made of beside the cell: its preset, and fingerprints.

    `prints` has the model's under "" and that of a task's data under the task; see `fingerprints`, which finds them.
    """

    preset: Preset
    prints: Mapping[str, str]

    @property
    def model(self) -> str:
        """Fingerprint of the pre-trained model."""
        return self.prints[""]

    def address(self, cell: Cell, versions: Versions = PRESENT) -> str:
        """Address of a cell of the study."""
        return address(cell, self.preset, self.model, self.prints[cell.task], versions)

    def inputs(self, cell: Cell, versions: Versions = PRESENT) -> dict:
        """Everything the address of a cell is made of."""
        return inputs(cell, self.preset, self.model, self.prints[cell.task], versions)


def inputs(cell: Cell, preset: Preset, model: str, data: str, versions: Versions = PRESENT) -> dict:
    """Everything that decides the result of `cell`, as plain JSON types."""
    content: dict = {"protocol": PROTOCOL, "cell": cell.as_dict(), "data": data}
    if cell.case.reads_model:
        content["model"] = model
    if (rules := STAGES[cell.stage].version) is not None:
        content["rules"] = rules
    if cell.stage == "curve":
        content["sizes"] = list(CURVE_SIZES)
    settings = {name: getattr(preset, name) for name in cell.case.settings if _counts(name, cell, preset)}
    settings |= {name: file_print(name, settings[name]) for name in FILES if settings.get(name)}
    settings |= {kind: own_print(settings[kind]) for kind in OWN_METHODS if is_own(settings.get(kind))}
    content["settings"] = {k: v for k, v in settings.items() if v != DEFAULTS[k]}
    content["upstream"] = [address(c, preset, model, data, versions) for c in upstream(cell, preset.seeds)]
    numbered = versions_of(cell, preset, versions)
    return content | ({"versions": numbered} if numbered else {})


def versions_of(cell: Cell, preset: Preset, versions: Versions = PRESENT) -> dict[str, int]:
    """The versions above 1 that are part of making a cell itself; those of the cells it reads are in its upstream."""
    touches = {"dropout": preset.dropout != 0.0, "search": preset.importance != "released"}
    return {name: n for name, n in versions._asdict().items() if n > 1 and name in cell.case.versions and touches[name]}


def _counts(name: str, cell: Cell, preset: Preset) -> bool:
    """Whether a setting can matter under the others: how sums are made does not where none are made."""
    if name in SUMS:
        return preset.importance != "exact"
    if name == "probe_sentences":
        return preset.probe_text is None
    # m-pruning ranks weights: of `importance` it takes only the authors' stop rule
    return name != "importance" or cell.method == "structured" or preset.importance == "released"


@lru_cache(maxsize=8)
def file_print(setting: str, path: str) -> str:
    """Fingerprint of the file that a setting names, read once a process; raises UserError when it cannot be used."""
    return function_at(FILES[setting])(path)


def canonical(content: dict) -> str:
    """One text for equal contents: sorted keys, no spaces, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def seed_for(address: str, purpose: str) -> int:
    """A 63-bit seed that depends on `address` and `purpose` only, never on global state or order."""
    digest = hashlib.sha256(f"{address}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_generator_for(address: str, purpose: str) -> np.random.Generator:
    """A numpy generator seeded by `seed_for`."""
    import numpy as np

    return np.random.default_rng(seed_for(address, purpose))


# what addresses were made of, and in what two differ; of records, or of `inputs` of cells that are not stored


def why_lines(cell: dict) -> list[str]:
    """What the address was made of, one line a thing; defaults, which are not hashed, are among them."""
    head = f"{cell['address']}  {cell['name']}" + ("" if "checksum" in cell else "  (not stored)")
    return [head, *(f"  {name} = {value}" for name, value in _flat(cell["inputs"], {}).items())]


def difference_lines(one: dict, other: dict, records: Iterable[dict]) -> list[str]:
    """In what the addresses of two cells differ; where upstream cells that `records` has do, in what those differ."""
    stored = {record["address"]: record["inputs"] for record in records}
    first, second = (_flat(cell["inputs"], stored) for cell in (one, other))
    names = [name for name in first | second if first.get(name) != second.get(name)]
    lines = [f"  {name}: {first.get(name, 'none')}  against  {second.get(name, 'none')}" for name in names]
    nothing = ["  the same cell: nothing differs"]
    return [f"{one['address']}  against  {other['address']}", *(lines or nothing)]


def _flat(made: dict, stored: dict[str, dict]) -> dict[str, str]:
    """Dotted name to value as text, defaults included, of `inputs` and of those that are `stored` upstream."""
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
        if address in stored:
            flat |= {f"upstream {place}: {name}": value for name, value in _flat(stored[address], stored).items()}
    return flat


# records of earlier versions


def earlier_addresses(records: Iterable[dict]) -> set[str]:
    """Addresses of those of `records` that are earlier, or were made from what is.

    Where that is not among them, the record's preset tells, unless other settings than the preset's made it.
    """
    of_address = {record["address"]: record for record in records}
    needs = {key: set(record["inputs"]["upstream"]) for key, record in of_address.items()}
    earlier = {key for key, record in of_address.items() if _changed(record)}
    orphans = {key for key, needed in needs.items() if not of_address.keys() >= needed} - earlier
    earlier |= {key for key in orphans if _is_earlier_by_preset(of_address[key])}
    while behind := {key for key, needed in needs.items() if key not in earlier and needed & earlier}:
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
    return "; ".join(_changed(record)) or "made from such a one"


def _changed(record: dict) -> list[str]:
    """A text for each rule by another version of which a record's own step was made than today's code would make it."""
    made = record["inputs"]
    # what decides is among the settings that the stage reads, and those at the default are left out
    deciding = {name: made["settings"][name] for name in ("dropout", "importance") if name in made["settings"]}
    numbered = versions_of(Cell(**made["cell"]), Preset(**deciding))
    first = dict.fromkeys(Versions._fields, 1)
    today = {"protocol": PROTOCOL, **first, **numbered}
    then = {"protocol": made["protocol"], **first, **made.get("versions", {})}
    return [f"{name} {then[name]}, today {today.get(name)}" for name in then if then[name] != today.get(name)]
