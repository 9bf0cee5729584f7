"""What a newcomer meets first: a light import, one version."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lottery_utils

ROOT = Path(__file__).resolve().parent.parent


def test_import_is_light():
    code = (
        "import sys, lottery_utils, lottery_utils.cli, lottery_utils.presets, lottery_utils.report.build; "
        "print([m for m in ('torch', 'transformers', 'datasets', 'pandas', 'papermill') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_open_study_is_found_lazily():
    from lottery_utils.experiment.study import open_study

    assert lottery_utils.open_study is open_study and "open_study" in dir(lottery_utils)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lottery_utils.nothing  # noqa: B018


def test_one_version_everywhere():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited and cited[1] == lottery_utils.__version__
    assert f"## {lottery_utils.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
