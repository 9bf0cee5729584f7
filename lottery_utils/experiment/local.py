"""The local engine: worker processes, each with a thread here that hands it cells and takes its answers."""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import crew
from .cells import Cell
from .schedule import Schedule

if TYPE_CHECKING:
    from .job import Job
    from .progress import Bar

Settle = Callable[[Cell, dict], None]


def run_local(schedule: Schedule, job: Job, settle: Settle, bar: Bar, check: str | None, workers: int | None) -> None:
    """Compute the schedule's cells by `workers` processes, dealt out over the GPUs where there are any."""
    devices = crew.gpus()
    count = workers or crew.default_workers(len(schedule), devices)
    team = [crew.Worker(job, devices[i % len(devices)] if devices else None) for i in range(count)]
    answers: queue.SimpleQueue = queue.SimpleQueue()
    threads = [threading.Thread(target=worker.attend, args=(answers,), daemon=True) for worker in team]
    try:
        if check:
            settle_check(team[0].ask({"check": check}, "the model"))
        for thread in threads:
            thread.start()
        _deal(schedule, team, answers, settle, bar)
    except BaseException:
        for worker in team:
            worker.stop()
        raise
    finally:
        for worker in team:
            worker.jobs.put(None)
        for thread in threads:
            if thread.is_alive():
                thread.join(timeout=20)


def _deal(schedule: Schedule, team: list[crew.Worker], answers: queue.SimpleQueue, settle: Settle, bar: Bar) -> None:
    """Hand out cells until all are settled.

    A cell that ran out of memory waits until every other worker of its device is idle and has freed what it held,
    and is then tried once more, alone there; the other devices go on.
    """
    idle = list(team)
    again: dict[str | None, list[Cell]] = defaultdict(list)  # by device: cells to be tried alone
    alone: set[Cell] = set()
    while len(schedule):
        for device, cells in again.items():
            crowd = [worker for worker in team if worker.device == device]
            if cells and all(worker in idle for worker in crowd):
                for worker in crowd:
                    worker.retire()
                cell = cells[0]
                alone.add(cell)
                idle.remove(crowd[0])
                crowd[0].jobs.put((cell, True))
        for worker in list(idle):
            if again[worker.device]:
                continue
            cell = schedule.next()
            if cell is None:
                break
            bar.start(cell)
            idle.remove(worker)
            worker.jobs.put((cell, False))
        try:
            worker, cell, answer = answers.get(timeout=0.5)
        except queue.Empty:
            bar.refresh()
            continue
        idle.append(worker)
        if answer["status"] == "out_of_memory" and cell not in alone:
            bar.write(f"{cell.name}: out of memory; to be tried again alone on its device")
            again[worker.device].append(cell)
            continue
        if cell in again[worker.device]:
            again[worker.device].remove(cell)
        settle(cell, answer)


def settle_check(answer: dict) -> None:
    """Raise UserError when the try of a model found it unusable."""
    from ..errors import UserError

    if answer["status"] == "user_error":
        raise UserError(answer["error"])
