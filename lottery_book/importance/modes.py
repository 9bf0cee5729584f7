"""Three ways to search, heads alone, MLPs alone, both together: the same fine-tuned models, three studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from lottery_utils.show.frames import component_survival
from lottery_utils.show.survival import ComponentMap, as_map, over_tasks
from lottery_utils.tasks.glue import TASKS

from .. import published
from ..agreement.by_source import shared_by_tasks
from ..agreement.overlap import task_overlap
from ..side_by_side import maps_across_tasks
from ..sources import Source

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

Counted = tuple[ComponentMap, int] | None  # a map of numbers of tasks, and of how many tasks


@dataclass(frozen=True)
class Modes:
    """Pruned alone and together, by source: maps across tasks, and what two tasks share when pruned alone."""

    alone: dict[Source, Counted]
    together: dict[Source, Counted]
    shared_alone: dict[Source, pd.DataFrame]

    def figure(self) -> Figure:
        """The share of tasks in which each component survives: a column a source, alone above and together below."""
        return maps_across_tasks({"alone": self.alone, "together": self.together})


def by_source(printed: Source, run: Source, studies: Mapping[str, Study]) -> Modes:
    """Published and this run, whose three searches are `studies`, "joint", "heads" and "mlps"."""
    apart, together = alone(studies), component_survival(studies["joint"], "structured")
    shared = pd.concat([shared_by_tasks(printed, family="heads"), shared_by_tasks(printed, family="mlps")])
    return Modes(
        {printed: _published_alone(), run: over_tasks(apart)},
        {printed: printed.map_across_tasks(), run: over_tasks(together)},
        {printed: shared, run: task_overlap(apart)},
    )


def _published_alone() -> Counted:
    cells = published.survival_across_tasks()
    rows = cells[cells["family"] == cells["component"] + "s"]  # heads of "heads", MLPs of "mlps"
    return as_map(rows, published.SEEDS), len(TASKS)


def alone(studies: dict[str, Study]) -> pd.DataFrame:
    """What survives when each kind of component is pruned alone: heads of "heads", MLPs of "mlps".

    Columns as `show.frames.SURVIVAL`; tasks and seeds that both searches have, so that counts compare.
    """
    searched = [component_survival(studies[name], "structured") for name in ("heads", "mlps")]
    rows = pd.concat([searched[0].query("component == 'head'"), searched[1].query("component == 'mlp'")])
    both = rows.groupby(["task", "seed"])["component"].transform("nunique") == 2
    return rows[both].reset_index(drop=True)
