"""Is a subnetwork as good on examples that did not choose it? Masks chosen on a half of dev, or held out of train.

Two designs. "halves": the fine-tuned models stay; a search on one half of dev, its subnetwork scored on both, and the
other way round. "held out": examples of train, as many as dev has, are kept from training; one search chooses on
them, one on dev, and both subnetworks are scored on dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.stage_table import HANS_TASK
from lottery_utils.show.frames import component_survival, searches, title_of
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.tasks.hans import HEURISTICS
from lottery_utils.tasks.metrics import compute_metrics, search_score
from lottery_utils.tasks.registry import shown_task
from lottery_utils.tasks.selection import halves

from ..agreement.overlap import jaccard_between

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

METHOD = "structured"
FOLDS = {"half": 0, "other_half": 1}  # to the half that chooses
HELD = {"held_out": 1.0}
CHOOSERS = {"dev": HELD, "held out": {**HELD, "selection": "held_out"}}
KEYS = ["method", "task", "title", "seed"]
HALVES = (*KEYS, "seen", "unseen", "weights")
CHOSEN = (*KEYS, "chooser", "good", "random", "bad", "weights")
FULL = ("task", "title", "seed", "all", "less", "updates", "updates_less")
HANS = ("seed", "method", "subnetwork", "treatment", "score", "entailment", "non_entailment", *HEURISTICS)


@dataclass(frozen=True)
class Compared:
    """What one study says of both designs, for s-pruning; frames as from the functions of their names.

    `effects`, in points of the full score: "seen" minus unseen; chosen on dev minus held out, of the "good" ones' score
    and of the "weights" kept; good ones, chosen held out, above "random" and "bad"; and the "price" of holding out.
    """

    half_scores: pd.DataFrame
    chosen: pd.DataFrame
    full_scores: pd.DataFrame
    alike_halves: pd.DataFrame
    alike_chosen: pd.DataFrame
    effects: dict[str, Effect]


def compared(study: Study) -> Compared:
    """All of `Compared` from the records of `study`; what is not stored is empty."""
    seen, both, full = half_scores(study), chosen(study), full_scores(study)
    scores = full.set_index(["task", "seed"])[["all", "less"]].astype(float)
    above, between = lottery(both), chooser_effects(both, ("good", "weights"))
    effects = {
        "seen": seen_effects(seen).get((METHOD,)),
        **{column: between.get((METHOD, column)) for column in ("good", "weights")},
        **{other: above.get((METHOD, "held out", other)) for other in ("random", "bad")},
        "price": effect(100 * (scores["less"] - scores["all"])) if len(full) else None,
    }
    folds = {name: {"selection": name} for name in FOLDS}
    alike = [overlaps(study, changes) for changes in (folds, CHOOSERS)]
    return Compared(seen, both, full, *alike, {name: found or Effect() for name, found in effects.items()})


def under(study: Study, fields: dict) -> Study:
    """`study` with other preset fields, in the same store."""
    return type(study)(replace(study.preset, **fields), study.store.root, study.stored)


def half_scores(study: Study) -> pd.DataFrame:
    """Design "halves": columns `HALVES`, one row a method, task and seed; means over the two halves.

    seen is the score on the half that chose the mask, unseen that on the other, each as a share of the full model's
    on the same examples, so that halves of unequal difficulty cancel; weights is the share of prunable weights kept.
    Rows need both halves: they are each other's counterpart.
    """
    folds = {name: under(study, {"selection": name}) for name in FOLDS}
    rows: dict[tuple, list[tuple]] = {}
    for name, fold in folds.items():
        for method in study.preset.methods:
            for cell, record in searches(fold, method):
                own = _seen(study, fold, cell, record, FOLDS[name])
                if own is not None:
                    title = title_of(record)
                    rows.setdefault((method, cell.task, title, cell.seed), []).append(own)
    whole = [(*key, *np.mean(own, axis=0)) for key, own in rows.items() if len(own) == len(folds)]
    return pd.DataFrame(whole, columns=list(HALVES))


def _seen(study: Study, fold: Study, cell: Cell, record: dict, chooser: int) -> tuple[float, float, float] | None:
    """(seen, unseen, share of weights kept) of one search on half `chooser`; None where something is not stored."""
    score = fold.record(Cell(cell.task, cell.seed, "score", cell.method, "good"))
    full = study.predictions(Cell(cell.task, cell.seed, "finetune", "", "full"))
    if score is None or full is None:
        return None
    task, rows = shown_task(cell.task), halves(cell.task, len(full["labels"]))
    on = [search_score(task, compute_metrics(task, full["predictions"][r], full["labels"][r])) for r in rows]
    found = record["search_score"] / on[chooser], score["search_score"] / on[1 - chooser]
    return *found, record["shares"]["prunable"]


def chosen(study: Study) -> pd.DataFrame:
    """Design "held out": columns `CHOSEN`, one row a method, task, seed and chooser ("dev" or "held out").

    good, random and bad are dev scores of the pruned subnetworks as shares of the full model's (NaN where not stored);
    weights is the share of prunable weights kept.
    """
    rows = []
    for chooser, fields in CHOOSERS.items():
        own = under(study, fields)
        for method in study.preset.methods:
            for cell, record in searches(own, method):
                full = own.record(Cell(cell.task, cell.seed, "finetune", "", "full"))
                if full is None:
                    continue
                scores = [own.record(Cell(cell.task, cell.seed, "score", method, n)) for n in ("good", "random", "bad")]
                kept = [np.nan if one is None else one["search_score"] / full["search_score"] for one in scores]
                key = (method, cell.task, title_of(record), cell.seed, chooser)
                rows.append((*key, *kept, record["shares"]["prunable"]))
    return pd.DataFrame(rows, columns=list(CHOSEN))


def full_scores(study: Study) -> pd.DataFrame:
    """What holding examples out costs: columns `FULL`, the full model's dev score trained on all of train and on less.

    updates and updates_less are how often the optimiser moved the weights.
    """
    rows, less = [], under(study, HELD)
    for task in study.preset.tasks:
        for seed in study.preset.seeds:
            cell = Cell(task, seed, "finetune", "", "full")
            found = [(one.record(cell), one.trajectory(cell)) for one in (study, less)]
            if all(record is not None and course is not None for record, course in found):
                scores = [record["score"] for record, _ in found]
                rows.append((task, title_of(found[0][0]), seed, *scores, *(len(course["loss"]) for _, course in found)))
    return pd.DataFrame(rows, columns=list(FULL))


def seen_effects(found: pd.DataFrame) -> dict[tuple, Effect]:
    """Seen minus unseen, in points of the full score, over tasks: keys (method,); Holm's correction over them."""
    found = found.set_index(["task", "seed"])
    rows = {m: found[found["method"] == m] for m in dict.fromkeys(found["method"])}
    return corrected({(m,): effect(100 * (own["seen"] - own["unseen"])) for m, own in rows.items()})


def chooser_effects(found: pd.DataFrame, columns: tuple[str, ...]) -> dict[tuple, Effect]:
    """Chosen on dev minus chosen held out, in points, paired by task and seed: keys (method, column)."""
    found, pairs = found.set_index(["task", "seed"]), {}
    for method in dict.fromkeys(found["method"]):
        own = found[found["method"] == method]
        dev, held = (own[own["chooser"] == name] for name in CHOOSERS)
        pairs |= {(method, c): effect((100 * (dev[c] - held[c])).astype(float)) for c in columns}
    return corrected(pairs)


def lottery(found: pd.DataFrame) -> dict[tuple, Effect]:
    """Good above random and bad, pruned, in points of the full score: keys (method, chooser, "random" or "bad")."""
    found, pairs = found.set_index(["task", "seed"]), {}
    for (method, chooser), own in found.groupby(["method", "chooser"], sort=False):
        pairs |= {(method, chooser, c): effect(100 * (own["good"] - own[c])) for c in ("random", "bad")}
    return corrected(pairs)


def overlaps(study: Study, changes: Mapping[str, dict]) -> pd.DataFrame:
    """Jaccard index of the s-pruned masks of two choosers for one task and seed: columns `overlap.BETWEEN`.

    `changes` names two sets of preset fields, such as `CHOOSERS`.
    """
    first, second = (component_survival(under(study, fields), "structured") for fields in changes.values())
    return jaccard_between(first, second)


def hans_scores(study: Study) -> pd.DataFrame:
    """Accuracy on HANS of every MNLI network scored there: columns `HANS`, one row a seed and network.

    entailment and non_entailment are accuracies on the examples of that label, the heuristics' names those on the
    examples about them; a model that trusts word overlap has 1 and 0.
    """
    rows = []
    asked = study.preset.hans is not None and HANS_TASK in study.preset.tasks  # without, no model need be at hand
    for cell in study.cells(["hans", "hans_retrain"]) if asked else ():
        if not cell.stage.startswith("hans"):
            continue
        record, found, course = study.record(cell), study.predictions(cell), study.trajectory(cell)
        if record is None or found is None or course is None or record["degenerate"]:
            continue
        right, labels = found["predictions"] == found["labels"], found["labels"]
        parts = [right[labels == label] for label in (0, 1)]
        parts += [right[course["heuristic"] == number] for number in range(len(HEURISTICS))]
        means = [float(part.mean()) if len(part) else np.nan for part in parts]
        how = "full" if cell.subnetwork == "full" else "retrained" if cell.stage == "hans_retrain" else "pruned"
        rows.append((cell.seed, cell.method, cell.subnetwork, how, record["score"], *means))
    return pd.DataFrame(rows, columns=list(HANS))
