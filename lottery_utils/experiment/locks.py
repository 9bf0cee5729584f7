"""Claims on cells, so that at most one worker computes each: locks of the kernel, which frees a dead worker's at once.

They save work, not results: of two equal cells the store keeps the first. So where a disk has no locks, work goes on
without.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = ".claims"
UNSUPPORTED = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what a disk without locks says
POLL = 1.0  # seconds between tries to get a claim that is waited for


@contextmanager
def claim(root: Path, name: str, wait: bool = False) -> Iterator[bool]:
    """Hold the claim `name` in the store at `root` for the block; yields False when another worker has it.

    With `wait` it is waited for. On a disk without locks everyone gets it.
    """
    from filelock import FileLock  # not needed to look at a store

    path = root / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=wait, poll_interval=POLL, fallback_to_soft=False)
    try:
        lock.acquire()
    except TimeoutError:  # filelock's too: another has it
        yield False
        return
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)  # while it is locked: whoever waits for it sees that its file is gone
        lock.release()


def is_claimed(root: Path, name: str) -> bool:
    """True while a live worker holds a claim; never on a disk without locks."""
    if not (root / FOLDER / name).exists():
        return False
    with suppress(OSError), claim(root, name) as held:  # a store that may only be read has no workers
        return not held
    return False
