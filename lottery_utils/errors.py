"""The one error a user can cause: the command line prints it as a single line and exits with 2."""

import contextlib
import errno
import os
import reprlib
from collections.abc import Iterable, Iterator
from pathlib import Path


class UserError(ValueError):
    """Bad input: names the thing, what was expected, what was got and what to do, in one line, whatever it names."""

    def __init__(self, text: str):
        super().__init__(one_line(text))

    def _render_traceback_(self) -> list[str]:
        """What IPython, and so papermill, shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class CellFailed(RuntimeError):
    """A cell cannot go on (a non-finite loss, say): the message says why, and who computes it says which cell."""


def usable_path(what: str, text: str) -> Path:
    """`text` as a path, ``~`` expanded, whether or not anything is there.

    Raises UserError for one no file system takes: too long, with a NUL, or of a user that does not exist.
    """
    try:
        text.encode()  # records are UTF-8
        path = Path(text).expanduser()
        os.stat(path)
    except (ValueError, RuntimeError, OSError) as error:
        if not isinstance(error, OSError) or error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise UserError(f"{what} {shown(text)} is no path ({getattr(error, 'strerror', error)})") from None
    return path


def usable_folder(what: str, folder: Path) -> None:
    """Make a folder for output, unless it is there; raises UserError where none can be made."""
    usable_path(what, str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{what} {shown(str(folder))} cannot be made ({error.strerror}); give another") from None


@contextlib.contextmanager
def library_errors(text: str, advice: str = "get it again") -> Iterator[None]:
    """Within, any error of others' code is a UserError: `text`, its reason, `advice`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # what libraries raise has no kind in common
        raise UserError(f"{text} ({type(error).__name__}: {one_line(error, 200)}); {advice}") from error


def require_known(names: Iterable, valid: Iterable[str], what: str, listed: str = "valid") -> None:
    """Raise UserError, "`what` NAME; `listed`: ...", for the first of `names` that is not `valid`."""
    valid = list(valid)
    for name in names:
        if name not in valid:
            raise UserError(f"{what} {shown(name)}; {listed}: {', '.join(valid)}")


def shown(value, longest: int = 300) -> str:
    """`value` as an error names it: its repr, shortened where it is long or deep."""
    text = _SHORT.repr(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def one_line(text: str | BaseException, longest: int | None = None) -> str:
    """A text from outside, or an error, as one line for a terminal: escapes and halves of characters are spelt out."""
    if isinstance(text, BaseException):
        text = str(text) or type(text).__name__
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
    return line if longest is None or len(line) <= longest else f"{line[:longest]}..."


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120
_SHORT.maxlevel = 3
