"""A Sphinx extension for the book: pages with interactive charts get Vega, out of vl-convert-python, and our script.

The library is written into the built book, where it is installed from and never fetched by a page; other pages do not load it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

LIBRARY, SCRIPT, STYLE = "vega.js", "charts.js", "charts.css"
MARK = 'class="lottery-chart"'


def write_library(folder: Path) -> Path:
    """Vega, Vega-Lite and Vega-Embed as one script that sets `vegaEmbed`, in `folder`; some 900 kB."""
    import vl_convert

    path = folder / LIBRARY
    path.write_text(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"), encoding="utf-8")
    return path


def write_assets(folder: Path) -> None:
    """What pages with charts load, in `folder`; a library that is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (SCRIPT, STYLE):
        shutil.copyfile(Path(__file__).parent.parent / "explorer" / name, folder / name)
    if not (folder / LIBRARY).is_file():
        write_library(folder)


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
