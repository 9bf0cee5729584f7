"""The pool: hands the open cells of a run to workers (this process, processes of this machine, or Ray's).

A worker process runs `worker`, on one thread and one device, from its first cell on: for each line of JSON that it gets
it answers one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .cells import Cell
from .schedule import Bar, Schedule, span
from .worker import respond

if TYPE_CHECKING:
    from .ray_engine import RayPool
    from .worker import Job

ENGINES = ("serial", "local", "ray")
AGAIN = "'lottery run --retry-failed' tries again"
PATIENCE = 0.5  # seconds that answers are waited for before the bar is drawn again
VISIBLE = "CUDA_VISIBLE_DEVICES"
WORKER = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
WORKER |= {"TOKENIZERS_PARALLELISM": "false"}  # the environment of a worker, beside this process's

Answers = Iterable[tuple[Cell, dict, bool]]  # cell, what `work.compute` said of it, whether it was tried alone


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
    try:
        with _pool(engine, job, workers, len(schedule)) as pool:
            if check:
                _refuse_bad_input(pool.try_model(check))
            while len(schedule):
                while pool.has_room() and (cell := schedule.next()) is not None:
                    bar.start(cell)
                    pool.start(cell)
                for cell, answer, alone in pool.answers():
                    if answer["status"] == "out_of_memory" and not alone:
                        bar.write(f"{cell.name}: out of memory; to be tried again alone on its device")
                    else:
                        _settle(schedule, job, summary, bar, cell, answer)
                bar.refresh()
    finally:
        summary.blocked = {cell.name: by.name for cell, by in schedule.blocked.items()}
        summary.seconds = time.perf_counter() - begin


def _pool(engine: str, job: Job, workers: int | None, cells: int) -> Pool | RayPool:
    if engine == "ray":
        from .ray_engine import RayPool

        return RayPool(job, workers)
    if engine == "serial":
        return Pool([ThisProcess(job)])
    devices = gpus()
    count = workers or default_workers(cells, devices)
    return Pool([Worker(job, devices[i % len(devices)] if devices else None) for i in range(count)])


def _refuse_bad_input(answer: dict) -> None:
    if answer["status"] == "user_error":
        raise UserError(answer["error"])


def _settle(schedule: Schedule, job: Job, summary: Summary, bar: Bar, cell: Cell, answer: dict) -> None:
    """Note in schedule, summary and bar what became of a cell; raises UserError where the run must stop."""
    _refuse_bad_input(answer)
    if answer["status"] == "elsewhere":
        schedule.postpone(cell)
        return
    if answer["status"] in ("computed", "done"):
        schedule.finish(cell)
        summary.computed += answer["status"] == "computed"
        summary.done += answer["status"] == "done"
    else:
        if answer["status"] != "failed":  # its process did not live to note it
            note_failure(job, cell, answer["error"])
        schedule.fail(cell)
        summary.failed[cell.name] = answer["error"]
        bar.write(f"failed: {answer['error']}")
    bar.finish(cell)


def note_failure(job: Job, cell: Cell, error: str) -> None:
    """Note a failure whose process could not; a disk that takes no note must not stop the others."""
    from . import provenance
    from .identity import address
    from .store import Store

    key = address(cell, job.preset, job.model_print, job.data_prints[cell.task])
    with contextlib.suppress(OSError):
        Store(job.root).fail(key, {"cell": cell.name, "error": error, "when": provenance.now(), "traceback": ""})


class Pool:
    """Workers of this machine and what they compute, for the block of a `with`; an error stops them."""

    def __init__(self, workers: list[Worker]):
        self.workers = workers
        self.again: dict[Cell, str | None] = {}  # cells still to be tried alone, and on which device

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        for worker in self.workers if kind is not None else ():
            worker.terminate()
        for worker in self.workers:
            worker.retire()

    def try_model(self, task: str) -> dict:
        """What `work.try_model` says, before any cell is started."""
        self.workers[0].send({"check": task})
        return self.workers[0].answer()

    def has_room(self) -> bool:
        """Whether another cell can be started now."""
        return self._free() is not None

    def start(self, cell: Cell) -> None:
        """Have a cell computed."""
        self._free().compute(cell)

    def _free(self) -> Worker | None:
        """An idle worker of a device on which no cell is tried alone, or waits to be."""
        taken = {*self.again.values(), *(worker.device for worker in self.workers if worker.alone)}
        return next((w for w in self.workers if w.cell is None and w.device not in taken), None)

    def answers(self) -> Answers:
        """Cells as they are settled; waits for one, `PATIENCE` seconds at most.

        A cell that ran out of memory is first tried once more, when all workers of its device are idle and have given
        back what they hold of its memory; the other devices go on.
        """
        for cell, device in list(self.again.items()):
            crowd = [worker for worker in self.workers if worker.device == device]
            if all(worker.cell is None for worker in crowd):
                for worker in crowd:
                    worker.retire()
                crowd[0].compute(cell, alone=True)
                del self.again[cell]
        for worker in _ready([worker for worker in self.workers if worker.cell is not None]):
            cell, alone, answer = worker.cell, worker.alone, worker.answer()
            if answer["status"] == "out_of_memory" and not alone:
                self.again[cell] = worker.device
            yield cell, answer, alone


def _ready(busy: list[Worker]) -> list[Worker]:
    """Those of the busy workers that have an answer, or died."""
    if any(worker.process is None for worker in busy):  # the cell was computed in this process
        return busy
    pipes = {worker.process.stdout: worker for worker in busy}
    return [pipes[pipe] for pipe in select.select(list(pipes), [], [], PATIENCE)[0]]


class Worker:
    """A worker process on `device` (a GPU as CUDA names it, None for the CPU); it starts again should it die."""

    def __init__(self, job: Job, device: str | None):
        self.job, self.device = job, device
        self.process: subprocess.Popen | None = None
        self.cell: Cell | None = None  # being computed
        self.alone = False
        self.began = 0.0

    def compute(self, cell: Cell, alone: bool = False) -> None:
        """Have a cell computed."""
        self.cell, self.alone = cell, alone
        self.send({"cell": cell.as_dict(), "alone": alone})

    def send(self, message: dict) -> None:
        """Send what is to be answered."""
        self.began = time.perf_counter()
        with contextlib.suppress(BrokenPipeError):  # it died: `answer` says how
            if self.process is None:
                self.process = start_worker(self.device)
                self.process.stdin.write(self.job.to_line() + "\n")
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def answer(self) -> dict:
        """Wait for the answer; of a worker that died over it the status is "died", or "out_of_memory"."""
        line = self.process.stdout.readline()
        answer = json.loads(line) if line.endswith("\n") else self._end()
        self.cell, self.alone = None, False
        return answer

    def _end(self) -> dict:
        code = self.retire()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        status = "died"
        if code == -9:  # what Linux does when memory runs out
            how, status = f"{how}, perhaps for lack of memory", "out_of_memory"
        error = f"{self.cell.name if self.cell else 'the model'}: its worker process {how}"
        return {"status": status, "seconds": time.perf_counter() - self.began, "error": error}

    def terminate(self) -> None:
        """Ask the process to end in the middle of a cell: it gives its claim back and stores nothing half."""
        if self.process is not None:
            self.process.terminate()

    def retire(self) -> int:
        """Wait until the process has ended, which frees its memory, and return its code; another starts when needed."""
        process, self.process = self.process, None
        if process is None:
            return 0
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            code = process.wait(timeout=30)  # one that is still importing answers late
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()
        return code


class ThisProcess(Worker):
    """The worker of the engine "serial": a cell is computed before `compute` returns, with the results of a worker."""

    def __init__(self, job: Job):
        super().__init__(job, None)
        self.answered: dict = {}

    def send(self, message: dict) -> None:
        """Do what is asked for."""
        from .work import steady

        with steady():
            self.answered = respond(self.job, message)

    def answer(self) -> dict:
        """The answer to the last message."""
        self.cell, self.alone = None, False
        return self.answered


def start_worker(device: str | None) -> subprocess.Popen:
    """Start a worker process that sees one GPU, or none; raises UserError where the system starts no more."""
    environment = {**os.environ, **WORKER}
    if device is not None:
        environment[VISIBLE] = device
    # not by PYTHONPATH, which divides at a colon in a folder's name
    paths = [path for path in sys.path if path]
    code = f"import sys; sys.path[:0] = {paths!a}; from lottery_utils.experiment.worker import main; main()"
    command = [sys.executable, "-P", "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    try:
        return subprocess.Popen(command, env=environment, **pipes)
    except OSError as error:
        raise UserError(f"cannot start a worker process: {error.strerror}; try fewer with --workers") from None


def gpus() -> list[str]:
    """The GPUs that workers may use, as CUDA names them; none without a usable one."""
    nodes = [path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    if sys.platform == "linux" and not nodes:
        return []  # no need to import torch to know
    import torch

    if not torch.cuda.is_available():
        return []
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    return [str(index) for index in range(torch.cuda.device_count())]


def default_workers(cells: int, devices: list[str]) -> int:
    """One worker a GPU, else one a core; never more than cells."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cells, len(devices) or cores))
