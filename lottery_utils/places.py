"""Functions and modules by name, imported when they are asked for.

So a table can name a function, ``package.module:function``, that lies with its chapter in `lottery_book`, which this
package never imports; and a chapter can say ``show.heatmaps`` after ``from lottery_utils import show``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping


def function_at(place: str) -> Callable:
    """The function at `place`, such as ``package.module:function``."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def submodules(package: str, functions: Mapping[str, str] = {}) -> Callable[[str], object]:  # noqa: B006
    """A package's `__getattr__` that imports on first use (PEP 562): its modules, and `functions`, each of a module."""

    def imported(name: str) -> object:
        if name in functions:
            return function_at(f"{package}.{functions[name]}:{name}")
        full = f"{package}.{name}"
        if name.startswith("_") or importlib.util.find_spec(full) is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(full)

    return imported
