"""The book's pages: API pages hold the docstrings, figures have alternative text, the paper's items lead somewhere."""

from __future__ import annotations

import base64
import re
import warnings
from pathlib import Path

import nbformat
import pytest
import yaml

from lottery_book.building import book_api, book_gallery, book_type, build
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


def items() -> list[dict]:
    """The entries of the gallery of the paper's items."""
    text = (BOOK / "figures.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^`{4}\{gallery\}\n(.*?)^`{4}", text, re.MULTILINE | re.DOTALL)
    return [entry for block in blocks for entry in yaml.safe_load(block)]


def test_each_item_of_the_paper_leads_somewhere_and_what_is_missing_is_named():
    there, entries = set().union(*anchors().values()), items()
    assert len(entries) == 23
    missing = []
    for entry in entries:
        assert {"number", "shows", "ours", "differs"} <= set(entry) and entry["shows"], entry
        labels = [label for key in ("ours", "published") for label in str(entry.get(key, "")).split()]
        assert set(entry["ours"].split()) & there, f"{entry['shows']} leads nowhere: no chapter has {entry['ours']}"
        missing += [label for label in labels if label not in there]
    if missing:
        warnings.warn(f"the gallery shows gaps, since no chapter has {', '.join(missing)}", stacklevel=1)


def test_each_claim_of_the_scorecard_leads_to_a_figure():
    for claim in CLAIMS:
        page, label = claim.figure.split("#")
        assert label in anchors()[f"chapters/{page}"], f"{claim.key}: {page} has no figure {label}"


def test_links_below_the_gallery_lead_to_anchors_that_exist():
    there = set().union(*anchors().values())
    text = (BOOK / "figures.md").read_text(encoding="utf-8").split("## Beyond the paper")[1]
    labels = ["".join(pair) for pair in re.findall(r"\{(?:num)?ref\}`(?:[^`<]*<)?([\w-]+)>?`()", text)]
    assert len(labels) >= 10 and set(labels) <= there, set(labels) - there


def made_up_chapter(folder: Path) -> None:
    """An executed chapter with a combined figure, one of this run, and a heading with a label."""
    import io

    from PIL import Image

    v4 = nbformat.v4
    cells = [v4.new_markdown_cell("(a-table)=\n## A table")]
    for name, alt in (("fig-both", "Bars: published, real study, this run"), ("fig-here", "Bars of each task")):
        drawn = io.BytesIO()
        Image.new("RGB", (900, 2000), "white").save(drawn, "PNG")
        data = {"image/png": base64.b64encode(drawn.getvalue()).decode()}
        settings = {"figure": {"caption": "Bars.", "name": name}, "image": {"alt": alt}}
        output = v4.new_output("display_data", data=data)
        cells.append(v4.new_code_cell("draw()", metadata={"mystnb": settings}, outputs=[output]))
    nbformat.write(v4.new_notebook(cells=cells), folder / "01_a.ipynb")


def test_gallery_tells_sources_apart_and_shows_gaps(tmp_path):
    from PIL import Image

    (tmp_path / "chapters").mkdir()
    made_up_chapter(tmp_path / "chapters")
    figures, headings = book_gallery.chapter_labels(tmp_path / "chapters")
    entry = {"number": "Figure 1.", "shows": "bars", "differs": "nothing"}
    labels = ["fig-both fig-both", "fig-here fig-gone", "a-table -", "fig-here fig-both", "fig-gone -"]
    entries = [{**entry, "ours": pair.split()[0], "published": pair.split()[1]} for pair in labels]
    lines = book_gallery.rows(entries, figures, headings)[2:]
    both, here, table, beside, gone = ([part.strip() for part in line.strip("|").split("|")] for line in lines)
    assert both[2:4] == ["in the same figure", "published, real study, this run"]
    assert here[2:4] == ["–", "this run"] and "{numref}`fig-here`" in here[1]
    assert table[1] == "{ref}`a-table`" and gone[1] == "–"
    assert "thumbnails/fig-both.png" in beside[2] and beside[3] == "published, this run"
    book_gallery.write_thumbnails(tmp_path, ["fig-here", "fig-gone"], figures)
    assert [path.name for path in (tmp_path / "thumbnails").iterdir()] == ["fig-here.png"]
    assert Image.open(tmp_path / "thumbnails" / "fig-here.png").size == (book_gallery.WIDTH, book_gallery.HEIGHT)


def test_a_figure_shown_again_is_the_chapters_with_its_alternative_text(tmp_path):
    (tmp_path / "chapters").mkdir()
    made_up_chapter(tmp_path / "chapters")
    figures, _ = book_gallery.chapter_labels(tmp_path / "chapters")
    lines = book_gallery.shown_again(tmp_path, "fig-here", figures, ["A caption."])
    assert ":alt: Bars of each task" in lines and "A caption." in lines
    assert (tmp_path / "thumbnails" / "fig-here-whole.png").read_bytes() == figures["fig-here"].png
    assert "`lottery report` makes it" in book_gallery.shown_again(tmp_path, "fig-gone", figures, [])[0]


# typography


def test_numbers_keep_their_per_cent_sign_and_their_minus():
    good = {
        "kept 93 % of 5": "kept 93\u00a0% of 5",
        "-0.3 to +2.7 (-1)": "\u22120.3 to +2.7 (\u22121)",
        "2026-11-29, 2-3, a-1, seed_1-2": "2026-11-29, 2-3, a-1, seed_1-2",
    }
    for text, wanted in good.items():
        assert book_type.typeset(text) == wanted
    html = '<table id="T_a"><tr><td id="T_a_row-1" class="x -5">-5 %</td></tr></table>'
    wanted = '<table id="T_a"><tr><td id="T_a_row-1" class="x -5">\u22125\u00a0%</td></tr></table>'
    assert book_type.typeset_table(html) == wanted and book_type.typeset_table("<b>-5</b>") == "<b>-5</b>"


def test_the_second_table_of_a_name_gets_ids_of_its_own():
    seen: dict[str, int] = {}
    html = '<style>#T_a_row0 {}</style><table id="T_a"><td id="T_a_row0">T_ab</td></table>'
    assert book_type.own_ids(html, seen) == html
    again = book_type.own_ids(html, seen)
    assert again == '<style>#T_a-2_row0 {}</style><table id="T_a-2"><td id="T_a-2_row0">T_ab</td></table>'


@pytest.mark.slow
def test_pages_are_typeset_and_reading_times_filled_in(tmp_path):
    """A book of two pages with the book's own extension."""
    used = {"title": "T", "only_build_toc_files": True, "execute": {"execute_notebooks": "off"}}
    used["sphinx"] = {"extra_extensions": ["lottery_book.building.book_type"]}
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(used), encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\nchapters: [{file: long}]\n")
    (tmp_path / "intro.md").write_text("# T\n\nFrom -3 % of `-3 %`: {minutes}`long`, {minutes}`long intro`.\n", "utf-8")
    (tmp_path / "long.md").write_text("# L\n\n" + "word " * 1000 + "\n", encoding="utf-8")
    build.build_book(tmp_path)
    page = (tmp_path / "_build" / "html" / "intro.html").read_text(encoding="utf-8")
    shown = re.sub(r"<[^>]*>", "", page)
    assert "From \u22123\u00a0% of -3 %: 5 min, 6 min." in shown


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
