"""Giving memory back between cells."""

from __future__ import annotations

import ctypes
import sys


def trim() -> None:
    """Give freed memory back to the system, where the C library is glibc; it takes a tenth of a second at most.

    glibc by itself keeps what lies between pieces still in use: a worker would stay as large as its largest cell, and
    grow further as lengths of texts vary.
    """
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # another C library
        return
