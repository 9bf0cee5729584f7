"""Who computes cells on this machine: this process, or worker processes, each on one thread and one device.

An engine is used in a `with`, and an error stops its cells: `start` has a cell computed where it `has_room`, `answers`
gives cells as they are settled. A cell that ran out of memory is tried once more, alone on its device.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from ..errors import UserError
from .cells import Cell
from .worker import Answer, Job

PATIENCE = 0.5  # seconds that answers are waited for before the bar is drawn again
VISIBLE = "CUDA_VISIBLE_DEVICES"
WORKER = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
WORKER |= {"TOKENIZERS_PARALLELISM": "false"}
# freed tensors go back to the system; by glibc's own rule a worker of BERT-base's size grew from 6 to 9 GB on RTE
WORKER |= {"MALLOC_MMAP_THRESHOLD_": str(2**24)}

Answers = Iterable[tuple[Cell, Answer, bool]]  # with whether the cell was tried alone


class ThisProcess(AbstractContextManager):
    """The engine "serial": one cell after another, with the results of a worker."""

    def __init__(self, job: Job):
        self.job = job
        self.cell: Cell | None = None

    def __exit__(self, *error: object) -> None:
        """There is nothing to stop."""

    def has_room(self) -> bool:
        """Whether another cell can be started now."""
        return self.cell is None

    def start(self, cell: Cell) -> None:
        """Have a cell computed, by the next `answers`."""
        self.cell = cell

    def answers(self) -> Answers:
        """The cell's answer, or two where memory ran out."""
        from .work import compute, steady

        cell, self.cell = self.cell, None
        if cell is None:
            time.sleep(PATIENCE)  # another process has the cells that are left
            return
        for alone in (False, True):
            with steady():
                answer = compute(self.job, cell, alone)
            yield cell, answer, alone
            if answer.status != "out_of_memory":
                return


class Pool(AbstractContextManager):
    """The engine "local": `count` worker processes."""

    def __init__(self, job: Job, count: int | None, cells: int):
        devices = gpus()
        count = count or default_workers(cells, devices)
        devices = devices or [None]
        self.workers = [Worker(job, devices[i % len(devices)]) for i in range(count)]
        self.again: dict[Cell, str | None] = {}  # cells still to be tried alone, and on which device

    def __exit__(self, kind: type | None, *error: object) -> None:
        for worker in self.workers if kind is not None else ():
            worker.terminate()
        for worker in self.workers:
            worker.retire()

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

        A cell is tried alone when all workers of its device are idle and have given back what they hold of its memory;
        the other devices go on.
        """
        for cell, device in list(self.again.items()):
            crowd = [worker for worker in self.workers if worker.device == device]
            if all(worker.cell is None for worker in crowd):
                for worker in crowd:
                    worker.retire()
                crowd[0].compute(cell, alone=True)
                del self.again[cell]
        busy = {worker.pipe: worker for worker in self.workers if worker.cell is not None}
        for pipe in wait(list(busy), PATIENCE):
            worker = busy[pipe]
            cell, alone, answer = worker.cell, worker.alone, worker.answer()
            if answer.status == "out_of_memory" and not alone:
                self.again[cell] = worker.device
            yield cell, answer, alone


class Worker:
    """A worker process on `device` (a GPU as CUDA names it, None for the CPU); it starts again should it die."""

    def __init__(self, job: Job, device: str | None):
        self.job, self.device = job, device
        self.process: subprocess.Popen | None = None
        self.pipe: Connection | None = None
        self.cell: Cell | None = None  # being computed
        self.alone = False

    def compute(self, cell: Cell, alone: bool = False) -> None:
        """Have a cell computed."""
        self.cell, self.alone = cell, alone
        with suppress(OSError):  # it died: `answer` says how
            if self.process is None:
                self.process, self.pipe = start_worker(self.device)
                self.pipe.send(self.job)
            self.pipe.send((cell, alone))

    def answer(self) -> Answer:
        """Wait for the answer; of a worker that died over it the status is "died", or "out_of_memory"."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):
            answer = self._end()
        self.cell, self.alone = None, False
        return answer

    def _end(self) -> Answer:
        code = self.retire()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        error = f"{self.cell.name}: its worker process {how}"
        if code == -9:  # what Linux does when memory runs out
            return Answer("out_of_memory", f"{error}, perhaps for lack of memory")
        return Answer("died", error)

    def terminate(self) -> None:
        """Ask the process to end in the middle of a cell: it gives its claim back and stores nothing half."""
        if self.process is not None:
            self.process.terminate()

    def retire(self) -> int:
        """Wait until the process has ended, which frees its memory, and return its code; another starts when needed."""
        process, self.process = self.process, None
        if process is None:
            return 0
        self.pipe.close()
        try:
            return process.wait(timeout=30)  # one that is still importing answers late
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def start_worker(device: str | None) -> tuple[subprocess.Popen, Connection]:
    """Start a worker process that sees one GPU, or none; raises UserError where the system starts no more.

    By `subprocess`, for `multiprocessing` would run the reader's own script again in each worker.
    """
    environment = {**os.environ, **WORKER}
    if device is not None:
        environment[VISIBLE] = device
    pipe, other = Pipe()
    # not by PYTHONPATH, which divides at a colon in a folder's name
    paths = [path for path in sys.path if path]
    code = f"import sys; sys.path[:0] = {paths!a}; from lottery_utils.experiment import worker; "
    command = [sys.executable, "-P", "-c", f"{code} worker.main({other.fileno()})"]
    with other:
        try:
            # what a library prints goes where errors go
            return subprocess.Popen(command, env=environment, pass_fds=[other.fileno()], stdout=2), pipe
        except OSError as error:
            raise UserError(f"cannot start a worker process: {error.strerror}; try fewer with --workers") from None


def gpus() -> list[str]:
    """The GPUs that workers may use, as CUDA names them; none without a usable one."""
    if sys.platform == "linux" and not any(Path("/dev").glob("nvidia[0-9]*")):
        return []  # no need to import torch to know
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = os.environ.get(VISIBLE, ",".join(map(str, range(count))))
    return [name.strip() for name in names.split(",")][:count]


def default_workers(cells: int, devices: list[str]) -> int:
    """One worker a GPU, else one a core; never more than cells."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cells, len(devices) or cores))
