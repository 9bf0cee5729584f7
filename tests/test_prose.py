"""The book's prose is written by people: few words of it are glued, and its sentences are short."""

from __future__ import annotations

import re
import shlex
import statistics
from pathlib import Path

import nbformat
import pytest
from IPython.core.formatters import PlainTextFormatter
from myst_nb.core.variables import format_plain_text

from lottery_utils import cli
from lottery_utils import commands as commands_of_lottery
from lottery_utils.show.sentences import as_text

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "book" / "chapters").glob("*.ipynb"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
PAGES = sorted((ROOT / "book").glob("*.md"))
TEXT = "application/papermill.record/text/plain"
GLUE = re.compile(r"\{glue:text\}`(?:[\w/.]+::)?(\w+)(?::s)?`")


def words(text: str) -> int:
    return len(re.findall(r"\w[\w'’.,-]*", text))


def prose(text: str) -> str:
    """What a reader reads of Markdown as sentences: no code, formulas, tables, headings, links or markup."""
    text = re.sub(r"^(`{3,}|\${2}).*?^\1 *$", "\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:#|:|\||\(\S+\)=|---|>).*$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r'<span class="source[^>]*>(\w)', lambda first: first[1].upper(), text)  # may begin a sentence
    text = re.sub(r"\{cite(:t)?\}`[^`]*`", lambda cited: "Authors" if cited[1] else "", text)
    text = re.sub(r"\{[\w:]+\}`([^`<]*)(?:<[^`]*>)?`|<[^>]*>", r"\1", text)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def sentences(text: str) -> list[str]:
    """Split at points and question marks before a space, and at paragraphs and items of lists."""
    paragraphs = re.split(r"\n\s*\n|^\s*(?:[-*]|\d+\.) ", text, flags=re.MULTILINE)
    ends = r"(?<=[.!?])[\"”*)]* +(?=[A-Z`*(“\"\d])"
    return [one for each in paragraphs for one in re.split(ends, " ".join(each.split())) if words(one) > 2]


def glued_in(chapter) -> dict[str, str]:
    """What an executed chapter's code stored for its prose, by name."""
    outputs = [output for cell in chapter.cells for output in cell.get("outputs", [])]
    stored = {each.metadata.scrapbook.name: each.data for each in outputs if "scrapbook" in each.get("metadata", {})}
    return {name: format_plain_text(data.get(TEXT, ""), "s") for name, data in stored.items()}


@pytest.fixture(scope="module")
def texts() -> dict[str, tuple[str, list[str]]]:
    """Of each page: its text with the glued numbers in it, and these."""
    found = {path.stem: (GLUE.sub("1", path.read_text(encoding="utf-8")), []) for path in PAGES}
    for path in CHAPTERS:
        chapter = nbformat.read(path, as_version=4)
        there = glued_in(chapter)
        source = "\n\n".join(cell.source for cell in chapter.cells if cell.cell_type == "markdown")
        glued = [there[name] for name in GLUE.findall(source)]
        found[path.stem] = (GLUE.sub(lambda use, there=there: there[use[1]], source), glued)
    return found


def test_at_most_a_tenth_of_the_words_is_glued_and_no_glued_text_is_long(texts):
    of_chapters = [texts[path.stem] for path in CHAPTERS]
    glued = [sum(map(words, pieces)) for _, pieces in of_chapters]
    whole = [words(prose(text)) for text, _ in of_chapters]
    assert sum(glued) <= 0.1 * sum(whole), "too much of the chapters' prose is made by Python"
    shares = {path.stem: one / all_ for path, one, all_ in zip(CHAPTERS, glued, whole, strict=True)}
    assert {name: share for name, share in shares.items() if share > 1 / 8} == {}
    assert [text for _, pieces in of_chapters for text in pieces if len(text.split()) > 25] == []


def test_sentences_are_short(texts):
    lengths = {one: words(one) for text, _ in texts.values() for one in sentences(prose(text))}
    assert statistics.median(lengths.values()) <= 17
    assert [one for one, length in lengths.items() if length > 40] == []


def test_numbers_in_prose_keep_their_signs_and_zeros():
    texts = {text: text for text in ("+0.015", "26", "it\u2019s 62\u00a0%")}
    for value, shown in {0.8: "0.80", **texts}.items():
        assert format_plain_text(PlainTextFormatter()(as_text(value)), "s") == shown


def commands() -> list[str]:
    """Every `lottery run` of the chapters' tables of things to try."""
    rows = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
    return sorted(set(re.findall(r"^# \| `lottery (run [^`]+)`", rows, flags=re.MULTILINE)))


@pytest.mark.parametrize("command", commands())
def test_what_chapters_suggest_to_run_is_understood(command):
    options = cli._parser().parse_args(shlex.split(command))
    cells = commands_of_lottery._study(options).cells(options.stages, options.methods, options.subnetworks)
    assert cells, command


def test_each_chapter_has_three_things_to_try_and_two_exercises():
    for path in NOTEBOOKS:
        if path.stem not in ("status", "summary"):
            text = path.read_text(encoding="utf-8")
            tries = text.split("# ## Try it", 1)[1].split("**Exercise", 1)[0]
            assert len(re.findall(r"^# \| `", tries, flags=re.MULTILINE)) >= 3, path.name
            assert text.count("**Exercise ") == text.count("{dropdown} Answer") == 2, path.name
