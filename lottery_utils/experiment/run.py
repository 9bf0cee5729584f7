"""A run: the cells of a schedule handed to an engine, what became of each, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field

from tqdm import tqdm

from ..errors import UserError
from . import provenance
from .cells import Cell
from .pool import Answer, Job, Pool, ThisProcess
from .schedule import Schedule
from .store import Store

ENGINES = ("serial", "local", "ray")
PATIENCE = 0.5  # seconds that answers are waited for before the bar is drawn again


@dataclass
class Summary:
    """What a run did: cells computed and found done, failures (name to error), blocked cells (name to failed one)."""

    total: int
    computed: int = 0
    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when every cell is stored now."""
        return not self.failed and not self.blocked

    def __str__(self) -> str:
        if self.ok and not self.computed:
            return f"everything is done: all {self.total} cells were stored already"
        parts = [f"{self.computed} computed", f"{self.done} stored already"]
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        parts += [f"{len(self.blocked)} blocked by these"] if self.blocked else []
        return f"{self.total} cells: {', '.join(parts)}, in {span(self.seconds)}"


class Bar(tqdm):
    """A progress bar over estimated seconds of work, with the number of cells and the time to go; for one block."""

    def __init__(self, schedule: Schedule, cells: int, show: bool):
        self.schedule, self.cells = schedule, cells
        super().__init__(
            total=schedule.seconds_left,
            disable=not show,
            file=sys.stderr,
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
            miniters=0,
            smoothing=0,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} to go{postfix}",
        )

    def tick(self, running: Iterable[Cell]) -> None:
        """Show what is left, less by settled cells and all that needed failed ones, and the last that is running."""
        settled = self.cells - len(self.schedule.left) - len(self.schedule.blocked)
        self.set_description_str(f"{settled}/{self.cells} cells", refresh=False)
        names = [cell.name for cell in running]
        self.set_postfix_str(names[-1] if names else "", refresh=False)
        self.update(self.total - self.schedule.seconds_left - self.n)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.write(line, file=sys.stderr)


def run_schedule(schedule: Schedule, job: Job, summary: Summary, engine: str, workers: int | None, bar: Bar) -> None:
    """Compute all cells of `schedule` and fill in `summary`; a failed cell stops only those that need it.

    Raises UserError as soon as a cell meets bad input or the disk takes nothing, KeyboardInterrupt after the workers
    were stopped. A cell that ran out of memory is tried once more, alone, when no other cell can be computed.
    """
    begin = time.perf_counter()
    again: list[Cell] = []  # cells that ran out of memory
    alone: Cell | None = None  # the one of them that is tried once more now
    try:
        with _engine(engine, job, workers, len(schedule.left)) as pool:
            while schedule.left:
                while alone is None and len(pool.running) < pool.places and (cell := schedule.next()) is not None:
                    bar.tick([*pool.running, cell])  # shown first: the serial engine computes it at once
                    pool.start(cell)
                if not pool.running and again:
                    alone = again.pop(0)
                    pool.start(alone, alone=True)
                elif not pool.running:
                    time.sleep(PATIENCE)  # another process has the cells that are left
                for cell, answer in pool.finished(PATIENCE):
                    if answer.status == "out_of_memory" and cell != alone:
                        bar.say(f"{cell.name}: out of memory; to be tried again alone")
                        again.append(cell)
                    else:
                        _settle(schedule, job, summary, bar, cell, answer)
                    alone = None
                bar.tick(pool.running)
    finally:
        summary.blocked = {cell.name: by.name for cell, by in schedule.blocked.items()}
        summary.seconds = time.perf_counter() - begin


def _engine(engine: str, job: Job, workers: int | None, cells: int) -> AbstractContextManager:
    if engine == "ray":
        from .ray_engine import RayPool

        return RayPool(job, workers)
    return nullcontext(ThisProcess(job)) if engine == "serial" else Pool(job, workers, cells)


def _settle(schedule: Schedule, job: Job, summary: Summary, bar: Bar, cell: Cell, answer: Answer) -> None:
    """Note in schedule, summary and bar what became of a cell; raises UserError where the run must stop."""
    if answer.status == "user_error":
        raise UserError(answer.error)
    if answer.status == "elsewhere":
        schedule.postpone(cell)
        return
    if answer.status in ("computed", "done"):
        schedule.finish(cell)
        summary.computed += answer.status == "computed"
        summary.done += answer.status == "done"
    else:
        twice = " (tried twice, the second time alone)" if answer.status == "out_of_memory" else ""
        store, key, error = Store(job.root), job.key.address(cell), answer.error + twice
        if store.failure(key) is None:
            note = {"cell": cell.name, "error": error, "traceback": answer.traceback}
            with suppress(OSError):  # a disk that takes no note must not stop the others
                store.fail(key, note | {"when": provenance.now()})
        schedule.fail(cell)
        summary.failed[cell.name] = error
        bar.say(f"failed: {error}")


def span(seconds: float) -> str:
    """Seconds as a reader says them: 8.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
