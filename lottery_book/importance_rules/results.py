"""Does it matter how importances are summed? The paper's formula against what scripts compute, on the same gradients.

Names: "exact" takes the absolute gradient of each example; "batched N" that of the mean over batches of N; "running N"
never zeroes gradients between batches of N, so that each adds the absolute value of all so far; "released" is the
authors' whole procedure: running 64, norms over removed heads too, stale importances where the search changes phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pandas.io.formats.style import Styler

from lottery_utils.experiment.cells import Cell, full
from lottery_utils.experiment.study import Study
from lottery_utils.show.compute import under
from lottery_utils.show.effects import effect_table
from lottery_utils.show.frames import component_survival, readings, searches
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.show.style import COLOURS, GRID, WIDTH, empty_figure, legend_below

from ..agreement.coefficients import masks_of, mean_pair_jaccard
from ..agreement.overlap import jaccard_between
from ..evidence import framed
from ..sources import count

RUNNING = {"importance": "running"}
RULES: dict[str, dict] = {
    "exact": {"importance": "exact"},
    "batched 64": {"importance": "batched"},
    "running 1": {**RUNNING, "importance_batch": 1},
    "running 8": {**RUNNING, "importance_batch": 8},
    "running 32": {**RUNNING, "importance_batch": 32},
    "running 64": RUNNING,
    "running 64, shuffled": {**RUNNING, "importance_order": 1},
    "released": {"importance": "released"},
}
SCRIPT, BATCH = "running 64", 64  # what the common script does
SUMS = ("batched", "running")
MODEL = ("task", "title", "seed", "rule", "batch", "order", "correlation", "shared")
QUANTITIES = {"size": "score at equal size", "weights": "weights kept", "retrained": "good ones' score, retrained"}
LOOKS = {
    "batched": {"color": COLOURS["random"], "marker": "s", "linestyle": (0, (4, 1.5))},
    "running": {"color": COLOURS["bad"], "marker": "o", "linestyle": "-"},
}
SUM_NAMES = {"batched": "batched: zeroed between batches", "running": "running: never zeroed"}


def importances(study: Study) -> dict[tuple[str, str, int], dict[str, np.ndarray]]:
    """The sums of each full model, (task, title, seed) to arrays, as the stage importance stores them."""
    return {(one.task, one.title, one.seed): one.arrays for one in readings(study, "importance", "structured")}


def sums_of_heads(study: Study) -> Iterator[tuple[tuple, str, int, np.ndarray, np.ndarray]]:
    """The heads of each full model as its search ranks them, for each of `SUMS` and batch size.

    Yields (task, title, seed), sum, batch, importances (N,) by "exact", and (orders, N) by the sum; batch 0 is all
    examples at once, order 0 that of the data.
    """
    for key, arrays in importances(study).items():
        exact = ranked(arrays["exact_heads"])
        for rule in SUMS:
            for batch, sums in zip(arrays["batches"].tolist(), ranked(arrays[f"{rule}_heads"]), strict=True):
                yield key, rule, batch, exact, sums


def ranked(heads: np.ndarray) -> np.ndarray:
    """Scores of heads (..., L, H) as the search ranks them, flat (..., N): divided by the L2 norm of their layer."""
    heads = heads.astype(float)
    heads = heads / (np.linalg.norm(heads, axis=-1, keepdims=True) + 1e-20)
    return heads.reshape(*heads.shape[:-2], -1)


def picks(scores: np.ndarray, share: float) -> set[int]:
    """The lowest of flat `scores` (N,): what a first step of `share` would remove, one at least."""
    return set(np.argsort(scores, kind="stable")[: max(1, int(share * len(scores)))].tolist())


def full_model(study: Study) -> pd.DataFrame:
    """Every sum of the heads against "exact" in full models: columns `MODEL`, one row a model, rule, batch and order.

    correlation is Spearman's; shared the share of the heads that a first step would remove under both.
    """
    rows, step = [], study.preset.head_step
    for key, rule, batch, exact, sums in sums_of_heads(study):
        first, likeness = picks(exact, step), _correlations(np.vstack([exact, sums]))[0, 1:]
        same = [len(first & picks(one, step)) / len(first) for one in sums]
        rows += [(*key, rule, batch, order, *pair) for order, pair in enumerate(zip(likeness, same, strict=True))]
    return pd.DataFrame(rows, columns=list(MODEL))


def mean_of(frame: pd.DataFrame, column: str, rule: str = "running", batch: int = BATCH) -> float:
    """Mean over tasks of a column of `full_model`; NaN where nothing is stored."""
    rows = frame[(frame["rule"] == rule) & (frame["batch"] == batch)]
    return float(rows.groupby("task")[column].mean().mean())


def shared_by_orders(study: Study) -> float:
    """Share of the first heads to go that are the same for two orders of the examples, under the script's sum."""
    shares: dict[str, list[float]] = {}
    for (task, _, _), _, sums in _of_script(study):
        first = [picks(one, study.preset.head_step) for one in sums]
        shares.setdefault(task, []).extend(len(one & other) / len(one) for one, other in combinations(first, 2))
    return _mean([np.mean(of_task) for of_task in shares.values()])


def seeds_correlation(study: Study, rule: str) -> float:
    """Do seeds rank the full model's heads alike, by "exact" or `SCRIPT`? Means over pairs of seeds, then tasks."""
    scores: dict[str, list[np.ndarray]] = {}
    for (task, _, _), exact, sums in _of_script(study):
        scores.setdefault(task, []).append(exact if rule == "exact" else sums[0])
    alike = [_correlations(np.stack(of_seeds)) for of_seeds in scores.values() if len(of_seeds) > 1]
    return _mean([pairs[np.triu_indices(len(pairs), 1)].mean() for pairs in alike])


def rule_studies(study: Study) -> dict[str, Study]:
    """`study` under each of `RULES` that it has a search of, in one store."""
    made = {name: under(study, fields) for name, fields in RULES.items()}
    return {name: one for name, one in made.items() if searches(one, "structured")}


def likeness(study: Study) -> tuple[float, float]:
    """Jaccard index of the heads that the script's sum and the formula keep, and of those that two seeds keep by the
    formula: means over the tasks that were searched by both.
    """
    exact, script = (component_survival(under(study, RULES[rule]), "structured") for rule in ("exact", SCRIPT))
    exact = exact.merge(script[["task", "seed"]].drop_duplicates())
    alike = jaccard_between(script, exact)
    seeds = [mean_pair_jaccard(np.stack(list(own.values()))) for own in masks_of(exact, "head").values()]
    return _mean(alike.loc[alike["component"] == "head", "jaccard"]), _mean(seeds)


def effects(study: Study) -> dict[tuple[str, str], Effect]:
    """Each rule minus "exact", by (rule, one of `QUANTITIES`), in points: hundredths of the full model's score, or of
    the prunable weights.

    Paired by task and seed; seeds of a task are averaged, tasks are the sample; Holm's correction within a quantity.
    """
    values = {rule: _searched(one) for rule, one in rule_studies(study).items()}
    exact, found = values.pop("exact", pd.DataFrame(columns=list(QUANTITIES))), {}
    for quantity in QUANTITIES:
        gaps = {(rule, quantity): _gaps(frame[quantity], exact[quantity]) for rule, frame in values.items()}
        of_quantity = {key: effect(gap.rename_axis(["task", "seed"])) for key, gap in gaps.items() if len(gap)}
        found |= corrected(of_quantity)
    return found


def _searched(study: Study) -> pd.DataFrame:
    """What a rule's searches found, one row per task and seed: columns `QUANTITIES`, shares of the full model's.

    "size" holds the scores of the first phase's steps: step k removes the same numbers under every rule.
    """
    rows = {}
    for cell, record in searches(study, "structured"):
        course, full_model = study.trajectory(cell), study.record(full(cell.task, cell.seed))
        retrained = study.record(Cell(cell.task, cell.seed, "retrain", "structured", "good"))
        rows[cell.task, cell.seed] = {
            "size": course["score"][course["phase"] == 1] / course["score"][0] if course["score"][0] > 0 else (),
            "weights": record["shares"]["prunable"],
            "retrained": retrained["score"] / full_model["score"] if retrained and full_model else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _gaps(of_rule: pd.Series, exact: pd.Series) -> pd.Series:
    """A rule's shares minus those of "exact", times 100; of courses the mean over the steps that both took."""
    gaps = {}
    for key in of_rule.index.intersection(exact.index):
        pair = [np.atleast_1d(values[key]) for values in (of_rule, exact)]
        if steps := min(map(len, pair)):
            gaps[key] = 100 * float(np.mean(pair[0][:steps] - pair[1][:steps]))
    return pd.Series(gaps, dtype=float).dropna()


def table_of_effects(by_study: Mapping[str, Mapping[tuple[str, str], Effect]]) -> Styler:
    """`effects` of each study by its name: one row per study, quantity and rule."""
    rows = {
        (name, QUANTITIES[quantity], rule): found[rule, quantity]
        for name, found in by_study.items()
        for quantity in QUANTITIES
        for rule in RULES
        if (rule, quantity) in found
    }
    caption = "Each sum minus the formula, paired by task and seed, in hundredths of the full model's score or weights."
    return effect_table(rows, caption, "sums-effects", ("measured on", "difference in", "sum"))


def batch_lines(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Rank correlation of the heads' importances with exact ones against the batch size, one panel per study.

    Dots are tasks, lines means. `frames` maps a study's name to a frame as from `full_model`, this run's first.
    """
    kinds = dict(zip(frames, ("this run", "real study"), strict=False))
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure("Nothing to show: no importances are stored.")
    figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
    for ax, (name, frame) in zip(figure.subplots(1, len(frames), sharey=True, squeeze=False)[0], frames.items()):
        of_task = frame.groupby(["task", "rule", "batch"])["correlation"].mean().reset_index()
        sizes = [*(str(size) for size in sorted(set(of_task["batch"])) if size), "all"]
        of_task["batch"] = of_task["batch"].astype(str).replace("0", "all")
        same = {"x": "batch", "order": sizes, "y": "correlation", "hue": "rule", "hue_order": SUMS, "legend": False}
        same |= {"palette": {rule: look["color"] for rule, look in LOOKS.items()}, "ax": ax}
        sns.stripplot(of_task, **same, dodge=True, jitter=False, size=2.8, alpha=0.5)
        look = {f"{part}s": [one[part] for one in LOOKS.values()] for part in ("marker", "linestyle")}
        sns.pointplot(of_task, **same, **look, dodge=0.4, errorbar=None, linewidth=1.4, markersize=5)
        told = f"{count(frame['task'].nunique(), 'task')}, {count(frame['seed'].nunique(), 'seed')}"
        framed(ax, kinds[name], f"{name}\n{told}")
        ax.set(xlabel="examples a batch", ylabel="rank correlation with exact")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    handles = [Line2D([], [], **look, markersize=5, label=SUM_NAMES[rule]) for rule, look in LOOKS.items()]
    legend_below(figure, [*handles, Line2D([], [], marker="o", ms=3, linestyle="", color="#8A8A8A", label="one task")])
    return figure


def _of_script(study: Study) -> Iterator[tuple[tuple, np.ndarray, np.ndarray]]:
    """`sums_of_heads` under the script's sum alone: (task, title, seed), importances by "exact" and by it."""
    for key, rule, batch, exact, sums in sums_of_heads(study):
        if (rule, batch) == ("running", BATCH):
            yield key, exact, sums


def _correlations(scores: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each pair of rows of `scores` (rows, N): (rows, rows)."""
    return pd.DataFrame(scores.T).corr("spearman").to_numpy()


def _mean(values) -> float:
    """The mean, NaN of nothing."""
    return float(pd.Series(values, dtype=float).mean())
