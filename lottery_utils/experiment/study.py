"""A study: a preset and the folder its results lie in; run it, look at it, read its results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import UserError, require_known, shown
from ..presets import get_preset, limits_of
from . import provenance
from .cells import Cell
from .energy import checked_grid
from .fingerprints import Fingerprints
from .identity import Key
from .pool import Job
from .reading import Names, Results
from .run import ENGINES, Bar, Summary, run_schedule
from .schedule import Schedule, expected_costs
from .store import Damaged


def open_study(
    preset: str = "demo",
    tasks: Iterable[str] | str | None = None,
    seeds: Iterable[int] | str | None = None,
    overrides: dict | str | None = None,
    results_dir: str | Path = "results",
) -> Study:
    """Return the study of preset `preset` with tasks, seeds and other fields replaced where given.

    Each may also be JSON text, as papermill's ``-p`` passes it; a bare task name counts as a list of one.
    Raises UserError for anything unknown or of the wrong type.
    """
    changes = _from_json("overrides", overrides) or {}
    if not isinstance(changes, dict):
        raise UserError(f"overrides must be a mapping of field to value, got {shown(changes)}")
    for name, value in (("tasks", tasks), ("seeds", seeds)):
        value = _from_json(name, value)
        if value is not None:
            changes = {**changes, name: [value] if isinstance(value, (str, int)) else value}
    if not isinstance(results_dir, (str, Path)) or not str(results_dir).strip():
        raise UserError(f"results_dir must name a directory, got {shown(results_dir)}")
    return Study(get_preset(preset, changes), _beside_notebooks(Path(results_dir)))


def _beside_notebooks(folder: Path) -> Path:
    """`folder`, for a notebook run in its own folder as seen from the one above: all notebooks share one store."""
    here = Path.cwd()
    in_repository = here.name == "notebooks" and (here.parent / "lottery_utils" / "__init__.py").is_file()
    shared = in_repository and not folder.is_absolute() and folder.parts[:1] not in (("..",), ("~",))
    return here.parent / folder if shared and not folder.exists() else folder


def _from_json(name: str, value):
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        if name == "tasks":
            return value
        raise UserError(f"{name} is not valid JSON: {shown(value)}") from None


class Study(Results):
    """The cells of `preset` and their results in `results_dir`: `Results`, and the means to compute them."""

    def run(self, stages: Names = None, methods: Names = None, subnetworks: Names = None, *how, **options) -> Summary:
        """Compute every cell asked for that is not stored yet, see `run_cells`, whose options follow."""
        return self.run_cells(self.cells(stages, methods, subnetworks), *how, **options)

    def run_cells(
        self,
        cells: list[Cell],
        engine: str = "local",
        workers: int | None = None,
        progress: bool = True,
        retry_failed: bool = False,
        cuda_graphs: bool = False,
        country: str | None = None,
        region: str | None = None,
        gpus_per_cell: float = 1.0,
    ) -> Summary:
        """Compute those of `cells` that are not stored: in dependency order with all they need, or such lists joined.

        A damaged cell is set aside and computed again; one that failed before is left alone, and what needs it,
        unless `retry_failed`. With `cuda_graphs` a GPU replays graphs to train, see `fast.cuda_graphs`; `country` and
        `region` say whose electricity is counted; `gpus_per_cell` is for engine "ray". Interrupted, the run can be
        started again and goes on where it was. Raises UserError for bad input, before anything is stored where that
        can be known.
        """
        require_known([engine], ENGINES, "unknown engine", "valid engines")
        if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
            raise UserError(f"workers must be a whole number above 0, got {workers!r}")
        grid = checked_grid(country, region)
        prints = Fingerprints(self.preset, self.store)
        self.key = Key(self.preset, prints)
        done = {cell for cell in cells if self._is_stored(self.key.address(cell))}
        summary = Summary(len(cells), done=len(done))
        if len(done) < len(cells):
            self._require_parts({cell.task for cell in cells})
            self.store.prepare()
        prints.remember()
        if len(done) == len(cells):
            return summary
        costs = expected_costs(self.store.records(), self.preset.name)
        schedule = Schedule(cells, self.preset.seeds, done, costs)
        how = (provenance.command(), *grid, cuda_graphs, gpus_per_cell)
        job = Job(str(self.store.root), Key(self.preset, dict(prints)), *how)
        for cell in schedule.left if retry_failed else ():
            self.store.forget_failure(self.key.address(cell))
        try:
            with Bar(schedule, len(cells), progress) as bar:
                run_schedule(schedule, job, summary, engine, workers, bar)
        except KeyboardInterrupt:
            kept = summary.computed + summary.done
            text = f"stopped: {kept} of {len(cells)} cells are stored; start the same run again to go on from there"
            print(text, file=sys.stderr)
            raise
        return summary

    def _require_parts(self, tasks: Iterable[str]) -> None:
        """Raise UserError, before anything is stored, where settings would leave a part of some data empty."""
        from ..tasks.load import load_task, require_parts

        preset = self.preset
        for task in tasks if preset.held_out or preset.selection != "dev" else ():
            require_parts(load_task(task, preset.data, limits_of(preset, task)), preset.held_out, preset.selection)

    def _is_stored(self, key: str) -> bool:
        """Whether a cell is stored intact; a damaged one is named and set aside."""
        try:
            return self.store.read(key, deep=True) is not None
        except Damaged as damage:
            where = self.store.set_aside(key)
            print(f"damaged: {damage}; set aside as {where.name}, to be computed again", file=sys.stderr)
            return False
