"""The stored results of a study, as tables, masks and arrays; reading computes nothing and stores nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..presets import METHODS, SUBNETWORKS, Preset
from ..tasks.glue import meet, task_of_record
from .cells import Cell, mask_source, parse_cell, plan
from .fingerprints import Fingerprints
from .identity import EARLIER, PRESENT, Key, Versions, earlier_addresses
from .locks import is_claimed
from .stage_table import BASELINES, STAGES
from .store import MASK, PREDICTIONS, TRAJECTORY, Damaged, Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Names = Iterable[str] | None


class Results:
    """The cells of `preset` and what of them lies in `results_dir`; nothing is read before it is asked for."""

    def __init__(self, preset: Preset, results_dir: str | Path = "results", stored: bool = False):
        """With `stored` the records are believed about model and data, see `Fingerprints`; nothing is added to them.

        Then a cell that is stored as an earlier version of the rules made it, and not as today's would, is shown so.
        """
        self.preset, self.stored = preset, stored
        self.store = Store(results_dir)
        self.key = Key(preset, Fingerprints(preset, self.store, reading=True, stored=stored))
        meet(preset.data)  # so that pages know the titles of own tasks

    def __repr__(self) -> str:
        tasks, seeds = ", ".join(self.preset.tasks), ", ".join(map(str, self.preset.seeds))
        return f"{type(self).__name__}({self.preset.name}: {tasks}; seeds {seeds}; results in {self.store.root})"

    def cells(self, stages: Names = None, methods: Names = None, subnetworks: Names = None) -> list[Cell]:
        """Cells of the study in dependency order: those asked for and all they need. None means the preset's."""
        return plan(self.preset, stages, methods, subnetworks)

    def address(self, cell: Cell | str) -> str:
        """Address of a cell (or of a cell's name) in this study."""
        cell = self._cell(cell)
        return self.key.address(cell, self._stored_as(cell) or PRESENT)

    def inputs(self, cell: Cell | str) -> dict:
        """Everything the address of a cell is made of, see `identity.inputs`."""
        cell = self._cell(cell)
        return self.key.inputs(cell, self._stored_as(cell) or PRESENT)

    def _stored_as(self, cell: Cell) -> Versions | None:
        """The latest versions of the rules as which a stored study has a cell; None where there is none."""
        if not self.stored:
            return None
        return next((v for v in (PRESENT, *EARLIER) if self.key.address(cell, v) in self._stored_addresses), None)

    @cached_property
    def _stored_addresses(self) -> set[str]:
        """What lies in the store of a stored study, to which nothing is added."""
        return set(self.store.addresses())

    def record(self, cell: Cell | str) -> dict | None:
        """The record of a cell; None when it is not stored, or damaged (which is said on standard error)."""
        record = self._undamaged(self.store.read, self.address(cell))
        if record is not None:
            task_of_record(record)  # knows the task's title from now on
        return record

    def mask(self, cell: Cell | str):
        """The mask a cell found or ran under (StructuredMask or WeightMask); None when it is not stored."""
        cell = self._cell(cell)
        source = mask_source(cell)  # of a search or control itself
        versions = self._stored_as(cell) or self._stored_as(source) or PRESENT
        content = self._undamaged(self.store.content, self.key.address(source, versions), MASK)
        if content is None:
            return None
        from ..pruning.masks import mask_from

        return mask_from(content, f"the mask of {cell.name}")

    def trajectory(self, cell: Cell | str) -> dict[str, np.ndarray] | None:
        """The course of a search, or ``loss`` (steps,) and ``epochs`` of a training run; None when not stored."""
        return self._arrays(cell, TRAJECTORY)

    def predictions(self, cell: Cell | str) -> dict[str, np.ndarray] | None:
        """``predictions`` and ``labels`` (N,) per dev example, ``logits`` (N, C) from models; None if not stored."""
        return self._arrays(cell, PREDICTIONS)

    def _arrays(self, cell: Cell | str, name: str) -> dict[str, np.ndarray] | None:
        from safetensors.numpy import load

        content = self._undamaged(self.store.content, self.address(cell), name)
        return None if content is None else load(content)

    def _undamaged(self, read: Callable, *what: str):
        """What the store reads; None where it has no such thing, or a damaged one, which is said."""
        try:
            return read(*what)
        except KeyError:
            return None
        except Damaged as damage:
            print(f"damaged: {damage}; the next run computes it again", file=sys.stderr)
            return None

    def _everything(self) -> list[Cell]:
        """Every cell this study could hold, also of kinds the preset leaves out."""
        return self.cells(STAGES, METHODS, (*SUBNETWORKS, *BASELINES))

    def records(self) -> list[dict]:
        """The records of all finished cells, also of kinds that the preset leaves out.

        Of a stored study all in its folder: chapters on it may compare settings.
        """
        if self.stored:
            found = (self._undamaged(self.store.read, address) for address in self.store.addresses())
            return [record for record in found if record is not None]
        return [record for cell in self._everything() if (record := self.record(cell)) is not None]

    def earlier(self) -> set[str]:
        """Addresses of the records in the store, of whatever study, that an earlier version of the rules made."""
        return earlier_addresses(self.store.records())

    def table(self, stages: Names = None, methods: Names = None, subnetworks: Names = None) -> pd.DataFrame:
        """One row for each finished cell, by default of every kind there is; see `tables.COLUMNS`."""
        from .tables import results_table

        stages = STAGES if stages is None else [stages] if isinstance(stages, str) else list(stages)
        cells = self.cells(stages, methods or METHODS, subnetworks or (*SUBNETWORKS, *BASELINES))
        chosen = (self.record(cell) for cell in cells if cell.stage in stages)
        return results_table(record for record in chosen if record is not None)

    def state(self, cell: Cell | str) -> str:
        """done, damaged, running, failed or missing."""
        return self._look(self.address(cell))[0]

    def _look(self, key: str) -> tuple[str, dict]:
        """A cell's state, and its record where it is done, or the note of its failure."""
        try:
            if (record := self.store.read(key)) is not None:
                return "done", record
        except Damaged:
            return "damaged", {}
        if is_claimed(self.store.root, key):
            return "running", {}
        failure = self.store.failure(key)
        return ("failed", failure) if failure else ("missing", {})

    def states(self, stages: Names = None, methods: Names = None, subnetworks: Names = None) -> list[dict]:
        """A row for each cell asked for; with no choice also for what is there beyond the plan.

        A row has the cell's fields, state, seconds, error, address, and degenerate: whether a finished cell is of a
        search that had nothing to search.
        """
        planned = dict.fromkeys(self.cells(stages, methods, subnetworks))
        more = self._everything() if stages is methods is subnetworks is None else ()
        rows = []
        for cell in dict.fromkeys([*planned, *more]):
            key = self.address(cell)
            state, found = self._look(key)
            if state == "missing" and cell not in planned:
                continue
            told = {name: found.get(name) for name in ("seconds", "error", "degenerate")}
            rows.append({**cell.as_dict(), "state": state, "address": key, **told})
        return rows

    def _cell(self, cell: Cell | str) -> Cell:
        return parse_cell(cell, self.preset.tasks) if isinstance(cell, str) else cell
