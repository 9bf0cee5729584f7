"""What the charts draw: searches and where they ended, as maps of heads and MLPs in numbers small enough for a page.

A map is a dictionary. Its cells go layer by layer, the heads of a layer before its MLP, `columns` in all; `grid` names the
shape. `steps` holds the cells of each step in thousandths, -1 for what is gone, -2 for what is kept in a mask that
failed, whose importances are not computed; a map over seeds has one step. In words a cell is `before`, the thousandths times
`factor` (or times what `largest` has for the step's heads and MLPs), `after`. `title` has two lines or more, `said` a sentence
a step, `good` is the step of the good subnetwork. A search also has `step`, `score`, `state`, `target`, `left` and `phases`, which
are its curves. A map that is not there has no cells and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.frames import SURVIVAL, component_importance, component_survival, shown_title
from lottery_utils.show.style import SOURCES
from lottery_utils.tasks.registry import shown_task

from .. import published
from ..real_study.sources import Source
from . import searches

if TYPE_CHECKING:
    from lottery_utils.experiment.cells import Cell

ALL = "all"  # stands where a seed does
NOT_STORED = "This search is not stored: it was not run, or it failed."
NO_STEPS = "The record of this search came without its steps."
NOTHING = "There is nothing of this task here."


def tasks_of(source: Source) -> dict[str, str]:
    """The tasks of a source and their titles; those of the demo language are only like GLUE's, and say so."""
    if source.study is not None:
        return {task: _title(source, shown_task(task).title) for task in source.study.preset.tasks}
    tasks = published.survival_by_task()["task"] if source.kind == "published" else ()
    return {task: shown_task(task).title for task in dict.fromkeys(tasks)}


def seeds_of(source: Source) -> tuple[int, ...]:
    """Seeds whose own masks can be shown; of the published ones only their shares over seeds are."""
    return () if source.study is None else tuple(source.study.preset.seeds)


def survival(source: Source, method: str) -> pd.DataFrame:
    """What good subnetworks keep, columns as `frames.component_survival`; published: means over seeds, one row a cell."""
    if source.study is not None:
        frame = component_survival(source.study, method)
        return frame.assign(title=[_title(source, title) for title in frame["title"]])
    if source.kind != "published":
        return pd.DataFrame(columns=list(SURVIVAL))
    rows = published.survival_by_task() if method == "structured" else published.magnitude_cells()
    rows = rows[rows["family"] == "heads_mlps"] if "family" in rows else rows
    head = rows["head"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    return rows.assign(kept=rows["mean"], head=head, seed=0)[list(SURVIVAL)]


def all_maps(sources: Sequence[Source], methods: Sequence[str], steps: bool = True) -> dict[str, dict]:
    """Every map of `sources`, by "number of the source/task/method/seed", where the seed may be `ALL`.

    Without `steps` a search is no more than its good subnetwork.
    """
    maps = {}
    for at, source in enumerate(sources):
        for method in methods:
            single = _single(at, source, method)
            if not steps:
                single = {name: searches.end(found) for name, found in single.items()}
            maps |= {f"{at}/{name}": found for name, found in (_over_seeds(source, method) | single).items()}
    return maps


def nothing(title: Sequence[str], reason: str) -> dict:
    """A map without cells, and why it has none."""
    return {
        "kind": "gap",
        "title": [*title, reason],
        "said": [reason],
        "steps": [[]],
        "columns": 1,
        "grid": "",
        "good": 0,
    }


def component_names(maps: Mapping[str, dict]) -> dict[str, list[str]]:
    """What the cells of each grid are called: "Layer 1, head 1"."""
    grids = {found["grid"]: (len(found["steps"][0]), found["columns"]) for found in maps.values()}
    return {
        grid: [_name(*divmod(cell, columns), columns) for cell in range(cells)]
        for grid, (cells, columns) in grids.items()
    }


def _name(layer: int, column: int, columns: int) -> str:
    return f"Layer {layer + 1}, {'MLP' if column == columns - 1 else f'head {column + 1}'}"


def _over_seeds(source: Source, method: str) -> dict[str, dict]:
    """The shares over the seeds of each task, by "task/method/all"."""
    rows, importance = survival(source, method), _importance(source, method)
    maps = {}
    for task, title in tasks_of(source).items():
        of_task = rows[rows["task"] == task]
        first = importance[importance["task"] == task]
        maps[f"{task}/{method}/{ALL}"] = (
            nothing(_heading(source, title, "all seeds"), _reasons(source, method, task))
            if of_task.empty
            else _share(
                source, method, of_task, {} if first.empty else {"importance": searches.thousandths(_values(first))}
            )
        )
    return maps


def _share(source: Source, method: str, rows: pd.DataFrame, more: dict) -> dict:
    """One task's share of seeds that keep a cell, or mean share of its weights."""
    seeds = source.seeds or rows["seed"].nunique()
    counted = f"{seeds} seed{'s' if seeds != 1 else ''}"
    looks = {"kind": "seeds", "factor": seeds / searches.PARTS, "before": "kept in ", "after": f" of {counted}"}
    what = (
        "share of seeds that keep it" if method == "structured" else f"share of its weights kept, mean over {counted}"
    )
    title = _heading(source, rows["title"].iloc[0], counted)
    return {
        **(looks if method == "structured" else searches.WEIGHTS),
        **searches.grid(int(rows["layer"].max()) + 1, int(rows["head"].max()) + 1),
        "title": title,
        "said": [f"{', '.join(title)}: {what}."],
        "steps": [searches.thousandths(_values(rows))],
        "good": 0,
        **more,
    }


def _single(at: int, source: Source, method: str) -> dict[str, dict]:
    """The single searches, by "task/method/seed"; each of s-pruning knows how it `agrees` with other seeds' of its task."""
    found = {cell: _search(source, cell) for cell in _cells(source, method)}
    masks = {cell: search for cell, search in found.items() if search["kind"] == "importance"}
    for cell, search in masks.items():
        others = [other for other in masks if other.task == cell.task and other.seed != cell.seed]
        search["agrees"] = {f"{at}/{other.seed}": searches.agreement(search, masks[other]) for other in others}
    return {f"{cell.task}/{method}/{cell.seed}": search for cell, search in found.items()}


def _search(source: Source, cell: Cell) -> dict:
    record, course = source.study.record(cell), source.study.trajectory(cell)
    title = _title(source, shown_title(cell.task, bool(record and record["partial"])))
    heading = _heading(source, title, f"seed {cell.seed}")
    if gap := _gap(source, cell):
        return nothing(heading, gap)
    found = (searches.structured if cell.method == "structured" else searches.magnitude)(course)
    note = f" Note: {'; '.join(record['notes'])}." if record["notes"] else ""
    found["said"] = [f"Seed {cell.seed}, {said}" for said in found["said"]]
    found["said"][-1] += note
    return {**found, "title": heading}


def _values(rows: pd.DataFrame) -> np.ndarray:
    """Means over seeds in the order of cells: an MLP, whose head is NaN, after the heads of its layer."""
    means = rows.groupby(["layer", "component", "head"], dropna=False)["kept"].mean().reset_index()
    return means.sort_values(["layer", "component", "head"])["kept"].to_numpy(float)


def _importance(source: Source, method: str) -> pd.DataFrame:
    """Importances in the full model where the method goes by them, see `frames.component_importance`."""
    if source.study is None or method != "structured":
        return pd.DataFrame(columns=list(SURVIVAL))
    return component_importance(source.study)


def _cells(source: Source, method: str) -> list[Cell]:
    """The searches of a method, stored or not."""
    if source.study is None:
        return []
    return [cell for cell in source.study.cells(["search"], [method]) if cell.stage == "search"]


def _gap(source: Source, cell: Cell) -> str:
    """Why a search cannot be shown; "" where it can."""
    record = source.study.record(cell)
    if record is None:
        return NOT_STORED
    if record["degenerate"]:
        reason = "; ".join(record["notes"]) or "the search is degenerate"
        return f"{reason[0].upper()}{reason[1:]}."
    return NO_STEPS if source.study.trajectory(cell) is None else ""


def _reasons(source: Source, method: str, task: str) -> str:
    """Why no seed of a task can be shown."""
    reasons = {_gap(source, cell) for cell in _cells(source, method) if cell.task == task} - {""}
    return " ".join(sorted(reasons)) or NOTHING


def _heading(source: Source, title: str, what: str) -> list[str]:
    """The source with its mark, then task and seeds."""
    return [f"{SOURCES[source.kind]['mark']} {source.name}", f"{title}, {what}"]


def _title(source: Source, title: str) -> str:
    """A task's title; on the demo language a task is only like GLUE's: "CoLA-like"."""
    if source.study is None or source.study.preset.data != "embedded" or "-like" in title:
        return title
    name, space, rest = title.partition(" (")
    return f"{name}-like{space}{rest}"
