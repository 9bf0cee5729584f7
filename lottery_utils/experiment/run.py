"""A run: the cells of a schedule handed to an engine, and what became of each."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import UserError
from .cells import Cell
from .schedule import Bar, Schedule, span
from .worker import Answer, Job

if TYPE_CHECKING:
    from .pool import Pool, ThisProcess
    from .ray_engine import RayPool

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


def run_schedule(
    schedule: Schedule, job: Job, summary: Summary, engine: str, workers: int | None, bar: Bar
) -> None:
    """Compute all cells of `schedule` and fill in `summary`; a failed cell stops only those that need it.

    Raises UserError as soon as a cell meets bad input or the disk takes nothing, KeyboardInterrupt after the workers
    were stopped. A cell that ran out of memory is tried once more, alone on its device.
    """
    begin = time.perf_counter()
    pending: dict[Future[Answer], tuple[Cell, bool]] = {}  # cells being computed, and whether each is tried alone
    try:
        with _engine(engine, job, workers, len(schedule)) as pool:
            while len(schedule):
                while len(pending) < pool.places and (cell := schedule.next()) is not None:
                    bar.start(cell)
                    pending[pool.submit(cell)] = (cell, False)
                if not pending:
                    time.sleep(PATIENCE)  # another process has the cells that are left
                for future in wait(pending, PATIENCE, FIRST_COMPLETED).done:
                    cell, alone = pending.pop(future)
                    answer = future.result()
                    if answer.status == "out_of_memory" and not alone:
                        bar.say(f"{cell.name}: out of memory; to be tried again alone on its device")
                        pending[pool.submit(cell, alone=True)] = (cell, True)
                    else:
                        _settle(schedule, job, summary, bar, cell, answer)
                bar.tick()
    finally:
        summary.blocked = {cell.name: by.name for cell, by in schedule.blocked.items()}
        summary.seconds = time.perf_counter() - begin


def _engine(engine: str, job: Job, workers: int | None, cells: int) -> Pool | RayPool | ThisProcess:
    if engine == "ray":
        from .ray_engine import RayPool

        return RayPool(job, workers)
    from .pool import Pool, ThisProcess

    return ThisProcess(job) if engine == "serial" else Pool(job, workers, cells)


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
        if answer.status != "failed":  # its process did not live to note it
            with contextlib.suppress(OSError):  # a disk that takes no note must not stop the others
                job.note_failure(cell, answer.error)
        schedule.fail(cell)
        summary.failed[cell.name] = answer.error
        bar.say(f"failed: {answer.error}")
    bar.advance()
