"""The three sources of evidence that the pages set side by side: published, the real study, this run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lottery_utils.experiment.cells import Cell, full
from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.experiment.study import Study
from lottery_utils.presets import Preset, get_preset
from lottery_utils.show import frames
from lottery_utils.show.compute import here_or_above, stored_study
from lottery_utils.show.frames import SURVIVAL, Reading, component_survival, courses_of, readings, shown_title
from lottery_utils.show.heatmaps import ComponentMap, as_map, over_seeds, over_tasks
from lottery_utils.show.leads import LEADS, Condition, lead_effects, leads
from lottery_utils.show.sentences import count, run_on
from lottery_utils.show.stats import Effect
from lottery_utils.tasks.glue import TASKS

from . import published
from .evidence import SOURCES

if TYPE_CHECKING:  # it needs torch
    from lottery_utils.pruning.masks import StructuredMask, WeightMask

PRESET, RECORDS = "base", "records/base"
SMALLER_RECORDS = "records/laptop"
MODELS = {"all-mpnet-base-v2": "MPNet-base", "all-MiniLM-L6-v2": "MiniLM", "bert-base-uncased": "BERT-base"}
DEMO = "demo language, not GLUE"
PUBLISHED, JOINT = "published", "heads_mlps"  # the kind; the masks that the paper's text is about
NOT_IN_PAPER, NO_RECORD, NOT_RUN = "not in the paper", "no record yet", "not run"
STAGES = ("finetune", "baseline", "search", "score", "retrain", "retrain_longer")
MEANS_ONLY = 1  # stands for the mean over seeds where scores of single seeds are not published


@dataclass(frozen=True, eq=False)  # a source is itself, and may be a key
class Source:
    """One of the three: `kind` as in `evidence.SOURCES`, what it was measured on, its scores, why some are not there.

    `results` as from `frames.results`, `leads` as from `leads.leads`. `seeds` is given where `results` are means over
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
    def is_demo(self) -> bool:
        """Whether it is about the demo's made-up language, whose tasks are only like GLUE's."""
        return self.model == DEMO

    def title_of(self, task: str) -> str:
        """A task's title; on the demo it is only like GLUE's."""
        return shown_title(task, False, self.is_demo)

    @property
    def name(self) -> str:
        """Kind and model, such as "real study: MPNet-base"."""
        return f"{self.kind}: {self.model}"

    def evidence(self, method: str) -> str:
        """How much the numbers of a method rest on, such as "8 tasks, 2 seeds"; "" where there are none."""
        rows = self.of(method)
        return f"{count(rows['task'].nunique(), 'task')}, {self._seeds(rows)}" if len(rows) else ""

    @property
    def rests_on(self) -> str:
        """How much its scores rest on, by the first method that has any, or that there is no record."""
        return self.evidence("structured") or self.evidence("magnitude") or NO_RECORD

    @property
    def provenance(self) -> str:
        """What it was run on, in one line."""
        return NO_RECORD if self.study is None else run_on(self.study)

    @property
    def missing(self) -> str:
        """What stands where it has no result: that there is none, and the command that makes it."""
        return f"{NO_RECORD}\n{self.filled_by}"

    def stamp(self, figure: Figure) -> Figure:
        """`figure`, which shows this source alone, with a line above it that says so wherever it is copied to."""
        look, title = SOURCES[self.kind], figure.get_suptitle()
        if not title:
            figure.set_figheight(figure.get_figheight() + 0.24)
        words = {"fontsize": 8.5, "fontweight": "bold", "color": look["edge"], "x": 0.008, "ha": "left"}
        figure.suptitle(f"{look['mark']} {self.name}" + (f". {title}" if title else ""), **words)
        return figure

    def maps(self, method: str) -> dict[str, ComponentMap]:
        """What good subnetworks keep of each head and MLP, over the seeds of each task there is (paper, figure 1)."""
        if self.kind == PUBLISHED:
            return _published_maps(method)
        survival = self.survival(method)
        return {task: over_seeds(survival[survival["task"] == task]) for task in in_order(survival["task"])}

    def score(self, task: str, method: str, subnetwork: str, treatment: str, seed: int | None = None) -> str:
        """The dev score of a condition on one task, mean over seeds or of one of them, such as "0.973"."""
        rows = frames.choose(self.results, method, subnetwork, treatment)
        rows = rows[(rows["task"] == task) & (True if seed is None else rows["seed"] == seed)]
        return f"{rows['score'].mean():.3f}" if len(rows) else NO_RECORD

    def why_not(self, task: str, method: str) -> str:
        """Why there is no map of a task: it is not in the study, it has no lead to keep, or no record yet."""
        if self.study is None or task not in self.study.preset.tasks:
            return NOT_RUN
        search = self.study.record(Cell(task, self.study.preset.seeds[0], "search", method, "good"))
        return "no lead, so no search" if search and search["degenerate"] else self.missing

    def survival(self, method: str = "structured") -> pd.DataFrame:
        """What the stored good masks keep, see `frames.component_survival`; no row where there is none."""
        return pd.DataFrame(columns=SURVIVAL) if self.study is None else component_survival(self.study, method)

    def readings(self, stage: str) -> list[Reading]:
        """What the stored cells of a stage hold, see `frames.readings`."""
        return [] if self.study is None else readings(self.study, stage)

    def courses(self, method: str) -> dict[tuple[str, int], dict[str, np.ndarray]]:
        """Every search of a method, step by step as it was stored, by task and seed (see `structured_search`)."""
        courses = [] if self.study is None else courses_of(self.study, method)
        return {(course.task, course.seed): course.arrays for course in courses}

    def good_mask(self, task: str, seed: int, method: str = "structured") -> StructuredMask | WeightMask | None:
        """The stored mask of a good subnetwork; None where it is not kept."""
        return self.study.mask(Cell(task, seed, "search", method, "good"))

    def weights(self, task: str, seed: int) -> dict[str, np.ndarray] | None:
        """The fine-tuned full model's weights by parameter; None where they are not kept, as in a folder of records."""
        from safetensors.numpy import load_file

        path = self.study.store.checkpoint(self.study.address(full(task, seed)))
        return None if path is None else load_file(path)

    def control_mask(self, kind: str, task: str, seed: int) -> tuple[StructuredMask, np.random.Generator]:
        """The stored mask of a control of s-pruning, and a generator in the state in which it was drawn."""
        cell = Cell(task, seed, "control", "structured", kind)
        return self.study.mask(cell), numpy_generator_for(self.study.address(cell), "control")

    def map_across_tasks(self) -> tuple[ComponentMap, int] | None:
        """In how many tasks s-pruning keeps each head and MLP, and of how many tasks (paper, figure 2)."""
        if self.kind == PUBLISHED:
            cells = published.table("survival_across_tasks")
            return as_map(cells[cells["family"] == JOINT], published.SEEDS), len(TASKS)
        return over_tasks(self.survival())

    def effects(self) -> dict[Condition, Effect]:
        """The mean lead kept of each condition, with its interval over tasks."""
        return lead_effects(self.leads)

    def _seeds(self, rows: pd.DataFrame) -> str:
        return seeds_in_words([self.seeds] if self.seeds else rows["seeds"])


def seeds_in_words(numbers: Collection[int]) -> str:
    """How many seeds several tasks have: "2 seeds", "1 to 2 seeds"."""
    least, most = min(numbers), max(numbers)
    return count(most, "seed") if least == most else f"{least} to {most} seeds"


def three_sources(run: Study, records: str | Path = RECORDS) -> tuple[Source, Source, Source]:
    """Published, the real study as far as its records are there, and `run` as far as its are."""
    return published_source(), real_source(records), run_source(run)


def published_source() -> Source:
    """The scores in the authors' release, means over their seeds; the majority scores are theirs too."""
    results = published.results().rename(columns={"mean": "score"}).assign(seed=MEANS_ONLY)
    absent = {"random_layer": NOT_IN_PAPER}
    return Source(PUBLISHED, "BERT-base", results, leads(results), seeds=published.SEEDS, absent=absent)


def real_source(records: str | Path = RECORDS) -> Source:
    """The study of preset `base`, whose records lie in folder `records`, here or above.

    Without such a folder a source without scores. Raises UserError for a folder that has no record of it.
    """
    if not here_or_above(records).is_dir():
        return _of_study("real study", get_preset(PRESET), None)
    study = stored_study(PRESET, records)
    return _of_study("real study", study.preset, study)


def smaller_source(records: str | Path = SMALLER_RECORDS) -> Source:
    """MiniLM, six layers, distilled, on three GLUE tasks: an earlier study, whose records an earlier version made.

    Raises UserError for a folder without its records.
    """
    study = stored_study("laptop", records, {"precision": "bf16"})
    return _of_study("real study", study.preset, study, {"random_layer": NOT_RUN})


def run_source(study: Study) -> Source:
    """What is stored of the reader's own study."""
    return _of_study("this run", study.preset, study, {"random_layer": NO_RECORD})


def model_name(preset: Preset) -> str:
    """What a study is about, in words: its model, or the demo's made-up language."""
    if preset.data == "embedded":
        return DEMO
    return MODELS.get(preset.model.rstrip("/").rsplit("/", 1)[-1], preset.model)


def in_order(tasks: Iterable[str]) -> list[str]:
    """Each task, by name or title, once and as the paper lists them, tasks of one's own after those."""
    places = {known: place for place, (name, task) in enumerate(TASKS.items()) for known in (name, task.title)}
    return sorted(dict.fromkeys(tasks), key=lambda name: places.get(name, len(places)))


def common_task(sources: Sequence[Source], method: str) -> str:
    """The task that is shown alone: the paper's where every source has it, else one that most sources have."""
    counts = Counter({"qnli": 0})
    for source in sources:
        counts.update(source.maps(method).keys())
    return max(counts, key=counts.get)


def _published_maps(method: str) -> dict[str, ComponentMap]:
    cells = published.table("magnitude_cells")
    if method == "structured":
        cells = published.table("survival_by_task")
        cells = cells[cells["family"] == JOINT]
    return {task: as_map(cells[cells["task"] == task], published.SEEDS) for task in in_order(cells["task"])}


def _of_study(kind: str, preset: Preset, study: Study | None, absent: dict[str, str] | None = None) -> Source:
    name = model_name(preset)
    command = f"lottery run --preset {preset.name}"
    table = None if study is None else study.table(STAGES)
    if table is None or table.empty:
        return Source(kind, name, pd.DataFrame(columns=frames.RESULT), pd.DataFrame(columns=list(LEADS)), command)
    results = frames.results(table)
    return Source(kind, name, results, leads(results), command, absent=absent or {}, study=study)
