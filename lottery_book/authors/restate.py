"""The tables that the book's pages need of the release, made from a clone of it: `lottery import-authors`.

The command is how anyone checks the published numbers that this package carries; it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lottery_utils.disk import writable
from lottery_utils.errors import UserError, usable_folder

from . import masks, release

TABLES: dict[str, Callable[[release.Release], pd.DataFrame]] = {
    "survival_by_task": masks.survival_by_task,
    "survival_across_tasks": masks.survival_across_tasks,
    "task_overlap": masks.task_overlap,
    "overlap_tests": masks.overlap_tests,
    "seed_agreement": masks.seed_agreement,
    "seed_jaccard": masks.seed_jaccard,
    "super_survivors": masks.super_survivors,
    "subnetwork_sizes": masks.subnetwork_sizes,
    "masks_of_seeds": masks.masks_of_seeds,
    "results": release.results,
    "footprint": release.footprint,
}


def restated(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The tables by name, computed from the clone in `folder`; `published` has them as they come with the package.

    Raises UserError when there is no clone, or a part of it is missing or damaged.
    """
    clone = release.read_release(folder)
    return {name: table(clone) for name, table in TABLES.items()}


def write_tables(folder: str | Path, out: str | Path) -> dict[str, pd.DataFrame]:
    """Write the tables of the clone in `folder` to `out`/NAME.csv and return them.

    Raises UserError as `restated`, and when `out` is no new or empty folder.
    """
    out = Path(out).expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} is there already; name a new folder")
    tables = restated(folder)
    usable_folder("--out", out)
    with writable(out):
        for name, table in tables.items():
            table.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")
    return tables
