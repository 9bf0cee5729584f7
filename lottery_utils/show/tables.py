"""Tables for the chapters: DataFrames dressed as HTML that keeps the page's colours and scrolls when it is wide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..tasks.registry import shown_task
from .frames import title_of
from .style import METRIC_NAMES

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from ..experiment.study import Study
    from ..tasks.glue import Task

GAP = "–"


def dressed(
    frame: pd.DataFrame,
    caption: str,
    name: str,
    wrapped: bool = False,
    formats: Mapping[str, str | Callable] | None = None,
) -> Styler:
    """`frame` as a table with a caption; `name` makes its HTML the same from run to run.

    A table of numbers scrolls when it is wide, a `wrapped` one of words breaks its lines. `formats` say by column how
    its values are written, such as "{:.2f}"; what is missing is a gap.
    """
    style = frame.style.set_caption(caption).set_uuid(name).hide(axis="index")
    style = style.format(formats, na_rep=GAP, escape="html")
    return style.set_table_attributes(f'class="dataframe{" wrapped" if wrapped else ""}"')


def task_table(study: Study) -> Styler:
    """The study's tasks: labels, metric, examples used here and in GLUE, majority score (paper, table 1)."""
    table = study.table()
    glue = any(shown_task(name).train_size is not None for name in study.preset.tasks)
    official = dict.fromkeys(("GLUE train", "GLUE dev"), GAP) if glue else {}  # your own tasks have no such sizes
    rows = []
    for name in study.preset.tasks:
        task, own = shown_task(name), table[table["task"] == name]
        record = study.record(_cell_of(own.iloc[0])) if len(own) else None
        used = (record or {}).get("data_rows") or {}
        rows.append(
            {
                "task": task.title if record is None else title_of(record),
                "labels": _labels(task),
                "metric": METRIC_NAMES[task.main_metric],
                **{f"{split} here": f"{used[split]:,}" if split in used else GAP for split in ("train", "dev")},
                **(official if task.train_size is None else _official(task)),
                "majority": f"{own['majority'].iloc[0]:.3f}" if len(own) else GAP,
            }
        )
    there = "here and in GLUE" if glue else "here"
    caption = f"The tasks: number of examples used {there}, and the majority score on the dev set used here."
    style = dressed(pd.DataFrame(rows), caption, "tasks")
    style.set_properties(subset=["labels", "metric"], **{"white-space": "normal"})  # the table then fits its page
    return style.set_table_styles([{"selector": "th.col_heading", "props": "white-space: normal"}])


def _official(task: Task) -> dict[str, str]:
    return {"GLUE train": f"{task.train_size:,}", "GLUE dev": f"{task.dev_size:,}"}


def _labels(task: Task) -> str:
    """The classes of a task, or the range of its scores."""
    if not task.regression:
        return ", ".join(task.label_names).replace("_", " ")
    low, high = task.scores
    return f"score {low:g} to {high:g}" if np.isfinite((low, high)).all() else "score"


def percent(mean: float, std: float = np.nan) -> str:
    """Such as ``43 ± 5 %``; no deviation where there is none, a gap where there is no mean."""
    if mean is None or np.isnan(mean):
        return GAP
    return f"{100 * mean:.0f} %" if np.isnan(std) else f"{100 * mean:.0f} ± {100 * std:.0f} %"


def _cell_of(row: pd.Series) -> str:
    """Name of the cell a row of the study's table belongs to."""
    return "/".join(str(row[c]) for c in ("task", "seed", "stage", "method", "subnetwork") if str(row[c]))
