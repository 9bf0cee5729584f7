"""Who computes cells on this machine: this process, or worker processes, each on one thread and one device.

An engine is used in a `with`, and an error stops its cells: `start` has a cell computed, `running` are the cells that
are, at most `places`, and `finished` waits for answers. Computing is `compute`'s, which is imported where it is done.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError
from .cells import Cell
from .energy import COUNTRY
from .identity import Key

VISIBLE = "CUDA_VISIBLE_DEVICES"
WORKER = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
WORKER |= {"TOKENIZERS_PARALLELISM": "false"}
# freed tensors go back to the system; by glibc's own rule a worker of BERT-base's size grew from 6 to 9 GB on RTE
WORKER |= {"MALLOC_MMAP_THRESHOLD_": str(2**24)}


@dataclass(frozen=True)
class Job:
    """The store's folder, what the study's addresses are made of, the command, the grid.

    `country` and `region` say whose electricity the energy estimate assumes, `cuda_graphs` whether a GPU trains by
    replaying graphs, `gpus_per_cell` how many cells of Ray's share one; they change no address.
    """

    root: str
    key: Key
    command: str = ""
    country: str = COUNTRY
    region: str = ""
    cuda_graphs: bool = False
    gpus_per_cell: float = 1.0


class Answer(NamedTuple):
    """What became of a cell, and for what went wrong the error in one line, and where in the code it was met.

    "computed"; "done": it was stored already; "elsewhere": another worker has it; "failed", now or before;
    "out_of_memory": it may be tried again alone; "user_error": bad input, or a disk that takes nothing, so the run must
    stop.
    """

    status: str
    error: str = ""
    traceback: str = ""


def computed_here(job: Job, cell: Cell) -> Answer:
    """Compute a cell in this process, whichever engine has started it."""
    from .compute import compute

    return compute(job, cell)


class ThisProcess:
    """The engine "serial": one cell after another, with the results of a worker."""

    places = 1

    def __init__(self, job: Job):
        self.job = job
        self.running: dict[Cell, Answer] = {}

    def start(self, cell: Cell, alone: bool = False) -> None:
        """Compute a cell; the answer is there when this returns."""
        self.running[cell] = computed_here(self.job, cell)

    def finished(self, seconds: float) -> list[tuple[Cell, Answer]]:
        """The cell that was computed, and its answer."""
        return [self.running.popitem()] if self.running else []


class Pool(AbstractContextManager):
    """The engine "local": `count` worker processes, each on its device."""

    def __init__(self, job: Job, count: int | None, cells: int):
        names = gpus()
        devices = names or [None]
        self.places = count or default_workers(cells, names)
        # the last that was busy is taken first: it has data and model at hand
        self.idle = [Worker(job, devices[i % len(devices)]) for i in reversed(range(self.places))]
        self.running: dict[Cell, Worker] = {}

    def __exit__(self, *error: object) -> None:
        for worker in self.running.values():  # after an error: each gives its claim back and stores nothing half
            if worker.process is not None:
                worker.process.terminate()
        for worker in (*self.running.values(), *self.idle):
            worker.retire()

    def start(self, cell: Cell, alone: bool = False) -> None:
        """Have a worker compute a cell; one that is to be `alone`, when no other runs, finds all memory given back."""
        for worker in self.idle if alone else ():
            worker.retire()
        self.running[cell] = self.idle.pop()
        self.running[cell].send(cell)

    def finished(self, seconds: float) -> list[tuple[Cell, Answer]]:
        """Cells and what became of them, as soon as there is one, or none after so many seconds."""
        ready = wait([worker.pipe for worker in self.running.values()], seconds)
        answers = [(cell, worker.answer(cell)) for cell, worker in self.running.items() if worker.pipe in ready]
        self.idle += [self.running.pop(cell) for cell, _ in answers]
        return answers


class Worker:
    """A worker process on a device, a GPU as CUDA names it or None; it starts with a cell, and again should it die."""

    def __init__(self, job: Job, device: str | None):
        self.job, self.device = job, device
        self.process: subprocess.Popen | None = None
        self.pipe: Connection | None = None

    def send(self, cell: Cell) -> None:
        """Let the process compute a cell."""
        if self.process is None:
            self.process, self.pipe = start_worker(self.device)
        with suppress(OSError):  # it died: the answer says so
            self.pipe.send((self.job, cell))

    def answer(self, cell: Cell) -> Answer:
        """The answer about a cell; where the process died over it the status is "failed", or "out_of_memory"."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            code = self.retire()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        error = f"{cell.name}: its worker process {how}"
        if code == -9:  # what Linux does when memory runs out
            return Answer("out_of_memory", f"{error}, perhaps for lack of memory")
        return Answer("failed", error)

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
    code = f"import sys; sys.path[:0] = {paths!a}; from lottery_utils.experiment import pool; "
    command = [sys.executable, "-P", "-c", f"{code} pool.answer({other.fileno()})"]
    with other:
        try:
            # what a library prints goes where errors go
            return subprocess.Popen(command, env=environment, pass_fds=[other.fileno()], stdout=2), pipe
        except OSError as error:
            raise UserError(f"cannot start a worker process: {error.strerror}; try fewer with --workers") from None


def answer(pipe: int) -> None:
    """A worker process: answer one cell after another until the pipe is closed.

    Ctrl-C is the parent's to handle; on SIGTERM the cell's claim is given back.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    connection = Connection(pipe)
    with suppress(EOFError, ConnectionError):
        _warm_up()
        while True:
            connection.send(computed_here(*connection.recv()))


def _warm_up() -> None:
    """Import what cells use and take one optimiser step: seconds that no cell's time should hold."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401  transformers imports late

    parameter = torch.zeros(1, requires_grad=True)
    parameter.sum().backward()
    torch.optim.AdamW([parameter]).step()


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
