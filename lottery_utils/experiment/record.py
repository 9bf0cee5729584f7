"""A record's text: what it looks like, and whether it is whole. Imports no torch, no numpy."""

from __future__ import annotations

import hashlib
import json
import re

from .identity import canonical

FORMAT = 1
RECORD = "record.json"
PART = re.compile(r"[a-z]+\.(json|safetensors)")  # what a file of a cell is called


class Damaged(Exception):
    """A stored cell that cannot be trusted; the message says why, in one line."""


def is_address(name: str) -> bool:
    """Whether a name is a cell's address: one path component of ASCII letters, digits and ``-_``."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) < 200


def parse(content: bytes, address: str) -> dict:
    """The record of the cell at `address`; raises Damaged for a text that is not one, was altered or is another's."""
    try:
        record = json.loads(content.decode(errors="replace"))
        wrong = _problem(record, address)
    except (ValueError, KeyError, TypeError, RecursionError):
        wrong = "is not a complete record"
    if wrong:
        raise Damaged(f"{address}: {RECORD} {wrong}")
    return record


def _problem(record: dict, address: str) -> str:
    """What is wrong with a record, as the end of a sentence; empty when nothing is."""
    names = [*record["files"]]
    if record["checksum"] != checksum(record):
        return "does not match its checksum"
    if record.get("address") != address:
        return f"belongs to {record.get('address')!r}"
    if record.get("format") != FORMAT:
        return f"has format {record.get('format')!r}, expected {FORMAT}"
    strange = [name for name in names if not PART.fullmatch(name)]
    return f"names {strange[0]!r}, which is no file of a cell" if strange else ""


def checksum(record: dict) -> str:
    """SHA-256 of a record without its own checksum."""
    content = {key: value for key, value in record.items() if key != "checksum"}
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def dump(content: dict) -> str:
    """A record as text: sorted keys, indented, floats at full precision, no NaN."""
    return json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
