"""The one error a user can cause: the command line prints it as a single line and exits with 2."""

import reprlib


class UserError(ValueError):
    """Bad input: names the thing, what was expected, what was got and what to do, in one line."""


class CellFailed(RuntimeError):
    """A cell cannot go on (a non-finite loss, say); the message starts with the cell's name."""


def shown(value) -> str:
    """`value` as an error names it: its repr, shortened where it is long or deep."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
_SHORT.maxlevel = 3
