"""The three sources that the headline sets side by side: published, the real study, this run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.experiment.study import open_study
from lottery_utils.presets import Preset, get_preset
from lottery_utils.show import scores
from lottery_utils.show.leads import LEADS, Condition, lead_effects, leads
from lottery_utils.show.stats import Effect
from lottery_utils.show.stored import here_or_above, stored_study

from .. import published

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

PRESET, RECORDS = "base", "records/base"
MODELS = {"all-mpnet-base-v2": "MPNet-base", "all-MiniLM-L6-v2": "MiniLM", "bert-base-uncased": "BERT-base"}
NOT_IN_PAPER, NO_RECORD, NOT_RUN = "not in the paper", "no record yet", "not run"
MEANS_ONLY = 1  # stands for the mean over seeds where scores of single seeds are not published


@dataclass(frozen=True)
class Source:
    """One of the three: `kind` as in `style.SOURCES`, on what it was measured, its scores and why some are not there.

    `results` as from `scores.results`, `leads` as from `leads.leads`. `seeds` is given where `results` are means over
    seeds; `absent` is by kind of subnetwork; `filled_by` is the command that computes what is missing.
    """

    kind: str
    model: str
    results: pd.DataFrame
    leads: pd.DataFrame
    filled_by: str = ""
    seeds: int | None = None
    absent: dict[str, str] = field(default_factory=dict)
    study: Study | None = None

    def of(self, method: str) -> pd.DataFrame:
        """The leads of one method."""
        return self.leads[self.leads["method"] == method]

    @property
    def name(self) -> str:
        """Kind and model, such as "real study: MPNet-base"."""
        return f"{self.kind}: {self.model}"

    def evidence(self, method: str) -> str:
        """How much the numbers of a method rest on, such as "8 tasks, 2 seeds"; "" where there are none."""
        rows = self.of(method)
        return f"{_counted(rows['task'].nunique(), 'task')}, {self._seeds(rows)}" if len(rows) else ""

    def effects(self) -> dict[Condition, Effect]:
        """The mean lead kept of each condition, with its interval over tasks."""
        return lead_effects(self.leads)

    def _seeds(self, rows: pd.DataFrame) -> str:
        least, most = (self.seeds, self.seeds) if self.seeds else (rows["seeds"].min(), rows["seeds"].max())
        return _counted(most, "seed") if least == most else f"{least} to {most} seeds"


def three_sources(run: Study, records: str | Path = RECORDS) -> tuple[Source, Source, Source]:
    """Published, the real study as far as its records are there, and `run` as far as its are."""
    return published_source(), real_source(records), run_source(run)


def published_source() -> Source:
    """The scores in the authors' release, means over their seeds; the majority scores are theirs too."""
    results = published.results().rename(columns={"mean": "score"}).assign(seed=MEANS_ONLY)
    absent = {"random_layer": NOT_IN_PAPER}
    return Source("published", "BERT-base", results, leads(results), seeds=published.SEEDS, absent=absent)


def real_source(records: str | Path = RECORDS) -> Source:
    """The study of preset `base`, whose records lie in folder `records`, here or above.

    Without such a folder a source without scores. Raises UserError for a folder that has no record of it.
    """
    if not here_or_above(records).is_dir():
        return _of_study("real study", get_preset(PRESET), None)
    study = stored_study(PRESET, records)
    return _of_study("real study", study.preset, study)


def run_source(study: Study) -> Source:
    """What is stored of the reader's own study."""
    return _of_study("this run", study.preset, study, {"random_layer": NOT_RUN})


def opened(preset: str, tasks, seeds, overrides, results_dir: str | Path) -> Study:
    """The reader's study, see `experiment.study.open_study`; nothing of it is computed."""
    return open_study(preset, tasks, seeds, overrides, results_dir)


def _of_study(kind: str, preset: Preset, study: Study | None, absent: dict[str, str] | None = None) -> Source:
    name = MODELS.get(preset.model.rstrip("/").rsplit("/", 1)[-1], preset.model)
    name = "demo language, not GLUE" if preset.data == "embedded" else name
    command = f"lottery run --preset {preset.name}"
    table = None if study is None else study.table(["finetune", "search", "score", "retrain"])
    if table is None or table.empty:
        return Source(kind, name, pd.DataFrame(), pd.DataFrame(columns=list(LEADS)), command)
    results = scores.results(table)
    return Source(kind, name, results, leads(results), command, absent=absent or {}, study=study)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
