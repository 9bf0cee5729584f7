"""What the book's pages need of the release, small enough to come with the package (see `analysis.published`)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from lottery_utils.experiment.identity import numpy_generator_for

from ..agreement.coefficients import PERMUTATIONS, chance_pair_jaccard, jaccard_permutation, mean_pair_jaccard
from ..agreement.overlap import sharing_test
from .release import Release
from .survival import GOOD, masks_of_seeds, survival_by_task
from .tables import import_release

CONTROLS = ("heads_mlps_bad_1", "heads_mlps_random", "heads_mlps_super", "heads_mlps_super_bizzaro")
CONTROLS += ("heads_mlps_super_midling",)
SAME = ("survival_across_tasks", "task_overlap", "seed_agreement", "task_pair_alpha", "super_survivors")
SAME += ("subnetwork_sizes", "results", "footprint")


def restated(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The restated tables by name, computed from the release in `folder`.

    Those of `lottery import-authors`, with survival_by_task cut to the joint masks, and three more: masks_of_seeds
    (joint masks and their controls), seed_jaccard and overlap_tests. Raises UserError when there is no release.
    """
    imported = import_release(folder)
    release = imported.release
    seeds = masks_of_seeds(release)
    good = survival_by_task(release)
    tables = {name: imported.tables[name] for name in SAME}
    tables["survival_by_task"] = good[good["family"] == GOOD].reset_index(drop=True)
    tables["masks_of_seeds"] = seeds[seeds["family"].isin((GOOD, *CONTROLS))].reset_index(drop=True)
    tables["seed_jaccard"] = seed_jaccard(release)
    tables["overlap_tests"] = overlap_tests(release)
    return tables


def seed_jaccard(release: Release, permutations: int = PERMUTATIONS) -> pd.DataFrame:
    """Mean pairwise Jaccard of a task's seeds, its value by chance for these sizes, and a permutation test.

    Columns family, component, task, mean_pair_jaccard, chance_pair_jaccard, permutation_p; joint masks, GLUE
    tasks. p is one-sided (more alike than chance), NaN where permuting changes nothing.
    """
    rows = []
    for component in ("head", "mlp"):
        for task in release.tasks(GOOD):
            _, votes = release.stacked(GOOD, task, component)
            if len(votes) < 2:
                continue
            rng = numpy_generator_for("authors", f"{task}/{component}")
            p = jaccard_permutation(votes, rng, permutations).p
            rows.append((GOOD, component, task, mean_pair_jaccard(votes), chance_pair_jaccard(votes), p))
    columns = ["family", "component", "task", "mean_pair_jaccard", "chance_pair_jaccard", "permutation_p"]
    return pd.DataFrame(rows, columns=columns)


def overlap_tests(release: Release) -> pd.DataFrame:
    """Whether tasks share more components than by chance: family, component and the fields of `overlap.OverlapTest`.

    Joint masks of the GLUE tasks but WNLI, four of whose five masks are empty.
    """
    rows = []
    for component in ("head", "mlp"):
        tasks = [task for task in release.tasks(GOOD) if task != "WNLI"]
        masks = {task: release.masks.get((GOOD, task, component), {}) for task in tasks}
        test = sharing_test(masks, numpy_generator_for("authors overlap", component))
        rows.append({"family": GOOD, "component": component, **asdict(test)})
    return pd.DataFrame(rows)
