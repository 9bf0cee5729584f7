"""The report: compute what is missing, run every chapter into a copy of the book's source, build the book strictly."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lottery_utils.errors import UserError, usable_folder, usable_path
from lottery_utils.experiment.study import open_study
from lottery_utils.presets import GLUE_TASKS, PRESETS, Preset
from lottery_utils.show.compute import asked, compute_together, needs_of

from .chapters import execute_chapters, find_notebooks
from .stored import shrink_pictures, strip_chapter

STRICT = ("-n", "-W", "--keep-going")
BEGIN, END = "<!-- presets:begin -->", "<!-- presets:end -->"
SHOWN = ("demo", "laptop", "base", "paper")
SCORECARD = "scorecard.ipynb"  # its verdicts are cited by the other chapters
MARK = ".lottery-report"  # in a directory this module made, and may therefore replace
_say = partial(print, flush=True)


def build_report(
    preset: str = "demo",
    tasks: Sequence[str] | str | None = None,
    seeds: Sequence[int] | str | None = None,
    overrides: dict | str | None = None,
    results_dir: str | Path = "results",
    out: str | Path = "out",
    book_source: str | Path = "book",
    notebooks: str | Path = "notebooks",
    chapters: Sequence[str] | None = None,
    build: bool = True,
    *,
    update_chapters: bool = False,
    workers: int | None = None,
    progress: bool = True,
    country: str | None = None,
    region: str | None = None,
) -> Path:
    """Compute the study, execute its chapters into a copy of the book under `out`/book, build it, say where it is.

    What the chapters need is computed in one run before the first of them is executed, then they run side by side
    and compute nothing. `chapters` picks some by name or its beginning ("02"); the others then appear as committed,
    if they are. `build=False` stops after the chapters. `update_chapters` stores them, stripped, in
    `book_source`/chapters. `country` and `region` say whose electricity is counted.

    Returns the path of the first page (of the chapters' folder with `build=False`). Raises UserError, one
    line: bad input, a chapter that stopped (it stays where it was written), a warning in the book's build.
    """
    sources = find_notebooks(notebooks, chapters)
    out, results_dir = usable_path("--out", str(out)), usable_path("results directory", str(results_dir))
    usable_folder("--out", out)
    book = _fresh_book(Path(book_source), out / "book")
    parameters = {"preset": preset, "results_dir": str(results_dir)}
    for name, value in (("tasks", tasks), ("seeds", seeds)):
        if value is not None:
            parameters[name] = value if isinstance(value, str) else list(value)
    if overrides:
        parameters["overrides"] = overrides
    study = open_study(preset, tasks, seeds, overrides, results_dir)
    needed = [part for source in sources for part in asked(study, needs_of(source))]
    for line in compute_together(needed, workers=workers, progress=progress, country=country, region=region):
        _say(line)
    folder = book / "chapters"
    folder.mkdir(exist_ok=True)
    execute_chapters(sources, folder, parameters, workers, progress)
    if (folder / SCORECARD).is_file() and SCORECARD not in {source.name for source in sources}:
        _say("the scorecard was not run: the verdicts on this run that chapters cite are the stored scorecard's")
    if update_chapters:
        _say(f"stored in {freeze(folder, Path(book_source), [source.name for source in sources])}")
    if not build:
        return folder
    index = build_book(book)
    _say(f"The report: {index.resolve().as_uri()}")
    return index


def build_book(book: Path) -> Path:
    """Build `book` with Jupyter Book, strictly, and return its first page; the full log is `book`/build.log.

    Raises UserError with the first warning or error when there is one.
    """
    entry = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"  # the package has no __main__
    command = [sys.executable, "-c", entry, "build", str(book), *STRICT]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    log = book / "build.log"
    log.write_text(done.stdout, encoding="utf-8")
    if done.returncode:
        told = [line for line in done.stdout.splitlines() if "WARNING" in line or "ERROR" in line]
        told = told or [line for line in done.stdout.splitlines() if line.strip()] or ["no output"]
        first = f"{len(told)} warning(s), the first: {told[0].strip()}"
        raise UserError(f"the book does not build strictly, {first}; see {log}")
    return book / "_build" / "html" / "index.html"


def freeze(executed: Path, book_source: Path, names: Sequence[str]) -> Path:
    """Store executed chapters in the book's source, stripped of timings and this machine's paths, pictures made small.

    The page that lists the presets is brought up to date too. Returns the chapters' folder.
    """
    import nbformat

    target = book_source / "chapters"
    target.mkdir(exist_ok=True)
    for name in names:
        chapter = strip_chapter(nbformat.read(executed / name, as_version=4), Path.cwd())
        nbformat.write(shrink_pictures(chapter), target / name)
    if (book_source / "run.md").is_file():
        fill_preset_table(book_source / "run.md")
    return target


def _fresh_book(source: Path, target: Path) -> Path:
    """An empty-handed copy of the book's source at `target`; only a directory made here before is replaced."""
    if target.exists():
        if not (target / MARK).is_file():
            raise UserError(f"{target} exists and was not made by `lottery report`; give another --out or remove it")
        shutil.rmtree(target)
    target.mkdir()
    (target / MARK).write_text("made by `lottery report`; replaced by its next run\n", encoding="utf-8")
    copy_book(source, target)
    if (target / "run.md").is_file():
        fill_preset_table(target / "run.md")
    return target


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
