"""What the charts draw: searches, and where they ended, as maps of heads and MLPs in numbers small enough for a page.

A map is a dictionary. Its cells go layer by layer, the heads of a layer before its MLP, `columns` in a row; `grid`
names the shape. `steps` holds the cells of each step in thousandths, -1 for what is gone, -2 for what is kept in a mask
that failed, whose importances are not computed; a map over seeds has one step. In words a cell is `before`, the
thousandths times `factor` (or times what `largest` has for the step's heads and MLPs), `after`. `title` has two lines
or more, `said` a sentence a step, `good` is the step of the good subnetwork. A search has its curves as well, see
`searches`. A map that is not there has no cells and says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lottery_utils.show.frames import component_importance, title_of
from lottery_utils.show.style import SOURCES
from lottery_utils.show.survival import ComponentMap, over_seeds

from ..sources import Source, count, run_source
from . import searches

if TYPE_CHECKING:
    from lottery_utils.experiment.cells import Cell
    from lottery_utils.experiment.study import Study

ALL = "all"  # stands where a seed does
NOT_STORED = "This search is not stored: it was not run, or it failed."
NO_STEPS = "The record of this search came without its steps."
NOTHING = "There is nothing of this task here."


def tasks_of(source: Source) -> tuple[str, ...]:
    """The tasks of a source, those without a map among them."""
    return tuple(source.maps("structured")) if source.study is None else tuple(source.study.preset.tasks)


def seeds_of(source: Source) -> tuple[int, ...]:
    """Seeds whose own masks can be shown; of the published ones only their shares over seeds are."""
    return () if source.study is None else tuple(source.study.preset.seeds)


def real_source(study: Study) -> Source:
    """A stored study of a real model on real GLUE, other than the real study, as a source of its own."""
    return replace(run_source(study), kind="real study")


def all_maps(sources: Sequence[Source], methods: Sequence[str]) -> dict[str, dict]:
    """Every map of `sources`, by "number of the source/task/method/seed", where the seed may be `ALL`."""
    maps = {}
    for at, source in enumerate(sources):
        for method in methods:
            of_source = _over_seeds(source, method) | _single(at, source, method)
            maps |= {f"{at}/{name}": shown for name, shown in of_source.items()}
    return maps


def nothing(title: Sequence[str], reason: str) -> dict:
    """A map without cells, and why it has none."""
    looks = {"kind": "gap", "columns": 1, "grid": "", "good": 0}
    return {**looks, "title": [*title, reason], "said": [reason], "steps": [[]]}


def keepers(maps: Mapping[str, dict], at: int, source: Source) -> list[str]:
    """By cell, which good subnetworks of s-pruning keep it: "CoLA (1337, 42), MNLI (1337)", or "CoLA (3 of 5 seeds)".

    `maps` as from `all_maps`, where `source` has number `at`; no cell where they hold no s-pruning of it.
    """
    texts: list[list[str]] = []
    for task in tasks_of(source):
        kept = _kept_by(maps, f"{at}/{task}/structured", seeds_of(source))
        texts = texts or [[] for _ in kept]
        for cell, by in zip(texts, kept):
            cell += [f"{source.title_of(task)} ({by})"] if by else []
    return [", ".join(cell) for cell in texts]


def _kept_by(maps: Mapping[str, dict], name: str, seeds: Sequence[int]) -> list[str]:
    """By cell, the seeds of a task whose good subnetwork keeps it, or in how many of them where no seed has its own."""
    ends = {seed: found for seed in seeds if (found := maps.get(f"{name}/{seed}", {})).get("kind") == "importance"}
    if ends:
        cells = zip(*(found["steps"][found["good"]] for found in ends.values()))
        return [", ".join(str(seed) for seed, value in zip(ends, cell) if value != searches.REMOVED) for cell in cells]
    found = maps.get(f"{name}/{ALL}", {})
    if found.get("kind") != "seeds":
        return []
    return [f"{found['factor'] * value:.0f}{found['after']}" if value else "" for value in found["steps"][0]]


def component_names(maps: Mapping[str, dict]) -> dict[str, list[str]]:
    """What the cells of each grid are called: "Layer 1, head 1"."""
    grids = {found["grid"]: (len(found["steps"][0]), found["columns"]) for found in maps.values()}
    return {grid: [_name(cell, columns) for cell in range(cells)] for grid, (cells, columns) in grids.items()}


def _name(cell: int, columns: int) -> str:
    layer, column = divmod(cell, columns)
    return f"Layer {layer + 1}, {'MLP' if column == columns - 1 else f'head {column + 1}'}"


def _over_seeds(source: Source, method: str) -> dict[str, dict]:
    """The shares over the seeds of each task, by "task/method/all"."""
    kept, maps = source.maps(method), {}
    importance = None if source.study is None or method != "structured" else component_importance(source.study)
    for task in tasks_of(source):
        cells = [cell for cell in _cells(source, method) if cell.task == task]
        title = next((_title(source, cell) for cell in cells if source.study.record(cell)), source.title_of(task))
        if task in kept:
            shown = _share(method, kept[task], _heading(source, title, count(kept[task].n, "seed")))
            if importance is not None:
                shown["importance"] = searches.thousandths(over_seeds(importance, task).mean)
        else:
            reasons = sorted(dict.fromkeys(filter(None, (_gap(source, cell) for cell in cells))))
            shown = nothing(_heading(source, title, "all seeds"), " ".join(reasons) or NOTHING)
        maps[f"{task}/{method}/{ALL}"] = shown
    return maps


def _share(method: str, kept: ComponentMap, title: list[str]) -> dict:
    """The share of seeds that keep a cell, or the mean share of its weights."""
    after = f" of {count(kept.n, 'seed')}"
    looks = {"kind": "seeds", "factor": kept.n / searches.PARTS, "before": "kept in ", "after": after}
    looks = looks if method == "structured" else searches.WEIGHTS
    shown = {"title": title, "said": [""], "good": 0, "steps": [searches.thousandths(kept.mean)]}
    return {**looks, **searches.grid(*kept.heads.shape), **shown}


def _single(at: int, source: Source, method: str) -> dict[str, dict]:
    """The single searches, by "task/method/seed"; s-pruning: with how each `agrees` with other seeds' of its task."""
    found = {cell: _search(source, cell) for cell in _cells(source, method)}
    masks = {cell: search for cell, search in found.items() if search["kind"] == "importance"}
    for cell, search in masks.items():
        others = [other for other in masks if other.task == cell.task and other.seed != cell.seed]
        search["agrees"] = {f"{at}/{other.seed}": searches.agreement(search, masks[other]) for other in others}
    return {f"{cell.task}/{method}/{cell.seed}": search for cell, search in found.items()}


def _search(source: Source, cell: Cell) -> dict:
    heading = _heading(source, _title(source, cell), f"seed {cell.seed}")
    if gap := _gap(source, cell):
        return nothing(heading, gap)
    course, notes = source.study.trajectory(cell), source.study.record(cell)["notes"]
    found = (searches.structured if cell.method == "structured" else searches.magnitude)(course)
    found["said"] = [f"Seed {cell.seed}, {said}" for said in found["said"]]
    found["said"][-1] += f" Note: {'; '.join(notes)}." if notes else ""
    return {**found, "title": heading}


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


def _title(source: Source, cell: Cell) -> str:
    record = source.study.record(cell)
    return source.title_of(cell.task) if record is None else title_of(record)


def _heading(source: Source, title: str, what: str) -> list[str]:
    """The source with its mark, then task and seeds."""
    return [f"{SOURCES[source.kind]['mark']} {source.name}", f"{title}, {what}"]
