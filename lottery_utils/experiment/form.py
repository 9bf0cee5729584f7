"""The form of stored files: which fields a record has, and how a mask file is laid out. Imports no torch, no numpy."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from ..errors import UserError
from ..taskfile import CLASS_METRICS, GLUE_TASKS, NAME, SCORE_METRICS
from ..validation import STRICT, Rule, wrong_field

HEADER = 100_000_000  # bytes: what safetensors itself allows


def _is_task_name(field: str, text: str) -> None:
    if not NAME.fullmatch(text):
        raise UserError(f"{field} must be a task's name")


def _is_number(field: str, text: str) -> None:
    try:
        float(text)
    except ValueError:
        raise UserError(f"{field} must be two numbers, each as text") from None


Limit = Annotated[str, Rule(_is_number)]
Number = Annotated[float, Ge(-(2**63)), Lt(2**63)]


MetricName = Literal[(*CLASS_METRICS, *SCORE_METRICS)]


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


@dataclass(frozen=True)
class TaskFields:
    """What a record says of a task that is not GLUE's, as `tasks.registry.describe` does."""

    __pydantic_config__ = STRICT

    title: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    metrics: tuple[MetricName, ...]
    main_metric: str
    scores: tuple[Limit, Limit] = ("0", "5")


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
    wrong = wrong_field(Record, text) or _wrong_together(record)
    return f"has a field {wrong!r} that is missing or of the wrong kind" if wrong else ""


def _wrong_together(record: dict) -> str:
    """The field that does not agree with the others; empty when all do."""
    if (record.get("energy_kwh") is None) != (record.get("co2_kg") is None):
        return "co2_kg"
    if record["cell"]["task"] not in GLUE_TASKS and not _is_described(record.get("task")):
        return "task"
    return "" if says_inputs(record) else "inputs"


def says_inputs(record: dict) -> bool:
    """Whether a record says what its address was made of, as `identity.inputs` does."""
    inputs, fields = record.get("inputs"), CellFields.__dataclass_fields__
    if not isinstance(inputs, dict) or inputs.get("cell") != record["cell"] or record["cell"].keys() != fields.keys():
        return False
    ups = inputs.get("upstream")
    return isinstance(inputs.get("settings"), dict) and isinstance(ups, list) and all(isinstance(u, str) for u in ups)


def _is_described(task) -> bool:
    if not isinstance(task, dict) or wrong_field(TaskFields, json.dumps(task)):
        return False
    return task["main_metric"] in task["metrics"]


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
