"""A Sphinx extension for the book: each page loads a script once, and none that would ask the network for code.

Jupyter Book 1 reads its sources twice and so adds inline scripts twice, which is an error in the browser's console;
and it readies every page for thebe, a service this book does not use.
"""

from __future__ import annotations

UNUSED = ("thebe",)


def wanted_scripts(scripts: list) -> list:
    """`scripts` (Sphinx's script objects) in their order, without repeated and unused ones."""
    kept, seen = [], set()
    for script in scripts:
        name, body = str(script.filename or ""), script.attributes.get("body") or ""
        if (name, body) in seen or any(word in name or word in body for word in UNUSED):
            continue
        seen.add((name, body))
        kept.append(script)
    return kept


def _tidy(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    context["script_files"] = wanted_scripts(context["script_files"])


def setup(app) -> dict:
    """Register with Sphinx; runs after the theme, which adds scripts of its own."""
    app.connect("html-page-context", _tidy, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
