"""A companion to "When BERT Plays the Lottery, All Tickets Are Winning": re-run it, check it, go beyond it.

The way in: `open_study` for one's own results, `stored_study` for records that came with the repository, `compute` for
what is missing, `show` for figures and tables, `structured_search` and `magnitude_search` for a model of one's own,
`load_compact` for an exported one. Each is imported when it is asked for, torch only where it is needed.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"
_LAZY = {
    "compute": "lottery_utils.show.compute",
    "get_preset": "lottery_utils.presets",
    "load_compact": "lottery_utils.models.compact",
    "magnitude_search": "lottery_utils.pruning.magnitude",
    "open_study": "lottery_utils.experiment.study",
    "stored_study": "lottery_utils.show.compute",
    "structured_search": "lottery_utils.pruning.structured",
}
__all__ = ["__version__", "show", *_LAZY]


def __getattr__(name: str):
    """Import the module behind a public name on first use (PEP 562)."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    if name == "show":
        return importlib.import_module("lottery_utils.show")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
