"""What the authors published, as tables that come with the package: results, sizes, masks' statistics, patterns.

Facts restated in our own files (`published/*.csv`), each with its `SOURCE`. Unless it says otherwise a table was
computed from the raw files of the release by `lottery import-authors`, so anyone with a clone can make it again: each
function takes `tables`, as from `authors.restate.restated`, and reads those of the package without. Layers and heads
count from 0. `task` is this package's name ("sst2"), `title` the paper's, which is also the name of the release's
folder ("SST-2").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from lottery_utils.tasks.glue import TASKS

from .agreement.overlap import OverlapTest

FOLDER = Path(__file__).parent / "published"
PAPER = "Prasanna, Rogers and Rumshisky, EMNLP 2020 (doi 10.18653/v1/2020.emnlp-main.259)"
RELEASE = "github.com/sai-prasanna/bert-experiments, commit f02280f"
FROM_MASKS = f"computed from the masks in {RELEASE}"
SOURCE = {
    "results": f"evaluate_masked/*/results.json in {RELEASE}",
    "survival_by_task": FROM_MASKS,
    "survival_across_tasks": FROM_MASKS,
    "task_overlap": FROM_MASKS,
    "overlap_tests": FROM_MASKS,
    "seed_agreement": FROM_MASKS,
    "seed_jaccard": FROM_MASKS,
    "super_survivors": FROM_MASKS,
    "subnetwork_sizes": FROM_MASKS,
    "masks_of_seeds": FROM_MASKS,
    "footprint": f"masks/heads_mlps/*/*/impacttracker/data.json in {RELEASE}",
    "magnitude_levels": f"inferred from the outputs of magnitude_injector_goes_brrrr.ipynb in {RELEASE}",
    "magnitude_cells": f"read off the magnitude heatmaps (PDF, two decimals) in {RELEASE}",
    "attention_shares": f"outputs of the head classification notebooks in {RELEASE}",
    "text_numbers": f"{PAPER}, as quoted in public reading notes; outputs of notebooks in {RELEASE}",
}
MAIN_METRIC = {"CoLA": "mcc", "MNLI": "mnli_acc", "STS-B": "pearson"}  # in results.json; "acc" for the others
SEEDS = 5
SETTINGS = {  # folder below evaluate_masked/: method, subnetwork, treatment, as in `show.frames`
    "freq_baseline": ("", "majority", "baseline"),
    "no_mask": ("", "full", "full"),
    "head_mlp": ("structured", "good", "pruned"),
    "head_mlp_retrained": ("structured", "good", "retrained"),
    "head_mlp_random": ("structured", "random", "pruned"),
    "head_mlp_random_retrained": ("structured", "random", "retrained"),
    "head_mlp_bad_1": ("structured", "bad", "pruned"),
    "head_mlp_bad_1_retrained": ("structured", "bad", "retrained"),
    "head_mlp_super": ("structured", "super", "pruned"),
    "head_mlp_super_retrained": ("structured", "super", "retrained"),
    "head_mlp_super_midling": ("structured", "super_random", "pruned"),
    "head_mlp_super_midling_retrained": ("structured", "super_random", "retrained"),
    "head_mlp_super_bizzaro": ("structured", "super_bad", "pruned"),
    "head_mlp_super_bizzaro_retrained": ("structured", "super_bad", "retrained"),
    "global_magnitude": ("magnitude", "good", "pruned"),
    "global_magnitude_retrained": ("magnitude", "good", "retrained"),
    "global_random": ("magnitude", "random", "pruned"),
    "global_random_retrained": ("magnitude", "random", "retrained"),
    "global_bad": ("magnitude", "bad", "pruned"),
    "global_bad_retrained": ("magnitude", "bad", "retrained"),
}
RESULT = ("task", "title", "metric", "method", "subnetwork", "treatment", "setting", "mean", "std", "count")
Tables = Mapping[str, pd.DataFrame] | None
_NAME_OF = {task.title: name for name, task in TASKS.items()}


def table(name: str, tables: Tables = None) -> pd.DataFrame:
    """A table (a key of `SOURCE`) as it is stored: tasks under the release's names, columns as below."""
    return (tables[name] if tables is not None and name in tables else _read(name)).copy()


def results(tables: Tables = None) -> pd.DataFrame:
    """Scores of the paper's 20 conditions on nine tasks, one row each, columns `RESULT`.

    mean is over five seeds; std the sample deviation (the stored population deviation times sqrt(5/4)), NaN for
    the majority baseline, whose count is 1; the metric is the one the paper reports. There are no scores of single
    seeds. Columns as `frames.summary` has them, and `setting`.
    """
    raw = table("results", tables)
    rows = raw[raw["setting"].isin(SETTINGS) & (raw["metric"] == raw["task"].map(MAIN_METRIC).fillna("acc"))]
    frame = _titled(rows)
    for at, column in enumerate(("method", "subnetwork", "treatment")):
        frame[column] = frame["setting"].map(lambda setting, at=at: SETTINGS[setting][at])
    alone = frame["subnetwork"] == "majority"
    frame["std"] = (frame["std_pop"] * np.sqrt(SEEDS / (SEEDS - 1))).where(~alone)
    frame["count"] = np.where(alone, 1, SEEDS)
    frame["metric"] = frame["task"].map(lambda task: TASKS[task].main_metric)
    frame = frame.set_index(["setting", "task"]).loc[list(product(SETTINGS, TASKS))].reset_index()
    return frame[list(RESULT)]


def survival_by_task(tables: Tables = None) -> pd.DataFrame:
    """Share of seeds whose joint mask keeps a component: family, task, title, component, layer, head, mean, std."""
    return _means(table("survival_by_task", tables), "survival")


def survival_across_tasks(tables: Tables = None) -> pd.DataFrame:
    """In how many of nine tasks a component survives, over seeds: family, component, layer, head, mean, std."""
    return _means(table("survival_across_tasks", tables), "num_tasks")


def task_overlap(tables: Tables = None) -> pd.DataFrame:
    """Components two tasks share: family, component, task_a, task_b (titles), mean_shared, std_shared, chance_mean."""
    return table("task_overlap", tables)


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
    return _titled(table("seed_agreement", tables).merge(more, "left", ["family", "component", "task"]))


def super_survivors(tables: Tables = None) -> pd.DataFrame:
    """Components in all five joint masks: task, title, super_heads, super_mlps, and their mean share of a good one."""
    return _titled(table("super_survivors", tables))


def subnetwork_sizes(tables: Tables = None) -> pd.DataFrame:
    """Shares of all and of prunable parameters: family, task, title, share_all_mean ... share_prunable_std."""
    return _titled(table("subnetwork_sizes", tables))


def masks_of_seeds(tables: Tables = None) -> pd.DataFrame:
    """Joint masks and their controls, one row a mask: family, task, title, component, seed, kept, shared_with_good.

    `same_as_seed` is the first seed, in the order 1337 42 86 71 166, whose mask is identical.
    """
    return _titled(table("masks_of_seeds", tables))


def magnitude_levels(tables: Tables = None) -> pd.DataFrame:
    """Surviving shares of the magnitude masks: task, title, seed, steps, share, good_over_bad, task_mean.

    task_mean is stored in the release (8 digits); `steps` of 5 % and share = 0.95^steps are inferred from it and
    from good_over_bad, the ratio of mean |w| of the good and of the bad subnetwork, also stored.
    """
    return _titled(table("magnitude_levels", tables))


def magnitude_cells() -> pd.DataFrame:
    """Share of its weights a component keeps under m-pruning: task, title, component, layer, head, mean, std."""
    return _titled(table("magnitude_cells"))


def attention_shares(tables: Tables = None) -> pd.DataFrame:
    """Shares of attention maps of each pattern: condition, attention (raw, normed), task, title, pattern, share.

    Conditions: fine-tuned or pre-trained, super-survivors or all heads; eight tasks, no WNLI.
    """
    return _titled(table("attention_shares", tables))


def footprint(tables: Tables = None) -> pd.DataFrame:
    """The joint searches' logs: setting, task, title, seed, seconds, gpu_kwh, cpu_kwh (NaN where one sample)."""
    return _titled(table("footprint", tables))


def text_numbers() -> dict[str, float]:
    """Numbers of the paper's text that no table holds, by name."""
    rows = table("text_numbers")
    return dict(zip(rows["name"], rows["value"]))


def _means(frame: pd.DataFrame, stem: str) -> pd.DataFrame:
    frame = frame.rename(columns={f"mean_{stem}": "mean", f"std_{stem}": "std"})
    return _titled(frame) if "task" in frame else frame


def _titled(frame: pd.DataFrame) -> pd.DataFrame:
    """The release's task names moved to `title`, this package's in `task`; another task keeps its name in both."""
    title = frame["task"]
    frame = frame.assign(task=title.map(_NAME_OF).fillna(title)).reset_index(drop=True)
    frame.insert(frame.columns.get_loc("task") + 1, "title", title.to_numpy())
    return frame


@cache
def _read(name: str) -> pd.DataFrame:
    frame = pd.read_csv(FOLDER / f"{name}.csv")
    whole = {column: "Int64" for column in ("head", "seed", "shared_with_good") if column in frame}
    return frame.astype(whole)
