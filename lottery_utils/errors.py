"""The one error a user can cause: the command line prints it as a single line and exits with 2."""

import errno
import os
import reprlib
from pathlib import Path


class UserError(ValueError):
    """Bad input: names the thing, what was expected, what was got and what to do, in one line."""

    def _render_traceback_(self) -> list[str]:
        """What IPython, and so papermill, shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class CellFailed(RuntimeError):
    """A cell cannot go on (a non-finite loss, say); the message starts with the cell's name."""


def usable_path(what: str, text: str) -> Path:
    """`text` as a path, ``~`` expanded, whether or not anything is there.

    Raises UserError for one no file system takes: too long, with a NUL, or of a user that does not exist.
    """
    try:
        text.encode()  # records are UTF-8
        path = Path(text).expanduser()
        os.stat(path)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{what} {shown(text)} is no path ({error})") from None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise UserError(f"{what} {shown(text)} is no path ({error.strerror})") from None
    return path


def shown(value) -> str:
    """`value` as an error names it: its repr, shortened where it is long or deep."""
    return _SHORT.repr(value)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
_SHORT.maxlevel = 3
