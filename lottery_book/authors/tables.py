"""`lottery import-authors`: the nine tables of a release, written as CSV."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lottery_utils.errors import UserError

from . import agreement, logs, problems, sizes, survival
from .release import Release, read_release

TABLES: dict[str, Callable[[Release], pd.DataFrame]] = {
    "survival_by_task": survival.survival_by_task,
    "survival_across_tasks": survival.survival_across_tasks,
    "task_overlap": survival.task_overlap,
    "seed_agreement": agreement.seed_agreement,
    "task_pair_alpha": agreement.task_pair_alpha,
    "super_survivors": survival.super_survivors,
    "subnetwork_sizes": sizes.subnetwork_sizes,
    "results": logs.results,
    "footprint": logs.footprint,
}
PROBLEMS, NOTES = "problems", "notes.txt"
MARK = ".lottery-import-authors"  # in a folder this module wrote to: its own files there may be replaced


@dataclass
class Imported:
    """The tables by name, `problems` among them, and the release they come from."""

    release: Release
    tables: dict[str, pd.DataFrame]


def import_release(folder: str | Path) -> Imported:
    """Read the release in `folder` and compute its tables; nothing is written.

    Raises UserError when there is no release; missing and damaged files are rows of table "problems".
    """
    release = read_release(folder)
    tables = {name: table(release) for name, table in TABLES.items()}
    tables[PROBLEMS] = pd.DataFrame(release.problems.rows, columns=list(problems.COLUMNS))
    return Imported(release, tables)


def write_tables(imported: Imported, out: str | Path) -> Path:
    """Write each table to `out`/NAME.csv, and what the footprint cannot know to notes.txt; returns `out`.

    Files of these names are replaced only in a folder that an import wrote. Raises UserError else, and when
    `out` cannot be a folder.
    """
    out = Path(out).expanduser()
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; --out must name a folder")
    texts = {f"{name}.csv": table.to_csv(index=False, lineterminator="\n") for name, table in imported.tables.items()}
    texts[NOTES] = notes()
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = [name for name in texts if (out / name).exists()]
        if taken and not (out / MARK).is_file():
            raise UserError(f"{out} has a {taken[0]} that no import wrote; give another --out or move it away")
        _replace(out / MARK, "the tables in this folder were written by `lottery import-authors`\n")
        for name, text in texts.items():
            _replace(out / name, text)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror or error}; give another --out") from None
    return out


def notes() -> str:
    """What the tables are, and what the footprint cannot know."""
    head = "Tables computed from the raw files of the authors' release (github.com/sai-prasanna/bert-experiments).\n"
    head += "Layers and heads count from 0; deviations are over seeds, n-1, except std_pop, which is stored so.\n"
    head += "Tasks and families are called as their folders. An empty cell means: undefined or not there.\n\n"
    lines = [f"{name}.csv: {' '.join((table.__doc__ or '').split())}" for name, table in TABLES.items()]
    unknown = ["footprint.csv does not know:", *(f"- {line}" for line in logs.UNKNOWN)]
    return head + "\n\n".join(lines) + "\n\n" + "\n".join(unknown) + "\n"


def summary_lines(imported: Imported) -> list[str]:
    """What was read, what was computed and what was wrong, for the terminal."""
    release = imported.release
    lines = [f"read {release.root}: {release.arrays} arrays, families {', '.join(release.families()) or 'none'}"]
    if release.pickles:
        lines.append(f"files not opened, as they may hold pickles: {release.pickles}")
    for name in TABLES:
        lines.append(f"{name}.csv: {len(imported.tables[name]):,} rows")
    lines += [f"footprint: {line}" for line in logs.UNKNOWN]
    counts = {kind: release.problems.count(kind) for kind in problems.KINDS}
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    lines.append(f"problems.csv: {said}" if said else "problems.csv: nothing is missing or damaged")
    serious = [row for row in release.problems.rows if row[1] != "left out"]
    lines += [f"  {kind}: {path} ({reason})" for path, kind, reason in serious[:10]]
    if len(serious) > 10:
        lines.append(f"  and {len(serious) - 10} more in problems.csv")
    return lines


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8", newline="\n")
    part.replace(path)
