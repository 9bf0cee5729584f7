"""What the released masks keep: by task, across tasks, shared between tasks, in every seed; sizes, agreement, tests.

The package's tables of published masks are made here and nowhere else, by `lottery import-authors`: none is typed in.
The command is how anyone checks the published numbers that this package carries; it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from lottery_utils.disk import writable
from lottery_utils.errors import UserError, usable_folder
from lottery_utils.experiment.identity import numpy_generator_for

from ..agreement.coefficients import (
    PERMUTATIONS,
    chance_pair_jaccard,
    cochran_p,
    fleiss_kappa,
    jaccard_permutation,
    krippendorff_alpha,
    mean_pair_jaccard,
    share_pairs_not_rejected,
)
from ..agreement.overlap import shared, sharing_test
from .release import GLUE, HEADS, LAYERS, SEEDS, SHAPES, Release, footprint, read_release, results

GOOD = "heads_mlps"
CONTROLS = ("heads_mlps_bad_1", "heads_mlps_random", "heads_mlps_super", "heads_mlps_super_bizzaro")
CONTROLS += ("heads_mlps_super_midling",)
STATISTICS = (cochran_p, share_pairs_not_rejected, fleiss_kappa, krippendorff_alpha, mean_pair_jaccard)
PAPER_ORDER = (1337, 42, 86, 71, 166)  # of the seeds
HIDDEN, INNER, HEAD_SIZE = 768, 3072, 64
EMBEDDINGS = (30522 + 512 + 2 + 2) * HIDDEN  # words, positions, segments, LayerNorm
HEAD = 4 * HIDDEN * HEAD_SIZE + 3 * HEAD_SIZE  # query, key, value with biases; the head's columns of the projection
PROJECTION_BIAS = HIDDEN
MLP = 2 * HIDDEN * INNER + INNER + HIDDEN
PRUNABLE = LAYERS * (HEADS * HEAD + PROJECTION_BIAS + MLP)
NORMS = LAYERS * 2 * 2 * HIDDEN
POOLER = HIDDEN * HIDDEN + HIDDEN
LABELS = {"MNLI": 3, "STS-B": 1}  # the other tasks have two


def survival_by_task(release: Release) -> pd.DataFrame:
    """Mean over seeds of 0 and 1 (survives or not) and its sample deviation, one row a component; joint masks."""
    frames = []
    for task, component in product(GLUE, SHAPES):
        named = {"family": GOOD, "task": task, "component": component}
        frames.append(_per_component(named, release.masks[GOOD, task, component], "survival"))
    return pd.concat(frames, ignore_index=True)


def survival_across_tasks(release: Release) -> pd.DataFrame:
    """For each seed the number of the nine GLUE tasks in which a component survives; mean and sample deviation."""
    frames = []
    for family, component in product(("heads", "mlps", GOOD, "heads_mlps_on_train"), SHAPES):
        if (family, GLUE[0], component) in release.masks:
            counts = sum(release.masks[family, task, component].astype(int) for task in GLUE)
            frames.append(_per_component({"family": family, "component": component}, counts, "num_tasks"))
    return pd.concat(frames, ignore_index=True)


def _per_component(named: dict, values: np.ndarray, what: str) -> pd.DataFrame:
    """One row a component from `values` (seeds, components), layers and heads counted from 0."""
    layer, head = np.divmod(np.arange(values.shape[1]), HEADS)
    if named["component"] == "mlp":
        layer, head = head, [pd.NA] * LAYERS
    place = {"layer": layer, "head": pd.array(head, dtype="Int64")}
    return pd.DataFrame(
        {**named, **place, f"mean_{what}": values.mean(axis=0), f"std_{what}": values.std(axis=0, ddof=1)}
    )


def task_overlap(release: Release) -> pd.DataFrame:
    """Components that survive in both of two tasks, the same seed in both: mean and sample deviation over seeds.

    All ordered pairs of a family's tasks, the diagonal too, where it is the number that survive. `chance_mean` is
    the mean of n_a n_b / N, what two random draws of these sizes share; empty on the diagonal.
    """
    rows = []
    for family, component in product(("heads", "mlps", GOOD, "heads_mlps_super"), SHAPES):
        tasks = [task for task in release.tasks(family) if (family, task, component) in release.masks]
        for a, b in product(tasks, repeat=2):
            both, chance = shared(*(release.masks[family, task, component] for task in (a, b)))
            chance_mean = np.nan if a == b else chance.mean()
            rows.append((family, component, a, b, both.mean(), both.std(ddof=1), chance_mean))
    columns = ["family", "component", "task_a", "task_b", "mean_shared", "std_shared", "chance_mean"]
    return pd.DataFrame(rows, columns=columns)


def super_survivors(release: Release) -> pd.DataFrame:
    """Heads and MLPs that survive in every seed of a task (joint masks), and their share of a good subnetwork.

    The share is (components in every seed) / (components this seed keeps), mean over seeds; a seed that keeps none
    has no share.
    """
    rows = []
    for task in GLUE:
        kept = [release.masks[GOOD, task, component] for component in SHAPES]
        always = [int(votes.all(axis=0).sum()) for votes in kept]
        sizes = [votes.sum(axis=1) for votes in kept]
        shares = [np.mean(count / size[size > 0]) if size.any() else np.nan for count, size in zip(always, sizes)]
        rows.append((task, *always, *shares))
    return pd.DataFrame(rows, columns=["task", "super_heads", "super_mlps", "head_share_mean", "mlp_share_mean"])


def masks_of_seeds(release: Release) -> pd.DataFrame:
    """Size of every joint mask and its controls, what it shares with the good one of its seed, and whose equal it is.

    `same_as_seed` is the first seed, in the paper's order, whose mask is identical.
    """
    rows = []
    there = [family for family in (GOOD, *CONTROLS) if release.tasks(family)]
    for family, task, component in product(there, GLUE, SHAPES):
        masks, good = (dict(zip(SEEDS, release.masks[name, task, component])) for name in (family, GOOD))
        for seed in PAPER_ORDER:
            twin = next(other for other in PAPER_ORDER if np.array_equal(masks[other], masks[seed]))
            in_both = int((masks[seed] & good[seed]).sum())
            rows.append((family, task, component, seed, int(masks[seed].sum()), in_both, twin))
    return pd.DataFrame(
        rows, columns=["family", "task", "component", "seed", "kept", "shared_with_good", "same_as_seed"]
    )


def total_parameters(task: str) -> int:
    """Parameters of the bert-base-uncased classifier of a task (folder name)."""
    return EMBEDDINGS + PRUNABLE + NORMS + POOLER + (HIDDEN + 1) * LABELS.get(task, 2)


def subnetwork_sizes(release: Release) -> pd.DataFrame:
    """Shares of all and of the prunable parameters that are left: mean and sample deviation over seeds.

    For every family with masks of heads and MLPs of the GLUE tasks. As in the authors' pruned models, the projection's
    bias goes with the last head of its layer.
    """
    rows = []
    for family in sorted({family for family, task, _ in release.masks if task in GLUE}):
        if any((family, GLUE[0], component) not in release.masks for component in SHAPES):
            continue
        for task in GLUE:
            heads, mlps = (release.masks[family, task, component] for component in SHAPES)
            in_layer = heads.reshape(-1, LAYERS, HEADS).sum(axis=2)
            kept = in_layer.sum(axis=1) * HEAD + (in_layer > 0).sum(axis=1) * PROJECTION_BIAS + mlps.sum(axis=1) * MLP
            total = total_parameters(task)
            shares = (total - PRUNABLE + kept) / total, kept / PRUNABLE
            rows.append((family, task, *(value for share in shares for value in (share.mean(), share.std(ddof=1)))))
    columns = ["share_all_mean", "share_all_std", "share_prunable_mean", "share_prunable_std"]
    return pd.DataFrame(rows, columns=["family", "task", *columns])


def seed_agreement(release: Release) -> pd.DataFrame:
    """The authors' statistics of `agreement.coefficients` over a task's seeds, one row a task and component.

    Empty where a statistic is undefined: Cochran's p of identical masks, kappa and alpha of masks that are all
    full or all empty. A pair of seeds with undefined p counts as rejected, as in the authors' notebook; a pair of
    empty masks has no Jaccard index and is left out of its mean.
    """
    rows = []
    for family, component in product((GOOD, "heads_mlps_hans"), SHAPES):
        for task in release.tasks(family):
            votes = release.masks[family, task, component]
            rows.append((family, component, task, *(statistic(votes) for statistic in STATISTICS)))
    names = [statistic.__name__ for statistic in STATISTICS]
    return pd.DataFrame(rows, columns=["family", "component", "task", *names])


def seed_jaccard(release: Release, permutations: int = PERMUTATIONS) -> pd.DataFrame:
    """Mean pairwise Jaccard of a task's seeds, its value by chance for these sizes, and a permutation test.

    Columns family, component, task, mean_pair_jaccard, chance_pair_jaccard, permutation_p; joint masks, GLUE
    tasks. p is one-sided (more alike than chance), NaN where permuting changes nothing.
    """
    rows = []
    for component, task in product(SHAPES, GLUE):
        votes = release.masks[GOOD, task, component]
        p = jaccard_permutation(votes, numpy_generator_for("authors", f"{task}/{component}"), permutations)
        rows.append((GOOD, component, task, mean_pair_jaccard(votes), chance_pair_jaccard(votes), p))
    columns = ["family", "component", "task", "mean_pair_jaccard", "chance_pair_jaccard", "permutation_p"]
    return pd.DataFrame(rows, columns=columns)


def overlap_tests(release: Release) -> pd.DataFrame:
    """Whether tasks share more components than by chance: family, component and the fields of `overlap.OverlapTest`.

    Joint masks of the GLUE tasks but WNLI, four of whose five masks are empty.
    """
    rows = []
    for component in SHAPES:
        votes = {task: release.masks[GOOD, task, component] for task in GLUE if task != "WNLI"}
        masks = {task: dict(zip(SEEDS, of_task)) for task, of_task in votes.items()}
        test = sharing_test(masks, numpy_generator_for("authors overlap", component))
        rows.append({"family": GOOD, "component": component, **asdict(test)})
    return pd.DataFrame(rows)


TABLES: dict[str, Callable[[Release], pd.DataFrame]] = {
    "survival_by_task": survival_by_task,
    "survival_across_tasks": survival_across_tasks,
    "task_overlap": task_overlap,
    "overlap_tests": overlap_tests,
    "seed_agreement": seed_agreement,
    "seed_jaccard": seed_jaccard,
    "super_survivors": super_survivors,
    "subnetwork_sizes": subnetwork_sizes,
    "masks_of_seeds": masks_of_seeds,
    "results": results,
    "footprint": footprint,
}


def restated(folder: str | Path) -> dict[str, pd.DataFrame]:
    """The tables by name, computed from the clone in `folder`; `published` has them as they come with the package.

    Raises UserError when there is no clone, or a part of it is missing or damaged.
    """
    clone = read_release(folder)
    return {name: table(clone) for name, table in TABLES.items()}


def write_tables(folder: str | Path, out: str | Path) -> dict[str, pd.DataFrame]:
    """Write the tables of the clone in `folder` to `out`/NAME.csv and return them.

    Raises UserError as `restated`, and when `out` is no new or empty folder.
    """
    out = Path(out).expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} is there already; name a new folder")
    tables = restated(folder)
    usable_folder("--out", out)
    with writable(out):
        for name, table in tables.items():
            table.to_csv(out / f"{name}.csv", index=False, lineterminator="\n")
    return tables
