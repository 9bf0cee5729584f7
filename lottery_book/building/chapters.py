"""The chapters: notebooks run by papermill, and made fit to be committed."""

from __future__ import annotations

import copy
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from lottery_utils.errors import UserError

from . import witness

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
INJECTED = "injected-parameters"
TRIES = 3  # runs of a chapter of which an output was lost
WITNESS = "shown.jsonl"
IPYKERNEL_FILE = re.compile(r"/[^\s'\"]*/ipykernel_\d+/(\d+)\.py")
SOCKET_PATH = 104  # bytes of a socket's path, with its end, on macOS; Linux has 108
ADDRESS_IN_MEMORY = re.compile(r"\bat 0x[0-9a-f]{6,}")


def find_notebooks(folder: str | Path, chapters: Iterable[str] | None = None) -> list[Path]:
    """Notebooks of `folder` in order of their names; with `chapters`, only those whose name begins so.

    `chapters` holds names or beginnings of names, such as "02" or "02_structured". Raises UserError
    when the folder has no notebook or a chapter is not there.
    """
    folder = Path(folder)
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise UserError(f"no notebooks (*.ipynb) in {folder}; run this in the repository's folder")
    if chapters is None:
        return found
    chosen = []
    for name in chapters:
        match = [path for path in found if path.stem.startswith(str(name).removesuffix(".ipynb"))]
        if not name or not match:
            raise UserError(f"unknown chapter {name!r}; chapters: {', '.join(path.stem for path in found)}")
        chosen += match
    return sorted(set(chosen))


def execute_chapter(notebook: Path, output: Path, parameters: dict, tick: Callable = lambda **_: None) -> None:
    """Run `notebook` with `parameters` (plain types) through papermill and write it, executed, to `output`.

    Of `parameters` it gets those its parameters cell names: a chapter about stored records has others. The
    kernel is this environment's, its working directory this process's; `tick` is called after each code cell.
    Raises UserError, one line with the chapter's name and the error; `output` then holds the notebook as far as
    it came. Where an output was lost on its way from the kernel (`witness`: nothing there is acknowledged, and on
    a busy machine it happens) the chapter is run again; a figure that did not arrive is an error too.
    """
    import nbformat

    for _ in range(TRIES):
        with tempfile.TemporaryDirectory(prefix="lottery-") as folder:
            _execute(notebook, output, parameters, tick, Path(folder))
            cells = witness.lost_outputs(nbformat.read(output, as_version=4), Path(folder, WITNESS))
        if not cells:
            break
    else:
        raise UserError(f"chapter {notebook.stem}: outputs of cells {cells} were lost, {TRIES} times; run it again")
    if lost := figures_without_image(nbformat.read(output, as_version=4)):
        raise UserError(f"chapter {notebook.stem}: no image came of {', '.join(lost)}; run it again")


def figures_without_image(notebook) -> list[str]:
    """Names of the figures whose cells hold no image in an executed notebook (nbformat 4)."""
    return [
        cell.metadata["mystnb"]["figure"]["name"]
        for cell in notebook.cells
        if "figure" in cell.metadata.get("mystnb", {})
        and not any("image/png" in output.get("data", {}) for output in cell.outputs)
    ]


def _execute(notebook: Path, output: Path, parameters: dict, tick: Callable, folder: Path) -> None:
    """One run of `execute_chapter`; its sockets and what its kernel says it showed are in `folder`."""
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    # nothing of a kernel is needed after its last cell; figures make many objects that live as long as it does
    lines = ['__import__("gc").set_threshold(50_000)', witness.startup_line(folder / WITNESS)]
    started = [f"--IPKernelApp.exec_lines={line}" for line in lines]
    how = {"shutdown_kernel": "immediate", "extra_arguments": started, "kernel_manager_class": _this_environment()}
    config = Config({"NotebookClient": how})
    config.KernelManager.update(_sockets(folder))
    try:
        known = papermill.inspect_notebook(str(notebook))
        parameters = {name: value for name, value in parameters.items() if name in known}
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters=parameters,
            kernel_name=KERNEL["name"],
            progress_bar=False,
            config=config,
            on_cell_executed=tick,
        )
    except papermill.PapermillExecutionError as error:
        told = _one_line(error.ename, error.evalue)
        raise UserError(f"chapter {notebook.stem} stopped: {told}; see {output}") from None
    except DeadKernelError:
        raise UserError(f"chapter {notebook.stem} stopped: its kernel was killed; see {output}") from None
    except (papermill.PapermillException, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise UserError(f"chapter {notebook.stem} cannot be run: {_one_line(type(error).__name__, error)}") from None


def _this_environment() -> type:
    """A kernel manager that starts the running interpreter, whatever kernels of its name the user has."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from traitlets import Instance

    class ThisEnvironment(AsyncKernelManager):
        kernel_spec_manager = Instance(KernelSpecManager, kw={"kernel_dirs": []})

    return ThisEnvironment


def count_code_cells(notebook: Path) -> int:
    """Code cells that are run, the parameters that papermill adds included; 0 for what is no notebook."""
    import nbformat

    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (nbformat.reader.NotJSONError, nbformat.ValidationError):
        return 0
    return 1 + sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in cells)


def _one_line(name: str, text: object) -> str:
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return f"{name}: {lines[0]}" if lines else name


def strip_chapter(notebook, root: str | Path):
    """Return the executed `notebook` (nbformat 4) without what changes from run to run or names this machine.

    Goes: papermill's and the kernel's timings and paths, widget states, standard error (progress bars),
    addresses in memory, random cell ids of injected cells; `root`, the folder it ran in, becomes relative.
    Stays: code, text, tables, figures. The argument is left as it is.
    """
    notebook = copy.deepcopy(notebook)
    root = str(Path(root).resolve()).rstrip("/")
    language = notebook.metadata.get("language_info", {})
    notebook.metadata = type(notebook.metadata)(
        {"kernelspec": dict(KERNEL), "language_info": {"name": language.get("name", "python")}}
    )
    for number, cell in enumerate(notebook.cells):
        for key in ("papermill", "execution", "ExecuteTime"):
            cell.metadata.pop(key, None)
        if INJECTED in cell.metadata.get("tags", []):
            cell.id = INJECTED if number else f"{INJECTED}-first"
        cell.source = _clean(cell.source, root)
        if cell.cell_type == "code":
            cell.outputs = [_clean_output(output, root) for output in cell.outputs if not _drop(output)]
    return notebook


def _drop(output) -> bool:
    widget = "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    return widget or (output.output_type == "stream" and output.name == "stderr")


def _clean_output(output, root: str):
    if output.output_type == "stream":
        output.text = _clean(output.text, root)
    for kind, value in output.get("data", {}).items():
        if kind.startswith("text/") or kind == "image/svg+xml":
            output.data[kind] = _clean(value, root)
    return output


def _clean(text: str, root: str) -> str:
    for path, shown in ((sys.prefix, "env"), (root + "/", ""), (root, "."), (_home(), "~/")):
        text = text.replace(path, shown) if path else text
    return ADDRESS_IN_MEMORY.sub("at 0x0", IPYKERNEL_FILE.sub(r"cell \1", text))


def _sockets(folder: Path) -> dict[str, str]:
    """Sockets as files in `folder`, which only this user can open; {}, so TCP ports, where their paths are too long."""
    path = f"{folder}/s"
    fits = len(os.fsencode(f"{path}-5")) < SOCKET_PATH
    return {"transport": "ipc", "ip": path} if os.name == "posix" and fits else {}


def _home() -> str:
    """The user's folder, with a slash; "" where there is none, or it is the root, whose slash is in every path."""
    try:
        home = str(Path.home()).rstrip("/")
    except RuntimeError:  # neither HOME nor an entry in the list of users
        home = ""
    return home and f"{home}/"
