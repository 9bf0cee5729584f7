"""What a study was run on and what it lacks, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..models.source import model_name, name_of_record
from ..tasks.glue import TASKS
from ..tasks.registry import shown_task
from .frames import title_in
from .glue import listed

if TYPE_CHECKING:
    from ..experiment.study import Study
    from ..presets import Preset

DEGENERATE = "the full model does not beat the majority score, so no search was run"


def run_on(study: Study) -> str:
    """Preset, model, tasks, the seeds that have a record, devices and dates; the status page has the rest."""
    preset, records = study.preset, study.records()
    model = _model(preset, records)
    parts = [f"preset {preset.name}", *([] if model == "embedded" else [model.rsplit("/", 1)[-1]])]
    parts.append("all nine tasks" if set(preset.tasks) == set(TASKS) else _titles(preset.tasks))
    there = {record["cell"]["seed"] for record in records}
    seeds = [str(seed) for seed in preset.seeds if seed in there or not there.intersection(preset.seeds)]
    parts.append(f"seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}")
    parts += sorted({record["device"] for record in records})
    times = sorted(record[key][:10] for record in records for key in ("started", "ended"))
    parts.append("computed " + " to ".join(dict.fromkeys([times[0], times[-1]])) if times else "nothing computed yet")
    earlier = study.earlier() if study.stored else set()
    parts += earlier_clause(sum(record["address"] in earlier for record in records), len(records))
    if partial := {record["cell"]["task"] for record in records if record["partial"]}:
        parts.append(f"partial data for {_titles(sorted(partial))}")
    return "; ".join(parts)


def _model(preset: Preset, records: list[dict]) -> str:
    """The model's readable name, from a record that used it where there is one."""
    used = [record for record in records if "model" in record["inputs"]] or records
    return name_of_record(used[-1]) if used else model_name(preset.model)


def _titles(tasks: Iterable[str]) -> str:
    return listed([shown_task(name).title for name in tasks])


def earlier_clause(earlier: int, cells: int) -> list[str]:
    """What a line on provenance adds where `earlier` of `cells` records are of an earlier version of the rules."""
    if not earlier:
        return []
    count = f"all {cells:,} records are" if earlier == cells else f"{earlier:,} of {cells:,} records are"
    return [f"{count} of an earlier version of the rules"]


def gap_sentence(study: Study, method: str) -> str:
    """What cannot be shown for a method, and why; with the seeds of a task in brackets where it is not all of them."""
    gaps: dict[str, dict[str, list[str]]] = {DEGENERATE: {}, "not computed": {}}
    for cell in (cell for cell in study.cells(["search"], [method]) if cell.stage == "search"):
        record = study.record(cell)
        if record is None or record["degenerate"]:
            seeds_of = gaps[DEGENERATE if record else "not computed"]
            seeds_of.setdefault(title_in(study, cell.task), []).append(str(cell.seed))
    parts, whole = [], len(study.preset.seeds)
    for why, seeds_of in gaps.items():
        names = [n if len(seeds) == whole else f"{n} (seed {listed(seeds)})" for n, seeds in seeds_of.items()]
        parts += [f"{listed(names)}: {why}."] if names else []
    return f"Gaps: {' '.join(parts)}" if parts else "There is a search for every task and seed."
