"""Studies whose records came with the repository: shown, and never added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..presets import GLUE_TASKS, PRESETS

if TYPE_CHECKING:
    from ..experiment.reading import Results
    from ..experiment.study import Study


def here_or_above(folder: str | Path) -> Path:
    """`folder` as it lies here or in the nearest folder above; unchanged when it is nowhere."""
    here = Path.cwd()
    return next((place / folder for place in (here, *here.parents) if (place / folder).is_dir()), Path(folder))


def stored_study(preset: str, folder: str | Path, overrides: dict | str | None = None) -> Study:
    """The study of `preset` whose records lie in `folder`, looked for here and in the folders above.

    Its tasks and seeds are those with a record there; model and data need not be at hand, and may have changed.
    Raises UserError when there is no record.
    """
    from ..experiment.study import Study, open_study

    study = open_study(preset, overrides=overrides, results_dir=here_or_above(folder))
    cells = [record["cell"] for record in study.store.records()]
    known = study.preset.tasks
    if known == PRESETS[preset].tasks:  # else those asked for
        known = (*known, *(task for task in GLUE_TASKS if task not in known))
    tasks = [task for task in known if any(cell["task"] == task for cell in cells)]
    if not tasks:
        raise UserError(f"no records in {str(folder)!r}; run this in the repository's folder")
    seeds = [seed for seed in study.preset.seeds if any(cell["seed"] == seed for cell in cells)] or None
    return Study(open_study(preset, tasks, seeds, overrides, study.store.root).preset, study.store.root, stored=True)


def under(study: Results, fields: Mapping) -> Results:
    """`study` with other preset fields, in the same store."""
    return type(study)(replace(study.preset, **fields), study.store.root, study.stored)


def cost_of(study: Study) -> str:
    """How many records a stored study has, and what they took: "190 records, 32 min of computing"."""
    records = study.records()
    return f"{len(records)} records, {sum(record['seconds'] for record in records) / 60:.0f} min of computing"
