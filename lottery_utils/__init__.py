"""A companion to "When BERT Plays the Lottery, All Tickets Are Winning": re-run it, check it, go beyond it.

``from lottery_utils import open_study`` is the way in; torch is imported only when the study needs it.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"
__all__ = ["__version__", "load_compact", "open_study"]

_LAZY = {"load_compact": "lottery_utils.models.compact", "open_study": "lottery_utils.experiment.study"}


def __getattr__(name: str):
    """Import the module behind a public name on first use (PEP 562)."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
