"""The fields of a record, beside those that say which it is. Imports no torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Lt

from ..errors import UserError
from ..taskfile import NAME
from ..validation import STRICT, Rule, wrong_field


def _is_task_name(field: str, text: str) -> None:
    if not NAME.fullmatch(text):
        raise UserError(f"{field} must be a task's name")


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
class Record:
    """The fields of a record, beside those that say which it is; older records lack those with a default."""

    __pydantic_config__ = STRICT

    cell: CellFields
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
    inputs: dict[str, Any]
    source: dict[str, Any]
    energy_kwh: Number | None = None
    co2_kg: Number | None = None
    gpu_hours: Number = 0.0
    commit: str | None = None
    dirty: bool | None = None


def record_problem(record: dict, text: str, protocol: int) -> str:
    """What is wrong with the fields of a record, read from `text`, as the end of a sentence; empty when nothing is.

    A record of another protocol version is only shown, so only what names it is looked at.
    """
    if not isinstance(record.get("name"), str) or not isinstance(record.get("cell"), dict):
        return "does not name its cell"
    if not all(name == Path(name).name not in ("", ".", "..") for name in record["files"]):
        return "lists a file outside its folder"
    if type(record.get("protocol")) is not int:
        return "does not say its protocol version"
    if record["protocol"] != protocol:
        return ""
    wrong = wrong_field(Record, text)
    if not wrong and (record.get("energy_kwh") is None) != (record.get("co2_kg") is None):
        wrong = "co2_kg"
    wrong = wrong or ("" if says_inputs(record) else "inputs")
    return f"has a field {wrong!r} that is missing or of the wrong kind" if wrong else ""


def says_inputs(record: dict) -> bool:
    """Whether a record says what its address was made of, as `identity.inputs` does."""
    made = record.get("inputs")
    if not isinstance(made, dict) or made.get("cell") != record["cell"] or not isinstance(made.get("settings"), dict):
        return False
    ups = made.get("upstream")
    return isinstance(ups, list) and all(isinstance(address, str) for address in ups)
