"""The form of stored files: which fields a record has, and how a mask file is laid out. Imports no torch, no numpy."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from ..taskfile import CLASS_METRICS, GLUE_TASKS, NAME, SCORE_METRICS

TEXTS = ("preset", "device", "command", "data_source", "started", "ended")
FLAGS = ("degenerate", "partial")
SCORES = ("score", "search_score")  # or null
NUMBERS = {"metrics": False, "shares": True, "counts": True, "stages_seconds": False}  # whether null is allowed
MEASURED = ("energy_kwh", "co2_kg", "gpu_hours")  # older records lack them
LISTS = ("data_notes", "notes")
FIELDS = {"task": str, "seed": int, "stage": str, "method": str, "subnetwork": str}
HEADER = 100_000_000  # bytes: what safetensors itself allows


def record_problem(record: dict, protocol: int) -> str:
    """What is wrong with the fields of a record, as the end of a sentence; empty when nothing is.

    A record of another protocol version is only shown, so only what names it is looked at.
    """
    if not isinstance(record.get("name"), str) or not isinstance(record.get("cell"), dict):
        return "does not name its cell"
    if not all(name == Path(name).name not in ("", ".", "..") for name in record["files"]):
        return "lists a file outside its folder"
    if not _is_int(record.get("protocol")):
        return "does not say its protocol version"
    if record["protocol"] != protocol:
        return ""
    for name, right in _checks(record).items():
        if not right:
            return f"has a field {name!r} that is missing or of the wrong kind"
    return ""


def _checks(record: dict) -> dict[str, bool]:
    get, cell = record.get, record["cell"]
    known = cell.keys() == FIELDS.keys() and all(type(cell[n]) is kind for n, kind in FIELDS.items())
    glue = known and cell["task"] in GLUE_TASKS
    checks = {"cell": known and (glue or NAME.fullmatch(cell["task"]) is not None)}
    checks["task"] = glue or _is_described(get("task"))
    checks |= {name: isinstance(get(name), str) for name in TEXTS}
    checks |= {name: isinstance(get(name), bool) for name in FLAGS}
    checks |= {name: name in record and (get(name) is None or _is_number(get(name))) for name in SCORES}
    checks |= {name: _is_number(get(name)) for name in ("majority", "seconds")}
    for name, empty in NUMBERS.items():
        values = get(name).values() if isinstance(get(name), dict) else (None,)
        checks[name] = isinstance(get(name), dict) and all(_is_number(v) or (empty and v is None) for v in values)
    checks |= {name: isinstance(get(name), list) and all(isinstance(t, str) for t in get(name)) for name in LISTS}
    checks |= {name: get(name) is None or _is_number(get(name)) for name in MEASURED}
    measured = get("energy_kwh") is not None
    checks["co2_kg"] &= measured == (get("co2_kg") is not None)
    checks["gpu_hours"] &= "gpu_hours" not in record or get("gpu_hours") is not None
    for name in ("upstream", "versions"):
        checks[name] = isinstance(get(name), dict) and all(isinstance(v, str) for v in get(name).values())
    checks |= {"inputs": says_inputs(record), "source": isinstance(get("source"), dict)}
    checks["commit"] = get("commit") is None or isinstance(get("commit"), str)
    checks["dirty"] = get("dirty") is None or isinstance(get("dirty"), bool)
    return checks


def says_inputs(record: dict) -> bool:
    """Whether a record says what its address was made of, as `identity.inputs` does."""
    inputs = record.get("inputs")
    if not isinstance(inputs, dict) or inputs.get("cell") != record["cell"] or record["cell"].keys() != FIELDS.keys():
        return False
    ups = inputs.get("upstream")
    return isinstance(inputs.get("settings"), dict) and isinstance(ups, list) and all(isinstance(u, str) for u in ups)


def _is_described(task) -> bool:
    """Whether a record says what an own task is, as `tasks.registry.describe` does."""
    if not isinstance(task, dict) or not isinstance(task.get("title"), str):
        return False
    lists = [task.get(name) for name in ("columns", "labels", "metrics")]
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists):
        return False
    known = set(lists[2]) <= {*CLASS_METRICS, *SCORE_METRICS} and task.get("main_metric") in lists[2]
    try:
        return known and len([float(value) for value in task.get("scores", ("0", "5"))]) == 2
    except (TypeError, ValueError):
        return False


def _is_number(value) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def mask_problem(content: bytes) -> str:
    """What is wrong with the layout of a mask file, as the end of a sentence; empty when nothing is."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        if length > min(HEADER, len(content)):
            return "is cut short"
        header = json.loads(content[8 : 8 + length])
        about = header.get("__metadata__", {})
    except (struct.error, ValueError, AttributeError, RecursionError):
        return "is no safetensors file"
    return "" if isinstance(about, dict) and "mask" in about else "has the layout of an older version"
