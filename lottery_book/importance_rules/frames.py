"""Does it matter how importances are summed? The paper's formula against what scripts compute, on the same gradients.

Names: "exact" takes the absolute gradient of each example; "batched N" that of the mean over batches of N; "running N"
never zeroes gradients between batches of N, so that each adds the absolute value of all so far; "released" is the
authors' whole procedure: running 64, norms over removed heads too, stale importances where the search changes phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from lottery_utils.experiment.cells import Cell
from lottery_utils.show.frames import component_survival, searches, title_of
from lottery_utils.show.stats import Effect, corrected, effect

from ..agreement.coefficients import chance_pair_jaccard, mean_pair_jaccard, votes_of
from ..agreement.overlap import jaccard_between
from ..importance.decisions import spearman

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
MODEL = ("task", "title", "seed", "component", "rule", "batch", "order", "correlation", "shared")
ORDERS = ("task", "title", "seed", "component", "rule", "batch", "correlation", "shared")
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
    made = {name: _under(study, fields) for name, fields in RULES.items()}
    return {name: one for name, one in made.items() if searches(one, "structured")}


def _under(study: Study, fields: dict) -> Study:
    return type(study)(replace(study.preset, **fields), study.store.root, study.stored)


def importances(study: Study) -> dict[tuple[str, str, int], dict[str, np.ndarray]]:
    """The sums of each full model, (task, title, seed) to arrays, as the stage importance stores them."""
    found = {}
    for task in study.preset.tasks:
        for seed in study.preset.seeds:
            cell = Cell(task, seed, "importance", "structured", "full")
            record, arrays = study.record(cell), study.trajectory(cell)
            if record is not None and arrays is not None:
                found[task, title_of(record), seed] = arrays
    return found


def ranked(scores: np.ndarray, component: str) -> np.ndarray:
    """Scores (..., L, H) or (..., L) as the search ranks them, flat: heads divided by the L2 norm of their layer."""
    if component == "heads":
        scores = scores / (np.linalg.norm(scores, axis=-1, keepdims=True) + 1e-20)
        return scores.reshape(*scores.shape[:-2], -1)
    return scores


def picks(scores: np.ndarray, share: float) -> set[int]:
    """The lowest of flat `scores` (N,): what a first step of `share` would remove, one at least."""
    return set(np.argsort(scores, kind="stable")[: max(1, int(share * len(scores)))].tolist())


def standard_ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, mean 0 and length 1: their product is Spearman's correlation. NaN where all tie."""
    ranks = rankdata(scores, axis=-1)
    ranks = ranks - ranks.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(ranks, axis=-1, keepdims=True)
    return np.where(length > 0, ranks / np.where(length > 0, length, 1.0), np.nan)


def full_model(study: Study) -> pd.DataFrame:
    """Every sum against "exact" in the full model: columns `MODEL`, one row a model, component, rule, batch and order.

    correlation is Spearman's; shared the share of the components that a first step would remove under both; batch 0
    is all examples at once, order 0 that of the data.
    """
    rows = []
    for key, arrays in importances(study).items():
        for component in ("heads", "mlps"):
            exact = ranked(arrays[f"exact_{component}"].astype(float), component)
            first = picks(exact, study.preset.head_step)
            for rule in SUMS:
                sums = ranked(arrays[f"{rule}_{component}"].astype(float), component)
                likeness = standard_ranks(sums) @ standard_ranks(exact)
                for b, batch in enumerate(arrays["batches"].tolist()):
                    for o, order in enumerate(arrays["orders"].tolist()):
                        same = len(first & picks(sums[b, o], study.preset.head_step)) / len(first)
                        rows.append((*key, component, rule, batch, order, float(likeness[b, o]), same))
    return pd.DataFrame(rows, columns=list(MODEL))


def between_orders(study: Study) -> pd.DataFrame:
    """How much the order of the same examples changes a sum: columns `ORDERS`, means over pairs of orders."""
    rows = []
    for key, arrays in importances(study).items():
        for component in ("heads", "mlps"):
            for rule in SUMS:
                sums = ranked(arrays[f"{rule}_{component}"].astype(float), component)
                ranks, pairs = standard_ranks(sums), np.triu_indices(sums.shape[1], 1)
                for b, batch in enumerate(arrays["batches"].tolist()):
                    first = [picks(one, study.preset.head_step) for one in sums[b]]
                    same = np.mean([len(one & other) / len(one) for one, other in combinations(first, 2)])
                    rows.append((*key, component, rule, batch, (ranks[b] @ ranks[b].T)[pairs].mean(), same))
    return pd.DataFrame(rows, columns=list(ORDERS))


def between_seeds(study: Study, batch: int = 64) -> pd.DataFrame:
    """Do seeds rank the full model's heads alike? Columns task, title, sum, correlation: means over pairs of seeds."""
    of_task: dict[tuple[str, str], list[dict]] = {}
    for (task, title, _), arrays in importances(study).items():
        of_task.setdefault((task, title), []).append(arrays)
    rows = []
    for key, models in of_task.items():
        for name in ("exact", *SUMS):
            heads = [ranked(_of(arrays, name, batch), "heads") for arrays in models]
            pairs = [spearman(*pair) for pair in combinations(heads, 2)]
            if pairs:
                rows.append((*key, name if name == "exact" else f"{name} {batch}", float(np.mean(pairs))))
    return pd.DataFrame(rows, columns=["task", "title", "sum", "correlation"])


def _of(arrays: dict[str, np.ndarray], name: str, batch: int) -> np.ndarray:
    heads = arrays[f"{name}_heads"].astype(float)
    return heads if name == "exact" else heads[arrays["batches"].tolist().index(batch), 0]


def searched(studies: Mapping[str, Study]) -> pd.DataFrame:
    """What each rule's search found: columns `SEARCHED`, one row a rule, task and seed.

    weights is the share of prunable weights kept; good, bad and the retrained ones are scores as shares of the full
    model's, NaN where not stored.
    """
    frames = []
    for rule, study in studies.items():
        for cell, record in searches(study, "structured"):
            full = study.record(Cell(cell.task, cell.seed, "finetune", "", "full"))
            row = {"rule": rule, "task": cell.task, "title": title_of(record), "seed": cell.seed}
            row["weights"] = record["shares"]["prunable"]
            for name in SCORES:
                subnetwork, retrained = name.split()[0], name.endswith("retrained")
                stage = "retrain" if retrained else "score"
                one = study.record(Cell(cell.task, cell.seed, stage, "structured", subnetwork))
                row[name] = np.nan if one is None or full is None else one["score"] / full["score"]
            frames.append(row)
    return pd.DataFrame(frames, columns=list(SEARCHED))


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
    pairs = {}
    for rule, own in courses.items():
        if rule != "exact":
            both = {key: min(len(own[key]), len(courses["exact"][key])) for key in own if key in courses["exact"]}
            values = {k: 100 * (own[k][:n] - courses["exact"][k][:n]).mean() for k, n in both.items() if n}
            index = pd.MultiIndex.from_tuples(values, names=["task", "seed"]) if values else None
            pairs[rule, "same size"] = pd.Series(list(values.values()), index=index, dtype=float)
    return corrected({key: effect(values) if len(values) else Effect() for key, values in pairs.items()})


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
    """How alike the masks of two seeds are under each rule: columns rule, task, title, component, jaccard, chance.

    Of a task's seeds those count that every rule has searched, so that rules compare.
    """
    rows = []
    survival = {rule: component_survival(study, "structured") for rule, study in studies.items()}
    for rule, own in survival.items():
        for task, title in dict(zip(own["task"], own["title"])).items():
            having = [set(one.loc[one["task"] == task, "seed"]) for one in survival.values()]
            seeds = sorted(set.intersection(*(found for found in having if found)))
            for component in ("head", "mlp"):
                votes = votes_of(own, task, component, seeds) if seeds else np.zeros((0, 1), bool)
                found = (mean_pair_jaccard(votes), chance_pair_jaccard(votes)) if len(votes) > 1 else (np.nan, np.nan)
                rows.append((rule, task, title, component, *found))
    return pd.DataFrame(rows, columns=["rule", "task", "title", "component", "jaccard", "chance"])
