"""Which cell comes next: one whose upstream is there, the longest remaining path first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from .cells import Cell, upstream
from .stage_table import STAGES

PAUSE = 2.0  # seconds before a cell that another process holds is looked at again


class Schedule:
    """The open cells of a run. `done` says which cells need no work; `cost` estimates a cell's seconds."""

    def __init__(self, cells: Iterable[Cell], seeds: Iterable[int], done: set[Cell], cost: Callable[[Cell], float]):
        self.cost = {cell: cost(cell) for cell in cells if cell not in done}
        self.needs = {cell: {c for c in upstream(cell, seeds) if c in self.cost} for cell in self.cost}
        path = dict(self.cost)  # seconds from a cell's start to the end of the longest chain behind it
        for cell in reversed(path):  # dependency order: what needs a cell comes after it
            for needed in self.needs[cell]:
                path[needed] = max(path[needed], self.cost[needed] + path[cell])
        # cells neither finished, failed nor blocked, the longest path first, and the time from which each may start
        self.left = {cell: 0.0 for cell in sorted(path, key=path.get, reverse=True)}
        self.blocked: dict[Cell, Cell] = {}
        self.seconds_left = sum(self.cost.values())  # estimated, of the cells that are left

    def next(self) -> Cell | None:
        """A cell that can run now, None when there is none at the moment; the caller runs it."""
        now = time.monotonic()
        for cell, start in self.left.items():
            if start <= now and self.left.keys().isdisjoint(self.needs[cell]):
                self.left[cell] = math.inf
                return cell
        return None

    def finish(self, cell: Cell) -> None:
        """Note that the record of a cell that `next` gave is there."""
        del self.left[cell]
        self.seconds_left -= self.cost[cell]

    def fail(self, cell: Cell) -> None:
        """Note that a cell failed; everything that needs it is blocked."""
        doomed = {cell}
        for user, needed in self.needs.items():  # in dependency order
            if user in self.left and not doomed.isdisjoint(needed):
                doomed.add(user)
                self.blocked[user] = cell
        for user in doomed:
            self.finish(user)

    def postpone(self, cell: Cell) -> None:
        """Look at a cell again later: another process is computing it."""
        self.left[cell] = time.monotonic() + PAUSE


def expected_costs(records: Iterable[dict], preset: str) -> Callable[[Cell], float]:
    """A function from a cell to its expected seconds: what such cells took here, else a relative guess."""
    seen: dict[tuple, list[float]] = {}
    for record in records:
        if record["preset"] == preset:
            for key in _kinds(Cell(**record["cell"])):
                seen.setdefault(key, []).append(record["seconds"])

    def cost(cell: Cell) -> float:
        for key in _kinds(cell):
            if key in seen:
                return sum(seen[key]) / len(seen[key])
        return cell.case.cost or STAGES[cell.stage].cost

    return cost


def _kinds(cell: Cell) -> list[tuple]:
    """Cells of a task, then of all, that take as long: of a stage and method; baselines have nothing in common."""
    kind = (cell.stage, cell.method, cell.subnetwork if cell.stage == "baseline" else "")
    return [(cell.task, *kind), kind]
