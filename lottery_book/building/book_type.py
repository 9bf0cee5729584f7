"""A Sphinx extension for the book: no-break spaces before per cent signs, real minus signs, ids of tables of their own.

And the role `minutes`, which says how long pages take to read. All of it is done on the pages as they are written, so
that glued numbers and tables made by chapters are meant as well.
"""

from __future__ import annotations

import re

NUMBER_PERCENT = re.compile(r"(?<=\d) (?=%)")
HYPHEN_MINUS = re.compile(r"(?<![\w.,/+\-–−)\]])-(?=\d)")
CELL = re.compile(r"(<(?:td|th|caption)\b[^>]*>)([^<]*)")
TABLE = re.compile(r'<table id="(T_[\w-]+)"')
WORDS_A_MINUTE = 200


def typeset(text: str) -> str:
    """`text` with a no-break space before each per cent sign and minus signs before negative numbers."""
    return HYPHEN_MINUS.sub("−", NUMBER_PERCENT.sub("\u00a0", text))


def typeset_table(html: str) -> str:
    """HTML with its tables' cells and captions typeset; what is inside tags stays as it is."""
    return CELL.sub(lambda found: found[1] + typeset(found[2]), html) if "<table" in html else html


def own_ids(html: str, seen: dict[str, int]) -> str:
    """HTML whose table's name, "T_...", the page has `seen` before gets a number, so that its ids are its own."""
    name = TABLE.search(html)
    if name is None:
        return html
    seen[name[1]] = seen.get(name[1], 0) + 1
    return html if seen[name[1]] == 1 else re.sub(rf"\b{name[1]}(?=[_\W])", f"{name[1]}-{seen[name[1]]}", html)


def reading_minutes(doctree) -> int:
    """Minutes to read a page: its prose and captions, without code and tables; at least 1."""
    from docutils import nodes

    kinds = (nodes.paragraph, nodes.caption, nodes.title, nodes.term)
    prose = [node for node in doctree.findall(lambda node: isinstance(node, kinds)) if not _within(node, nodes.table)]
    return max(1, round(sum(len(node.astext().split()) for node in prose) / WORDS_A_MINUTE))


def _within(node, kinds) -> bool:
    """Whether `node` lies in a node of `kinds`."""
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


def _finish(app, doctree, docname: str) -> None:
    """Fill in the reading times of a page that is about to be written, and typeset it."""
    from docutils import nodes

    for place in list(doctree.findall(lambda node: isinstance(node, nodes.inline) and "pages" in node.attributes)):
        minutes = sum(reading_minutes(app.env.get_doctree(name)) for name in place["pages"])
        place.children = [nodes.Text(f"{minutes} min")]
    code = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw)
    for text in list(doctree.findall(nodes.Text)):
        better = typeset(text.astext())
        if better != text.astext() and not _within(text, code):
            text.parent.replace(text, nodes.Text(better))
    tables: dict[str, int] = {}
    for raw in list(doctree.findall(nodes.raw)):
        if raw.get("format") == "html":
            raw.children = [nodes.Text(own_ids(typeset_table(raw.astext()), tables))]


def _minutes(name, rawtext, text, lineno, inliner, options=None, content=None):
    """The role `minutes`: names of pages, apart by spaces, whose reading times are added."""
    from docutils import nodes

    found = inliner.document.settings.env.found_docs
    missing = [page for page in text.split() if page not in found]
    if missing:
        problem = inliner.reporter.warning(f"no page {', '.join(missing)}", line=lineno)
        return [], [problem]
    place = nodes.inline(rawtext, "", pages=text.split())
    return [place], []


def setup(app) -> dict:
    """Register with Sphinx; runs on each page before it is written."""
    app.add_role("minutes", _minutes)
    app.connect("doctree-resolved", _finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
