"""The Ray engine: cells as Ray tasks on one machine or many that share the disk with the results.

Optional: ``pip install 'lottery-utils[ray]'``. Results never travel: a task stores them.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from ..errors import UserError, one_line
from .cells import Cell
from .pool import WORKER, Answer, Job, computed_here

RETRIES = 3  # times Ray starts a task again whose node or process died


class RayPool(AbstractContextManager):
    """As `pool.Pool`, on the cluster that RAY_ADDRESS names, else on this machine: a task of Ray's a cell.

    At most `workers` cells at once; by default as many as the cluster has GPUs, shared as `Job.gpus_per_cell` says, or
    cores where it has none. Raises UserError without Ray, for no share, or when the cluster cannot be reached.
    """

    def __init__(self, job: Job, workers: int | None):
        if not 0 < job.gpus_per_cell <= 1:
            raise UserError(f"gpus per cell must be a number above 0, at most 1, got {job.gpus_per_cell}")
        try:
            import ray
        except ImportError:
            advice = "pip install 'lottery-utils[ray]'"
            raise UserError(f"the engine ray needs Ray, which is not installed; {advice}") from None
        self.ray = ray
        self.job = replace(job, root=str(Path(job.root).resolve()))  # tasks run in folders of their own
        self.share = job.gpus_per_cell
        self.mine = not self.ray.is_initialized()
        if self.mine:
            _connect(self.ray)
        self.workers = workers
        self.running: dict[Cell, object] = {}  # to Ray's references

    def __exit__(self, *error: object) -> None:
        left = list(self.running.values())  # after an error
        for reference in left:
            self.ray.cancel(reference, force=False)  # the cell gives its claim back
        if left:
            self.ray.wait(left, num_returns=len(left), timeout=10)
        if self.mine:
            self.ray.shutdown()

    @property
    def places(self) -> int:
        """Cells that can be computed at once; nodes come and go."""
        if self.workers is not None:
            return self.workers
        there = self.ray.cluster_resources()
        return max(1, int(there["GPU"] / self.share + 1e-9) if there.get("GPU") else int(there.get("CPU", 1)))

    def start(self, cell: Cell, alone: bool = False) -> None:
        """Have a task compute a cell, `alone` on its device."""
        self.running[cell] = self._task(alone).remote(self.job, cell)

    def finished(self, seconds: float) -> list[tuple[Cell, Answer]]:
        """A cell and what became of it, as soon as there is one, or none after so many seconds."""
        cells = {reference: cell for cell, reference in self.running.items()}
        done = self.ray.wait(list(cells), timeout=seconds)[0] if cells else []
        for reference in done:
            del self.running[cells[reference]]
        return [(cells[reference], self._answer(reference, cells[reference])) for reference in done]

    def _answer(self, reference, cell: Cell) -> Answer:
        """What the task says; for one that Ray gave up, what became of it."""
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.OutOfMemoryError:
            error = "Ray ended its process because its node ran out of memory"
            return Answer("out_of_memory", f"{cell.name}: {error}")
        except Exception as problem:
            text = one_line(problem, 200)
            error = f"its process or node died {RETRIES + 1} times: {type(problem).__name__}: {text}"
            return Answer("failed", f"{cell.name}: {error}")

    def _task(self, alone: bool):
        """The remote function: one core and a share of a GPU; alone a whole GPU, or all cores of the largest node."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        gpus = any(node.get("GPU") for node in nodes)
        cores = max((node.get("CPU", 1) for node in nodes), default=1) if alone and not gpus else 1
        paths = os.pathsep.join(path for path in sys.path if path)
        return self.ray.remote(computed_here).options(
            num_cpus=cores,
            num_gpus=(1 if alone else self.share) if gpus else 0,
            max_retries=RETRIES,
            retry_exceptions=False,
            runtime_env={"env_vars": {**WORKER, "PYTHONPATH": paths}},
        )


def _connect(ray) -> None:
    address = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
    except Exception as error:
        reason = one_line(error, 200)
        raise UserError(f"Ray cannot be started or reached ({reason}); see 'ray status', and RAY_ADDRESS") from None
