"""The book's prose is written by people: few words of it are glued, and its sentences are short."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).resolve().parent.parent / "book"
CHAPTERS = sorted((BOOK / "chapters").glob("*.ipynb"))
PAGES = sorted(BOOK.glob("*.md"))
GLUE = re.compile(r"\{glue:text\}`(?:[\w/.]+::)?(\w+)(?::s)?`")


def words(text: str) -> int:
    return len(re.findall(r"\w[\w'’.,-]*", text))


def prose(text: str) -> str:
    """What a reader reads of Markdown as sentences: no code, formulas, tables, headings, links or markup."""
    text = re.sub(r"^(`{3,}|\${2}).*?^\1 *$", "\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:#|:|\||\(\S+\)=|---|>).*$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"\{[\w:]+\}`([^`<]*)(?:<[^`]*>)?`|<[^>]*>", r"\1", text)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def sentences(text: str) -> list[str]:
    """Split at points and question marks before a space, and at paragraphs and items of lists."""
    paragraphs = re.split(r"\n\s*\n|^\s*(?:[-*]|\d+\.) ", text, flags=re.MULTILINE)
    ends = r"(?<=[.!?])[\"”*)]* +(?=[A-Z`*(“\"\d])"
    return [one for each in paragraphs for one in re.split(ends, " ".join(each.split())) if words(one) > 2]
