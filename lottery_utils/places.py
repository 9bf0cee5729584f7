"""Functions named by string, ``package.module:function``, and imported when they are called.

So a table can name a function that lies with its chapter in `lottery_book`, which this package never imports.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from .errors import UserError


def function_at(place: str) -> Callable:
    """The function at `place`; raises UserError where its package is not installed."""
    module, _, name = place.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        package = module.partition(".")[0]
        raise UserError(f"{place} cannot be found; install the whole repository, with its package {package}") from None
