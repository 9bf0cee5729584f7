"""A companion to "When BERT Plays the Lottery, All Tickets Are Winning": re-run it, check it, go beyond it.

The way in: `open_study` for one's own results, `stored_study` for records that came with the repository, `compute` for
what is missing, `show` for figures and tables, `structured_search` and `magnitude_search` for a model of one's own,
`load_compact` for an exported one. Each is imported when it is asked for, torch only where it is needed.
"""

from .places import submodules

__version__ = "0.1.0"
_FUNCTIONS = {
    "compute": "show.compute",
    "get_preset": "presets",
    "load_compact": "models.compact",
    "magnitude_search": "pruning.magnitude",
    "open_study": "experiment.study",
    "stored_study": "show.compute",
    "structured_search": "pruning.structured",
}
__all__ = ["__version__", "show", *_FUNCTIONS]
__getattr__ = submodules(__name__, _FUNCTIONS)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
