"""The book's source: copied, its table of contents cut to what is there, its preset table filled in."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import yaml

from lottery_utils.errors import UserError
from lottery_utils.presets import GLUE_TASKS, PRESETS, Preset

BEGIN, END = "<!-- presets:begin -->", "<!-- presets:end -->"
SUFFIXES = (".md", ".ipynb")
SHOWN = ("demo", "laptop", "base", "paper")


def toc_files(toc: dict) -> list[str]:
    """All pages that a table of contents (format jb-book) names, in order, without suffix."""
    files = [toc["root"]] if "root" in toc else []
    for key in ("parts", "chapters", "sections"):
        for entry in toc.get(key, []):
            files += [entry["file"]] if "file" in entry else []
            files += toc_files(entry)
    return files


def has_page(book: Path, name: str) -> bool:
    """Whether `book` holds the source of page `name` (no suffix)."""
    return any((book / (name + suffix)).is_file() for suffix in SUFFIXES)


def trim_toc(toc: dict, book: Path) -> dict:
    """A copy of `toc` without pages whose source is not in `book`, and without parts that are then empty."""
    trimmed = {key: value for key, value in toc.items() if key not in ("parts", "chapters", "sections")}
    for key in ("parts", "chapters", "sections"):
        if key in toc:
            there = [entry for entry in toc[key] if "file" not in entry or has_page(book, entry["file"])]
            entries = [trim_toc(entry, book) for entry in there]
            trimmed[key] = [entry for entry in entries if key != "parts" or entry.get("chapters")]
            if not trimmed[key]:
                del trimmed[key]
    return trimmed


def copy_book(source: str | Path, target: Path) -> None:
    """Copy the book's source to `target`, links followed, built pages left out.

    Raises UserError when `source` is no book.
    """
    source = Path(source)
    for name in ("_config.yml", "_toc.yml"):
        if not (source / name).is_file():
            raise UserError(f"{source} is no book: {name} is not there; run this in the repository's folder")
    without = shutil.ignore_patterns("_build", ".ipynb_checkpoints")
    shutil.copytree(source, target, ignore=without, dirs_exist_ok=True)
    for name in ("_config.yml", "_toc.yml"):
        text = (source / name).read_text(encoding="utf-8").strip()
        if "\n" not in text and (source / text).is_file():  # the link checked out as a text file, as on Windows
            shutil.copyfile(source / text, target / name)


def preset_table() -> str:
    """Every field of a preset with its values, as a Markdown table."""
    rows = ["| field | " + " | ".join(f"`{name}`" for name in SHOWN) + " |", "|---|" + "---|" * len(SHOWN)]
    for field in dataclasses.fields(Preset):
        if field.name != "name":
            values = [_show(getattr(PRESETS[name], field.name)) for name in SHOWN]
            rows.append(f"| `{field.name}` | " + " | ".join(values) + " |")
    return "\n".join(rows)


def _show(value) -> str:
    if value == GLUE_TASKS:
        return "all nine"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else json.dumps(value).strip('"')


def fill_preset_table(page: Path) -> None:
    """Write the preset table between the two marks of `page`."""
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{preset_table()}\n{END}{after}", encoding="utf-8")


def read_toc(book: Path) -> dict:
    """The book's table of contents."""
    return yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))


def write_toc(book: Path, toc: dict) -> None:
    """Replace the book's table of contents."""
    (book / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False), encoding="utf-8")
