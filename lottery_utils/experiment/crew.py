"""Worker processes of the local engine: each on one thread and one device, started at its first cell."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .cells import Cell

if TYPE_CHECKING:
    from .job import Job

VISIBLE = "CUDA_VISIBLE_DEVICES"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


class Worker:
    """One worker process on `device` (a GPU as CUDA names it, None for the CPU); it starts again should it die."""

    def __init__(self, job: Job, device: str | None = None):
        self.first, self.device = job.to_line() + "\n", device
        self.process: subprocess.Popen | None = None
        self.jobs: queue.SimpleQueue[tuple[Cell, bool] | None] = queue.SimpleQueue()
        self.stopped = False

    def attend(self, answers: queue.SimpleQueue) -> None:
        """Compute the cells put into `jobs` until None comes; answers are (worker, cell, answer)."""
        while (job := self.jobs.get()) is not None and not self.stopped:
            cell, alone = job
            try:
                answer = self.ask({"cell": cell.as_dict(), "alone": alone}, cell.name)
            except Exception as error:  # the main thread would wait for an answer for ever
                line = f"{cell.name}: the worker could not be used: {type(error).__name__}: {error}"
                answer = {"status": "died", "seconds": 0.0, "error": line}
            answers.put((self, cell, answer))
        self.retire()

    def ask(self, message: dict, name: str) -> dict:
        """Send a message and wait for the answer; a worker that dies over it gives "died", or "out_of_memory"."""
        begin = time.perf_counter()
        try:
            if self.process is None:
                self.process = start_worker(self.device)
                self.process.stdin.write(self.first)
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
            if line := self.process.stdout.readline():
                return json.loads(line)
        except BrokenPipeError:
            pass
        code = self.process.wait()
        self.process = None
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        status = "died"
        if code == -9:  # what Linux does when memory runs out
            how, status = f"{how}, perhaps for lack of memory", "out_of_memory"
        error = f"{name}: its worker process {how}"
        return {"status": status, "seconds": time.perf_counter() - begin, "error": error}

    def retire(self) -> None:
        """Let the process end, which frees its memory; the next cell starts another. Not while it computes."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End the process now; it gives its claim back and stores nothing half."""
        self.stopped, process = True, self.process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)  # a worker that is still importing answers late
            except subprocess.TimeoutExpired:
                process.kill()


def start_worker(device: str | None) -> subprocess.Popen:
    """Start a worker process that sees one GPU, or none."""
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, **ONE_THREAD, "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": paths}
    if device is not None:
        environment[VISIBLE] = device
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lottery_utils.experiment.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
    )


def gpus() -> list[str]:
    """The GPUs that workers may use, as CUDA names them; none without a usable one."""
    found = sorted(int(p.name[6:]) for p in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", p.name))
    if sys.platform == "linux" and not found:
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
