"""The Sphinx extension of the book: charts, scripts, typography, reading times, pictures out of the chapters.

- Pages with interactive charts load Vega, out of the installed vl-convert-python, and our script; nothing is fetched.
- Each page loads a script once, and none for thebe, a service that this book does not use: Jupyter Book 1 reads its
  sources twice and so adds inline scripts twice, which is an error in the browser's console.
- No-break spaces before per cent signs, real minus signs, and words such as s-pruning and dates on one line, on the
  pages as they are written, so that glued numbers and tables made by chapters are meant as well.
- The role `minutes` says how long pages take to read; the role `source` links to a module of the repository.
- Each picture that a page names `thumbnails/LABEL.png` is written: the figure of that label in the executed chapters,
  small. `thumbnails/LABEL-whole.png` is the figure as it is.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

from docutils import nodes

LIBRARY, SCRIPT, STYLE = "vega.js", "charts.js", "charts.css"
CHART = 'class="lottery-chart"'
CHARTS = Path(__file__).parent.parent / "explorer"
ROOT = Path(__file__).resolve().parents[2]
NUMBER_PERCENT = re.compile(r"(?<=\d) (?=%)")
HYPHEN_MINUS = re.compile(r"(?<![\w.,/+\-–−)\]])-(?=\d)")
UNBROKEN = re.compile(r"(\b[sm]-\w+|\b\w+-(?:2|B)(?:-like)?\b|\w+-like\b|\b\d{4}-\d\d-\d\d\b|\[\S+ to \S+\])")
CELL = re.compile(r"(<(td|th|caption)\b[^>]*>)([^<]*)")
LINK = re.compile(r"(<a\b[^>]*>)([^<]*)")  # within a cell
SHORT = 14  # characters of a cell that does not break: "0.560 ± 0.006"
CODE = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)
PROSE = (nodes.paragraph, nodes.caption, nodes.title, nodes.term)
WORDS_A_MINUTE = 200
FOLDER = "thumbnails"  # in the book's source
WIDTH, HEIGHT = 440, 330  # of thumbnails: pixels, twice what is shown


def write_assets(folder: Path) -> None:
    """What pages with charts load, in `folder`: the library (900 kB, kept where it is there), script, style."""
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / LIBRARY).is_file():
        _write_script(folder / LIBRARY, vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    _write_script(folder / SCRIPT, (CHARTS / SCRIPT).read_text(encoding="utf-8"))
    shutil.copyfile(CHARTS / STYLE, folder / STYLE)


def _write_script(path: Path, text: str) -> None:
    """A script whose names stay its own: Sphinx's and Vega's would clash."""
    path.write_text(f"(() => {{\n{text}\n}})();\n", encoding="utf-8")


def _begin(app) -> None:
    if app.builder.format == "html":
        write_assets(Path(app.outdir) / "_static")
    write_pictures(Path(app.srcdir))


def _load_charts(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    if CHART in (context.get("body") or ""):
        app.add_css_file(STYLE)
        for name in (LIBRARY, SCRIPT):
            app.add_js_file(name, loading_method="defer")


def _tidy_scripts(app, pagename: str, templatename: str, context: dict, doctree) -> None:
    scripts: dict = {}
    for script in context["script_files"]:
        scripts.setdefault((str(script.filename), script.attributes.get("body")), script)
    context["script_files"] = [script for key, script in scripts.items() if "thebe" not in str(key)]


def typeset(text: str) -> str:
    """`text` with a no-break space before each per cent sign and minus signs before negative numbers."""
    return HYPHEN_MINUS.sub("−", NUMBER_PERCENT.sub("\u00a0", text))


def typeset_table(html: str) -> str:
    """HTML with its tables' cells and captions typeset; what is inside tags stays as it is."""
    if "<table" not in html:
        return html
    return LINK.sub(lambda link: link[1] + typeset(link[2]), CELL.sub(_typeset_cell, html))


def _typeset_cell(found: re.Match) -> str:
    tag, kind, text = found[1], found[2], typeset(found[3])
    if kind == "td" and len(text) <= SHORT and re.search("[ -]", text.strip()):
        return f'{tag}<span class="unbroken">{text}</span>'
    return tag + UNBROKEN.sub(r'<span class="unbroken">\1</span>', text)


def pieces(text: str) -> list[nodes.Node]:
    """`text` typeset, what must not break in a node of its own."""
    parts = UNBROKEN.split(typeset(text))  # every second one is what was looked for
    whole = {"classes": ["unbroken"]}
    made = [nodes.inline(part, part, **whole) if i % 2 else nodes.Text(part) for i, part in enumerate(parts)]
    return [node for node in made if node.astext()] or [nodes.Text(text)]


def reading_minutes(doctree) -> int:
    """Minutes to read a page: its prose and captions, without code and tables; at least 1."""
    prose = [node for node in doctree.findall(lambda node: isinstance(node, PROSE)) if not _within(node, nodes.table)]
    return max(1, round(sum(len(node.astext().split()) for node in prose) / WORDS_A_MINUTE))


def _within(node, kinds) -> bool:
    """Whether `node` lies in a node of `kinds`."""
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


def _finish(app, doctree, docname: str) -> None:
    """Fill in the reading times of a page that is about to be written, and typeset it."""
    for place in list(doctree.findall(lambda node: isinstance(node, nodes.inline) and "pages" in node.attributes)):
        minutes = sum(reading_minutes(app.env.get_doctree(name)) for name in place["pages"])
        place += nodes.Text(f"{minutes} min")
    for element in list(doctree.findall(nodes.TextElement)):
        if not isinstance(element, CODE) and not _within(element, CODE):
            for text in [child for child in element.children if isinstance(child, nodes.Text)]:
                element.replace(text, pieces(text.astext()))
    for raw in list(doctree.findall(nodes.raw)):
        if raw.get("format") == "html":
            raw.children = [nodes.Text(typeset_table(raw.astext()))]


def _minutes(name, rawtext, text, lineno, inliner, options=None, content=None):
    """The role `minutes`: names of pages, apart by spaces, whose reading times are added."""
    there = inliner.document.settings.env.found_docs
    missing = [page for page in text.split() if page not in there]
    if missing:
        return [], [inliner.reporter.warning(f"no page {', '.join(missing)}", line=lineno)]
    return [nodes.inline(rawtext, "", pages=text.split())], []


def _source(name, rawtext, text, lineno, inliner, options=None, content=None):
    """The role `source`: a module of the repository, by its path, as a link to a copy of it."""
    env = inliner.document.settings.env
    copy = Path(env.app.outdir) / "_static" / "source" / f"{text}.txt"  # browsers show text, and download Python
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / text, copy)
    link = "../" * env.docname.count("/") + f"_static/source/{text}.txt"
    return [nodes.reference(rawtext, "", nodes.literal(text, text), refuri=link, internal=True)], []


def chapter_figures(folder: Path) -> dict[str, bytes]:
    """The figures (PNG) of the executed chapters in `folder` by label."""
    figures = {}
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            settings = cell["metadata"].get("mystnb", {})
            pictures = [o["data"]["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
            if "figure" in settings and pictures:
                figures[settings["figure"]["name"]] = base64.b64decode("".join(pictures[0]))
    return figures


def thumbnail(png: bytes) -> bytes:
    """The picture at most `WIDTH` wide; of a tall one, such as maps of all tasks, the upper part."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.resize((WIDTH, max(1, round(image.height * WIDTH / image.width))), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    image.crop((0, 0, WIDTH, min(image.height, HEIGHT))).quantize(64).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def write_pictures(book: Path) -> None:
    """Write the pictures that pages of `book` name into its folder for them, those that a chapter has."""
    pages = "".join(path.read_text(encoding="utf-8") for path in book.glob("*.md"))
    folder = book / FOLDER
    folder.mkdir(exist_ok=True)
    for label, png in chapter_figures(book / "chapters").items():
        if f"({FOLDER}/{label}.png)" in pages:
            (folder / f"{label}.png").write_bytes(thumbnail(png))
        if f"{FOLDER}/{label}-whole.png" in pages:
            (folder / f"{label}-whole.png").write_bytes(png)


def setup(app) -> dict:
    """Register with Sphinx; scripts are tidied after the theme, which adds some of its own."""
    app.add_role("minutes", _minutes)
    app.add_role("source", _source)
    app.connect("builder-inited", _begin)
    app.connect("html-page-context", _load_charts)
    app.connect("html-page-context", _tidy_scripts, priority=900)
    app.connect("doctree-resolved", _finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
