"""Which cell comes next: one whose upstream is there, the longest remaining path first."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from graphlib import TopologicalSorter

from .cells import Cell, upstream

PAUSE = 2.0  # seconds before a cell that another process holds is looked at again


class Schedule:
    """The open cells of a run. `done` says which cells need no work; `cost` estimates a cell's seconds."""

    def __init__(self, cells: Iterable[Cell], seeds: Iterable[int], done: set[Cell], cost: Callable[[Cell], float]):
        self.cost = {cell: cost(cell) for cell in cells if cell not in done}
        self.open = list(self.cost)
        needs = {cell: [c for c in upstream(cell, seeds) if c in self.cost] for cell in self.open}
        self.users: dict[Cell, list[Cell]] = defaultdict(list)
        for cell, needed in needs.items():
            for other in needed:
                self.users[other].append(cell)
        self.path = dict(self.cost)  # seconds from a cell's start to the end of the longest chain behind it
        for cell in reversed(self.open):  # dependency order: users come later
            self.path[cell] += max((self.path[user] for user in self.users[cell]), default=0.0)
        self.blocked: dict[Cell, Cell] = {}
        self.seconds_left = sum(self.cost.values())  # estimated, of the cells that are neither
        self._left = set(self.open)
        self._place = {cell: place for place, cell in enumerate(self.open)}
        self._graph = TopologicalSorter(needs)
        self._graph.prepare()
        self._ready: list[tuple[float, int, Cell]] = []  # heap: the longest path first, then the plan's order
        self._later: deque[tuple[float, Cell]] = deque()  # cells, and the time from which each may be looked at again

    def __len__(self) -> int:
        """Cells that are neither finished, failed nor blocked."""
        return len(self._left)

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._left

    def next(self) -> Cell | None:
        """A cell that can run now, None when there is none at the moment; the caller runs it."""
        for cell in self._graph.get_ready():
            self._push(cell)
        while self._later and self._later[0][0] <= time.monotonic():
            self._push(self._later.popleft()[1])
        while self._ready:
            cell = heapq.heappop(self._ready)[2]
            if cell in self._left:  # it may have failed in an earlier run
                return cell
        return None

    def finish(self, cell: Cell) -> None:
        """Note that the record of a cell that `next` gave is there."""
        self._leave(cell)
        self._graph.done(cell)

    def fail(self, cell: Cell) -> None:
        """Note that a cell failed; everything that needs it is blocked."""
        self._leave(cell)
        doomed = list(self.users[cell])
        while doomed:
            user = doomed.pop()
            if user in self._left:
                self._leave(user)
                self.blocked[user] = cell
                doomed += self.users[user]

    def _leave(self, cell: Cell) -> None:
        self._left.remove(cell)
        self.seconds_left -= self.cost[cell]

    def postpone(self, cell: Cell) -> None:
        """Look at a cell again later: another process is computing it."""
        self._later.append((time.monotonic() + PAUSE, cell))

    def _push(self, cell: Cell) -> None:
        heapq.heappush(self._ready, (-self.path[cell], self._place[cell], cell))


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
        return cell.cost

    return cost


def _kinds(cell: Cell) -> list[tuple]:
    """Cells of a task, then of all, that take as long: of a stage and method; baselines have nothing in common."""
    kind = (cell.stage, cell.method, cell.subnetwork if cell.stage == "baseline" else "")
    return [(cell.task, *kind), kind]
