"""A Sphinx extension for pages that show what chapters drew: the directives `chapter-figure` and `gallery`.

`chapter-figure LABEL` shows a chapter's figure on another page; its content is the caption there. `gallery` has the
items of the paper with small pictures, one row each. Its content is a YAML list; each entry has `number` and `shows`,
`ours` and `published` (labels of figures, or of headings), `differs`, and `evidence` where the figure itself does not
name its sources. The pictures are taken from the executed chapters when the book is built. A label that no chapter has
is a gap.
"""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

SOURCES = ("published", "real study", "this run")
FOLDER = "thumbnails"
WIDTH, HEIGHT = 440, 330  # pixels, twice what is shown
HEADING = re.compile(r"^\(([\w-]+)\)=\s*$", re.MULTILINE)
GAP = "–"


@dataclass(frozen=True)
class Figure:
    """A labelled figure of an executed chapter: PNG, alternative text, and what it says it shows."""

    png: bytes
    alt: str
    words: str

    @property
    def sources(self) -> list[str]:
        """The sources of evidence that its caption or alternative text names."""
        return [source for source in SOURCES if source in self.words]


def chapter_labels(folder: Path) -> tuple[dict[str, Figure], set[str]]:
    """Of the executed chapters in `folder`: the figures by label, and the labels of headings."""
    figures, headings = {}, set()
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            settings = cell["metadata"].get("mystnb", {})
            if cell["cell_type"] == "markdown":
                headings |= set(HEADING.findall("".join(cell["source"])))
            pictures = [o["data"]["image/png"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
            if "figure" in settings and pictures:
                about, alt = settings["figure"], settings.get("image", {}).get("alt", "")
                words = f"{about['caption']} {alt}".lower()
                figures[about["name"]] = Figure(base64.b64decode("".join(pictures[0])), alt, words)
    return figures, headings


def thumbnail(png: bytes) -> bytes:
    """The picture at most `WIDTH` wide; of a tall one, such as maps of all tasks, the upper part."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image = image.resize((WIDTH, max(1, round(image.height * WIDTH / image.width))), Image.Resampling.LANCZOS)
    image = image.crop((0, 0, WIDTH, min(image.height, HEIGHT)))
    packed = io.BytesIO()
    image.quantize(64).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def rows(entries: list[dict], figures: dict[str, Figure], headings: set[str]) -> list[str]:
    """The gallery as lines of a Markdown table."""
    lines = ["| in the paper | here | published | evidence | what differs |", "|---|---|---|---|---|"]
    for entry in entries:
        ours, published = _labels(entry, "ours"), _labels(entry, "published")
        together = any("published" in figures[label].sources for label in ours if label in figures)
        published = [label for label in published if label not in ours]  # until the figure shows both
        theirs = "in the same figure" if together else _pictures(published, figures, headings)
        about = f"**{entry['number']}** {entry['shows']}"
        evidence = entry.get("evidence") or _evidence(ours, published, figures)
        lines.append(f"| {about} | {_pictures(ours, figures, headings)} | {theirs} | {evidence} | {entry['differs']} |")
    return lines


def _evidence(ours: list[str], published: list[str], figures: dict[str, Figure]) -> str:
    """The sources that figures name; one that names none was drawn from this run, or stands among the published."""
    named = {source for label in ours if label in figures for source in figures[label].sources or ["this run"]}
    named |= {"published" for label in published if label in figures}
    return ", ".join(source for source in SOURCES if source in named) or "this run"


def _labels(entry: dict, key: str) -> list[str]:
    return str(entry.get(key) or "").split()


def _pictures(labels: list[str], figures: dict[str, Figure], headings: set[str]) -> str:
    """The first figure small, links to all that are there."""
    shown = [label for label in labels if label in figures]
    small = f"![{figures[shown[0]].alt}]({FOLDER}/{shown[0]}.png) " if shown else ""
    links = [f"{{numref}}`{label}`" for label in shown] + [f"{{ref}}`{name}`" for name in labels if name in headings]
    return small + ", ".join(links) or GAP


def write_thumbnails(book: Path, wanted: list[str], figures: dict[str, Figure]) -> None:
    """Write the small pictures of the figures `wanted` that are there into the book's folder for them."""
    folder = book / FOLDER
    folder.mkdir(exist_ok=True)
    for label in wanted:
        if label in figures:
            (folder / f"{label}.png").write_bytes(thumbnail(figures[label].png))


def shown_again(book: Path, label: str, figures: dict[str, Figure], caption: list[str]) -> list[str]:
    """Write a chapter's figure into the book's folder; returns the Markdown that shows it, or that there is none."""
    if label not in figures:
        return [f"*{label}: no executed chapter has this figure yet; `lottery report` makes it.*"]
    folder = book / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / f"{label}-whole.png").write_bytes(figures[label].png)
    options = [f":alt: {figures[label].alt}", ":width: 740px"]
    return [f":::{{figure}} {FOLDER}/{label}-whole.png", *options, "", *caption, ":::"]


def setup(app) -> dict:
    """Register the directive with Sphinx."""
    import yaml
    from docutils import nodes
    from docutils.statemachine import StringList
    from sphinx.util.docutils import SphinxDirective

    class Gallery(SphinxDirective):
        has_content = True

        def run(self) -> list:
            entries = yaml.safe_load("\n".join(self.content))
            figures, headings = chapter_labels(Path(self.env.srcdir, "chapters"))
            for path in Path(self.env.srcdir, "chapters").glob("*.ipynb"):
                self.env.note_dependency(str(path))
            wanted = [label for entry in entries for key in ("ours", "published") for label in _labels(entry, key)]
            write_thumbnails(Path(self.env.srcdir), wanted, figures)
            box = nodes.container(classes=["gallery"])
            lines = rows(entries, figures, headings)
            self.state.nested_parse(StringList(lines, source=self.env.docname), self.content_offset, box)
            return [box]

    class ChapterFigure(SphinxDirective):
        has_content = True
        required_arguments = 1

        def run(self) -> list:
            figures, _ = chapter_labels(Path(self.env.srcdir, "chapters"))
            box = nodes.container()
            lines = shown_again(Path(self.env.srcdir), self.arguments[0], figures, list(self.content))
            self.state.nested_parse(StringList(lines, source=self.env.docname), self.content_offset, box)
            return [box]

    app.add_directive("gallery", Gallery)
    app.add_directive("chapter-figure", ChapterFigure)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
