"""Where a result came from: versions, commit, device, dates. No path or host name of the machine is kept."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from .. import __version__
from ..errors import one_line

# an absolute path: a slash that follows no word, as "mrpc/42" and "https://" have
ROOTED = re.compile(r"""(?<![\w.:/])~?/(?:[^\s"',;=/\[\]{}]+/)*([^\s"',;=/\[\]{}]+)/?""")
PACKAGES = ("torch", "transformers", "datasets", "numpy", "safetensors", "scikit-learn")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of Python, this package and those that can move a result."""
    own = {"python": ".".join(map(str, sys.version_info[:3])), "lottery_utils": __version__}
    return own | {name: metadata.version(name) for name in PACKAGES}


@lru_cache(maxsize=1)
def commit() -> dict:
    """`commit` of the package's checkout, and whether its files are `dirty`; or None for both, and `commit_missing`.

    Installed code has none, nor has a copy of this package alone, whatever repository lies around it.
    """
    package = Path(__file__).resolve().parents[1]
    try:
        _git(package, "ls-files", "--error-unmatch", "__init__.py", "../lottery_book/__init__.py")
        head = _git(package, "rev-parse", "HEAD")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".", "../lottery_book")
        return {"commit": head, "dirty": bool(changed)}
    except (OSError, subprocess.SubprocessError) as error:  # it is not installed, gives no answer, or says no
        reason = getattr(error, "stderr", None) or f"{type(error).__name__}: {error}"
        reason = f"git: {without_folders(one_line(reason, 200))}"
        return {"commit": None, "dirty": None, "commit_missing": reason}


def _git(folder: Path, *arguments: str) -> str:
    """What git prints about the checkout around `folder`, whoever owns it, and whatever the environment points at."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["LC_ALL"] = "C"
    call = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    done = subprocess.run(call, capture_output=True, errors="replace", timeout=20, check=True, env=environment)
    return done.stdout.strip()


def command() -> str:
    """The command that started this process, folders of the machine cut off."""
    name = Path(sys.argv[0] or "python").name
    return " ".join(["lottery" if name == "cli.py" else name, *(without_folders(a) for a in sys.argv[1:])])


def without_folders(text: str) -> str:
    """`text` with every absolute path in it cut to its last part: a record may be published."""
    return ROOTED.sub(r"\1", text)


def now() -> str:
    """The time now in UTC, ISO format to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
