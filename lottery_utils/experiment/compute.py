"""Computing one cell: claim it, run its stage, check the result, store the record."""

from __future__ import annotations

import gc
import os
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors

from ..disk import chain, problem_of, writable
from ..errors import CellFailed, UserError, one_line
from ..models.source import model_name
from ..presets import limits_of
from ..tasks.glue import TASKS, describe
from ..tasks.load import TaskData
from ..tasks.metrics import main_score, majority_score, search_score
from ..tasks.task_metric import TaskMetric
from ..training.device import check_precision, describe_device, pick_device, precision_of
from . import loaded, provenance
from .cells import Cell, upstream
from .energy import Meter, gpu_of
from .fingerprints import label
from .identity import PROTOCOL
from .locks import claim
from .pool import Answer, Job
from .remade import make_upstream_again
from .store import CHECKPOINT, MASK, PREDICTIONS, TRAJECTORY, Damaged, Store
from .work import Result, Work, run

MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory", re.IGNORECASE)


@contextmanager
def steady() -> Iterator[None]:
    """The same cell gives the same bits on one device: one CPU thread, and on a GPU deterministic kernels only."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)  # how many threads share a sum decides its rounding
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with it
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


@steady()
def compute(job: Job, cell: Cell) -> Answer:
    """Compute `cell` unless it is stored, and say how it went: never raises for a cell that fails."""
    store, key = Store(job.root), job.key.address(cell)
    try:
        check_precision(job.key.preset.precision, pick_device())
        with claim(store.root, key) as held:
            if not held:
                return Answer("elsewhere")
            if store.read(key) is not None:
                return Answer("done")
            if (failure := store.failure(key)) is not None:
                return Answer("failed", f"{failure['error']} (earlier; 'lottery run --retry-failed' tries again)")
            store.clear_staging(key)
            _compute(Work(cell, job.key, store, cuda_graphs=job.cuda_graphs), job, key)
            return Answer("computed")
    except Exception as error:  # one cell's failure must not stop the others
        answer = answer_to(error, cell)
    if answer.status == "out_of_memory":  # out of the block that held the tensors of the traceback
        loaded.forget()
        gc.collect()
        torch.cuda.empty_cache()
    return answer


def answer_to(error: Exception, cell: Cell) -> Answer:
    """The answer to an error met while a cell was computed: it failed, or found no memory, or the run must stop."""
    if isinstance(error, UserError):
        return Answer("user_error", str(error))
    if problem := problem_of(error):
        return Answer("user_error", f"{problem}; then start the same run again: finished cells are kept")
    status = "out_of_memory" if _is_memory(error) else "failed"
    kind = "damaged upstream" if isinstance(error, Damaged) else type(error).__name__
    text = one_line(error, 500) if isinstance(error, CellFailed) else f"{kind}: {one_line(error, 500)}"
    return Answer(status, f"{cell.name}: {text}", traceback.format_exc())


def _is_memory(error: BaseException) -> bool:
    return any(
        isinstance(link, (MemoryError, torch.OutOfMemoryError))
        or (isinstance(link, RuntimeError) and MEMORY.search(str(link)))
        for link in chain(error)
    )


def _compute(work: Work, job: Job, key: str) -> None:
    make_upstream_again(work)
    meter = Meter(job.country, job.region, gpu_of(work.device))
    started, begin = provenance.now(), time.perf_counter()
    with meter:
        data = work.examples()
        if data.fingerprint != work.key.prints[work.cell.task]:  # of which the address promises a certain one
            raise CellFailed("the data changed while the study ran; run it again")
        result = run(work)
    record = _record(work, job, data, result)
    record["started"], record["ended"] = started, provenance.now()
    record["seconds"] = time.perf_counter() - begin
    record |= meter.fields()
    files = {TRAJECTORY: partial(_save, result.trajectory)} if result.trajectory else {}
    if result.predictions is not None:
        predicted = {"predictions": result.predictions, "labels": data.dev.labels}
        predicted |= {} if result.logits is None else {"logits": result.logits}
        files[PREDICTIONS] = partial(_save, predicted)
    if result.mask is not None:
        files[MASK] = lambda path: result.mask.save(path, {"cell": work.cell.name})
    if result.checkpoint is not None:
        files[CHECKPOINT] = partial(save_tensors, result.checkpoint)
    with writable(work.store.root):
        work.store.write(key, record, files)


def _save(arrays: dict[str, np.ndarray], path: Path) -> None:
    save_arrays({name: np.ascontiguousarray(value) for name, value in arrays.items()}, path)


def _is_usable(name: str, values: np.ndarray) -> bool:
    """Whether all values are finite; an importance that was not needed may be NaN (see `structured_search`)."""
    return not np.isinf(values).any() if name.endswith("_importance") else bool(np.isfinite(values).all())


def _record(work: Work, job: Job, data: TaskData, result: Result) -> dict:
    """The record without its times, files and checksum; raises CellFailed for a number that is not finite."""
    cell, preset, task = work.cell, work.preset, data.task
    limits = limits_of(preset, cell.task)
    least = majority_score(task, data.dev.labels)
    metrics, score, searched = {}, None, result.search_score
    if result.predictions is not None:
        metrics = TaskMetric(task).compute(predictions=result.predictions, references=data.dev.labels)
        score, searched = main_score(task, metrics), search_score(task, metrics)
    numbers = [*metrics.values(), least, *(value for value in (score, searched) if value is not None)]
    floats = {name: value for name, value in result.trajectory.items() if value.dtype.kind == "f"}
    if result.logits is not None:
        floats["logits"] = result.logits
    if not (np.isfinite(numbers).all() and all(_is_usable(*item) for item in floats.items())):
        raise CellFailed("a metric, logit or loss is not finite; nothing was stored")
    precision = None
    if cell.case.reads_model:
        precision = precision_of(result.model or work.classifier(), preset.precision, work.device)
    own = {} if task.name in TASKS else {"task": describe(task)}
    return {
        "protocol": PROTOCOL,
        "cell": cell.as_dict(),
        "name": cell.name,
        **own,
        "preset": preset.name,
        "inputs": work.key.inputs(cell),
        "upstream": {c.name: work.address(c) for c in upstream(cell, preset.seeds)},
        "source": {
            "model": label(preset.model),
            "model_name": model_name(preset.model),
            "data": label(preset.data),
            "train_limit": limits.train,
            "dev_limit": limits.dev,
        },
        "metrics": metrics,
        "score": score,
        "search_score": searched,
        "majority": least,
        "shares": result.shares,
        "counts": result.counts,
        "degenerate": result.degenerate,
        "stages_seconds": result.seconds,
        "device": describe_device(work.device),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "versions": provenance.versions(),
        **provenance.commit(),
        "command": job.command,
        "partial": data.partial,
        "data_source": provenance.without_folders(data.source),
        "data_notes": list(data.notes),
        "unknown_words": getattr(data, "unknown", None),
        "data_rows": {"train": len(data.train), "dev": len(data.dev)},
        "notes": list(dict.fromkeys(result.notes)),
    }
