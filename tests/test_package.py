"""What a newcomer meets first: a light import, one version."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lottery_utils

ROOT = Path(__file__).resolve().parent.parent


def test_import_is_light():
    code = (
        "import sys, lottery_utils, lottery_utils.cli, lottery_utils.presets, lottery_book.building.build; "
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


DISTRIBUTION = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
IPYKERNEL = dict.fromkeys(("IPython", "matplotlib_inline", "traitlets"), "ipykernel")
COMES_WITH = {**IPYKERNEL, "myst_nb": "jupyter-book"}


def test_what_the_package_imports_is_a_dependency():
    imported = set()
    for path in (ROOT / "lottery_utils").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    imported -= set(sys.stdlib_module_names) | {"__future__", "lottery_utils"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    listed = {re.split(r"[<>=!~\[ ;]", line, maxsplit=1)[0].lower().replace("_", "-") for line in listed}
    wanted = {COMES_WITH.get(name, DISTRIBUTION.get(name, name)).lower().replace("_", "-") for name in imported}
    assert wanted <= listed, wanted - listed


@pytest.mark.parametrize("package", ["lottery_utils", "lottery_book"])
def test_every_file_that_is_no_code_goes_into_the_wheel(package):
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packed = {path for name, patterns in setup["package-data"].items() for pattern in patterns
              for path in (ROOT / name.replace(".", "/")).glob(pattern)}  # fmt: skip
    there = {path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert there and there <= packed
