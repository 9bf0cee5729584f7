"""Which room may import which: only those above it; the package not the pages' code, nothing the demo's maker."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lottery_utils

ROOT = Path(__file__).resolve().parent.parent
# from the top; modules that lie in no room count by their own names
ROOMS = ("errors", "disk", "hub", "places", "switch", "validation", "taskfile", "methods", "presets")
ROOMS += ("demo", "tasks", "models", "training", "pruning", "fast", "experiment", "show", "export", "commands", "cli")


def imported(path: Path) -> set[str]:
    """The full names that a module's import statements lead to, wherever they stand in it."""
    package = [*path.relative_to(ROOT).parent.parts]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith(("lottery_", "demo_language"))}


def room_of(name: str) -> str:
    return name.split(".")[1]


FACE = set(lottery_utils.__all__)
MODULES = sorted((ROOT / "lottery_utils").rglob("*.py"))


def test_every_room_has_its_place():
    tops = {path.relative_to(ROOT / "lottery_utils").parts[0].removesuffix(".py") for path in MODULES}
    assert tops - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_imports_only_from_its_own_room_and_those_above(path):
    room = path.relative_to(ROOT / "lottery_utils").parts[0].removesuffix(".py")
    names = imported(path)
    assert not [name for name in names if name.startswith(("lottery_book", "demo_language"))]
    allowed = set(ROOMS[: ROOMS.index(room) + 1]) if room in ROOMS else set(ROOMS)
    below = {name for name in names if room_of(name) in ROOMS and room_of(name) not in allowed}
    assert not below


def test_the_pages_code_reads_the_demo_and_does_not_make_it():
    for path in sorted((ROOT / "lottery_book").rglob("*.py")):
        assert not [name for name in imported(path) if name.startswith("demo_language")], path.name


def test_notebooks_import_the_face_and_their_chapters_code_in_three_lines_at_most():
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert len(lines) <= 3, path.name
        for node in lines:
            names = {alias.name for alias in node.names}
            if isinstance(node, ast.Import) and names <= {"numpy", "pandas"}:  # of the method, written out
                continue
            assert node.module == "lottery_book" or (node.module == "lottery_utils" and names <= FACE), path.name


def test_everything_of_the_face_is_there_and_says_what_it_is():
    for name in FACE - {"__version__"}:
        assert len((getattr(lottery_utils, name).__doc__ or "").splitlines()[0]) > 20, name
