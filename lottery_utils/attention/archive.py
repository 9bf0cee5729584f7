"""Hand-labelled maps from an archive that the user has; the authors' own is not part of their public repository.

How theirs is laid out inside is not known here, so one layout is asked for, and anything else is refused by name:

    raw/vertical/0001.npy       kind, label, one map a file: a square array of floats, rows are the tokens that look
    normed/block/0001.npy

as a folder, .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz. One kind alone is enough. Labels are those of `names.PATTERNS` or
the authors' names for them. Nothing is written to disk and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import UserError, shown
from .names import KINDS, PATTERNS

MEMBERS, BYTES, ALL_BYTES, SIDE = 50_000, 4_000_000, 1_000_000_000, 512
ALIASES = {"mix": "vertical+diagonal", "vertical + diagonal": "vertical+diagonal", "other": "heterogeneous"}
# RuntimeError: encrypted, or a compression unknown here; ValueError: names that are no UTF-8, numbers that are none
UNREADABLE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)
UNREADABLE += (RuntimeError,)
LAYOUT = "expected KIND/LABEL/NAME.npy, such as raw/vertical/0001.npy"
Maps = list[tuple[np.ndarray, int]]


def load_label_archive(path: str | Path) -> dict[str, Maps]:
    """Return the labelled maps of each kind that the archive has: (float32 (n, n), place in `PATTERNS`), by name.

    Raises UserError, one line, for a missing or damaged archive, another layout, an absolute path or "..", a link,
    a map that is not a finite square array of floats, one with negative entries, and anything too large.
    """
    path = Path(path).expanduser()
    found: dict[str, dict[str, tuple[np.ndarray, int]]] = {}
    total = 0
    for number, (name, content) in enumerate(_members(path)):
        total += len(content)
        if number >= MEMBERS or total > ALL_BYTES:
            raise UserError(f"{path.name}: too large; at most {MEMBERS} maps, {ALL_BYTES // 10**6} MB in all, are read")
        kind, label = _labelled(path, name)
        same = found.setdefault(kind, {})
        if name in same:
            raise UserError(f"{path.name}: {name} is there twice")
        same[name] = (_map(path, name, content), label)
    if not found:
        raise UserError(f"{path.name}: no maps in it; {LAYOUT}")
    for kind, maps in found.items():
        lacking = [pattern for i, pattern in enumerate(PATTERNS) if sum(label == i for _, label in maps.values()) < 2]
        if lacking:
            raise UserError(f"{path.name}: {kind} has fewer than two maps labelled {', '.join(lacking)}")
    return {kind: [maps[name] for name in sorted(maps)] for kind, maps in found.items()}


def archive_fingerprint(path: str | Path) -> str:
    """Return a hash of the archive's maps and labels, the same wherever and however it is packed."""
    digest = hashlib.sha256()
    for kind, maps in sorted(load_label_archive(path).items()):
        for values, label in maps:
            digest.update(f"{kind} {label} {values.shape}\0".encode() + values.tobytes())
    return digest.hexdigest()


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the archive's files, links and paths that lead out of it refused."""
    if path.is_dir():
        yield from _of_folder(path)
        return
    if not path.is_file():
        raise UserError(f"label archive {str(path)!r} does not exist; give a folder, a .zip or a .tar")
    try:
        if zipfile.is_zipfile(path):
            yield from _of_zip(path)
        else:
            yield from _of_tar(path)
    except UserError:
        raise
    except UNREADABLE as error:
        kind = type(error).__name__
        raise UserError(f"{path.name}: not a readable .zip or .tar archive ({kind}); {LAYOUT}") from None


def _of_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if file.is_symlink():
            raise UserError(f"{path.name}: {name} is a link; only plain files are read")
        if file.is_file():
            _checked(path, name, file.stat().st_size)
            yield name, file.read_bytes()


def _of_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if (info.external_attr >> 16) & 0o170000 == 0o120000:
                raise UserError(f"{path.name}: {info.filename} is a link; only plain files are read")
            if not info.is_dir():
                _checked(path, info.filename, info.file_size)
                with archive.open(info) as file:
                    yield info.filename, _limited(path, info.filename, file)


def _of_tar(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for info in archive:
            if info.isdir():
                continue
            _checked(path, info.name, info.size)
            if not info.isreg():
                raise UserError(f"{path.name}: {info.name} is a link or a device; only plain files are read")
            yield info.name.removeprefix("./"), _limited(path, info.name, archive.extractfile(info))


def _limited(path: Path, name: str, file) -> bytes:
    """At most BYTES of a member, whatever its header promised."""
    content = file.read(BYTES + 1)
    if len(content) > BYTES:
        raise UserError(f"{path.name}: {name} is larger than {BYTES // 10**6} MB")
    return content


def _checked(path: Path, name: str, size: int) -> None:
    parts = PurePosixPath(name).parts
    if len(name) > 300 or not name.isprintable():
        raise UserError(f"{path.name}: {shown(name)} is no name of a map; {LAYOUT}")
    if name.startswith(("/", "\\")) or ".." in parts or "\\" in name or ":" in name:
        raise UserError(f"{path.name}: {name!r} leads out of the archive; {LAYOUT}")
    if size > BYTES:
        raise UserError(f"{path.name}: {name} is larger than {BYTES // 10**6} MB")


def _labelled(path: Path, name: str) -> tuple[str, int]:
    """Kind and label that a member's place says."""
    parts = PurePosixPath(name).parts
    if len(parts) != 3 or not parts[2].endswith(".npy"):
        raise UserError(f"{path.name}: {name} is not in its place; {LAYOUT}")
    kind, label = parts[0].lower(), parts[1].strip().lower()
    label = ALIASES.get(label, label)
    if kind not in KINDS or label not in PATTERNS:
        raise UserError(
            f"{path.name}: {name} has an unknown kind or label; kinds: {', '.join(KINDS)}; labels: "
            f"{', '.join(PATTERNS)}, {', '.join(ALIASES)}"
        )
    return kind, PATTERNS.index(label)


def _map(path: Path, name: str, content: bytes) -> np.ndarray:
    """The array of one .npy file; its header is read first, so that a false one allocates nothing."""
    try:
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(file)
        square = len(shape) == 2 and shape[0] == shape[1] and 4 <= shape[0] <= SIDE
        if kind.kind != "f" or not square:
            raise ValueError(f"{kind} of shape {shape}")
        if len(content) - file.tell() != shape[0] * shape[1] * kind.itemsize:
            raise ValueError("its length does not fit its header")
        with np.errstate(over="ignore"):  # too large for float32 is not finite
            values = np.load(io.BytesIO(content), allow_pickle=False).astype(np.float32)
    except (ValueError, TypeError, EOFError, SyntaxError, tokenize.TokenError) as error:
        told = " ".join(str(error).split())[:80]
        raise UserError(f"{path.name}: {name} is no square array of floats, 4 to {SIDE} tokens wide ({told})") from None
    if not np.isfinite(values).all() or (values < 0).any():
        raise UserError(f"{path.name}: {name} has entries that are negative or not finite")
    return values
