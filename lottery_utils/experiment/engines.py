"""Engines: how the open cells of a run are computed, here in this process or by local worker processes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .cells import Cell
from .progress import Bar, span
from .schedule import Schedule

if TYPE_CHECKING:
    from .job import Job

ENGINES = ("serial", "local")


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

    `check` names a task with which the model is tried before any cell is computed. Raises UserError as soon as
    a cell meets bad input, KeyboardInterrupt after the workers were stopped.
    """
    begin = time.perf_counter()

    def settle(cell: Cell, answer: dict) -> None:
        if answer["status"] == "elsewhere":
            schedule.postpone(cell)
            return
        if answer["status"] == "user_error":
            raise UserError(answer["error"])
        if answer["status"] == "failed":
            schedule.fail(cell)
            summary.failed[cell.name] = answer["error"]
            bar.write(f"failed: {answer['error']}")
        else:
            schedule.finish(cell)
            summary.computed += answer["status"] == "computed"
            summary.done += answer["status"] == "done"
        bar.finish(cell, answer)

    try:
        if engine == "serial":
            _serial(schedule, job, settle, bar, check)
        else:
            _local(schedule, job, settle, bar, check, workers or default_workers(len(schedule)))
    finally:
        summary.blocked = {cell.name: by.name for cell, by in schedule.blocked.items()}
        summary.seconds = time.perf_counter() - begin


def _serial(schedule: Schedule, job: Job, settle, bar, check: str | None) -> None:
    """One cell after another in this process, on one thread as the workers, so that results are the same."""
    from .work import compute, steady, try_model

    if check:
        _raise_bad(try_model(job, check))
    with steady():
        while len(schedule):
            cell = schedule.next()
            if cell is None:
                time.sleep(0.5)
                continue
            bar.start(cell)
            settle(cell, compute(job, cell))


def _local(schedule: Schedule, job: Job, settle, bar, check: str | None, workers: int) -> None:
    """`workers` processes, each with a thread here that hands it cells and takes its answers."""
    jobs: queue.SimpleQueue[Cell | None] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[Cell, dict]] = queue.SimpleQueue()
    crew = [_Worker(job) for _ in range(workers)]
    threads = [threading.Thread(target=w.attend, args=(jobs, answers), daemon=True) for w in crew]
    try:
        if check:
            _raise_bad(crew[0].ask({"check": check}, "the model"))
        for thread in threads:
            thread.start()
        while len(schedule):
            while len(schedule.running) < workers and (cell := schedule.next()) is not None:
                bar.start(cell)
                jobs.put(cell)
            try:
                settle(*answers.get(timeout=0.5))
            except queue.Empty:
                bar.refresh()
    except BaseException:
        for worker in crew:
            worker.stop()
        raise
    finally:
        for _ in crew:
            jobs.put(None)
        for thread in threads:
            if thread.is_alive():
                thread.join(timeout=20)


def _raise_bad(answer: dict) -> None:
    if answer["status"] == "user_error":
        raise UserError(answer["error"])


class _Worker:
    """One worker process, started at its first cell and again should it die."""

    def __init__(self, job: Job):
        self.first = job.to_line() + "\n"
        self.process: subprocess.Popen | None = None
        self.stopped = False

    def attend(self, jobs: queue.SimpleQueue, answers: queue.SimpleQueue) -> None:
        """Compute cells from `jobs` until None comes."""
        while (cell := jobs.get()) is not None and not self.stopped:
            try:
                answers.put((cell, self.ask({"cell": cell.as_dict()}, cell.name)))
            except Exception as error:  # the main thread would wait for an answer for ever
                line = f"{cell.name}: the worker could not be used: {type(error).__name__}: {error}"
                answers.put((cell, {"status": "failed", "seconds": 0.0, "error": line}))
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()

    def ask(self, message: dict, name: str) -> dict:
        """Send a message and wait for the answer; a worker that dies over it gives a failure."""
        begin = time.perf_counter()
        try:
            if self.process is None:
                self.process = _start()
                self.process.stdin.write(self.first)
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
            if line := self.process.stdout.readline():
                return json.loads(line)
        except BrokenPipeError:
            pass
        code = self.process.wait()
        self.process = None
        how = f"was killed by signal {-code}, perhaps for lack of memory" if code < 0 else f"ended with code {code}"
        return {
            "status": "failed",
            "seconds": time.perf_counter() - begin,
            "error": f"{name}: its worker process {how}",
        }

    def stop(self) -> None:
        """End the process now; it gives its claim back and stores nothing half."""
        self.stopped, process = True, self.process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _start() -> subprocess.Popen:
    one = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, **one, "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": paths}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lottery_utils.experiment.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
    )


def default_workers(cells: int) -> int:
    """One worker a core, one in all where a GPU is at hand, never more than cells."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cells, 1 if _has_gpu() else cores))


def _has_gpu() -> bool:
    if sys.platform == "linux" and not any(Path("/dev").glob("nvidia[0-9]*")):
        return False  # no need to import torch to know
    import torch

    return torch.cuda.is_available()
