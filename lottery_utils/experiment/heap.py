"""Memory of workers: kept within a cell, given back between cells. It matters where the C library is glibc."""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # names of malloc.h
MOST = 2**31 - 1  # an int
MEGABYTE = 2**20


def keep() -> None:
    """Have freed memory kept for the next tensor, until `trim`.

    glibc by itself maps large tensors anew and gives the top of the heap back at once: passes over a dev set then
    spend a tenth of their time on page faults.
    """
    for name, value in ((MMAP_THRESHOLD, 32 * MEGABYTE), (TRIM_THRESHOLD, MOST), (TOP_PAD, 16 * MEGABYTE)):
        _call("mallopt", name, value)


def trim() -> None:
    """Give freed memory back to the system; it takes a tenth of a second at most.

    glibc by itself keeps what lies between pieces still in use: a worker would stay as large as its largest cell, and
    grow further as lengths of texts vary.
    """
    _call("malloc_trim", 0)


def _call(name: str, *values: int) -> None:
    if sys.platform != "linux":
        return
    try:
        getattr(ctypes.CDLL(None), name)(*values)
    except (OSError, AttributeError):  # another C library
        return
