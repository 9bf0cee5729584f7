"""The status page: what was computed where, when, with what, and what each chapter still lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.errors import UserError
from lottery_utils.experiment.identity import earlier_addresses
from lottery_utils.experiment.run import span
from lottery_utils.experiment.store import Store
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.presets import PRESETS
from lottery_utils.show.compute import asked, here_or_above, needs_of
from lottery_utils.show.sentences import listed
from lottery_utils.show.tables import GAP, dressed

from .appendix import by_stage, costs, in_words


def stores(results_dir: str | Path, records: str = "records") -> list[Path]:
    """The folder of this run's results, then those that came with the repository, looked for here and above."""
    return [Path(results_dir).expanduser(), *sorted(path for path in here_or_above(records).glob("*") if path.is_dir())]


def stored(folders: Iterable[Path]) -> pd.DataFrame:
    """`appendix.costs` of all records in `folders`, with `earlier`, and `store`: preset, and folder if shared.

    A folder is a store or, as some that came with the repository, holds one for each preset.
    """
    places = [(folder.name, place) for folder in folders for place in (folder, *(folder / name for name in PRESETS))]
    records = [(name, record) for name, place in places for record in Store(place).records()]
    rows = costs(record for _, record in records).assign(store=[name for name, _ in records])
    earlier = rows["address"].isin(earlier_addresses(record for _, record in records))
    several = rows.groupby("preset")["store"].transform("nunique") > 1
    store = rows["preset"].where(~several, rows["preset"] + " (" + rows["store"] + ")")
    return rows.assign(store=store, earlier=earlier)


def status_numbers(rows: pd.DataFrame) -> dict[str, str]:
    """For the page's prose: how many cells are stored, of which presets, days, devices, and how many are earlier."""
    counts = [f"{name} {count:,}" for name, count in Counter(rows["preset"]).items()]
    return {
        "stored": f"{len(rows):,}",
        "presets": listed(counts),
        "days": days(rows) if len(rows) else "none",
        "devices": listed(sorted(set(rows["device"]))),
        "earlier": f"{rows['earlier'].sum():,}",
    }


def stage_status(rows: pd.DataFrame) -> Styler:
    """One row per store, stage and method: cells, time, energy, day and commit of the latest."""
    keys = ["store", "stage", "method"]
    latest = rows.sort_values("ended").drop_duplicates(keys, keep="last")[[*keys, "ended", "commit", "dirty"]]
    sums = by_stage(rows, "store").merge(latest, on=keys)
    names = [_commit(name, dirty) for name, dirty in zip(sums["commit"], sums["dirty"])]
    shown = in_words(sums).assign(preset=sums["store"], latest=sums["ended"].str[:10], commit=names)
    columns = ["preset", "stage", "pruning", "cells", "time", "measured", "energy", "CO2", "latest", "commit"]
    caption = (
        "What is stored, by stage: all records of each store, those of other settings among them. Energy and CO2 are "
        "those of the cells measured; day and commit are those of the latest cell."
    )
    return dressed(shown[columns], caption, "status-stages")


def place_status(rows: pd.DataFrame) -> Styler:
    """One row per store, device and set of versions: Python, this package and those that can move a result."""
    texts = rows["versions"].map(lambda versions: ", ".join(f"{name} {version}" for name, version in versions.items()))
    groups = rows.assign(text=texts).groupby(["store", "device", "text"], sort=False)
    shown = [
        (store, device, len(group), days(group), commits(group, 6), text) for (store, device, text), group in groups
    ]
    frame = pd.DataFrame(shown, columns=["preset", "device", "cells", "computed", "commits", "versions"])
    caption = "Where the records were computed, and with which versions."
    return dressed(frame, caption, "status-places", wrapped=True, formats={"cells": "{:,}"})


def days(rows: pd.DataFrame) -> str:
    """First and last day (UTC), or the one."""
    return " to ".join(dict.fromkeys((rows["started"].min()[:10], rows["ended"].max()[:10])))


def commits(rows: pd.DataFrame, most: int = 3) -> str:
    """The commits that records were computed at, the latest `most` of them; "changed" when files differed from it."""
    found = rows.sort_values("ended", ascending=False).drop_duplicates("commit").dropna(subset="commit")
    names = [_commit(name, dirty) for name, dirty in zip(found["commit"], found["dirty"])]
    return ", ".join([*names[:most], *([f"{len(names) - most} earlier"] if len(names) > most else [])]) or GAP


def _commit(name: str | None, dirty: bool) -> str:
    return f"{name[:7]}{' changed' if dirty else ''}" if name else GAP


def chapter_status(parameters: dict, folder: str = "notebooks") -> Styler:
    """One row per chapter: the cells it needs under `parameters`, how many are stored, what they took, what failed."""
    study = open_study(**parameters)
    shown = [_chapter(path, study) for path in sorted(here_or_above(folder).glob("*.ipynb"))]
    frame = pd.DataFrame(shown, columns=["chapter", "cells", "stored", "failed", "time", "last computed"])
    caption = "What each chapter needs of this run. Cells that several need are counted in each."
    return dressed(frame, caption, "status-chapters")


def _chapter(path: Path, study: Study) -> dict:
    row = {"chapter": path.stem, "cells": GAP, "stored": GAP, "failed": GAP, "time": GAP, "last computed": GAP}
    try:
        needed = {s.address(cell): (s, cell) for s, cells in asked(study, needs_of(path)) for cell in cells}
    except UserError as error:
        return {**row, "last computed": str(error)}
    if not needed:
        return {**row, "cells": "none", "last computed": "shows what is stored"}
    records = [record for s, cell in needed.values() if (record := s.record(cell)) is not None]
    failed = sum(s.state(cell) == "failed" for s, cell in needed.values()) if len(records) < len(needed) else 0
    row |= {"cells": len(needed), "stored": len(records), "failed": failed or "none"}
    if records:
        last = max(record["ended"] for record in records)[:16].replace("T", " ")
        row |= {"time": span(sum(record["seconds"] for record in records)), "last computed": f"{last} UTC"}
    return row
