"""The one error a user can cause: the command line prints it as a single line and exits with 2."""

import errno
import os
import reprlib
from collections.abc import Iterable
from pathlib import Path


class UserError(ValueError):
    """Bad input: names the thing, what was expected, what was got and what to do, in one line, whatever it names."""

    def __init__(self, text: str):
        super().__init__(one_line(text))

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
    except UnicodeEncodeError:
        raise UserError(f"{what} {shown(text)} is no path in UTF-8, as records need it; rename the folder") from None
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{what} {shown(text)} is no path ({error})") from None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise UserError(f"{what} {shown(text)} is no path ({error.strerror})") from None
    return path


def usable_folder(what: str, folder: Path) -> None:
    """Make a folder for output, unless it is there; raises UserError where none can be made."""
    usable_path(what, str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{what} {shown(str(folder))} cannot be made ({error.strerror}); give another") from None


def require_known(names: Iterable, valid: Iterable[str], what: str, listed: str = "valid") -> None:
    """Raise UserError, "`what` NAME; `listed`: ...", for the first of `names` that is not `valid`."""
    valid = list(valid)
    for name in names:
        if name not in valid:
            raise UserError(f"{what} {shown(name)}; {listed}: {', '.join(valid)}")


def shown(value) -> str:
    """`value` as an error names it: its repr, shortened where it is long or deep."""
    text = _SHORT.repr(value)
    return text if len(text) <= 300 else f"{text[:297]}..."


def one_line(text: str | BaseException, longest: int | None = None) -> str:
    """A text from outside, or an error, as one line for a terminal: escapes and halves of characters are spelt out."""
    if isinstance(text, BaseException):
        text = str(text) or type(text).__name__
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
    return line if longest is None or len(line) <= longest else f"{line[:longest]}..."


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        try:
            return super().repr_int(x, level)
        except ValueError:  # Python writes no number of more than 4300 digits
            return f"a number of {x.bit_length()} bits"

    def repr_instance(self, x, level: int) -> str:
        return self.repr_list(x, level) if isinstance(x, list) else super().repr_instance(x, level)


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
_SHORT.maxlevel = 3
