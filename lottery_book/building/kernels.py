"""Several chapters at a time, a kernel each; none of them outlives the report."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from pathlib import Path

from lottery_utils.errors import UserError

from .chapters import count_code_cells, execute_chapter

AT_MOST = 8  # a kernel takes about 0.3 GB


def execute_chapters(
    notebooks: Sequence[Path],
    folder: Path,
    parameters: dict,
    workers: int | None = None,
    progress: bool = True,
    finished: Callable[[Path], None] = lambda _: None,
) -> None:
    """Run `notebooks` with `parameters` and write them, executed, into `folder`; as many at a time as there are cores.

    They compute no cells, by their parameter `compute_missing`. All are run, even when one stops; `finished` is called
    with those that do not. Raises UserError, one line, that names those that stopped; on KeyboardInterrupt the kernels
    are killed first.
    """
    import psutil
    from tqdm import tqdm

    if not notebooks:
        return
    cells = {path: count_code_cells(path) for path in notebooks}
    form = "{desc} {percentage:3.0f}%|{bar:20}| {elapsed}, {remaining} to go"
    every = 0.5 if sys.stderr.isatty() else 15.0  # seconds
    look = {"bar_format": form, "smoothing": 0, "mininterval": every, "file": sys.stderr, "disable": not progress}
    bar = tqdm(total=sum(cells.values()), **look)
    bar.set_description_str(f"0/{len(notebooks)} chapters")

    def run(path: Path) -> tuple[float, UserError | None]:
        """Seconds it took, and what stopped it."""
        begin, left, stop = time.perf_counter(), cells[path], None

        def tick(**_) -> None:
            nonlocal left
            left -= 1
            bar.update(1)

        try:
            execute_chapter(path, folder / path.name, {**parameters, "compute_missing": False}, tick)
        except UserError as error:
            stop = error
        bar.update(left)
        return time.perf_counter() - begin, stop

    others = set(psutil.Process().children(recursive=True))
    pool, stopped = ThreadPoolExecutor(min(len(notebooks), workers or _cores(), AT_MOST)), []
    with bar, _own_profile(), pool:
        longest_first = sorted(notebooks, key=cells.__getitem__, reverse=True)
        running = {pool.submit(run, path): path for path in longest_first}
        try:
            for done, future in enumerate(as_completed(running), 1):
                seconds, stop = future.result()
                stopped += [str(stop)] if stop else []
                if not stop:
                    finished(running[future])
                bar.set_description_str(f"{done}/{len(notebooks)} chapters", refresh=False)
                said = f"{'stopped after ' if stop else ''}{seconds:.0f} s"
                tqdm.write(f"chapter {done} of {len(notebooks)}: {running[future].stem}, {said}", file=sys.stdout)
                sys.stdout.flush()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _kill_children(others, running)
            raise
    if stopped:
        raise UserError("; ".join(stopped))


def _kill_children(others: set, running: Collection[Future]) -> None:
    """Kill the processes this one started, but `others`, until all that is `running` has noticed."""
    import psutil

    logging.getLogger("papermill").disabled = True  # that its kernels die is no news
    while not all(future.done() for future in running):  # again and again: a kernel may only just be starting
        for child in set(psutil.Process().children(recursive=True)) - others:
            try:
                child.kill()
            except psutil.NoSuchProcess:
                continue
        wait(running, timeout=0.2)


@contextmanager
def _own_profile():
    """For the block, kernels read no settings of the user's: an empty IPython profile, matplotlib's own defaults."""
    with tempfile.TemporaryDirectory(prefix="lottery-kernels-") as folder:
        settings = Path(folder, "matplotlibrc")
        settings.touch()
        with _environment("IPYTHONDIR", folder), _environment("MATPLOTLIBRC", str(settings)):
            yield


@contextmanager
def _environment(name: str, value: str):
    """An environment variable for the block, inherited by the kernels."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
