"""Studies whose records came with the repository: shown, never computed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from ..experiment.study import Study


def stored_study(preset: str, folder: str | Path, overrides: dict | str | None = None) -> Study:
    """The study of `preset` whose records lie in `folder`, looked for here and in the folders above.

    Its tasks are those of the preset with a record there; model and data need not be at hand.
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
