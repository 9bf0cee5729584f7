"""Records as tables: one row a cell, and the grid of what is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..tasks.glue import task_of_record
from .stage_table import CHANCELESS, STAGES

if TYPE_CHECKING:
    import pandas as pd

# share_* are shares of the full model that survive, in [0, 1]; seconds is wall time on `device`; energy_kwh and
# co2_kg are estimates (see `energy`), NaN where nothing was measured
COLUMNS = (
    ("task", "title", "seed", "stage", "method", "subnetwork", "metric", "score", "search_score", "majority")
    + ("share_heads", "share_mlps", "share_prunable", "share_all")
    + ("heads", "heads_total", "mlps", "mlps_total", "weights", "weights_total", "parameters", "parameters_total")
    + ("mcc", "accuracy", "f1", "pearson", "spearman", "degenerate", "partial", "demo", "seconds")
    + ("gpu_hours", "energy_kwh", "co2_kg", "device", "address")
)


def results_table(records: Iterable[dict]) -> pd.DataFrame:
    """A DataFrame with one row for each record and the columns `COLUMNS`; what a stage lacks is NaN."""
    import pandas as pd

    return pd.DataFrame([_row(record) for record in records], columns=list(COLUMNS))


def is_demo(record: dict) -> bool:
    """Whether a record's numbers are about the demo's made-up language."""
    return record["source"]["data"] == "embedded"


def _row(record: dict) -> dict:
    """All that `COLUMNS` may name, and more."""
    task = task_of_record(record)
    row = {**record, **record["cell"], **record["counts"], **record["metrics"]}
    row |= {f"share_{name}": value for name, value in record["shares"].items()}
    return row | {"title": task.title, "metric": task.main_metric, "demo": is_demo(record)}


def status_lines(states: list[dict]) -> list[str]:
    """The grid of a study as text: a row for each task and seed, a column for each stage and method."""
    columns = list(dict.fromkeys(_column(state) for state in sorted(states, key=_order)))
    rows: dict[tuple, dict[str, list[dict]]] = {}
    for state in states:
        seed = "-" if state["subnetwork"] in CHANCELESS else str(state["seed"])
        rows.setdefault((state["task"], seed), {}).setdefault(_column(state), []).append(state)
    table = [["task", "seed", *columns]]
    table += [[*key, *(_summary(row.get(column, [])) for column in columns)] for key, row in rows.items()]
    widths = [max(map(len, column)) for column in zip(*table)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table]


def gap_lines(states: list[dict]) -> list[str]:
    """A line that names tasks and seeds whose search had nothing to search, or none."""
    found: dict[str, dict[str, None]] = {}
    for state in states:
        if state["degenerate"] and STAGES[state["stage"]].searches:
            found.setdefault(state["task"], {})[str(state["seed"])] = None
    named = ", ".join(f"{task} (seed{'s' * (len(seeds) > 1)} {', '.join(seeds)})" for task, seeds in found.items())
    return [f"no subnetworks, as the full model does not beat the majority score: {named}"] if named else []


def _column(state: dict) -> str:
    return f"{state['method'][:1]}-{state['stage']}".strip("-")  # the paper says s-pruning and m-pruning


def _order(state: dict) -> tuple:
    return (state["method"] != "", state["method"] == "magnitude", list(STAGES).index(state["stage"]))


def _summary(cells: list[dict]) -> str:
    """Such as ``done 12.0 s``, ``2 of 3``, ``2 of 3, 1 failed``, ``running``."""
    from .run import span

    if not cells:
        return ""
    counts = Counter(cell["state"] for cell in cells)
    if counts["done"] == len(cells):
        return f"done {span(sum(cell['seconds'] for cell in cells))}"
    parts = [f"{counts['done']} of {len(cells)}"] if counts["done"] else []
    told = [name for name in ("running", "failed", "damaged") if counts[name]]
    return ", ".join([*parts, *(name if len(cells) == 1 else f"{counts[name]} {name}" for name in told)]) or "missing"
