"""Memory of workers: kept within a cell, given back between cells. It matters where the C library is glibc."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # names of malloc.h
MEGABYTE = 2**20
# bytes: as far as glibc raises the first by itself, an int's most, and room ahead
KEPT = {MMAP_THRESHOLD: 32 * MEGABYTE, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 16 * MEGABYTE}


def keep() -> bool:
    """Have freed memory kept for the next tensor, until `trim`; whether the C library will.

    glibc by itself maps large tensors anew and gives the top of the heap back at once: passes over a dev set then
    spend a tenth of their time on page faults.
    """
    return all([_call("mallopt", name, value) == 1 for name, value in KEPT.items()])


def trim() -> None:
    """Give freed memory back to the system; it takes a tenth of a second at most.

    glibc by itself keeps what lies between pieces still in use: a worker would stay as large as its largest cell, and
    grow further as lengths of texts vary.
    """
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> int | None:
    """What the C library's function returns; None where it has none of that name."""
    if sys.platform != "linux":
        return None
    try:
        return getattr(ctypes.CDLL(None), name)(*values)
    except (OSError, AttributeError):  # another C library
        return None
