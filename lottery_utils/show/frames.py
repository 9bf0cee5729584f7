"""From a study's records to tidy tables: one row a component, or a search step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..experiment.tables import is_demo
from ..tasks.registry import shown_task

if TYPE_CHECKING:
    from ..experiment.study import Study

SURVIVAL = ("task", "title", "seed", "component", "layer", "head", "kept")


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


def shown_title(task: str, partial: bool, demo: bool = False) -> str:
    """A task's title as shown: "CoLA-like" on the demo's data, "SST-2 (partial)" on a part of the official data."""
    return shown_task(task).title + ("-like" if demo else "") + (" (partial)" if partial else "")


def title_of(record: dict) -> str:
    """The title of a record's task, as `shown_title` has it."""
    return shown_title(record["cell"]["task"], record["partial"], is_demo(record))


def title_in(study: Study, task: str) -> str:
    """The title of a task that a study has no record of."""
    return shown_title(task, False, study.preset.data == "embedded")


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
    return _joined(frames, SURVIVAL)


def example_task(frame: pd.DataFrame) -> str:
    """The task shown alone: the paper's, QNLI, when `frame` has it, else its first; "" when it is empty."""
    tasks = list(dict.fromkeys(frame["task"]))
    return "qnli" if "qnli" in tasks else (tasks or [""])[0]


def _joined(frames: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    joined = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return joined.reindex(columns=list(columns))
