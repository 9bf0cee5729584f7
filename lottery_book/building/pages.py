"""The book's source: copied, its table of the presets filled in."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

from lottery_utils.errors import UserError
from lottery_utils.presets import GLUE_TASKS, PRESETS, Preset

BEGIN, END = "<!-- presets:begin -->", "<!-- presets:end -->"
SHOWN = ("demo", "laptop", "base", "paper")


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
