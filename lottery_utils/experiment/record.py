"""A record: its fields, its text, and what is wrong with one. Imports no torch, no numpy."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from ..errors import UserError
from ..taskfile import NAME
from ..validation import STRICT, Rule, wrong_field
from .identity import canonical

FORMAT = 1


def _is_task_name(field: str, text: str) -> None:
    if not NAME.fullmatch(text):
        raise UserError(f"{field} must be a task's name")


def _is_plain(field: str, name: str) -> None:
    if name != Path(name).name or name in ("", ".", ".."):
        raise UserError(f"{field} lists a file outside its folder")


Number = Annotated[float, Ge(-(2**63)), Lt(2**63)]


@dataclass(frozen=True)
class CellFields:
    """The fields of a cell."""

    __pydantic_config__ = STRICT

    task: Annotated[str, Rule(_is_task_name)]
    seed: int
    stage: str
    method: str
    subnetwork: str


@dataclass(frozen=True)
class Inputs:
    """What the address was made of, see `identity.inputs`."""

    __pydantic_config__ = STRICT

    protocol: int
    cell: CellFields
    settings: dict[str, Any]
    upstream: list[str]
    versions: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Names of the model and the data, and how many examples the settings allowed."""

    __pydantic_config__ = STRICT

    model: str
    data: str
    model_name: str | None = None
    train_limit: int | None = None
    dev_limit: int | None = None


@dataclass(frozen=True)
class Record:
    """The fields of a record; older ones lack those with a default, and some have more."""

    __pydantic_config__ = STRICT

    format: Literal[1]
    name: str
    files: dict[Annotated[str, Rule(_is_plain)], str]
    cell: CellFields
    inputs: Inputs
    preset: str
    device: str
    command: str
    data_source: str
    started: str
    ended: str
    degenerate: bool
    partial: bool
    score: Number | None
    search_score: Number | None
    majority: Number
    seconds: Number
    metrics: dict[str, Number]
    shares: dict[str, Number | None]
    counts: dict[str, Number | None]
    stages_seconds: dict[str, Number]
    data_notes: list[str]
    notes: list[str]
    upstream: dict[str, str]
    versions: dict[str, str]
    source: Source
    data_rows: dict[str, int] | None = None
    energy: dict[str, Any] | None = None
    energy_kwh: Number | None = None
    co2_kg: Number | None = None
    gpu_hours: Number = 0.0
    commit: str | None = None
    dirty: bool | None = None


@functools.lru_cache(maxsize=4096)
def problem(text: str, address: str) -> str:
    """What is wrong with a record's text, as the end of a sentence; empty when nothing is.

    Remembered, as chapters read the same records again and again, and looking takes longer than reading.
    """
    try:
        record = json.loads(text)
        intact = record["checksum"] == checksum(record)
    except (ValueError, KeyError, TypeError, RecursionError):
        return "is not a complete record"
    if not intact:
        return "does not match its checksum"
    if record.get("address") != address:
        return f"belongs to {record.get('address')!r}"
    wrong = wrong_field(Record, text) or ("inputs" if record["inputs"]["cell"] != record["cell"] else "")
    return f"has a field {wrong!r} that is missing or of the wrong kind" if wrong else ""


def checksum(record: dict) -> str:
    """SHA-256 of a record without its own checksum."""
    content = {key: value for key, value in record.items() if key != "checksum"}
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def dump(content: dict) -> str:
    """A record as text: sorted keys, indented, floats at full precision, no NaN."""
    return json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
