"""Does it matter how importances are summed? The paper's formula against what scripts compute, on the same gradients.

Names: "exact" takes the absolute gradient of each example; "batched N" that of the mean over batches of N; "running N"
never zeroes gradients between batches of N, so that each adds the absolute value of all so far; "released" is the
authors' whole procedure: running 64, norms over removed heads too, stale importances where the search changes phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell, full
from lottery_utils.show.frames import SURVIVAL, component_survival, readings, searches, title_of
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.show.stored import under

from ..agreement.coefficients import chance_pair_jaccard, mean_pair_jaccard, votes_of
from ..agreement.overlap import jaccard_between

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

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
SUMS = ("batched", "running")
MODEL = ("task", "title", "seed", "rule", "batch", "order", "correlation", "shared")
ORDERS = ("task", "title", "seed", "rule", "batch", "correlation", "shared")
SCORES = ("good", "bad", "good retrained", "bad retrained")
SEARCHED = ("rule", "task", "title", "seed", "weights", *SCORES)


@dataclass(frozen=True)
class Compared:
    """What one study says of the sums: in its full models, and of a search under each rule.

    The frames are as from the functions of their names; `effects` holds score at equal size ("same size") and the
    share of prunable weights kept ("weights"), each rule minus "exact".
    """

    full_model: pd.DataFrame
    between_orders: pd.DataFrame
    between_seeds: pd.DataFrame
    searched: pd.DataFrame
    alike: pd.DataFrame
    seeds_alike: pd.DataFrame
    effects: dict[tuple, Effect]


def compared(study: Study) -> Compared:
    """All of `Compared` from the records of `study`; what is not stored is empty."""
    rules = rule_studies(study)
    found = searched(rules)
    return Compared(
        *(make(study) for make in (full_model, between_orders, between_seeds)),
        found,
        alike(rules),
        seeds_alike(rules),
        same_step(rules) | differences(found, ("weights",)),
    )


def rule_studies(study: Study) -> dict[str, Study]:
    """`study` under each of `RULES` that it has a search of, in one store."""
    made = {name: under(study, fields) for name, fields in RULES.items()}
    return {name: one for name, one in made.items() if searches(one, "structured")}


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


def correlations(scores: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each pair of rows of `scores` (rows, N): (rows, rows)."""
    return pd.DataFrame(scores.T).corr("spearman").to_numpy()


def mean_correlation(scores: np.ndarray) -> float:
    """Its mean over the pairs of different rows."""
    return float(correlations(scores)[np.triu_indices(len(scores), 1)].mean())


def full_model(study: Study) -> pd.DataFrame:
    """Every sum of the heads against "exact" in full models: columns `MODEL`, one row a model, rule, batch and order.

    correlation is Spearman's; shared the share of the heads that a first step would remove under both.
    """
    rows, step = [], study.preset.head_step
    for key, rule, batch, exact, sums in sums_of_heads(study):
        first, likeness = picks(exact, step), correlations(np.vstack([exact, sums]))[0, 1:]
        same = [len(first & picks(one, step)) / len(first) for one in sums]
        rows += [(*key, rule, batch, order, *pair) for order, pair in enumerate(zip(likeness, same, strict=True))]
    return pd.DataFrame(rows, columns=list(MODEL))


def between_orders(study: Study) -> pd.DataFrame:
    """How much the order of the same examples changes a sum: columns `ORDERS`, means over pairs of orders."""
    rows = []
    for key, rule, batch, _, sums in sums_of_heads(study):
        first = [picks(one, study.preset.head_step) for one in sums]
        same = np.mean([len(one & other) / len(one) for one, other in combinations(first, 2)])
        rows.append((*key, rule, batch, mean_correlation(sums), same))
    return pd.DataFrame(rows, columns=list(ORDERS))


def between_seeds(study: Study, batch: int = 64) -> pd.DataFrame:
    """Do seeds rank the full model's heads alike? Columns task, title, sum, correlation: means over pairs of seeds."""
    models: dict[tuple[str, str, str], dict[int, np.ndarray]] = {}
    for (task, title, seed), rule, size, exact, sums in sums_of_heads(study):
        if size == batch:
            models.setdefault((task, title, "exact"), {})[seed] = exact
            models.setdefault((task, title, f"{rule} {batch}"), {})[seed] = sums[0]
    rows = [(*key, mean_correlation(np.stack([*of.values()]))) for key, of in models.items() if len(of) > 1]
    return pd.DataFrame(rows, columns=["task", "title", "sum", "correlation"])


def searched(studies: Mapping[str, Study]) -> pd.DataFrame:
    """What each rule's search found: columns `SEARCHED`, one row a rule, task and seed.

    weights is the share of prunable weights kept; good, bad and the retrained ones are scores as shares of the full
    model's, NaN where not stored.
    """
    rows = []
    for rule, study in studies.items():
        for cell, record in searches(study, "structured"):
            full_model = study.record(full(cell.task, cell.seed))
            shares = [record["shares"]["prunable"]]
            for name in SCORES:
                subnetwork, _, treatment = name.partition(" ")
                stage = "retrain" if treatment else "score"
                score = study.record(Cell(cell.task, cell.seed, stage, "structured", subnetwork))
                shares.append(score["score"] / full_model["score"] if score and full_model else np.nan)
            rows.append((rule, cell.task, title_of(record), cell.seed, *shares))
    return pd.DataFrame(rows, columns=list(SEARCHED))


def differences(found: pd.DataFrame, columns: tuple[str, ...]) -> dict[tuple, Effect]:
    """Each rule minus "exact", in points (100 times a share), paired by task and seed: keys (rule, column).

    Seeds of a task are averaged, tasks are the sample; p is corrected over all of them (Holm).
    """
    found = found.set_index(["task", "seed"])
    exact = found[found["rule"] == "exact"]
    others = [rule for rule in dict.fromkeys(found["rule"]) if rule != "exact"]
    pairs = {(r, c): 100 * (found.loc[found["rule"] == r, c] - exact[c]) for r in others for c in columns}
    return corrected({key: effect(values.astype(float)) for key, values in pairs.items()})


def same_step(studies: Mapping[str, Study]) -> dict[tuple, Effect]:
    """Score at equal size: a rule's minus "exact", in points of the full score, keys (rule, "same size").

    In the first phase step k removes the same numbers under every rule, whichever it picks. Of each task and seed the
    mean over the steps that both searches took, the one that fell below the target included.
    """
    courses = {rule: _first_phase(study) for rule, study in studies.items()}
    exact, gaps = courses.pop("exact", {}), {}
    for rule, course in courses.items():
        steps = {key: min(len(scores), len(exact.get(key, ()))) for key, scores in course.items()}
        of_rule = {key: 100 * (course[key][:n] - exact[key][:n]).mean() for key, n in steps.items() if n}
        gaps[rule, "same size"] = pd.Series(of_rule, dtype=float)
    return corrected({key: effect(values) for key, values in gaps.items()})


def _first_phase(study: Study) -> dict[tuple[str, int], np.ndarray]:
    """Scores of the steps of phase 1 as shares of the full model's, by task and seed."""
    found = {}
    for cell, _ in searches(study, "structured"):
        course = study.trajectory(cell)
        if course is not None and course["score"][0] > 0:
            found[cell.task, cell.seed] = course["score"][course["phase"] == 1] / course["score"][0]
    return found


def alike(studies: Mapping[str, Study]) -> pd.DataFrame:
    """How alike each rule's masks are to those of "exact" for the same task and seed: `overlap.BETWEEN` and rule."""
    survival = {rule: component_survival(study, "structured") for rule, study in studies.items()}
    others = {rule: own for rule, own in survival.items() if rule != "exact"}
    frames = [jaccard_between(own, survival["exact"]).assign(rule=rule) for rule, own in others.items()]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def seeds_alike(studies: Mapping[str, Study]) -> pd.DataFrame:
    """How alike the heads are that two seeds keep under "exact": columns task, title, jaccard, chance.

    Of a task's seeds those count that every rule has searched, so that rules compare.
    """
    rows, survival = [], [component_survival(study, "structured") for study in studies.values()]
    exact = survival[list(studies).index("exact")] if "exact" in studies else pd.DataFrame(columns=list(SURVIVAL))
    for task, title in dict(zip(exact["task"], exact["title"])).items():
        of_rules = [set(frame.loc[frame["task"] == task, "seed"]) for frame in survival]
        seeds = sorted(set.intersection(*filter(None, of_rules)))
        if len(seeds) > 1:
            votes = votes_of(exact, task, "head", seeds)
            rows.append((task, title, mean_pair_jaccard(votes), chance_pair_jaccard(votes)))
    return pd.DataFrame(rows, columns=["task", "title", "jaccard", "chance"])
