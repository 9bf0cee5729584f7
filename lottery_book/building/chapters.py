"""The chapters: notebooks run by papermill, several at a time, each with a kernel that does not outlive the report."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from lottery_utils.errors import UserError
from lottery_utils.experiment.pool import default_workers

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
AT_MOST = 8  # kernels, of about 0.3 GB each
ARRIVAL = 120  # seconds that outputs may take, instead of nbclient's 4: a machine may be busy
RUNS = 2  # of a chapter whose outputs got lost
SOCKET_PATH = 104  # bytes of a socket's path, with its end, on macOS; Linux has 108


def find_notebooks(folder: str | Path, chapters: Iterable[str] | None = None) -> list[Path]:
    """Notebooks of `folder` in order of their names; with `chapters`, only those whose name begins so.

    `chapters` holds names or beginnings of names, such as "02" or "02_structured". Raises UserError
    when the folder has no notebook or a chapter is not there.
    """
    there = sorted(Path(folder).glob("*.ipynb"))
    if not there:
        raise UserError(f"no notebooks (*.ipynb) in {folder}; run this in the repository's folder")
    if chapters is None:
        return there
    chosen = []
    for name in chapters:
        match = [path for path in there if path.stem.startswith(str(name).removesuffix(".ipynb"))]
        if not name or not match:
            raise UserError(f"unknown chapter {name!r}; chapters: {', '.join(path.stem for path in there)}")
        chosen += match
    return sorted(set(chosen))


def execute_chapters(
    notebooks: Sequence[Path], folder: Path, parameters: dict, workers: int | None = None, progress: bool = True
) -> None:
    """Run `notebooks` with `parameters` and write them, executed, into `folder`; as many at a time as there are cores.

    They compute no cells, by their parameter `compute_missing`. All are run, even when one stops. Raises UserError,
    one line, that names those that stopped; on KeyboardInterrupt the kernels are killed first.
    """
    import psutil
    from tqdm import tqdm

    parameters, stopped = {**parameters, "compute_missing": False}, []
    others = set(psutil.Process().children(recursive=True))
    pool = ThreadPoolExecutor(min(workers or default_workers(len(notebooks), []), AT_MOST))
    with tqdm(total=len(notebooks), unit=" chapters", disable=not progress) as bar, _own_profile(), pool:
        running = {pool.submit(execute_chapter, path, folder / path.name, parameters): path for path in notebooks}
        try:
            for future in as_completed(running):
                bar.update()
                try:
                    bar.write(f"chapter {running[future].stem}: {future.result():.0f} s", file=sys.stdout)
                except UserError as error:
                    stopped.append(str(error))
                sys.stdout.flush()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _kill_children(others, running)
            raise
    if stopped:
        raise UserError("; ".join(stopped))


def execute_chapter(notebook: Path, output: Path, parameters: dict) -> float:
    """Run `notebook` with `parameters` (plain types) through papermill, write it to `output`; seconds it took.

    Of `parameters` it gets those its parameters cell names: a chapter about stored records has others. The
    kernel is this environment's, its working directory this process's. What a kernel shows is sent without being
    acknowledged, and is lost now and then on a busy machine: where the end of a cell or the image of a figure is, the
    chapter is run once more. Raises UserError, one line with the chapter's name and the error, or what did not arrive
    again; `output` then holds the notebook as far as it came.
    """
    import nbformat

    begin = time.perf_counter()
    for _ in range(RUNS):
        arrived = _run_papermill(notebook, output, parameters)
        lost = figures_without_image(nbformat.read(output, as_version=4)) if arrived else []
        if arrived and not lost:
            return time.perf_counter() - begin
    what = f"no image came of {', '.join(lost)}" if lost else "an output did not arrive"
    raise UserError(f"chapter {notebook.stem}: {what}; run it again")


def _run_papermill(notebook: Path, output: Path, parameters: dict) -> bool:
    """Run `notebook`; whether the end of each cell arrived."""
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    try:
        known = papermill.inspect_notebook(str(notebook))
        with tempfile.TemporaryDirectory(prefix="lottery-") as folder:
            papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters={name: value for name, value in parameters.items() if name in known},
                kernel_name=KERNEL["name"],
                progress_bar=False,
                shutdown_kernel="immediate",  # nothing of it is needed after its last cell
                iopub_timeout=ARRIVAL,
                raise_on_iopub_timeout=True,
                config=Config({"KernelManager": _sockets(Path(folder, "s"))}),
            )
    except papermill.PapermillExecutionError as error:
        told = _one_line(error.ename, error.evalue)
        raise UserError(f"chapter {notebook.stem} stopped: {told}; see {output}") from None
    except DeadKernelError:
        raise UserError(f"chapter {notebook.stem} stopped: its kernel was killed; see {output}") from None
    except CellTimeoutError:
        return False
    except (papermill.PapermillException, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise UserError(f"chapter {notebook.stem} cannot be run: {_one_line(type(error).__name__, error)}") from None
    return True


def _sockets(path: Path) -> dict[str, str]:
    """Sockets as files, which only this user can open; {}, so TCP ports, where their paths are too long."""
    fits = len(os.fsencode(f"{path}-5")) < SOCKET_PATH
    return {"transport": "ipc", "ip": str(path)} if os.name == "posix" and fits else {}


def figures_without_image(notebook) -> list[str]:
    """Names of the figures whose cells hold no image in an executed notebook (nbformat 4)."""
    return [
        cell.metadata["mystnb"]["figure"]["name"]
        for cell in notebook.cells
        if "figure" in cell.metadata.get("mystnb", {})
        and not any("image/png" in output.get("data", {}) for output in cell.outputs)
    ]


def _one_line(name: str, text: object) -> str:
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return f"{name}: {lines[0]}" if lines else name


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
    """For the block, kernels are this environment's and read no settings of the user's.

    JUPYTER_PATH goes before other folders of kernels; the IPython profile is empty, matplotlib has its own defaults. A
    user without a home folder gets one, which Jupyter cannot do without.
    """
    with tempfile.TemporaryDirectory(prefix="lottery-kernels-") as folder:
        settings = Path(folder, "matplotlibrc")
        settings.touch()
        kernels = str(Path(sys.prefix, "share", "jupyter"))
        names = {"IPYTHONDIR": folder, "MATPLOTLIBRC": str(settings), "JUPYTER_PATH": kernels, "PYTHONSTARTUP": ""}
        home = {} if os.path.isabs(os.path.expanduser("~")) else {"HOME": folder}
        with mock.patch.dict(os.environ, names | home):
            yield
