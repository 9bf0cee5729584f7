"""A Sphinx extension for the book: pages with interactive charts get Vega, out of vl-convert-python, and our script.

The library comes from the installed package into the built book; no page fetches it from elsewhere, and pages without
charts do not load it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

LIBRARY, SCRIPT, STYLE = "vega.js", "charts.js", "charts.css"
MARK = 'class="lottery-chart"'
SOURCE = Path(__file__).parent.parent / "explorer"


def write_assets(folder: Path) -> None:
    """What pages with charts load, in `folder`: the library (900 kB, kept where it is there), script, style."""
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / LIBRARY).is_file():
        _write_script(folder / LIBRARY, vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    _write_script(folder / SCRIPT, (SOURCE / SCRIPT).read_text(encoding="utf-8"))
    shutil.copyfile(SOURCE / STYLE, folder / STYLE)


def _write_script(path: Path, text: str) -> None:
    """A script whose names stay its own: Sphinx's and Vega's would clash."""
    path.write_text(f"(() => {{\n{text}\n}})();\n", encoding="utf-8")


def _write(app) -> None:
    if app.builder.format == "html":
        write_assets(Path(app.outdir) / "_static")


def _load(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    if MARK in (context.get("body") or ""):
        app.add_css_file(STYLE)
        for name in (LIBRARY, SCRIPT):
            app.add_js_file(name, loading_method="defer")


def setup(app) -> dict:
    """Register with Sphinx."""
    app.connect("builder-inited", _write)
    app.connect("html-page-context", _load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
