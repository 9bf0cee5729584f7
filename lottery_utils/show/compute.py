"""What a chapter needs before it shows anything: the studies it is about, and the cells to be computed for it.

Studies whose records came with the repository are shown, and never added to.

A chapter says so in one literal, `NEEDS`, which `lottery report` reads without running the chapter, so that what all
chapters need is computed in one run. A need is a dict; all keys may be left out:

- ``stages``, ``methods``, ``subnetworks``: the cells, as of `Study.cells`; without ``stages`` nothing is computed;
- ``overrides``: changed preset fields, or a list of such dicts: a study for each;
- ``demo_tasks``: the tasks on the demo, where the reader chose none: for chapters too expensive for all nine;
- ``records``: the folder of the repository that has it for the preset as it is. Shown from there, and not computed,
  unless the reader's study has other settings, or seeds and tasks that the preset has not;
- ``preset``: another preset in place of the reader's study.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError, require_known
from ..presets import GLUE_TASKS, PRESETS, Preset

if TYPE_CHECKING:
    from ..experiment.cells import Cell
    from ..experiment.reading import Results
    from ..experiment.study import Study

    Needs = dict | list[dict]
    Asked = list[tuple[Study, list[Cell]]]  # studies, each with cells in dependency order: none where records are shown

KEYS = ("stages", "methods", "subnetworks", "overrides", "demo_tasks", "records", "preset")


def compute(study: Study, needs: Needs, missing: bool = True) -> list[Study]:
    """Compute what a chapter needs unless it is stored, say what was done, and return the studies that it is about.

    `study` is the reader's; of the studies there is one for each need and each of its overrides, in order. A failed
    cell does not stop a chapter: it is shown as a gap. Without `missing` nothing is computed, and what lacks is said.
    Raises UserError for bad input.
    """
    parts = asked(study, needs)
    for line in compute_together(parts) if missing else _stored(parts):
        print(line)
    return [part for part, _ in parts]


def needs_of(notebook: Path) -> list[dict]:
    """The `NEEDS` of a chapter, none where it has no such line; raises UserError where they cannot be read."""
    import nbformat

    cells = nbformat.read(notebook, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code" and "NEEDS =" in cell.source]
    try:
        lines = [line for source in code for line in ast.parse(source).body if isinstance(line, ast.Assign)]
        values = [ast.literal_eval(line.value) for line in lines if ast.unparse(line.targets[0]) == "NEEDS"]
    except (SyntaxError, ValueError):
        raise UserError(f"chapter {notebook.stem}: NEEDS must be a literal: it is read, and not run") from None
    return [need for needs in values for need in _listed(needs)]


def asked(study: Study, needs: Needs) -> Asked:
    """The studies that `needs` are about, where `study` is the reader's, and the cells to be computed of each."""
    parts = []
    for need in _listed(needs):
        overrides = need.get("overrides", {})
        base = _shown(study, need) or _computed(study, need)
        for changes in [overrides] if isinstance(overrides, dict) else overrides:
            part = under(base, changes)
            parts.append((part, [] if part.stored else _cells(part, need)))
    return parts


def _listed(needs: Needs) -> list[dict]:
    needs = [needs] if isinstance(needs, dict) else list(needs)
    for need in needs:
        require_known(need, KEYS, "NEEDS: unknown key")
    return needs


def _shown(study: Study, need: dict) -> Study | None:
    """The study whose records came with the repository, where they are what is asked for and are there."""
    if "records" not in need or not ("preset" in need or _is_of_preset(study.preset)):
        return None
    if "stages" in need and not here_or_above(need["records"]).is_dir():
        return None
    return stored_study(need.get("preset", study.preset.name), need["records"])


def _is_of_preset(preset: Preset) -> bool:
    """Whether a study is its preset's, or a part of that; with HANS's file too, which changes no other cells."""
    whole = PRESETS[preset.name]
    part = set(preset.tasks) <= set(whole.tasks) and set(preset.seeds) <= set(whole.seeds)
    return part and replace(preset, tasks=whole.tasks, seeds=whole.seeds, hans=whole.hans) == whole


def _computed(study: Study, need: dict) -> Study:
    """The study that is computed where cells are missing: the reader's, or another preset's beside it."""
    from ..experiment.study import Study

    preset = PRESETS[need["preset"]] if "preset" in need else study.preset
    if preset.name == "demo" and preset.tasks == PRESETS["demo"].tasks:
        preset = replace(preset, tasks=tuple(need.get("demo_tasks", preset.tasks)))
    return Study(preset, study.store.root)


def _cells(study: Study, need: dict) -> list[Cell]:
    """The cells of a need; stages that the study cannot have are left out."""
    from ..experiment.stage_table import STAGES

    preset, stages = study.preset, []
    for name in need.get("stages", ()):
        stage = STAGES.get(name)  # an unknown one is refused below
        fits = stage is None or stage.task in (None, *preset.tasks)
        if fits and not (stage and stage.given and getattr(preset, stage.given) is None):
            stages.append(name)
    return study.cells(stages, need.get("methods"), need.get("subnetworks")) if stages else []


def compute_together(asked: Asked, **options) -> list[str]:
    """Compute what was asked for, each study's cells in one run with `options` of `Study.run_cells`; returns lines
    that say what was done.
    """
    lines = []
    for study, cells, name in _joined(asked):
        summary = study.run_cells(cells, **options)
        lines.append(f"{name}: {summary}")
        lines += [f"failed: {error}" for error in summary.failed.values()]  # the chapters show what is there, and gaps
    return lines


def _stored(asked: Asked) -> list[str]:
    """How many of the cells are stored, and the errors of those that failed."""
    lines = []
    for study, cells, name in _joined(asked):
        states = {cell: study.state(cell) for cell in cells}
        lines.append(f"{name}: {sum(state == 'done' for state in states.values())} of {len(cells)} cells are stored")
        errors = [study.store.failure(study.address(cell)) for cell, state in states.items() if state == "failed"]
        lines += [f"failed: {error['error']}" for error in errors if error]
    return lines


def _joined(asked: Asked) -> Iterator[tuple[Study, list[Cell], str]]:
    """Each study once, with all its cells and what to call it; those without cells left out."""
    joined: dict[tuple, tuple[Study, dict[Cell, None]]] = {}
    for study, cells in asked:
        if cells:
            _, union = joined.setdefault((replace(study.preset, tasks=()), study.store.root), (study, {}))
            union.update(dict.fromkeys(cells))
    first: dict[str, Preset] = {}
    for (preset, _), (study, union) in joined.items():
        usual = vars(first.setdefault(preset.name, preset))
        changes = [f"{name} {value}" for name, value in vars(preset).items() if value != usual[name]]
        yield study, list(union), preset.name + (f" ({', '.join(changes)})" if changes else "")


def here_or_above(folder: str | Path) -> Path:
    """`folder` as it lies here or in the nearest folder above; unchanged when it is nowhere."""
    here = Path.cwd()
    return next((place / folder for place in (here, *here.parents) if (place / folder).is_dir()), Path(folder))


def stored_study(preset: str, folder: str | Path, overrides: dict | str | None = None) -> Study:
    """The study of `preset` whose records lie in `folder`, looked for here and in the folders above.

    Its tasks and seeds are those with a record there; model and data need not be at hand, and may have changed.
    Raises UserError when there is no record.
    """
    from ..experiment.study import Study, open_study

    study = open_study(preset, overrides=overrides, results_dir=here_or_above(folder))
    cells = [record["cell"] for record in study.store.records()]
    known = study.preset.tasks
    if known == PRESETS[preset].tasks:  # else those asked for
        known = (*known, *(task for task in GLUE_TASKS if task not in known))
    tasks = [task for task in known if any(cell["task"] == task for cell in cells)]
    if not tasks:
        raise UserError(f"no records in {str(folder)!r}; run this in the repository's folder")
    seeds = [seed for seed in study.preset.seeds if any(cell["seed"] == seed for cell in cells)] or None
    return Study(open_study(preset, tasks, seeds, overrides, study.store.root).preset, study.store.root, stored=True)


def under(study: Results, fields: Mapping) -> Results:
    """`study` with other preset fields, in the same store."""
    return type(study)(replace(study.preset, **fields), study.store.root, study.stored)


def cost_of(study: Study) -> str:
    """How many records a stored study has, and what they took: "190 records, 3 h 12 min of computing"."""
    from ..experiment.run import span

    records = study.records()
    return f"{len(records):,} records, {span(sum(record['seconds'] for record in records))} of computing"
