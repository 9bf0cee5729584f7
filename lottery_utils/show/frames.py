"""From a study's records to tidy tables: one row per component, or score of a subnetwork or baseline; over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..experiment.cells import NO_SEED
from ..experiment.tables import is_demo
from ..tasks.glue import shown_task

if TYPE_CHECKING:
    from ..experiment.study import Study

SURVIVAL = ("task", "title", "seed", "component", "layer", "head", "kept")
TREATMENT = {
    "finetune": "full",
    "baseline": "baseline",
    "score": "pruned",
    "retrain": "retrained",
    "retrain_longer": "retrained longer",
}
CONDITION = ["method", "subnetwork", "treatment"]
RESULT = ["task", "title", "metric", "seed", *CONDITION, "score"]
Condition = tuple[str, str, str]  # method, subnetwork, treatment


def searches(study: Study, method: str) -> list[tuple]:
    """(cell, record) of every search of `method` that is stored and not degenerate, in the preset's order."""
    cells = [c for c in study.cells(["search"], [method]) if c.stage == "search"]
    records = [(cell, study.record(cell)) for cell in cells]
    return [(cell, record) for cell, record in records if record is not None and not record["degenerate"]]


@dataclass(frozen=True)
class Reading:
    """What one stored cell holds: its arrays, and whether its search was degenerate, so that it has no subnetworks."""

    task: str
    title: str
    seed: int
    method: str
    degenerate: bool
    arrays: dict[str, np.ndarray]

    @property
    def same(self) -> dict:
        """What all rows made of this reading share."""
        return {"task": self.task, "title": self.title, "seed": self.seed, "method": self.method}


def readings(study: Study, stage: str, method: str | None = None) -> list[Reading]:
    """Every stored cell of a stage that has arrays, in the preset's order; of one method, or of all."""
    stored = []
    for cell in study.cells([stage], None if method is None else [method]):
        record, arrays = (study.record(cell), study.trajectory(cell)) if cell.stage == stage else (None, None)
        if record is not None and arrays is not None:
            title = title_of(record)
            stored.append(Reading(cell.task, title, cell.seed, cell.method, record["degenerate"], arrays))
    return stored


def courses_of(study: Study, method: str) -> Iterator[Reading]:
    """Every search of `method` step by step that is stored and not degenerate, in the preset's order."""
    return (search for search in readings(study, "search", method) if not search.degenerate)


def shown_title(task: str, partial: bool = False, demo: bool = False) -> str:
    """A task's title as shown: "CoLA-like" on the demo's data, "SST-2 (partial)" on a part of the official data."""
    return shown_task(task).title + ("-like" if demo else "") + (" (partial)" if partial else "")


def title_of(record: dict) -> str:
    """The title of a record's task, as `shown_title` has it."""
    return shown_title(record["cell"]["task"], record["partial"], is_demo(record))


def final_step(trajectory: dict[str, np.ndarray]) -> int:
    """Index of the search step whose mask is the good one: the last that passed."""
    return int(np.flatnonzero(trajectory["passed"])[-1])


def component_survival(study: Study, method: str) -> pd.DataFrame:
    """What the good subnetworks keep: columns `SURVIVAL`, one row a task, seed and component.

    component is "head" or "mlp"; layer and head count from 0, head is NaN for MLPs. kept is 0 or 1 for
    "structured", for "magnitude" the share of the component's weights, in [0, 1].
    """
    heads, mlps = ("heads", "mlps") if method == "structured" else ("head_share", "mlp_share")
    return _components(study, method, heads, mlps, final_step)


def component_importance(study: Study) -> pd.DataFrame:
    """Importances in the full model, before anything is pruned: columns `SURVIVAL`, `kept` holding the score.

    Heads are normalised by layer, MLPs are not; each is then divided by its largest, so both end at 1.
    """
    frame = _components(study, "structured", "head_importance", "mlp_importance", lambda trajectory: 0)
    largest = frame.groupby(["task", "seed", "component"], sort=False)["kept"].transform("max")
    return frame.assign(kept=frame["kept"] / largest.where(largest > 0))


def _components(study: Study, method: str, heads: str, mlps: str, step_of: Callable) -> pd.DataFrame:
    frames = []
    for search in courses_of(study, method):
        step = step_of(search.arrays)
        kept = np.column_stack([search.arrays[heads][step], search.arrays[mlps][step]]).astype(float)
        layer, column = (index.ravel() for index in np.indices(kept.shape))
        is_head = column < kept.shape[1] - 1
        place = {"layer": layer, "head": np.where(is_head, column, np.nan), "kept": kept.ravel()}
        frames.append(pd.DataFrame({**search.same, "component": np.where(is_head, "head", "mlp"), **place}))
    return joined(frames, SURVIVAL)


def example_task(frame: pd.DataFrame) -> str:
    """The task shown alone: the paper's, QNLI, when `frame` has it, else its first; "" when it is empty."""
    tasks = list(dict.fromkeys(frame["task"]))
    return "qnli" if "qnli" in tasks else (tasks or [""])[0]


def joined(frames: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """One frame of these `columns` from those of single cells, which may be none."""
    joined = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return joined.reindex(columns=list(columns))


def results(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of a study's table (`experiment.tables.COLUMNS`) as columns `RESULT`, one row a task, seed and condition.

    Conditions are (method, subnetwork, treatment): treatment is one of `TREATMENT`'s values.
    The majority score, the same for all seeds, is one row of seed 0 for each task. Subnetworks of degenerate
    searches are left out: they are gaps, no numbers.
    """
    titles = [shown_title(*row) for row in zip(table["task"], table["partial"], table["demo"], strict=True)]
    table = table.assign(title=titles)
    rows = table[table["stage"].isin(TREATMENT) & ~table["degenerate"].astype(bool) & table["score"].notna()]
    rows = rows[(rows["stage"] != "baseline") | (rows["subnetwork"] != "majority")]
    rows = rows.assign(treatment=rows["stage"].map(TREATMENT))[RESULT]
    least = table.drop_duplicates("task").assign(method="", subnetwork="majority", treatment="baseline", seed=NO_SEED)
    least = least.assign(score=least["majority"])[RESULT]
    frame = pd.concat([least, rows], ignore_index=True)
    place = {task: i for i, task in enumerate(table["task"].drop_duplicates())}
    return frame.sort_values("task", key=lambda c: c.map(place), kind="stable", ignore_index=True)


def choose(frame: pd.DataFrame, method: str = "", subnetwork: str = "", treatment: str = "") -> pd.DataFrame:
    """Rows of the conditions named; an empty name takes all."""
    for column, value in (("method", method), ("subnetwork", subnetwork), ("treatment", treatment)):
        if value:
            frame = frame[frame[column] == value]
    return frame


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean score, sample standard deviation (NaN for one seed) and number of seeds of each task and condition."""
    keys = ["task", "title", "metric", *CONDITION]
    return frame.groupby(keys, sort=False)["score"].agg(["mean", "std", "count"]).reset_index()


def mean_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """The mean score over seeds: one row per task, in order, one column per condition; NaN where a task has none."""
    return frame.pivot_table(index="task", columns=CONDITION, values="score", sort=False)


def columns_of(conditions: Sequence[Condition]) -> pd.MultiIndex:
    """`conditions` as columns of frames that have one for each."""
    return pd.MultiIndex.from_tuples(conditions, names=CONDITION)
