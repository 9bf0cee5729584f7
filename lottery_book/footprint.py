"""What the results cost: seconds, GPU-hours, energy and CO2 by stage (paper, footprint statement)."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.experiment.run import span
from lottery_utils.experiment.stage_table import STAGES
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

COST = ("seconds", "gpu_hours", "energy_kwh", "co2_kg")
ABOUT = ("address", "device", "started", "ended", "commit", "dirty", "versions")
ORDER = {"method": ("", *METHOD_NAMES), "stage": tuple(STAGES)}  # of rows
SHOWN = ("stage", "pruning", "cells", "time", "GPU-hours", "measured", "energy", "CO2")


def costs(records: Iterable[dict]) -> pd.DataFrame:
    """One row a record: preset, task, seed, stage, method, subnetwork, `COST` and `ABOUT`.

    What was not measured is NaN. gpu_hours are hours of one GPU, 0 on a CPU; co2_kg are kg of CO2 equivalents.
    """
    rows = [
        {"preset": record["preset"], **record["cell"], **{name: record.get(name) for name in (*COST, *ABOUT)}}
        for record in records
    ]
    columns = ["preset", "task", "seed", "stage", "method", "subnetwork", *COST, *ABOUT]
    return pd.DataFrame(rows, columns=columns).astype({name: float for name in COST})


def by_stage(rows: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Sums of `costs` by `keys`, method and stage, with `cells` and how many were `measured`.

    In order: the stages that prune nothing, then each kind of pruning.
    """
    names = {key: dict.fromkeys([*ORDER.get(key, ()), *rows[key]]) for key in (*keys, *ORDER)}
    ordered = {key: pd.Categorical(rows[key], list(known)) for key, known in names.items()}
    groups = rows.assign(**ordered).groupby(list(ordered), observed=True)
    sums = groups[list(COST)].sum(min_count=1).assign(cells=groups.size(), measured=groups["energy_kwh"].count())
    return sums.reset_index().astype({key: object for key in ordered})


def footprint_table(records: Iterable[dict], caption: str, name: str) -> Styler:
    """One row per stage and method, and their sum: cells, time, GPU-hours, and energy and CO2 of the cells measured."""
    rows = costs(records)
    sums = pd.concat([by_stage(rows), by_stage(rows.assign(stage="all", method=""))])
    return dressed(in_words(sums), caption, name)


def in_words(sums: pd.DataFrame) -> pd.DataFrame:
    """Rows of `by_stage` as a page shows them: columns `SHOWN`."""
    shown = [
        {"stage": row.stage, "pruning": METHOD_NAMES.get(row.method, ""), "cells": row.cells, **cost_texts(row)}
        for row in sums.itertuples()
    ]
    return pd.DataFrame(shown, columns=SHOWN)


def cost_texts(row) -> dict[str, str]:
    """A row of `by_stage` in words: time, GPU-hours, how many cells were measured, and their energy and CO2."""
    texts = {"time": span(row.seconds), "GPU-hours": _three(row.gpu_hours), "measured": "none"}
    if row.measured:
        texts["measured"] = "all" if row.measured == row.cells else str(row.measured)
    return texts | {"energy": _three(1000 * row.energy_kwh, " Wh"), "CO2": _three(1000 * row.co2_kg, " g")}


def total_of(records: Iterable[dict]) -> str:
    """What all records took, such as "3 h 12 min, 45 Wh", or that there is none."""
    rows = costs(records)
    if rows.empty:
        return "nothing yet"
    total = next(by_stage(rows.assign(stage="all", method="")).itertuples())
    energy = f", {cost_texts(total)['energy']}" if total.measured else ""
    return f"{span(total.seconds)}{energy}"


def _three(value: float, unit: str = "") -> str:
    """Three digits, no exponent; a gap for what was not measured."""
    if pd.isna(value):
        return GAP
    return (f"{value:,.0f}" if value >= 100 else f"{value:.3g}") + unit
