"""The book's pages: API pages hold the docstrings, figures have alternative text, the paper's items lead somewhere."""

from __future__ import annotations

import ast
import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from lottery_book.building import book_api, build, extension
from lottery_book.scorecard.claims import CLAIMS

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
    # the last of a room inside
    for inside in ("derived_seed", "structured_search", "readable", "retire", "open_study"):
        there = re.search(rf"\}} {inside}\(.*\n(:no-index:)?", text)
        assert bool(there[1]) == (inside in ("readable", "retire")), f"{inside}: in the search or not"
    listed = (tmp_path / "api.md").read_text(encoding="utf-8")
    for folder in (ROOT / "lottery_utils").glob("*/__init__.py"):
        assert f"](api/{folder.parent.name}.md)" in listed


def test_docstrings_become_markdown_that_shows_the_same():
    module = ast.parse('"""`a*b`, **x** and $y, [0, 1], a_b, _c\n\n    kept * as it is\n\nlast"""')
    assert (
        book_api._plain(module) == "`a*b`, \\*\\*x\\*\\* and \\$y, \\[0, 1\\], a_b, \\_c\n\n    kept * as it is\n\nlast"
    )


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


def test_each_item_of_the_paper_leads_to_what_chapters_show():
    """Every row of the two tables, its links and its picture."""
    there = set().union(*anchors().values())
    text = (BOOK / "figures.md").read_text(encoding="utf-8").split("## Beyond the paper")[0]
    rows = re.findall(r"^\| \*\*.*\|$", text, re.MULTILINE)
    assert len(rows) == 23
    for row in rows:
        assert len(row.strip("|").split("|")) == 5, row
        links = re.findall(r"\{(?:num)?ref\}`([\w-]+)`", row)
        assert links and set(links) <= there, row
        assert set(re.findall(r"thumbnails/([\w-]+)\.png", row)) <= set(links), row


def test_each_claim_of_the_scorecard_leads_to_a_figure():
    for claim in CLAIMS:
        page, label = claim.figure.split("#")
        assert label in anchors()[f"chapters/{page}"], f"{claim.key}: {page} has no figure {label}"


def test_links_below_the_gallery_lead_to_anchors_that_exist():
    there = set().union(*anchors().values())
    text = (BOOK / "figures.md").read_text(encoding="utf-8").split("## Beyond the paper")[1]
    labels = ["".join(pair) for pair in re.findall(r"\{(?:num)?ref\}`(?:[^`<]*<)?([\w-]+)>?`()", text)]
    assert len(labels) >= 10 and set(labels) <= there, set(labels) - there


def test_pages_get_the_pictures_they_name_out_of_the_chapters(tmp_path):
    from PIL import Image

    (tmp_path / "chapters").mkdir()
    cells = []
    for name in ("fig-a", "fig-b", "fig-c"):
        drawn = io.BytesIO()
        Image.new("RGB", (900, 2000), "white").save(drawn, "PNG")
        data = {"image/png": base64.b64encode(drawn.getvalue()).decode()}
        output = nbformat.v4.new_output("display_data", data=data)
        settings = {"mystnb": {"figure": {"caption": "Bars.", "name": name}}}
        cells.append(nbformat.v4.new_code_cell("draw()", metadata=settings, outputs=[output]))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "chapters" / "01_a.ipynb")
    named = "![A](thumbnails/fig-a.png) ![C](thumbnails/fig-c-whole.png) ![D](thumbnails/fig-gone.png)"
    (tmp_path / "page.md").write_text(named, encoding="utf-8")
    extension.write_pictures(tmp_path)
    folder = tmp_path / "thumbnails"
    assert {path.name for path in folder.iterdir()} == {"fig-a.png", "fig-c-whole.png"}
    assert Image.open(folder / "fig-a.png").size == (extension.WIDTH, extension.HEIGHT)
    assert (folder / "fig-c-whole.png").read_bytes() == drawn.getvalue()


# typography


def test_numbers_keep_their_per_cent_sign_and_their_minus():
    good = {
        "kept 93 % of 5": "kept 93\u00a0% of 5",
        "-0.3 to +2.7 (-1)": "\u22120.3 to +2.7 (\u22121)",
        "2026-11-29, 2-3, a-1, seed_1-2": "2026-11-29, 2-3, a-1, seed_1-2",
    }
    for text, wanted in good.items():
        assert extension.typeset(text) == wanted
    html = '<table id="T_a"><tr><td id="T_a_row-1" class="x -5">-5 %</td></tr></table>'
    wanted = '<table id="T_a"><tr><td id="T_a_row-1" class="x -5">\u22125\u00a0%</td></tr></table>'
    assert extension.typeset_table(html) == wanted and extension.typeset_table("<b>-5</b>") == "<b>-5</b>"
    linked = '<table><tr><th><a href="a-5">keep 90 % of</a></th></tr></table>'
    assert extension.typeset_table(linked) == linked.replace("90 %", "90\u00a0%")


def test_words_with_hyphens_dates_and_short_cells_do_not_break():
    words = [node.astext() for node in extension.pieces("By s-pruning of SST-2, 2026-11-29: re-run, MRPC-like.")]
    assert words == ["By ", "s-pruning", " of ", "SST-2", ", ", "2026-11-29", ": re-run, ", "MRPC-like", "."]
    table = "<table><td>0.560 ± 0.006</td><td>kept by m-pruning on three tasks</td><td>5</td><th>STS-B</th></table>"
    wanted = table.replace("0.560 ± 0.006", '<span class="unbroken">0.560 ± 0.006</span>')
    wanted = wanted.replace("m-pruning", '<span class="unbroken">m-pruning</span>')
    wanted = wanted.replace("STS-B", '<span class="unbroken">STS-B</span>')
    assert extension.typeset_table(table) == wanted


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_each_table_of_a_chapter_has_ids_of_its_own(path):
    outputs = [output for cell in read(path).cells for output in cell.get("outputs", [])]
    tables = [re.findall(r'<table id="([^"]+)"', output.get("data", {}).get("text/html", "")) for output in outputs]
    names = sum(tables, [])
    assert len(names) == len(set(names))


@pytest.mark.slow
def test_pages_are_typeset_and_reading_times_filled_in(tmp_path):
    """A book of two pages with the book's own extension."""
    used = {"title": "T", "only_build_toc_files": True, "execute": {"execute_notebooks": "off"}}
    used["sphinx"] = {"extra_extensions": ["lottery_book.building.extension"]}
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(used), encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters: [{file: long}]\n")
    own = "{source}`lottery_book/published.py`"
    intro = f"# T\n\nFrom -3 % of `-3 %`: {{minutes}}`long`, {{minutes}}`long intro`. {own}\n"
    (tmp_path / "intro.md").write_text(intro, "utf-8")
    (tmp_path / "long.md").write_text("# L\n\n" + "word " * 1000 + "\n", encoding="utf-8")
    build.build_book(tmp_path)
    page = (tmp_path / "_build" / "html" / "intro.html").read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]*>", "", page)
    assert "From \u22123\u00a0% of -3 %: 5 min, 6 min. lottery_book/published.py" in shown
    copy = tmp_path / "_build" / "html" / re.search(r'href="(_static/source/[^"]+)"', page)[1]
    assert copy.read_bytes() == (ROOT / "lottery_book" / "published.py").read_bytes()


PER = re.compile(r"\b[Aa] (?:dot|row|line|panel|column|number) an? (?:source|seed|task|row|run|rule|kind)\b")


def test_english_says_one_line_per_seed():
    shown = [*BOOK.glob("*.md"), *(ROOT / "notebooks").glob("*.py"), *(ROOT / "lottery_utils").rglob("*.py")]
    for path in [*shown, *(ROOT / "lottery_book").rglob("*.py")]:
        assert not PER.search(path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_each_chapter_leads_to_the_package_and_its_source(path):
    if path.stem in ("status", "summary"):
        return
    text = "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    (line,) = re.findall(r"From the package here: .*?(?=\n\n|\Z)", text, re.DOTALL)
    sources = re.findall(r"\{source\}`([^`]+)`", line)
    assert sources and all((ROOT / one).is_file() for one in sources)
    assert "](../api" in line


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_captions_of_a_chapter_do_not_repeat_each_other(path):
    captions = [cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "") for cell in read(path).cells]
    said = [one for caption in captions for one in re.split(r"(?<=[.:]) ", caption) if len(one.split()) > 8]
    assert len(said) == len(set(said)), sorted(one for one in said if said.count(one) > 1)


def test_labels_are_unique():
    labels = [label for own in anchors().values() for label in own]
    assert len(labels) == len(set(labels)), sorted(label for label in labels if labels.count(label) > 1)
