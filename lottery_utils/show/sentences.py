"""What a study was run on and what it lacks, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tasks.glue import TASKS
from ..tasks.registry import shown_task
from .frames import title_in
from .glue import listed

if TYPE_CHECKING:
    from ..experiment.study import Study

DEGENERATE = "the full model does not beat the majority score, so no search was run"


def run_on(study: Study) -> str:
    """Preset, model, tasks, seeds, device and dates; the status page has the rest."""
    found = study.provenance()
    tasks, seeds = found["tasks"], found["seeds"]
    names = "all nine tasks" if set(tasks) == set(TASKS) else listed([shown_task(name).title for name in tasks])
    model = [] if found["model"] == "embedded" else [found["model"].rsplit("/", 1)[-1]]
    parts = [f"preset {found['preset']}", *model, names]
    parts.append(f"seed{'s' if len(seeds) > 1 else ''} {listed([str(s) for s in seeds])}")
    parts += found["devices"]
    dates = dict.fromkeys(found[key][:10] for key in ("started", "ended") if found[key])
    parts.append("computed " + " to ".join(dates) if dates else "nothing computed yet")
    parts += earlier_clause(found["earlier"], found["cells"])
    if found["partial"]:
        parts.append(f"partial data for {listed([shown_task(name).title for name in found['partial']])}")
    return "; ".join(parts)


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
