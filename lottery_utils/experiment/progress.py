"""The progress of a run: cells done, work done, time to go."""

from __future__ import annotations

import sys
from typing import Self

from .cells import Cell
from .schedule import Schedule


class Bar:
    """A progress bar over estimated seconds of work, with the number of cells and the time to go; for one block."""

    def __init__(self, schedule: Schedule, done: int, total: int, show: bool):
        from tqdm import tqdm

        self.schedule, self.cells, self.total = schedule, done, total
        self.started = False
        self.bar = tqdm(
            desc=f"{done}/{total} cells",
            total=sum(schedule.cost.values()),
            disable=not show,
            file=sys.stderr,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
            miniters=0,
            smoothing=0,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} to go{postfix}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the last state on the screen."""
        self.bar.set_postfix_str("", refresh=False)
        self.bar.close()

    def start(self, cell: Cell) -> None:
        """Show that a cell is being computed; the clock starts with the first."""
        if not self.started:
            self.started = True
            self.bar.unpause()
        self.bar.set_postfix_str(cell.name, refresh=False)

    def finish(self, cell: Cell) -> None:
        """Advance by a cell's estimated cost, and by that of the cells it blocks when it failed."""
        self.cells += 1
        self.bar.set_description_str(f"{self.cells}/{self.total} cells", refresh=False)
        ahead = self.schedule.cost[cell] + self.schedule.lost.get(cell, 0.0)
        self.bar.update(min(ahead, self.bar.total - self.bar.n))  # the sums differ in their last digits

    def refresh(self) -> None:
        """Let the clock go on."""
        if sys.stderr.isatty():
            self.bar.refresh()

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.write(line, file=sys.stderr)


def span(seconds: float) -> str:
    """Seconds as a reader says them: 8.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
