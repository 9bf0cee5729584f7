"""The Ray engine: cells as Ray tasks on one machine or many that share the disk with the results.

Optional: ``pip install 'lottery-utils[ray]'``. Results never travel: a task answers with the path of what it stored.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError, shown
from .cells import Cell
from .local import settle_check
from .schedule import Schedule

if TYPE_CHECKING:
    from .job import Job
    from .local import Settle
    from .progress import Bar

RETRIES = 3  # times Ray starts a task again whose node or process died
GPUS_PER_CELL = "LOTTERY_GPUS_PER_CELL"


def run_ray(schedule: Schedule, job: Job, settle: Settle, bar: Bar, check: str | None, workers: int | None) -> None:
    """Compute the schedule's cells on the cluster that RAY_ADDRESS names, else on this machine.

    At most `workers` cells at once; by default as many as the cluster has GPUs, shared as LOTTERY_GPUS_PER_CELL
    says, or cores where it has none. Raises UserError without Ray, or when the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError:
        raise UserError("the engine ray needs Ray, which is not installed; pip install 'lottery-utils[ray]'") from None
    share = gpus_per_cell()
    job = replace(job, root=str(Path(job.root).resolve()))  # tasks run in folders of their own
    mine = not ray.is_initialized()
    if mine:
        _connect(ray)
    pending: dict = {}
    try:
        if check:
            settle_check(ray.get(_task(ray, share, False).remote(job.to_line(), {"check": check}, False)))
        _deal(ray, schedule, job, settle, bar, workers, share, pending)
    except BaseException:
        for reference in pending:
            ray.cancel(reference, force=False)  # the cell gives its claim back
        ray.wait(list(pending), num_returns=len(pending), timeout=10) if pending else None
        raise
    finally:
        if mine:
            ray.shutdown()


def gpus_per_cell() -> float:
    """The share of a GPU that a cell gets, of the environment; raises UserError for no share."""
    text = os.environ.get(GPUS_PER_CELL, "").strip() or "1"
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UserError(f"{GPUS_PER_CELL} must be a number above 0, at most 1, got {shown(text)}")
    return share


def _connect(ray) -> None:
    address = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(f"Ray cannot be started or reached ({text}); see 'ray status', and RAY_ADDRESS") from None


def _deal(ray, schedule: Schedule, job: Job, settle: Settle, bar: Bar, workers, share: float, pending: dict) -> None:
    """Hand out cells until all are settled; `pending` maps Ray's references to (cell, whether it runs alone)."""
    line = job.to_line()

    def submit(cell: Cell, alone: bool) -> None:
        pending[_task(ray, share, alone).remote(line, {"cell": cell.as_dict()}, alone)] = (cell, alone)

    while len(schedule):
        while len(pending) < (workers or _places(ray, share)) and (cell := schedule.next()) is not None:
            bar.start(cell)
            submit(cell, False)
        ready = ray.wait(list(pending), timeout=0.5)[0] if pending else []
        for reference in ready:
            cell, alone = pending.pop(reference)
            answer = _answer(ray, reference, cell)
            if answer["status"] == "out_of_memory" and not alone:
                bar.write(f"{cell.name}: out of memory; to be tried again alone on a device")
                submit(cell, True)
            else:
                settle(cell, answer)
        if not ready:
            bar.refresh()
            if not pending:
                _pause()


def _answer(ray, reference, cell: Cell) -> dict:
    """What the task says; for one that Ray gave up, what became of it."""
    try:
        return ray.get(reference)
    except ray.exceptions.OutOfMemoryError:
        error, status = "Ray ended its process because its node ran out of memory", "out_of_memory"
    except ray.exceptions.RayError as problem:
        text = " ".join(str(problem).split())[:200]
        error, status = f"its process or node died {RETRIES + 1} times: {type(problem).__name__}: {text}", "died"
    return {"status": status, "seconds": 0.0, "error": f"{cell.name}: {error}"}


def _task(ray, share: float, alone: bool):
    """The remote function: one core and a share of a GPU, or alone a whole GPU, or all cores of the largest node."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = any(node.get("GPU") for node in nodes)
    cores = max((node.get("CPU", 1) for node in nodes), default=1) if alone and not gpus else 1
    paths = os.pathsep.join(path for path in sys.path if path)
    variables = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return ray.remote(_on_node).options(
        num_cpus=cores,
        num_gpus=(1 if alone else share) if gpus else 0,
        max_retries=RETRIES,
        retry_exceptions=False,
        runtime_env={"env_vars": variables},
    )


def _places(ray, share: float) -> int:
    """Cells that the cluster can compute at once; nodes come and go."""
    there = ray.cluster_resources()
    return max(1, int(there["GPU"] / share + 1e-9) if there.get("GPU") else int(there.get("CPU", 1)))


def _pause() -> None:
    import time

    time.sleep(0.2)  # another process has the cells that are left


def _on_node(line: str, message: dict, alone: bool) -> dict:
    """Compute a cell, or try the model, on the node Ray chose; the answer has the path of the record's folder."""
    from .cells import Cell
    from .identity import address
    from .job import Job
    from .work import compute, steady, try_model

    job = Job.from_line(line)
    with steady():
        if "check" in message:
            return try_model(job, message["check"])
        cell = Cell(**message["cell"])
        answer = compute(job, cell, alone)
    key = address(cell, job.preset, job.model_print, job.data_prints[cell.task])
    return {**answer, "path": str(Path(job.root) / key)}
