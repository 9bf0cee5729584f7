"""What prose takes from records: numbers for {glue:text}, claims held to them, what a study was run on and lacks."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import UserError
from ..models.source import model_name, name_of_record
from ..places import function_at
from ..presets import WORTH_SAYING
from ..tasks.glue import TASKS, shown_task
from .frames import shown_title

if TYPE_CHECKING:
    from IPython.display import Markdown

    from ..experiment.study import Study
    from ..presets import Preset

DEGENERATE = "no lead over a constant answer, so no search"


def run_on(study: Study) -> str:
    """Preset, model, tasks, the seeds that have a record and dates; the status page has the rest."""
    preset, records = study.preset, study.records()
    model = _model(preset, records)
    parts = [f"preset {preset.name}", *([] if model == "embedded" else [model.rsplit("/", 1)[-1]])]
    parts.append("all nine tasks" if set(preset.tasks) == set(TASKS) else _titles(preset.tasks))
    there = {record["cell"]["seed"] for record in records}
    seeds = [str(seed) for seed in preset.seeds if seed in there or not there.intersection(preset.seeds)]
    parts.append(f"seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}")
    times = sorted(record[key][:10] for record in records for key in ("started", "ended"))
    parts.append("computed " + " to ".join(dict.fromkeys([times[0], times[-1]])) if times else "nothing computed yet")
    earlier = study.earlier() if study.stored else set()
    parts += earlier_clause(sum(record["address"] in earlier for record in records), len(records))
    if partial := {record["cell"]["task"] for record in records if record["partial"]}:
        parts.append(f"partial data for {_titles(sorted(partial))}")
    unknown = max((record.get("unknown_words") or 0.0 for record in records), default=0.0)
    if unknown >= WORTH_SAYING:
        parts.append(f"up to {100 * unknown:.0f}\N{NO-BREAK SPACE}% of a task's words unknown to the tokenizer")
    return "; ".join(parts)


def _model(preset: Preset, records: list[dict]) -> str:
    """The model's readable name, from a record that used it where there is one."""
    used = [record for record in records if "model" in record["inputs"]] or records
    return name_of_record(used[-1]) if used else model_name(preset.model)


def _titles(tasks: Iterable[str]) -> str:
    names = [shown_task(name).title for name in tasks]
    return listed(names) if len(names) < 4 else f"{len(names)} tasks"


def earlier_clause(earlier: int, cells: int) -> list[str]:
    """What a line on provenance adds where `earlier` of `cells` records are of an earlier version of the rules."""
    if not earlier:
        return []
    return [f"{'all' if earlier == cells else f'{earlier:,} of'} {cells:,} records by earlier rules"]


def gap_sentence(study: Study, method: str) -> str:
    """What cannot be shown for a method, and why; with the seeds of a task in brackets where it is not all of them."""
    gaps: dict[str, dict[str, list[str]]] = {DEGENERATE: {}, "not computed": {}}
    for cell in (cell for cell in study.cells(["search"], [method]) if cell.stage == "search"):
        record = study.record(cell)
        if record is None or record["degenerate"]:
            seeds_of = gaps[DEGENERATE if record else "not computed"]
            title = shown_title(cell.task, demo=study.preset.data == "embedded")
            seeds_of.setdefault(title, []).append(str(cell.seed))
    parts, whole = [], len(study.preset.seeds)
    for why, seeds_of in gaps.items():
        names = [n if len(seeds) == whole else f"{n} (seed {listed(seeds)})" for n, seeds in seeds_of.items()]
        parts += [f"{listed(names)}: {why}."] if names else []
    return f"Gaps: {' '.join(parts)}" if parts else "There is a search for every task and seed."


def gap_sentences(study: Study) -> str:
    """`gap_sentence` of both methods, once where they lack the same."""
    from .style import METHOD_NAMES

    told = {METHOD_NAMES[method]: gap_sentence(study, method) for method in METHOD_NAMES}
    if len(set(told.values())) == 1:
        return told["s-pruning"]
    return " ".join(f"{name}: {text}" for name, text in told.items())


def glue_numbers(values: Mapping[str, object]) -> None:
    """Store each value under its name for {glue:text}`name`; nothing is shown in the cell.

    Text is kept as it is, whole numbers are written out, other numbers get two decimals; NaN and None show as
    "no number". Format percentages and the like yourself.
    """
    from myst_nb import glue

    for name, value in values.items():
        glue(name, as_text(value), display=False)  # a string: as a number, +0.80 would be shown as 0.8


def holds(claim: str, value: float, above: float = -math.inf, below: float = math.inf) -> None:
    """Hold a sentence written by hand to the records: raises UserError unless above < value < below, so NaN fails.

    For claims about published numbers and the records in the repository; a reader's own run may come out otherwise.
    """
    if not above < value < below:
        limits = [f"above {above:g}"] * (above > -math.inf) + [f"below {below:g}"] * (below < math.inf)
        wanted = " and ".join(limits)
        raise UserError(f"a sentence no longer holds: {claim!r} needs {wanted}, got {value:g}; rewrite it")


def source(*functions: Callable | str) -> Markdown:
    """The package's own lines of functions or classes, to be the last line of a cell: no page retypes what it explains.

    Each is given itself or by name, such as "lottery_utils.training.finetune:plain_steps".
    """
    from IPython.display import Markdown

    objects = [function_at(each) if isinstance(each, str) else each for each in functions]
    lines = "\n\n".join(map(inspect.getsource, objects))
    return Markdown(f"```python\n{lines}```")


def as_text(value: object) -> str:
    """How a value is written in prose."""
    if value is None or value != value:
        return "no number"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def as_percent(share: float) -> str:
    """A share as whole per cent, such as "92 %"."""
    return as_text(None) if share is None or share != share else f"{100 * share:.0f} %"


def listed(names: list[str]) -> str:
    """Names in a sentence: "CoLA, MRPC and RTE", or "none"."""
    if not names:
        return "none"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def count(number: int, what: str) -> str:
    """Such as "1 seed" or "8 tasks"."""
    return f"{number} {what}{'s' if number != 1 else ''}"
