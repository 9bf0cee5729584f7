"""Files: written as a whole or not at all; and what may not be read or made, in one line with path and cause."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import UserError

CAUSES = {  # the place, and no program or data, is to blame
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENOSPC: "no space is left there, free some",
    errno.EDQUOT: "the disk quota is used up, free some",
    errno.EFBIG: "a file grew larger than this process may write (ulimit -f), raise the limit",
    errno.EROFS: "the disk is read-only, name another place",
    errno.EIO: "the disk gave an input/output error, look at it",
    errno.ESTALE: "the network disk went away, bring it back",
    errno.EMFILE: "too many open files (ulimit -n), raise the limit",
    errno.ENFILE: "too many open files on this machine",
}
CODE = re.compile(r"(?:os error |\[Errno )(\d+)")  # how libraries written in Rust, and shutil of many files, say it
POINTER = b"version https://git-lfs.github.com/spec/"


class Unreadable(UserError):
    """A file that cannot be read, or whose bytes are elsewhere: they may be intact."""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those behind it."""
    seen = set()
    while error is not None and id(error) not in seen:  # "raise a from b" can close a circle
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def problem_of(error: BaseException) -> str | None:
    """Path (where it is known) and cause of an error for which a disk is to blame; None for any other error."""
    for link in chain(error):
        told = CODE.search(str(link))
        code = getattr(link, "errno", None) or (int(told[1]) if told else None)
        if code in CAUSES:
            return f"{link.filename}: {CAUSES[code]}" if getattr(link, "filename", None) else CAUSES[code]
    return None


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Within, a file that cannot be read raises Unreadable, and is no damage."""
    try:
        yield
    except OSError as error:
        why = CAUSES.get(error.errno, error.strerror or type(error).__name__)
        text = f"{error.filename or path} cannot be read ({why}); nothing was changed: make it readable, then try again"
        raise Unreadable(text) from None


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Within, an error for which a disk is to blame is a UserError that says what was being written."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if (problem := problem_of(error)) is None:
            raise
        raise UserError(f"{path} cannot be written ({problem}); then start again") from None


def require_file(what: str, path: Path) -> None:
    """Raise Unreadable, one line that begins with `what`, for no plain file, one that may not be read, an LFS pointer.

    Libraries call the second missing and the third damaged.
    """
    with readable(path):
        if not path.is_file():  # a pipe might never end
            found = "no plain file" if path.exists() else "a link to nothing" if path.is_symlink() else "not there"
            raise Unreadable(f"{what}: {path} is {found}; get the file itself")
        with open(path, "rb") as file:
            start = file.read(len(POINTER))
    if start == POINTER:
        raise Unreadable(f"{what}: {path} is a Git LFS pointer, not the file itself; fetch it with 'git lfs pull'")


def content_of(what: str, path: Path) -> bytes:
    """A file's bytes; raises Unreadable as `require_file` does."""
    require_file(what, path)
    with readable(path):
        return path.read_bytes()


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hex; raises UserError for one that cannot be read."""
    with readable(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace(path: Path, content: bytes) -> None:
    """Write a file that may be rewritten, as a whole: whoever reads it meanwhile has the old one or the new one."""
    put(path, lambda part: part.write_bytes(content))


def put(path: Path, write: Callable[[Path], object]) -> None:
    """Have a library write a file that may be made again, as a whole, for all to read whom the umask lets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        write(part)
        as_umask(part)
        flush(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Make sure a file's or folder's bytes are on disk; raises UserError where the disk cannot say so."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in CAUSES:
            raise
        raise UserError(f"{path} cannot be flushed to its disk ({error.strerror}); name a place on another") from error
    finally:
        os.close(handle)


def as_umask(path: Path) -> None:
    """Open a file to whom the umask lets, as safetensors makes files for their owner only; a disk may have no modes."""
    with contextlib.suppress(PermissionError):
        os.chmod(path, usual_mode())


@functools.lru_cache(maxsize=1)
def usual_mode() -> int:
    """The mode of files that this process makes by default: what its umask leaves of reading and writing for all."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
