"""Engines: how the open cells of a run are computed: in this process, by local worker processes, or by Ray."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import UserError
from .cells import Cell
from .progress import Bar, span
from .schedule import Schedule

if TYPE_CHECKING:
    from .job import Job

ENGINES = ("serial", "local", "ray")
AGAIN = "'lottery run --retry-failed' tries again"


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
    schedule: Schedule,
    job: Job,
    summary: Summary,
    engine: str,
    workers: int | None,
    bar: Bar,
    check: str | None = None,
) -> None:
    """Compute all cells of `schedule` and fill in `summary`; a failed cell stops only those that need it.

    A cell that runs out of memory is tried once more, alone on its device, before it counts as failed. `check`
    names a task with which the model is tried before any cell is computed. Raises UserError as soon as a cell
    meets bad input or the disk takes nothing, KeyboardInterrupt after the workers were stopped.
    """
    begin = time.perf_counter()

    def settle(cell: Cell, answer: dict) -> None:
        if answer["status"] == "elsewhere":
            schedule.postpone(cell)
            return
        if answer["status"] == "user_error":
            raise UserError(answer["error"])
        if answer["status"] in ("failed", "died", "out_of_memory"):
            if answer["status"] != "failed":  # its process did not live to note it
                note_failure(job, cell, answer["error"])
            schedule.fail(cell)
            summary.failed[cell.name] = answer["error"]
            bar.write(f"failed: {answer['error']}")
        else:
            schedule.finish(cell)
            summary.computed += answer["status"] == "computed"
            summary.done += answer["status"] == "done"
        bar.finish(cell)

    try:
        if engine == "serial":
            _serial(schedule, job, settle, bar, check)
        elif engine == "ray":
            from .ray_engine import run_ray

            run_ray(schedule, job, settle, bar, check, workers)
        else:
            from .local import run_local

            run_local(schedule, job, settle, bar, check, workers)
    finally:
        summary.blocked = {cell.name: by.name for cell, by in schedule.blocked.items()}
        summary.seconds = time.perf_counter() - begin


def _serial(schedule: Schedule, job: Job, settle, bar, check: str | None) -> None:
    """One cell after another in this process, on one thread as the workers, so that results are the same."""
    from .local import settle_check
    from .work import compute, steady, try_model

    if check:
        settle_check(try_model(job, check))
    with steady():
        while len(schedule):
            cell = schedule.next()
            if cell is None:
                time.sleep(0.5)
                continue
            bar.start(cell)
            answer = compute(job, cell)
            if answer["status"] == "out_of_memory":
                answer = compute(job, cell, alone=True)
            settle(cell, answer)


def note_failure(job: Job, cell: Cell, error: str) -> None:
    """Note a failure whose process could not; a disk that takes no note must not stop the others."""
    from . import provenance
    from .identity import address
    from .store import Store

    key = address(cell, job.preset, job.model_print, job.data_prints[cell.task])
    with contextlib.suppress(OSError):
        Store(job.root).fail(key, {"cell": cell.name, "error": error, "when": provenance.now(), "traceback": ""})
