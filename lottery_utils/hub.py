"""Repositories of the Hugging Face hub as folders: from its cache, or fetched once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import UserError, one_line


def snapshot(
    name: str,
    revision: str | None,
    patterns: Sequence[str],
    is_whole: Callable[[Path], bool],
    absent: tuple[str, str],
    dataset: bool = False,
) -> Path:
    """The folder of a repository at `revision`, of which the files that fit `patterns` are wanted.

    A commit never changes, so for one the cache is asked first and the hub only where the cached folder is not
    `is_whole`; a branch may have moved on, so the hub is asked first and the cache where the hub cannot be reached.
    Raises UserError where it is not to be had: `absent` says that, and what to do; the reason stands between.
    """
    from huggingface_hub import snapshot_download

    reason = ""
    kind = {"repo_type": "dataset"} if dataset else {"ignore_patterns": "*/*"}
    for local in (True, False) if revision and len(revision) == 40 else (False, True):
        try:
            options = {"revision": revision, "allow_patterns": list(patterns), "local_files_only": local, **kind}
            folder = Path(snapshot_download(name, **options))
        except Exception as error:  # its own kinds, its HTTP library's, ImportError for a proxy: it is not to be had
            reason = reason if local and reason else one_line(error, 200)
            continue
        if is_whole(folder):
            return folder
        reason = reason or "its files are not there"
    what, advice = absent
    raise UserError(f"{what} ({reason}); {advice}")
