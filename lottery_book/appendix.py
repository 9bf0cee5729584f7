"""Chapter 10: every score as a table (paper, appendix), those of single seeds to download, and what results cost."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape

import pandas as pd
from IPython.display import HTML
from pandas.io.formats.style import Styler

from lottery_utils.experiment.run import span
from lottery_utils.experiment.stage_table import STAGES
from lottery_utils.show.frames import mean_scores
from lottery_utils.show.leads import Condition
from lottery_utils.show.style import METHOD_NAMES, NAMES
from lottery_utils.show.tables import GAP, dressed

from .sources import Source, in_order

ENDS = {"full": 1.0, "majority": 0.0}  # lead kept by definition
BASELINES = ("majority", "bag_of_words", "cbow", "bilstm", "random_init", "random_init_pruned")
MODELS = list(dict.fromkeys((*BASELINES, "full", *NAMES)))  # in the order of the table
COST = ("seconds", "gpu_hours", "energy_kwh", "co2_kg")
ABOUT = ("address", "device", "started", "ended", "commit", "dirty", "versions")
ORDER = {"method": ("", *METHOD_NAMES), "stage": tuple(STAGES)}  # of rows
SHOWN = ("stage", "pruning", "cells", "time", "GPU-hours", "measured", "energy", "CO2")


def score_tabs(sources: Iterable[Source]) -> HTML:
    """The `score_table` of each source behind a tab, by the classes of sphinx-design.

    Without its style, in an editor of notebooks, the tables stand below each other, as they do on paper.
    """
    tabs = []
    for source in sources:
        look, chosen = source.kind.replace(" ", "-"), "" if tabs else " checked"
        name = f"appendix-{look}"
        tabs.append(
            f'<input type="radio" name="appendix-scores" id="{name}"{chosen}>'
            f'<label class="sd-tab-label source {look}" for="{name}">{escape(source.kind)}</label>'
            f'<div class="sd-tab-content">{score_table(source, name).to_html()}</div>'
        )
    return HTML(f'<div class="sd-tab-set">{"".join(tabs)}</div>')


def score_table(source: Source, name: str) -> Styler:
    """Mean dev score over seeds: one row per condition, one column per task; at the end the mean lead kept.

    The lead kept is of good, random and bad subnetworks, over the tasks where every one of them is there, so that rows
    of a method are means over the same tasks (see `show.leads`).
    """
    if source.results.empty:
        return dressed(pd.DataFrame(columns=["pruning", "model", "", "lead kept"]), _caption(source), name)
    scores = mean_scores(source.results).T
    rows = []
    for condition, of_tasks in sorted(scores[in_order(scores)].iterrows(), key=lambda row: _place(*row[0])):
        method, subnetwork, treatment = condition
        treated = "" if treatment in ("full", "baseline") else treatment
        named = {"pruning": METHOD_NAMES.get(method, ""), "model": NAMES[subnetwork], "": treated}
        shown = {source.title_of(task).removesuffix("-like"): _score(value) for task, value in of_tasks.items()}
        rows.append({**named, **shown, "lead kept": _lead(source, condition)})
    return dressed(pd.DataFrame(rows), _caption(source), name)


def csv_link(frame: pd.DataFrame, filename: str) -> HTML:
    """A link that holds `frame` and saves it as `filename`, so that it works without network and in a copied page.

    CSV with a header; numbers with all their digits, gaps empty.
    """
    data = base64.b64encode(frame.to_csv(index=False, lineterminator="\n").encode()).decode()
    name, columns = escape(filename), escape(", ".join(map(str, frame.columns)))
    link = f'<a download="{name}" href="data:text/csv;base64,{data}">{name}</a>'
    return HTML(f'<p class="download">{link}: {len(frame):,} rows; columns {columns}</p>')


def _caption(source: Source) -> str:
    tasks = ", tasks like those named" if source.is_demo else ""
    text = f"{source.name}{tasks}: dev scores, means over seeds. Last column: mean lead kept, in per cent, over the "
    return text + "tasks where every good, random and bad subnetwork of a method is there."


def _lead(source: Source, condition: Condition) -> str:
    effect = source.effects().get(condition)
    share = ENDS.get(condition[1]) if effect is None else effect.mean
    return GAP if share is None else f"{100 * share:.0f}"


def _place(method: str, subnetwork: str, treatment: str) -> tuple[int, int, str]:
    return ORDER["method"].index(method), MODELS.index(subnetwork), treatment


def _score(value: float) -> str:
    return GAP if pd.isna(value) else f"{value:.3f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.2f}"


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
