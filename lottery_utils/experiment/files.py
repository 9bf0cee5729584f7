"""Small file operations the store rests on: JSON text, atomic replacement, checksums, flushing to disk."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
from pathlib import Path

from ..disk import readable


def is_address(name: str) -> bool:
    """Whether a name is a cell's address: one path component of ASCII letters, digits and ``-_``."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) < 200


def dump(content: dict) -> str:
    """A record as text: sorted keys, indented, floats at full precision, no NaN."""
    return json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def replace(path: Path, text: str) -> None:
    """Write a small file that may be rewritten, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hex; raises UserError for one that cannot be read."""
    with readable(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=1)
def usual_mode() -> int:
    """The mode of files that this process makes by default: what its umask leaves of reading and writing for all."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def flush(path: Path) -> None:
    """Make sure a file's or folder's bytes are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
