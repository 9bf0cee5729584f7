"""The book's pages: API pages hold the docstrings, figures have alternative text, the paper's items lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import yaml

from lottery_book.building import book_api, build

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
CHAPTERS = sorted((BOOK / "chapters").glob("*.ipynb"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path: Path):
    return nbformat.read(path, as_version=4)


# API pages


def test_api_pages_hold_every_public_docstring_and_no_private_name(tmp_path):
    book_api.write_api(tmp_path)
    text = "\n".join(path.read_text(encoding="utf-8") for path in (tmp_path / "api").glob("*.md"))
    assert ":::{py:function} open_study(preset: str='demo'" in text
    assert ":::{py:method} run(stages: Names=None" in text
    assert re.search(r"^::::\{py:class\} Preset\(name: str = 'paper'", text, re.MULTILINE)
    assert not re.search(r"py:\w+\} _", text)
    listed = (tmp_path / "api.md").read_text(encoding="utf-8")
    for folder in (ROOT / "lottery_utils").glob("*/__init__.py"):
        assert f"](api/{folder.parent.name}.md)" in listed


def test_api_pages_are_rewritten_only_when_the_code_changed(tmp_path):
    book_api.write_api(tmp_path)
    page, stray = tmp_path / "api" / "tasks.md", tmp_path / "api" / "gone.md"
    before = page.stat().st_mtime_ns
    stray.write_text("a room that is no more", encoding="utf-8")
    book_api.write_api(tmp_path)
    assert page.stat().st_mtime_ns == before and not stray.exists()


def test_docstrings_become_markdown_that_shows_the_same():
    shown = book_api._plain("`a*b`, **x** and $y, [0, 1], a_b, _c")
    assert shown == "`a*b`, \\*\\*x\\*\\* and \\$y, \\[0, 1\\], a_b, \\_c"
    assert book_api._plain("one\n\n    kept * as it is") == "one\n\n    kept * as it is"


# alternative text


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_each_picture_of_a_chapter_has_caption_label_and_alternative_text(path):
    for cell in read(path).cells:
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            settings = cell.metadata.get("mystnb", {})
            assert settings.get("figure", {}).get("caption") and settings["figure"].get("name"), cell.source
            assert len(settings.get("image", {}).get("alt", "")) > 20, cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_each_figure_of_a_notebook_has_alternative_text(path):
    for cell in read(path).cells:
        settings = cell.metadata.get("mystnb", {})
        assert "figure" not in settings or settings["image"]["alt"], cell.source


def test_each_picture_of_a_page_has_alternative_text():
    for path in [ROOT / "README.md", *BOOK.glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"!\[\s*\]\(", text), path.name
        for block in re.findall(r"^`{3,}\{(?:figure|image)\}.*?^`{3,}", text, re.MULTILINE | re.DOTALL):
            assert ":alt:" in block, path.name


# the paper's items


def anchors() -> dict[str, set[str]]:
    """What can be linked to, by page: labels of figures and of headings."""
    found: dict[str, set[str]] = {}
    for path in NOTEBOOKS:
        for cell in read(path).cells:
            label = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            own = {label} if label else set()
            if cell.cell_type == "markdown":
                own |= set(re.findall(r"^\(([\w-]+)\)=$", cell.source, re.MULTILINE))
            found.setdefault(f"chapters/{path.stem}", set()).update(own)
    for path in BOOK.glob("*.md"):
        labels = re.findall(r"^\(([\w-]+)\)=$", path.read_text(encoding="utf-8"), re.MULTILINE)
        found[path.stem] = set(labels)
    return found


def items() -> list[tuple[str, str]]:
    """(item, cell with its links) of each row of the index of figures."""
    text = (BOOK / "figures.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [(row[0].strip(), row[-1].strip()) for row in rows if row[0].strip() != "item"]


def test_each_item_of_the_paper_leads_to_an_anchor_that_exists():
    there, rows = set().union(*anchors().values()), items()
    assert len(rows) >= 16
    for item, cell in rows:
        labels = re.findall(r"\]\(#([\w-]+)\)|\{(?:num)?ref\}`(?:[^`<]*<)?([\w-]+)>?`", cell)
        assert labels, f"{item} leads nowhere: {cell}"
        for label in ("".join(pair) for pair in labels):
            assert label in there, f"{item}: there is no anchor {label!r}"


def test_labels_are_unique():
    labels = [label for own in anchors().values() for label in own]
    assert len(labels) == len(set(labels)), sorted(label for label in labels if labels.count(label) > 1)


# launch buttons


@pytest.mark.slow
@pytest.mark.parametrize("url", ["", "https://github.com/someone/companion"])
def test_launch_buttons_need_the_repositorys_address_and_lead_nowhere_without_it(url, tmp_path):
    """The book's own settings, with and without the address, on a book of one chapter."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    used = {key: config[key] for key in ("repository", "launch_buttons")}
    used["repository"]["url"] = url
    used["sphinx"] = {"extra_extensions": ["lottery_book.building.book_launch"]}
    used |= {"title": "T", "only_build_toc_files": True, "execute": {"execute_notebooks": "off"}}
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(used), encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters: [{file: chapters/01_a}]\n")
    (tmp_path / "intro.md").write_text("# T\n", encoding="utf-8")
    (tmp_path / "chapters").mkdir()
    v4 = nbformat.v4
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    chapter = v4.new_notebook(cells=[v4.new_markdown_cell("# A"), v4.new_code_cell("1")], metadata=spec)
    nbformat.write(chapter, tmp_path / "chapters" / "01_a.ipynb")
    build.build_book(tmp_path)
    page = (tmp_path / "_build" / "html" / "chapters" / "01_a.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(https://[^"]*(?:mybinder|colab)[^"]*)"', page)
    path = "book/chapters/01_a.ipynb"
    binder = f"https://mybinder.org/v2/gh/someone/companion/main?urlpath=lab/tree/{path}"
    colab = f"https://colab.research.google.com/github/someone/companion/blob/main/{path}"
    assert links == ([binder, colab] if url else [])
