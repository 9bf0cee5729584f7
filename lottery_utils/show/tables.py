"""Tables for the chapters: DataFrames dressed as HTML that keeps the page's colours and scrolls when it is wide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..tasks.glue import shown_task
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
    glue = any(shown_task(name).train_size is not None for name in study.preset.tasks)  # else all are your own
    rows = []
    for name in study.preset.tasks:
        task, record = shown_task(name), full_record(study, name)
        used = examples(record)
        row = {"task": title_of(record) if record else task.title, "labels": _labels(task)}
        row |= {"metric": METRIC_NAMES[task.main_metric], "train here": used["train"], "dev here": used["dev"]}
        row |= {"GLUE train": _counted(task.train_size), "GLUE dev": _counted(task.dev_size)} if glue else {}
        rows.append(row | {"majority": f"{record['majority']:.3f}" if record else GAP})
    there = "here and in GLUE" if glue else "here"
    caption = f"The tasks: number of examples used {there}, and the majority score on the dev set used here."
    style = dressed(pd.DataFrame(rows), caption, "tasks")
    style.set_properties(subset=["labels", "metric"], **{"white-space": "normal"})  # the table then fits its page
    return style.set_table_styles([{"selector": "th.col_heading", "props": "white-space: normal"}])


def full_record(study: Study, task: str) -> dict | None:
    """The record of a task's full model, of the first seed that has one."""
    cells = (cell for cell in study.cells(["finetune"]) if cell.task == task)
    return next(filter(None, map(study.record, cells)), None)


def examples(record: dict | None) -> dict[str, str]:
    """Examples of train and dev that a record's cell used."""
    used = (record or {}).get("data_rows") or {}
    return {split: _counted(used.get(split)) for split in ("train", "dev")}


def _counted(number: int | None) -> str:
    return GAP if number is None else f"{number:,}"


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
