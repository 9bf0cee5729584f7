"""Fixtures that several test files need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder ``shared`` beside the repository, with real GLUE data; tests that need it are skipped without."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "glue").is_dir():
        pytest.skip("real GLUE data is not at hand: no folder shared/glue beside the repository")
    return folder
