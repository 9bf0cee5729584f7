"""What a chapter computes before it shows anything, and what all chapters together need."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from ..experiment.cells import Cell
    from ..experiment.study import Study

STORED_ONLY = "LOTTERY_STORED_ONLY"  # set in the chapters' kernels once everything they need was computed
_asked: list[tuple[Study, list[Cell]]] | None = None


def compute(
    study: Study,
    stages: Iterable[str],
    methods: Iterable[str] | None = None,
    subnetworks: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
) -> None:
    """Compute the cells of `stages` and all they need, unless stored, and print what was done and what failed.

    `subnetworks` may name baselines; `tasks` narrows the study's. A failed cell does not stop a chapter: it is
    shown as a gap. With the environment variable LOTTERY_STORED_ONLY set nothing is computed, and what is missing is
    said. Raises UserError for bad input.
    """
    cells = study.cells(stages, methods, subnetworks)
    if tasks is not None:
        cells = [cell for cell in cells if cell.task in tasks]  # no cell needs one of another task
    if _asked is not None:
        _asked.append((study, cells))
    elif os.environ.get(STORED_ONLY):
        print("\n".join(_stored(study, cells)))
    else:
        summary = study.run_cells(cells)
        print(summary)
        for error in summary.failed.values():
            print(f"failed: {error}")


def on_demo(study: Study, tasks: Iterable[str] | str | None, few: Iterable[str]) -> list[str]:
    """The study's tasks an expensive chapter runs on: all that were asked for, or on the demo, unasked, only `few`."""
    chosen = [task for task in study.preset.tasks if task in few]
    return chosen if study.preset.name == "demo" and not tasks and chosen else list(study.preset.tasks)


def needs(notebook: Path, parameters: dict) -> list[tuple[Study, list[Cell]]]:
    """What a chapter would compute under `parameters`: studies, each with cells in dependency order.

    The chapter's code is run here as far as its last call of `compute`, which only takes note; so chapters call
    it early. Raises UserError, one line, when that code stops.
    """
    import nbformat

    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    last = max((i for i, cell in enumerate(code) if "compute(" in cell.source), default=-1)
    space: dict = {"__name__": "__main__"}
    with _noting() as asked, contextlib.redirect_stdout(io.StringIO()):
        for cell in code[: last + 1]:
            try:
                exec(compile(cell.source, notebook.name, "exec"), space)  # the code that the kernel runs next
            except UserError:
                raise
            except Exception as error:
                text = f"chapter {notebook.stem} stopped: {type(error).__name__}: {error}"
                raise UserError(" ".join(text.split())) from None
            if "parameters" in cell.metadata.get("tags", []):
                space |= {name: value for name, value in parameters.items() if name in space}
    return asked


def compute_together(asked: Iterable[tuple[Study, list[Cell]]], workers: int | None, progress: bool) -> list[str]:
    """Compute what several chapters need, each study's cells in one run; returns lines that say what was done."""
    joined: dict[tuple, tuple[Study, dict[Cell, None]]] = {}
    for study, cells in asked:
        _, union = joined.setdefault((study.preset, str(study.store.root)), (study, {}))
        union.update(dict.fromkeys(cells))
    lines = []
    for study, union in joined.values():
        summary = study.run_cells(list(union), workers=workers, progress=progress)
        lines.append(f"{study.preset.name}{_changes(study, joined)}: {summary}")
        lines += [f"failed: {error}" for error in summary.failed.values()]  # the chapters show what is there, and gaps
    return lines


@contextmanager
def _noting() -> Iterator[list[tuple[Study, list[Cell]]]]:
    """Within, `compute` notes what it is asked for and computes nothing."""
    global _asked
    _asked = asked = []
    try:
        yield asked
    finally:
        _asked = None


def _stored(study: Study, cells: list[Cell]) -> list[str]:
    """How many of `cells` are stored, and the errors of those that failed."""
    from ..experiment.pool import Summary

    states = {cell: study.state(cell) for cell in cells}
    done = sum(state == "done" for state in states.values())
    if done == len(cells):
        return [str(Summary(len(cells), done=done))]
    errors = [study.store.failure(study.address(cell)) for cell, state in states.items() if state == "failed"]
    return [f"{done} of {len(cells)} cells are stored", *(f"failed: {error['error']}" for error in errors if error)]


def _changes(study: Study, joined: dict) -> str:
    """Settings in which a study differs from the first one, such as " (search heads)"."""
    first = next(iter(joined))[0]
    own = {name: value for name, value in vars(study.preset).items() if value != getattr(first, name)}
    return f" ({', '.join(f'{name} {value}' for name, value in own.items())})" if own else ""
