"""What the authors published, as tables that come with the package: results, sizes, masks' statistics, patterns.

Facts restated in our own files (`published/*.csv`), each with its `SOURCE` and, beside it, its columns. Unless it says
otherwise a table was computed from the raw files of the release by `lottery import-authors`, so anyone with a clone can
make it again: functions take `tables`, as from `authors.masks.restated`, and read those of the package without.
Layers and heads count from 0. `task` is this package's name ("sst2"), `title` the paper's, which is also the name of
the release's folder ("SST-2"); mean and std (sample deviation) are over the five seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.frames import CONDITION
from lottery_utils.show.tables import dressed
from lottery_utils.tasks.glue import TASKS

from .agreement.overlap import OverlapTest

FOLDER = Path(__file__).parent / "published"
PAPER = "Prasanna, Rogers and Rumshisky, EMNLP 2020 (doi 10.18653/v1/2020.emnlp-main.259)"
RELEASE = "github.com/sai-prasanna/bert-experiments, commit f02280f"
FROM_MASKS = f"computed from the masks in {RELEASE}"
SOURCE = {
    # setting, task, metric, mean, std_pop; see `results`
    "results": f"evaluate_masked/*/results.json in {RELEASE}",
    # share of seeds whose joint mask keeps a component: family, task, component, layer, head, mean, std
    "survival_by_task": FROM_MASKS,
    # in how many of nine tasks a component survives: family, component, layer, head, mean, std
    "survival_across_tasks": FROM_MASKS,
    # components two tasks share: family, component, task_a, task_b (titles), mean_shared, std_shared, chance_mean
    "task_overlap": FROM_MASKS,
    # see `overlap_test`
    "overlap_tests": FROM_MASKS,
    # the two that `seed_agreement` joins
    "seed_agreement": FROM_MASKS,
    "seed_jaccard": FROM_MASKS,
    # components in all five joint masks, and their mean share of a good one: task, super_heads, super_mlps ...
    "super_survivors": FROM_MASKS,
    # shares of all and of prunable parameters: family, task, share_all_mean ... share_prunable_std
    "subnetwork_sizes": FROM_MASKS,
    # joint masks and their controls, one row per mask: family, task, component, seed, kept, shared_with_good, and
    # same_as_seed, the first seed, in the order 1337 42 86 71 166, whose mask is identical
    "masks_of_seeds": FROM_MASKS,
    # the joint searches' logs: setting, task, seed, seconds, gpu_kwh, cpu_kwh (NaN where one sample)
    "footprint": f"masks/heads_mlps/*/*/impacttracker/data.json in {RELEASE}",
    # surviving shares of the magnitude masks: task, seed, steps, share, good_over_bad (ratio of mean |w| of the good
    # and of the bad subnetwork), task_mean. These two are stored in the release, task_mean with 8 digits; steps of 5 %
    # and share = 0.95^steps are inferred from them
    "magnitude_levels": f"inferred from the outputs of magnitude_injector_goes_brrrr.ipynb in {RELEASE}",
    # share of its weights a component keeps under m-pruning: task, component, layer, head, mean, std
    "magnitude_cells": f"read off the magnitude heatmaps (PDF, two decimals) in {RELEASE}",
    # shares of attention maps: condition (fine-tuned or pre-trained, super-survivors or all heads), attention (raw,
    # normed), task (eight, no WNLI), pattern, share
    "attention_shares": f"outputs of the head classification notebooks in {RELEASE}",
    # see `text_numbers`
    "text_numbers": f"{PAPER}, as quoted in public reading notes; outputs of notebooks in {RELEASE}",
}
MAIN_METRIC = {"CoLA": "mcc", "MNLI": "mnli_acc", "STS-B": "pearson"}  # in results.json; "acc" for the others
SEEDS = 5
PRUNED = {  # folder below evaluate_masked/, another with _retrained beside it: method and subnetwork
    "head_mlp": ("structured", "good"),
    "head_mlp_random": ("structured", "random"),
    "head_mlp_bad_1": ("structured", "bad"),
    "head_mlp_super": ("structured", "super"),
    "head_mlp_super_midling": ("structured", "super_random"),
    "head_mlp_super_bizzaro": ("structured", "super_bad"),
    "global_magnitude": ("magnitude", "good"),
    "global_random": ("magnitude", "random"),
    "global_bad": ("magnitude", "bad"),
}
SETTINGS = {"freq_baseline": ("", "majority", "baseline"), "no_mask": ("", "full", "full")} | {  # conditions by folder
    f"{folder}{end}": (*kind, how)
    for folder, kind in PRUNED.items()
    for end, how in (("", "pruned"), ("_retrained", "retrained"))
}
RESULT = ("task", "title", "metric", "method", "subnetwork", "treatment", "setting", "mean", "std", "count")
SHORT = {f"{stat}_{stem}": stat for stat in ("mean", "std") for stem in ("survival", "num_tasks")}
Tables = Mapping[str, pd.DataFrame] | None
NAME_OF = {task.title: name for name, task in TASKS.items()}


def table(name: str, tables: Tables = None) -> pd.DataFrame:
    """A table (a key of `SOURCE`), with `title` after `task`; tasks that are not GLUE's have their folder in both."""
    frame = tables[name] if tables is not None and name in tables else _read(name)
    frame = frame.rename(columns=SHORT)
    if "task" in frame:
        frame.insert(frame.columns.get_loc("task") + 1, "title", frame["task"])
        frame["task"] = frame["title"].map(NAME_OF).fillna(frame["title"])
    return frame


def results(tables: Tables = None) -> pd.DataFrame:
    """Scores of the paper's 20 conditions on nine tasks, one row each, columns `RESULT`.

    mean is over five seeds; std the sample deviation (the stored population deviation times sqrt(5/4)), NaN for
    the majority baseline, whose count is 1; the metric is the one the paper reports. There are no scores of single
    seeds. Columns as `frames.summary` has them, and `setting`.
    """
    raw = table("results", tables)
    frame = raw[raw["setting"].isin(SETTINGS) & (raw["metric"] == raw["title"].map(MAIN_METRIC).fillna("acc"))].copy()
    frame[CONDITION] = frame["setting"].map(SETTINGS).tolist()
    alone = frame["subnetwork"] == "majority"
    frame["std"] = (frame["std_pop"] * np.sqrt(SEEDS / (SEEDS - 1))).where(~alone)
    frame["count"] = np.where(alone, 1, SEEDS)
    frame["metric"] = frame["task"].map(lambda task: TASKS[task].main_metric)
    frame = frame.set_index(["setting", "task"]).loc[list(product(SETTINGS, TASKS))].reset_index()
    return frame[list(RESULT)]


def overlap_test(component: str, tables: Tables = None) -> OverlapTest:
    """Do the eight tasks (no WNLI: four of its five masks are empty) share more of a component than by chance?"""
    row = table("overlap_tests", tables).set_index("component").loc[component]
    return OverlapTest(**{field.name: row[field.name].item() for field in fields(OverlapTest)})


def seed_agreement(tables: Tables = None) -> pd.DataFrame:
    """The authors' statistics between seeds and Jaccard, one row a task and component, with `chance_pair_jaccard`.

    Columns family, component, task, title, cochran_p, share_pairs_not_rejected, fleiss_kappa, krippendorff_alpha,
    mean_pair_jaccard, chance_pair_jaccard, permutation_p (one-sided; NaN where permuting changes nothing).
    HANS's tasks have their folder as task and title, and no chance level.
    """
    more = table("seed_jaccard", tables).drop(columns="mean_pair_jaccard")
    return table("seed_agreement", tables).merge(more, "left", ["family", "component", "task", "title"])


def sources_table() -> Styler:
    """Where each table comes from."""
    frame = pd.DataFrame(SOURCE.items(), columns=["table", "source"])
    return dressed(frame, "The published numbers restated in this package, and their sources.", "sources", wrapped=True)


def text_numbers() -> dict[str, float]:
    """Numbers of the paper's text that no table holds, by name."""
    rows = table("text_numbers")
    return dict(zip(rows["name"], rows["value"]))


@cache
def _read(name: str) -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / f"{name}.csv")
    whole = {column: "Int64" for column in ("head", "seed", "shared_with_good") if column in frame}
    return frame.astype(whole)
