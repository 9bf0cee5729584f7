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

import numpy as np

from lottery_utils.show.frames import component_importance, title_of
from lottery_utils.show.heatmaps import ComponentMap, over_seeds

from ..evidence import SOURCES
from ..sources import Source, count
from . import searches

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


def all_maps(sources: Sequence[Source], methods: Sequence[str]) -> dict[str, dict]:
    """Every map of `sources`, by "number of the source/task/method/seed", where the seed may be `ALL`."""
    maps = {}
    for at, source in enumerate(sources):
        for method in methods:
            kept = source.maps(method)
            first = component_importance(source.study) if source.study and method == "structured" else None
            for task in tasks_of(source):
                title, single = _single(source, task, method, at)
                maps |= {f"{at}/{task}/{method}/{seed}": found for seed, found in single.items()}
                reasons = " ".join(sorted({found["said"][0] for found in single.values()})) or NOTHING
                gap = nothing(_headed(title, "all seeds"), reasons)
                over = _over_seeds(title, method, kept[task]) if task in kept else gap
                if first is not None and task in kept:
                    over["importance"] = searches.thousandths(over_seeds(first[first["task"] == task]).mean)
                maps[f"{at}/{task}/{method}/{ALL}"] = over
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


def _single(source: Source, task: str, method: str, at: int) -> tuple[list[str], dict[int, dict]]:
    """What heads the maps of a task, and its searches by seed; s-pruning: with how each `agrees` with other seeds'."""
    study = source.study
    cells = [] if study is None else [cell for cell in study.cells(["search"], [method]) if cell.stage == "search"]
    records = {cell: study.record(cell) for cell in cells if cell.task == task}
    title = next(map(title_of, filter(None, records.values())), source.title_of(task))
    heading = [f"{SOURCES[source.kind]['mark']} {source.name}", title]
    found = {
        cell.seed: _search(record, record and study.trajectory(cell), _headed(heading, f"seed {cell.seed}"))
        for cell, record in records.items()
    }
    masks = {seed: search for seed, search in found.items() if search["kind"] == "importance"}
    for seed, search in masks.items():
        others = [other for other in masks if other != seed]
        search["agrees"] = {f"{at}/{other}": searches.agreement(search, masks[other]) for other in others}
    return heading, found


def _search(record: dict | None, course: Mapping[str, np.ndarray] | None, title: list[str]) -> dict:
    """A stored search, or why it cannot be shown."""
    if record is None:
        return nothing(title, NOT_STORED)
    notes = "; ".join(record["notes"])
    if record["degenerate"]:
        reason = notes or "the search is degenerate"
        return nothing(title, f"{reason[0].upper()}{reason[1:]}.")
    if course is None:
        return nothing(title, NO_STEPS)
    structured = record["cell"]["method"] == "structured"
    found = (searches.structured if structured else searches.magnitude)(course)
    found["said"] = [f"Seed {record['cell']['seed']}, {said}" for said in found["said"]]
    found["said"][-1] += f" Note: {notes}." if notes else ""
    return {**found, "title": title}


def _over_seeds(heading: list[str], method: str, kept: ComponentMap) -> dict:
    """The share of seeds that keep a cell, or the mean share of its weights."""
    seeds = count(kept.n, "seed")
    looks = {"kind": "seeds", "factor": kept.n / searches.PARTS, "before": "kept in ", "after": f" of {seeds}"}
    looks = looks if method == "structured" else searches.WEIGHTS
    shown = {"title": _headed(heading, seeds), "said": [""], "good": 0, "steps": [searches.thousandths(kept.mean)]}
    return {**looks, **searches.grid(*kept.heads.shape), **shown}


def _headed(heading: list[str], what: str) -> list[str]:
    """The source with its mark, then task and seeds."""
    source, title = heading
    return [source, f"{title}, {what}"]
