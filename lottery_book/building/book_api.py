"""The API pages: the package's public functions and classes with their docstrings, read from the source, a page a room.

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
CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
SPECIAL = re.compile(r"[\\*$<>\[\]{}]|(?<!\w)_|_(?!\w)")
HEAD = "---\nmyst:\n  linkify_fuzzy_links: false\n---\n\n"
Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def rooms() -> dict[str, list[str]]:
    """The public modules of each room, in order; the room "" holds those outside the others."""
    shown = {}
    for room in ROOMS:
        paths = sorted((PACKAGE / room).rglob("*.py") if room else PACKAGE.glob("*.py"))
        names = [path.relative_to(PACKAGE.parent).with_suffix("") for path in paths if not path.name.startswith("_")]
        shown[room] = [".".join(name.parts) for name in names]
    return shown


def write_api(book: Path) -> None:
    """Write the API pages into the book at `book`: `api.md`, and `api/ROOM.md` for each room."""
    (book / "api").mkdir(exist_ok=True)
    pages = {f"api/{room or 'package'}.md": room_page(room, modules) for room, modules in rooms().items()}
    for old in {path.name for path in (book / "api").glob("*.md")} - {Path(name).name for name in pages}:
        (book / "api" / old).unlink()
    for name, text in {**pages, "api.md": index_page()}.items():
        path = book / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # unchanged pages are not read again
            path.write_text(text, encoding="utf-8")


def index_page() -> str:
    """The first of the API pages: a table of the rooms and what they are for."""
    rows = []
    for room, modules in rooms().items():
        about = _plain(_docstring(_tree(f"lottery_utils.{room}".rstrip("."))).split("\n")[0])
        rows.append(f"| [](api/{room or 'package'}.md) | {len(modules)} | {about} |")
    text = (
        "# The package\n\nThe public functions and classes of `lottery_utils` with their docstrings, room by room. "
        "A room imports only from those above it. [](run.md) shows the commands."
    )
    return "\n".join([f"{HEAD}{text}", "", "| room | modules | holds |", "|---|---|---|", *rows, ""])


def room_page(room: str, modules: list[str]) -> str:
    """The page of a room: its docstring, then its modules, each with the documented functions and classes it makes."""
    name = f"lottery_utils.{room}".rstrip(".")
    parts = [f"{HEAD}# {name}", _plain(_docstring(_tree(name)))]
    for module in modules:
        tree = _tree(module)
        parts += [f"## {module.removeprefix('lottery_utils.')}", f"```{{py:currentmodule}} {module}\n```"]
        parts.append(_plain(_docstring(tree)))
        for node in tree.body:
            if isinstance(node, (*Function, ast.ClassDef)) and not node.name.startswith("_") and _docstring(node):
                parts.append(_entry(node))
    return "\n\n".join(part for part in parts if part) + "\n"


def _entry(node: ast.AST) -> str:
    """A directive of Sphinx's Python domain for a function, or for a class with its methods."""
    if isinstance(node, Function):
        return _directive("function", f"{node.name}{_signature(node)}", node)
    inside = []
    for method in node.body:
        if isinstance(method, Function) and not method.name.startswith("_") and _docstring(method):
            is_property = any(ast.unparse(mark).endswith("property") for mark in method.decorator_list)
            form = method.name if is_property else f"{method.name}{_signature(method)}"
            inside.append(_directive("property" if is_property else "method", form, method))
    return _directive("class", f"{node.name}{_class_signature(node)}", node, inside, "::::")


def _directive(kind: str, form: str, node: ast.AST, inside: Iterable[str] = (), fence: str = ":::") -> str:
    body = "\n\n".join([_plain(_docstring(node)), *inside])
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


def _tree(module: str) -> ast.Module:
    path = PACKAGE.parent.joinpath(*module.split("."))
    path = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def _docstring(node: ast.AST) -> str:
    return ast.get_docstring(node) or ""


def _plain(text: str) -> str:
    """Plain text with code in backticks as Markdown that shows the same; indented blocks are code."""
    lines = []
    for line in text.split("\n"):
        if line.startswith("    "):
            lines.append(line)
            continue
        parts = (p if CODE.fullmatch(p) else SPECIAL.sub(lambda found: f"\\{found[0]}", p) for p in CODE.split(line))
        lines.append("".join(parts))
    return "\n".join(lines)


def setup(app) -> dict:
    """Write the pages into the book that Sphinx is about to read."""
    write_api(Path(app.srcdir))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
