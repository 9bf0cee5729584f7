"""The commit a record names: that of the code, whatever git's environment says, and a reason where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = "from lottery_utils.experiment.provenance import commit; print([*commit().values(), None][:3])"


def commit_in(folder: Path, **environment: str) -> list:
    """What a process says whose code lies in `folder`."""
    settings = {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    done = subprocess.run([sys.executable, "-c", CODE], env=settings, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return eval(done.stdout)  # a list of what the line above prints


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A repository with the package's modules that say the commit."""
    root = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__", "micro_bert", "*.parquet")
    shutil.copytree(ROOT / "lottery_utils", root / "lottery_utils", ignore=ignored)
    (root / "lottery_book").mkdir()
    (root / "lottery_book" / "__init__.py").touch()
    git = ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e@e"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    return root


def head(folder: Path) -> str:
    done = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_is_the_codes_own_also_where_git_is_told_of_another_repository(checkout, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path / "other")], check=True)
    expected = [head(checkout), False, None]
    assert commit_in(checkout) == expected
    assert commit_in(checkout, GIT_DIR=str(tmp_path / "other" / ".git"), GIT_WORK_TREE=str(tmp_path)) == expected


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root can give files to another owner")
def test_a_checkout_of_another_owner_has_its_commit_too(checkout, tmp_path):
    shutil.copytree(checkout, tmp_path / "theirs", symlinks=True)
    for folder, names, files in os.walk(tmp_path / "theirs"):
        for path in (folder, *(os.path.join(folder, name) for name in (*names, *files))):
            os.chown(path, 12345, 12345)
    assert commit_in(tmp_path / "theirs") == [head(checkout), False, None]


def test_without_a_checkout_or_without_git_the_reason_is_said(checkout, tmp_path):
    shutil.copytree(checkout / "lottery_utils", tmp_path / "plain" / "lottery_utils")
    missing = commit_in(tmp_path / "plain")
    assert missing[:2] == [None, None] and missing[2].startswith("git: fatal: ")
    missing = commit_in(checkout, PATH=str(tmp_path))
    assert missing[:2] == [None, None] and missing[2].endswith("No such file or directory: 'git'")


def test_a_copy_of_the_package_in_another_repository_has_not_that_ones_commit(checkout, tmp_path):
    shutil.copytree(checkout / "lottery_utils", tmp_path / "lottery_utils")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@e"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "another's"]):
        subprocess.run([*git, *arguments], check=True)
    commit, dirty, why = commit_in(tmp_path)
    assert commit is None and dirty is None and "'../lottery_book/__init__.py' did not match any file" in why


def test_what_git_says_need_not_be_utf8(checkout, tmp_path):
    """It names folders as they are called."""
    (tmp_path / "git").write_bytes(b"#!/bin/sh\nprintf 'fatal: no owner of /home/jos\\351/code' >&2; exit 128\n")
    (tmp_path / "git").chmod(0o755)
    commit, dirty, why = commit_in(checkout, PATH=f"{tmp_path}:{os.environ['PATH']}", PYTHONUTF8="1")
    assert commit is None and dirty is None and "fatal: no owner of" in why


def test_changed_files_are_noticed(checkout, tmp_path):
    shutil.copytree(checkout, tmp_path / "mine", symlinks=True)
    path = tmp_path / "mine" / "lottery_utils" / "errors.py"
    path.write_text(path.read_text() + "\n")
    assert commit_in(tmp_path / "mine")[1] is True
