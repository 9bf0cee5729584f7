"""The API pages: the package's public functions and classes with their docstrings, from the source, one page per room.

Also a Sphinx extension, which writes the pages before the book is read: they are not in the repository, so they are
never behind the code. Nothing of the package is imported for it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "lottery_utils"
# in the order in which they may import
ROOMS = ("", "demo", "tasks", "models", "training", "pruning", "fast", "experiment", "show", "export")
INSIDE = {"fast", "experiment", "disk", "hub", "places", "validation", "yamlfile"}  # documented, not in the search
OFFERED = {"experiment.study", "experiment.reading"}  # of these, for readers
DIRECTIVE = re.compile(r"^:{3,4}\{py:\w+\} .*$", re.MULTILINE)
CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
SPECIAL = re.compile(r"[\\*$<>\[\]{}]|(?<!\w)_|_(?!\w)")
HEAD = "---\nmyst:\n  linkify_fuzzy_links: false\n---\n\n"
INDEX = """# The package

The public functions and classes of `lottery_utils` with their docstrings, room by room. A room imports only from those
above it. [](run.md) shows the commands.

| room | modules | holds |
|---|---|---|
"""
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def write_api(book: Path) -> None:
    """Write the API pages into the book at `book`: `api.md`, and `api/ROOM.md` for each room."""
    (book / "api").mkdir(exist_ok=True)
    rows = []
    for room in ROOMS:
        paths = sorted((PACKAGE / room).rglob("*.py") if room else PACKAGE.glob("*.py"))
        modules = [path for path in paths if not path.name.startswith("_")]
        page, tree = f"api/{room or 'package'}.md", _tree(PACKAGE / room / "__init__.py")
        (book / page).write_text(room_page(room, tree, modules), encoding="utf-8")
        rows.append(f"| []({page}) | {len(modules)} | {_plain(tree).splitlines()[0]} |\n")
    (book / "api.md").write_text(HEAD + INDEX + "".join(rows), encoding="utf-8")


def room_page(room: str, tree: ast.Module, modules: Iterable[Path]) -> str:
    """The page of a room: its docstring, then its modules, each with the documented functions and classes it makes."""
    parts = [f"{HEAD}# {f'lottery_utils.{room}'.rstrip('.')}", _plain(tree)]
    for path in modules:
        name, tree = ".".join(path.relative_to(PACKAGE).with_suffix("").parts), _tree(path)
        parts += [f"## {name}", f"```{{py:currentmodule}} lottery_utils.{name}\n```", _plain(tree)]
        option = "\n:no-index:" if name.split(".")[0] in INSIDE and name not in OFFERED else ""
        entries = [_entry(node) for node in tree.body if _is_public(node)]
        parts += [DIRECTIVE.sub(lambda first, option=option: first[0] + option, entry) for entry in entries]
    return "\n\n".join(part for part in parts if part) + "\n"


def _is_public(node: ast.AST) -> bool:
    """Whether it is a function or class with a docstring and no underscore."""
    named = isinstance(node, (*Function, ast.ClassDef)) and not node.name.startswith("_")
    return named and bool(ast.get_docstring(node))


def _entry(node: ast.AST) -> str:
    """A directive of Sphinx's Python domain for a function, or for a class with its methods."""
    if isinstance(node, Function):
        return _directive("function", f"{node.name}{_signature(node)}", node)
    inside = []
    for method in node.body:
        if isinstance(method, Function) and _is_public(method):
            is_property = any(ast.unparse(mark).endswith("property") for mark in method.decorator_list)
            form = method.name if is_property else f"{method.name}{_signature(method)}"
            inside.append(_directive("property" if is_property else "method", form, method))
    return _directive("class", f"{node.name}{_class_signature(node)}", node, inside, "::::")


def _directive(kind: str, form: str, node: ast.AST, inside: Iterable[str] = (), fence: str = ":::") -> str:
    body = "\n\n".join([_plain(node), *inside])
    return f"{fence}{{py:{kind}}} {form}\n{body}\n{fence}"


def _signature(node) -> str:
    """Arguments and result as written, `self` and `cls` left out."""
    arguments = ast.unparse(node.args)
    if arguments.split(",")[0] in ("self", "cls"):
        arguments = arguments.partition(",")[2].strip()
    return f"({arguments})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")


def _class_signature(node: ast.ClassDef) -> str:
    """The arguments of `__init__`, or the fields of a dataclass; "" when there are none."""
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            return _signature(method).removesuffix(" -> None")
    if any("dataclass" in ast.unparse(mark) for mark in node.decorator_list):
        fields = [line for line in node.body if isinstance(line, ast.AnnAssign)]
        return f"({', '.join(ast.unparse(field) for field in fields)})"
    return ""


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _plain(node: ast.AST) -> str:
    """A docstring, plain text with code in backticks, as Markdown that shows the same; indented blocks are code."""
    lines = (ast.get_docstring(node) or "").split("\n")
    return "\n".join(line if line.startswith("    ") else _escaped(line) for line in lines)


def _escaped(line: str) -> str:
    parts = CODE.split(line)  # every second one is code
    parts[::2] = [SPECIAL.sub(lambda found: f"\\{found[0]}", part) for part in parts[::2]]
    return "".join(parts)


def setup(app) -> dict:
    """Write the pages into the book that Sphinx is about to read."""
    write_api(Path(app.srcdir))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
