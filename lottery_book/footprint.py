"""What the results cost: seconds, GPU-hours, energy and CO2 by stage (paper, footprint statement)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.schedule import span
from lottery_utils.experiment.stage_table import STAGES
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

COST = ("seconds", "gpu_hours", "energy_kwh", "co2_kg")


def costs(records: Iterable[dict]) -> pd.DataFrame:
    """One row a record: preset, task, seed, stage, method, subnetwork, `COST`, device, started, ended, commit, dirty.

    What was not measured is NaN. gpu_hours are hours of one GPU, 0 on a CPU; co2_kg are kg of CO2 equivalents.
    """
    rows = [
        {
            "preset": record["preset"],
            **record["cell"],
            **{name: record.get(name) for name in COST},
            **{name: record[name] for name in ("device", "started", "ended", "commit", "dirty", "versions")},
        }
        for record in records
    ]
    columns = ["preset", "task", "seed", "stage", "method", "subnetwork", *COST]
    columns += ["device", "started", "ended", "commit", "dirty", "versions"]
    return pd.DataFrame(rows, columns=columns).astype({name: float for name in COST})


def by_stage(rows: pd.DataFrame, keys: Iterable[str] = ("stage", "method")) -> pd.DataFrame:
    """Sums of `costs` over the groups of `keys`, with `cells` and how many were `measured`.

    In order: the stages that prune nothing, then each kind of pruning.
    """
    keys = list(keys)
    groups = rows.groupby(keys, sort=False)
    sums = groups[list(COST)].sum(min_count=1).assign(cells=groups.size(), measured=groups["energy_kwh"].count())
    sums, others = sums.reset_index(), [key for key in keys if key not in ("stage", "method")]
    order = {name: i for i, name in enumerate(("", *METHOD_NAMES, *STAGES))}
    places = [sums.groupby(others, sort=False).ngroup()] if others else []  # in order of appearance
    places += [sums[key].map(order).fillna(0) for key in ("method", "stage") if key in sums]
    return sums.iloc[np.lexsort(places[::-1])].reset_index(drop=True)


def footprint_table(records: Iterable[dict], caption: str, name: str) -> Styler:
    """A row a stage and method, and their sum: cells, time, GPU-hours, and energy and CO2 of the cells measured."""
    rows = costs(records)
    sums = by_stage(rows)
    if len(sums):
        total = by_stage(rows.assign(stage="all", method=""))
        sums = pd.concat([sums, total], ignore_index=True)
    shown = [
        {"stage": row.stage, "pruning": METHOD_NAMES.get(row.method, ""), "cells": row.cells, **cost_texts(row)}
        for row in sums.itertuples()
    ]
    columns = ["stage", "pruning", "cells", "time", "GPU-hours", "measured", "energy", "CO2"]
    return dressed(pd.DataFrame(shown, columns=columns), caption, name)


def cost_texts(row) -> dict[str, str]:
    """A row of `by_stage` in words: time, GPU-hours, how many cells were measured, and their energy and CO2."""
    texts = {"time": span(row.seconds), "GPU-hours": GAP, "measured": "none", "energy": GAP, "CO2": GAP}
    if not pd.isna(row.gpu_hours):
        texts["GPU-hours"] = "0" if row.gpu_hours == 0 else _three(row.gpu_hours)
    if row.measured:
        texts["measured"] = "all" if row.measured == row.cells else str(row.measured)
        texts |= {"energy": f"{_three(1000 * row.energy_kwh)} Wh", "CO2": f"{_three(1000 * row.co2_kg)} g"}
    return texts


def total_of(records: Iterable[dict]) -> str:
    """What all records took, such as "3 h 12 min and 45 Wh", or that there is none."""
    rows = costs(records)
    if rows.empty:
        return "nothing yet"
    total = next(by_stage(rows.assign(stage="all", method="")).itertuples())
    energy = f" and {cost_texts(total)['energy']}" if total.measured else ""
    return f"{span(total.seconds)} of computing{energy}"


def _three(value: float) -> str:
    """Three digits, no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
