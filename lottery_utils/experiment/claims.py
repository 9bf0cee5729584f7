"""Claims: at most one live worker computes a cell, and a dead worker's claim is taken over."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import platform
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from .files import read_small

HEARTBEAT = 30.0  # seconds between signs of life
SILENCE = 180.0  # a claim from another machine is stale after this long without one
_watched: dict[tuple[str, int], float] = {}  # a claim and its last sign of life, to when it was first seen here
_held: dict[str, Path] = {}  # token to claim file, of the claims this process holds or is about to make


@contextlib.contextmanager
def claim(root: Path, address: str) -> Iterator[bool]:
    """Hold the claim on a cell for the block; yields False when another live worker has it.

    A claim is a file made with O_EXCL. One from this machine is stale when its process is gone, one from
    another machine when it has not been touched for `SILENCE` seconds: by the clock of the disk, which stamps
    both, or by watching it, should that clock be set back. Nobody's wall clock is asked.
    """
    path = root / ".claims" / address
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(8)
    _held[token] = path  # before the file is there: a signal may end the block at any moment, see `_release_all`
    if not (_create(path, token) or (_take_over(path) and _create(path, token))):
        _held.pop(token)
        yield False
        return
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, stop), daemon=True)
    beat.start()
    try:
        yield True
    finally:
        stop.set()
        beat.join()
        _release(path, token)


def _release(path: Path, token: str) -> None:
    if _holder(path).get("token") == token:
        path.unlink(missing_ok=True)
    _held.pop(token, None)


@atexit.register
def _release_all() -> None:
    """Give back what a stop left behind: one that comes while a claim is being made or released runs no `finally`."""
    for token, path in list(_held.items()):
        _release(path, token)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_held.clear)  # a child holds no claim of its parent


def is_claimed(root: Path, address: str) -> bool:
    """True while a live worker holds the claim on a cell."""
    path = root / ".claims" / address
    return path.exists() and not is_stale(path)


@lru_cache(maxsize=1)
def here() -> str:
    """This machine, since its last start, as far as processes see each other: names alone may be shared."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8])
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _create(path: Path, token: str) -> bool:
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    holder = {"pid": os.getpid(), "born": _born(os.getpid()), "host": here(), "token": token}
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(holder, file)
    except BaseException:  # a full disk, or a signal
        path.unlink(missing_ok=True)
        raise
    return True


def _take_over(path: Path) -> bool:
    """Move a stale claim out of the way; True when the way is free."""
    seen = _holder(path).get("token")
    if not path.exists():
        return True
    if not is_stale(path):
        return False
    aside = path.with_name(f"{path.name}.stale-{secrets.token_hex(4)}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return True
    try:
        if _holder(aside).get("token") == seen:
            return True
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(aside, path)  # it was renewed in between: give the live claim back
        return False
    finally:
        if aside.is_dir() and not aside.is_symlink():  # none of ours
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def is_stale(path: Path) -> bool:
    """Whether the worker that made the claim file `path` is dead, or silent for too long."""
    try:
        touched = path.stat().st_mtime_ns
    except FileNotFoundError:
        return True
    holder = _holder(path)
    if holder.get("host") != here():
        patience = SILENCE if holder else HEARTBEAT  # an empty one: its writer died while writing
        seen = _watched.setdefault((str(path), touched), time.monotonic())
        return _disk_time(path.parent) - touched / 1e9 > patience or time.monotonic() - seen > patience
    pid = holder.get("pid")
    return not isinstance(pid, int) or not _alive(pid) or holder.get("born") != _born(pid)


def _disk_time(folder: Path) -> float:
    """The time now by the clock that stamps files in `folder`; on a folder that cannot be written, by ours."""
    probe = folder / f"clock.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def _holder(path: Path) -> dict:
    try:
        holder = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return _stat(pid)[:1] not in (["Z"], ["X"])  # dead, but not yet waited for by its parent


def _born(pid: int) -> str | None:
    """When a process started, in the kernel's ticks, so that a reused id is not taken for it; None if unknown."""
    return (_stat(pid)[19:20] or [None])[0]


def _stat(pid: int) -> list[str]:
    """What Linux says of a process, from its state on; empty elsewhere."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT):
        with contextlib.suppress(OSError):
            os.utime(path)
