"""A study: a preset and the folder its results lie in; run it, look at it, read its results."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..presets import METHODS, SUBNETWORKS, Preset, get_preset
from . import provenance
from .cells import STAGES, Cell, mask_source, parse_cell, plan
from .claims import is_claimed
from .engines import ENGINES, Summary, run_schedule
from .fingerprints import Fingerprints
from .identity import address
from .job import Job
from .progress import progress_bar
from .schedule import Schedule, expected_costs
from .store import MASK, PREDICTIONS, TRAJECTORY, Damaged, Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Names = Iterable[str] | None


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
        raise UserError(f"overrides must be a mapping of field to value, got {changes!r}")
    for name, value in (("tasks", tasks), ("seeds", seeds)):
        value = _from_json(name, value)
        if value is not None:
            changes = {**changes, name: [value] if isinstance(value, (str, int)) else value}
    if not isinstance(results_dir, (str, Path)) or not str(results_dir).strip():
        raise UserError(f"results_dir must name a directory, got {results_dir!r}")
    return Study(get_preset(preset, changes), results_dir)


def _from_json(name: str, value):
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except ValueError:
        if name == "tasks":
            return value
        raise UserError(f"{name} is not valid JSON: {value!r}") from None


class Study:
    """The cells of `preset` and their results in `results_dir`; nothing is read or computed before it is asked for."""

    def __init__(self, preset: Preset, results_dir: str | Path = "results"):
        self.preset = preset
        self.store = Store(results_dir)
        self._prints = Fingerprints(preset, self.store, reading=True)

    def __repr__(self) -> str:
        tasks, seeds = ", ".join(self.preset.tasks), ", ".join(map(str, self.preset.seeds))
        return f"Study({self.preset.name}: {tasks}; seeds {seeds}; results in {self.store.root})"

    def cells(self, stages: Names = None, methods: Names = None, subnetworks: Names = None) -> list[Cell]:
        """Cells of the study in dependency order: those asked for and all they need. None means the preset's."""
        return plan(self.preset, stages, methods, subnetworks)

    def address(self, cell: Cell | str) -> str:
        """Address of a cell (or of a cell's name) in this study."""
        cell = _cell(cell)
        return address(cell, self.preset, self._prints.model(), self._prints.data(cell.task))

    # running

    def run(
        self,
        stages: Names = None,
        methods: Names = None,
        subnetworks: Names = None,
        engine: str = "local",
        workers: int | None = None,
        progress: bool = True,
    ) -> Summary:
        """Compute every cell asked for that is not stored yet, and return what was done.

        A damaged cell is set aside and computed again. Interrupted, the run can be started again and goes
        on where it was. Raises UserError for bad input, before anything is stored where that can be known.
        """
        if engine not in ENGINES:
            raise UserError(f"unknown engine {engine!r}; valid engines: {', '.join(ENGINES)}")
        if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
            raise UserError(f"workers must be a whole number above 0, got {workers!r}")
        cells = self.cells(stages, methods, subnetworks)
        prints = Fingerprints(self.preset, self.store)
        model = prints.model()
        data = {task: prints.data(task) for task in dict.fromkeys(cell.task for cell in cells)}
        done = {c for c in cells if self._is_stored(address(c, self.preset, model, data[c.task]))}
        summary = Summary(len(cells), done=len(done))
        self._prints = prints
        if len(done) == len(cells):
            return summary
        self.store.prepare()
        prints.remember_all()
        records = list(self.store.records())
        schedule = Schedule(cells, self.preset.seeds, done, expected_costs(records, self.preset.name))
        known = any(record["inputs"].get("model") == model for record in records)
        job = Job(str(self.store.root), self.preset, model, data, provenance.command())
        try:
            with progress_bar(schedule, len(done), len(cells), progress) as bar:
                run_schedule(schedule, job, summary, engine, workers, bar, None if known else schedule.open[0].task)
        except KeyboardInterrupt:
            kept = summary.computed + summary.done
            text = f"stopped: {kept} of {len(cells)} cells are stored; start the same run again to go on from there"
            print(text, file=sys.stderr)
            raise
        return summary

    def _is_stored(self, key: str) -> bool:
        """Whether a cell is stored intact; a damaged one is named and set aside."""
        try:
            return self.store.read(key, deep=True) is not None
        except Damaged as damage:
            where = self.store.set_aside(key)
            print(f"damaged: {damage}; set aside as {where.name}, to be computed again", file=sys.stderr)
            return False

    # reading

    def record(self, cell: Cell | str) -> dict | None:
        """The record of a cell; None when it is not stored, or damaged (which is said on standard error)."""
        try:
            return self.store.read(self.address(cell))
        except Damaged as damage:
            print(f"damaged: {damage}; the next run computes it again", file=sys.stderr)
            return None

    def mask(self, cell: Cell | str):
        """The mask a cell found or ran under (StructuredMask or WeightMask); None when it is not stored."""
        cell = _cell(cell)
        path = self._file(mask_source(cell) if cell.stage in ("score", "retrain") else cell, MASK)
        if path is None:
            return None
        from ..pruning.masks import load_mask

        return load_mask(path)

    def trajectory(self, cell: Cell | str) -> dict[str, np.ndarray] | None:
        """The course of a search, or ``loss`` (steps,) and ``epochs`` of a training run; None when not stored."""
        return self._arrays(cell, TRAJECTORY)

    def predictions(self, cell: Cell | str) -> dict[str, np.ndarray] | None:
        """``predictions`` and ``labels`` (N,) per dev example, ``logits`` (N, C) from models; None if not stored."""
        return self._arrays(cell, PREDICTIONS)

    def _arrays(self, cell: Cell | str, name: str) -> dict[str, np.ndarray] | None:
        from safetensors.numpy import load_file

        path = self._file(cell, name)
        return None if path is None else load_file(path)

    def _file(self, cell: Cell | str, name: str) -> Path | None:
        try:
            return self.store.file(self.address(cell), name)
        except KeyError:
            return None
        except Damaged as damage:
            print(f"damaged: {damage}; the next run computes it again", file=sys.stderr)
            return None

    def _everything(self) -> list[Cell]:
        """Every cell this study could hold, also of methods and subnetworks the preset leaves out."""
        return self.cells(STAGES, METHODS, SUBNETWORKS)

    def table(self, stages: Names = None, methods: Names = None, subnetworks: Names = None) -> pd.DataFrame:
        """One row for each finished cell, by default of every kind there is; see `tables.COLUMNS`."""
        from .tables import results_table

        if stages is methods is subnetworks is None:
            cells = self._everything()
        else:
            stages = STAGES if stages is None else [stages] if isinstance(stages, str) else list(stages)
            cells = self.cells(stages, methods or METHODS, subnetworks or SUBNETWORKS)
            cells = [cell for cell in cells if cell.stage in stages]
        return results_table(record for cell in cells if (record := self.record(cell)) is not None)

    def state(self, cell: Cell | str) -> str:
        """done, damaged, running, failed or missing."""
        key = self.address(cell)
        try:
            if self.store.read(key) is not None:
                return "done"
        except Damaged:
            return "damaged"
        if is_claimed(self.store.root, key):
            return "running"
        return "failed" if self.store.failure(key) else "missing"

    def status(self, stages: Names = None, methods: Names = None, subnetworks: Names = None) -> pd.DataFrame:
        """One row for each cell asked for: task, seed, stage, method, subnetwork, state, seconds, error, address."""
        import pandas as pd

        return pd.DataFrame(self.states(stages, methods, subnetworks))

    def states(self, stages: Names = None, methods: Names = None, subnetworks: Names = None) -> list[dict]:
        """The rows of `status` as plain dicts, without pandas."""
        rows = []
        for cell in self.cells(stages, methods, subnetworks):
            key, state = self.address(cell), self.state(cell)
            record = self.store.read(key) if state == "done" else None
            failure = self.store.failure(key) if state == "failed" else None
            row = {**cell.as_dict(), "state": state, "seconds": record["seconds"] if record else None}
            rows.append({**row, "error": failure["error"] if failure else None, "address": key})
        return rows

    def provenance(self) -> dict:
        """Where the finished cells came from: preset, device(s), dates, versions, commits, data, seconds in all."""
        records = [r for cell in self._everything() if (r := self.record(cell)) is not None]
        versions: dict[str, list[str]] = {}
        for record in records:
            for name, version in record["versions"].items():
                versions.setdefault(name, [])
                if version not in versions[name]:
                    versions[name].append(version)
        sources = {r["cell"]["task"]: r for r in records}
        return {
            "preset": self.preset.name,
            "model": records[-1]["source"]["model"] if records else self.preset.model,
            "tasks": list(self.preset.tasks),
            "seeds": list(self.preset.seeds),
            "cells": len(records),
            "devices": sorted({r["device"] for r in records}),
            "started": min((r["started"] for r in records), default=None),
            "ended": max((r["ended"] for r in records), default=None),
            "seconds": sum(r["seconds"] for r in records),
            "versions": versions,
            "commits": sorted({r["commit"] for r in records if r["commit"]}),
            "dirty": any(r["dirty"] for r in records),
            "partial": sorted(task for task, r in sources.items() if r["partial"]),
            "data": {task: {"source": r["data_source"], "notes": r["data_notes"]} for task, r in sources.items()},
            "notes": dict(Counter(note for r in records for note in r["notes"])),
        }


def _cell(cell: Cell | str) -> Cell:
    return parse_cell(cell) if isinstance(cell, str) else cell
