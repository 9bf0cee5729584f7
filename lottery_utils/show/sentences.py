"""What a study was run on and what it lacks, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tasks.glue import TASKS
from ..tasks.registry import shown_task
from .frames import Gaps, gaps
from .glue import listed

if TYPE_CHECKING:
    from ..experiment.study import Study


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
    """What cannot be shown for a method, and why."""
    found = gaps(study, method)
    if not found.missing and not found.degenerate:
        return "There is a search for every task and seed."
    parts = []
    if found.degenerate:
        why = "the full model does not beat the majority score, so no search was run"
        parts.append(f"{_with_seeds(found, found.degenerate)}: {why}.")
    if found.missing:
        parts.append(f"{_with_seeds(found, found.missing)}: not computed.")
    return "Gaps: " + " ".join(parts)


def _with_seeds(found: Gaps, tasks: dict[str, list[int]]) -> str:
    """Task names, with the seeds in brackets where it is not all of them."""
    named = {n: "" if len(s) == found.seeds else f" (seed {listed([str(x) for x in s])})" for n, s in tasks.items()}
    return listed([name + seeds for name, seeds in named.items()])
