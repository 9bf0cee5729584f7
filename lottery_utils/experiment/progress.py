"""The progress of a run: cells done, work done, time to go."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager

from .cells import Cell
from .schedule import Schedule


class Bar:
    """A progress bar over estimated seconds of work, with the number of cells and the time to go."""

    def __init__(self, schedule: Schedule, done: int, total: int, show: bool):
        from tqdm import tqdm

        self.schedule, self.cells, self.total = schedule, done, total
        self.bar = tqdm(
            total=round(sum(schedule.cost.values()), 3),
            disable=not show,
            file=sys.stderr,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}{postfix}",
            leave=True,
        )
        self.begin: float | None = None  # of the first cell: what comes before it says nothing about the rest
        self.cell = ""
        self._describe()

    def start(self, cell: Cell) -> None:
        """Show that a cell is being computed."""
        self.begin = self.begin or time.monotonic()
        self.cell = cell.name
        self._describe()

    def finish(self, cell: Cell) -> None:
        """Advance by a cell's estimated cost, and by that of the cells it blocks when it failed."""
        self.cells += 1
        ahead = self.bar.n + self.schedule.cost[cell] + self.schedule.lost.get(cell, 0.0)
        self.bar.n = min(ahead, self.bar.total)  # the sums differ in their last digits
        self._describe()
        self.bar.update(0.0)

    def refresh(self) -> None:
        """Let the clock go on."""
        if sys.stderr.isatty():
            self._describe()
            self.bar.refresh()

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the last state on the screen."""
        self.cell = ""
        self._describe()
        self.bar.close()

    def _describe(self) -> None:
        self.bar.set_description_str(f"{self.cells}/{self.total} cells", refresh=False)
        self.bar.set_postfix_str(", ".join(filter(None, (self._to_go(), self.cell))), refresh=False)

    def _to_go(self) -> str:
        """Time to go, the cells being computed taken for half done; nothing before the first is finished."""
        if self.begin is None or not self.bar.n:
            return ""
        half = sum(self.schedule.cost[cell] for cell in self.schedule.running) / 2
        done = self.bar.n + half
        seconds = (time.monotonic() - self.begin) * max(0.0, self.bar.total - done) / done
        return f"{self.bar.format_interval(seconds)} to go"


@contextmanager
def progress_bar(schedule: Schedule, done: int, total: int, show: bool):
    """A `Bar` for the block."""
    bar = Bar(schedule, done, total, show)
    try:
        yield bar
    finally:
        bar.close()


def span(seconds: float) -> str:
    """Seconds as a reader says them: 8.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
