"""Studies whose records came with the repository: shown, and computed only where there are none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .compute import STORED_ONLY

if TYPE_CHECKING:
    from ..experiment.study import Study


def here_or_above(folder: str | Path) -> Path:
    """`folder` as it lies here or in the nearest folder above; unchanged when it is nowhere."""
    here = Path.cwd()
    return next((place / folder for place in (here, *here.parents) if (place / folder).is_dir()), Path(folder))


def stored_study(preset: str, folder: str | Path, overrides: dict | str | None = None) -> Study:
    """The study of `preset` whose records lie in `folder`, looked for here and in the folders above.

    Its tasks are those of the preset with a record there; model and data need not be at hand, and may have changed.
    Raises UserError when there is no record.
    """
    from ..experiment.study import Study, open_study

    here = Path.cwd()
    for place in (here, *here.parents):
        study = open_study(preset, overrides=overrides, results_dir=place / folder)
        there = {record["cell"]["task"] for record in study.store.records()}
        tasks = [task for task in study.preset.tasks if task in there]
        if tasks:
            return Study(open_study(preset, tasks, None, overrides, place / folder).preset, place / folder, stored=True)
    raise UserError(f"no records in {str(folder)!r}; run this in the repository's folder")


def stored_or_run(
    preset: str, folder: str | Path, overrides: dict | str | None, stages: Iterable[str], methods: Iterable[str]
) -> Study:
    """`stored_study` where `folder` has a cell of one of `stages`; else these stages are run into `folder`.

    With the environment variable LOTTERY_STORED_ONLY set nothing is run. Raises UserError for bad input.
    """
    from ..experiment.study import open_study

    stages = tuple(stages)
    try:
        study = stored_study(preset, folder, overrides)
        if any(record["cell"]["stage"] in stages for record in study.store.records()):
            return study
    except UserError:
        if os.environ.get(STORED_ONLY):
            raise
    study = open_study(preset, overrides=overrides, results_dir=folder)
    print(study.run(stages, methods))
    return study


def run_hans(file: str | None, preset: str, overrides: dict | str | None, results_dir: str | Path) -> Study:
    """The study of MNLI alone with every network scored on the HANS file, computed where missing; no file, no cells.

    Raises UserError for bad input and where a cell failed.
    """
    from ..experiment.stage_table import HANS_TASK
    from ..experiment.study import Study, open_study

    base = open_study(preset, [HANS_TASK], None, overrides, results_dir)
    study = Study(replace(base.preset, hans=file), results_dir)
    if file is not None:
        summary = study.run(["hans", "hans_retrain"])
        print(summary)
        if summary.failed:
            raise UserError(next(iter(summary.failed.values())))
    return study


def cost_of(study: Study) -> str:
    """How many records a stored study has, and what they took: "190 records, 32 min of computing"."""
    found = study.provenance()
    return f"{found['cells']} records, {found['seconds'] / 60:.0f} min of computing"
