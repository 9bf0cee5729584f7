"""Is a subnetwork as good on examples that did not choose it? Masks chosen on a half of dev, or held out of train.

Two designs, for s-pruning. "halves": the fine-tuned models stay; a search on one half of dev, its subnetwork scored on
both, and the other way round. "held out": examples of train, as many as dev has, are kept from training; one search
chooses on them, one on dev, and both subnetworks are scored on dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell, full
from lottery_utils.experiment.stage_table import HANS_TASK
from lottery_utils.show.frames import component_survival, searches, title_of
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.show.stored import under
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
SUBNETWORKS = ("good", "random", "bad")
HALVES = ("task", "title", "seed", "seen", "unseen", "weights")
CHOSEN = ("task", "title", "seed", "chooser", *SUBNETWORKS, "weights")
FULL = ("task", "title", "seed", "all", "less", "updates", "updates_less")
HANS = ("seed", "method", "subnetwork", "treatment", "score", "entailment", "non_entailment", *HEURISTICS)


@dataclass(frozen=True)
class Compared:
    """What one study says of both designs; frames as from the functions of their names, effects from `effects_of`."""

    half_scores: pd.DataFrame
    chosen: pd.DataFrame
    full_scores: pd.DataFrame
    alike_halves: pd.DataFrame
    alike_chosen: pd.DataFrame
    effects: dict[str, Effect]


def compared(study: Study) -> Compared:
    """All of `Compared` from the records of `study`; what is not stored is empty."""
    frames = half_scores(study), chosen(study), full_scores(study)
    folds = {name: {"selection": name} for name in FOLDS}
    return Compared(*frames, *(overlaps(study, changes) for changes in (folds, CHOOSERS)), effects_of(*frames))


def effects_of(halved: pd.DataFrame, both: pd.DataFrame, full_models: pd.DataFrame) -> dict[str, Effect]:
    """Differences in points of the full score, paired by task and seed; Holm's correction within a question.

    "seen" minus unseen; chosen on dev minus held out, of the "good" ones' score and of the "weights" kept; good ones,
    chosen held out, above "random" and "bad"; and the "price" of holding out.
    """
    halved, both, full_models = (frame.set_index(["task", "seed"]) for frame in (halved, both, full_models))
    dev, held = (both[both["chooser"] == name] for name in CHOOSERS)
    between = corrected({name: _points(dev[name], held[name]) for name in ("good", "weights")})
    above = corrected({name: _points(held["good"], held[name]) for name in SUBNETWORKS[1:]})
    seen, price = _points(halved["seen"], halved["unseen"]), _points(full_models["less"], full_models["all"])
    return {"seen": seen, **between, **above, "price": price}


def _points(first: pd.Series, second: pd.Series) -> Effect:
    return effect(100 * (first - second).astype(float))


def half_scores(study: Study) -> pd.DataFrame:
    """Design "halves": columns `HALVES`, one row a task and seed; means over the two halves.

    seen is the score on the half that chose the mask, unseen that on the other, each as a share of the full model's
    on the same examples, so that halves of unequal difficulty cancel; weights is the share of prunable weights kept.
    Rows need both halves: they are each other's counterpart.
    """
    rows = []
    for name, chooser in FOLDS.items():
        fold = under(study, {"selection": name})
        for cell, record in searches(fold, METHOD):
            if seen := _seen(study, fold, cell, record, chooser):
                rows.append((cell.task, title_of(record), cell.seed, *seen))
    frame = pd.DataFrame(rows, columns=list(HALVES))
    groups = frame.groupby(["task", "title", "seed"], sort=False)
    return groups.mean()[groups.size() == len(FOLDS)].reset_index()


def _seen(study: Study, fold: Study, cell: Cell, record: dict, chooser: int) -> tuple[float, float, float] | None:
    """(seen, unseen, share of weights kept) of one search on half `chooser`; None where something is not stored."""
    score, full_model = fold.record(_of(cell, "score")), study.predictions(full(cell.task, cell.seed))
    if score is None or full_model is None:
        return None
    task, answers, labels = shown_task(cell.task), full_model["predictions"], full_model["labels"]
    parts = halves(cell.task, len(labels))
    on = [search_score(task, compute_metrics(task, answers[rows], labels[rows])) for rows in parts]
    kept = record["search_score"] / on[chooser], score["search_score"] / on[1 - chooser]
    return *kept, record["shares"]["prunable"]


def chosen(study: Study) -> pd.DataFrame:
    """Design "held out": columns `CHOSEN`, one row a task, seed and chooser ("dev" or "held out").

    good, random and bad are dev scores of the pruned subnetworks as shares of the full model's (NaN where not stored);
    weights is the share of prunable weights kept.
    """
    rows = []
    for chooser, fields in CHOOSERS.items():
        of_chooser = under(study, fields)
        for cell, record in searches(of_chooser, METHOD):
            if full_model := of_chooser.record(full(cell.task, cell.seed)):
                scores = [of_chooser.record(_of(cell, "score", name)) for name in SUBNETWORKS]
                kept = [score["search_score"] / full_model["search_score"] if score else np.nan for score in scores]
                rows.append((cell.task, title_of(record), cell.seed, chooser, *kept, record["shares"]["prunable"]))
    return pd.DataFrame(rows, columns=list(CHOSEN))


def _of(search: Cell, stage: str, subnetwork: str = "good") -> Cell:
    return Cell(search.task, search.seed, stage, METHOD, subnetwork)


def full_scores(study: Study) -> pd.DataFrame:
    """What holding examples out costs: columns `FULL`, the full model's dev score trained on all of train and on less.

    updates and updates_less are how often the optimiser moved the weights.
    """
    rows, less = [], under(study, HELD)
    for task, seed in product(study.preset.tasks, study.preset.seeds):
        cell = full(task, seed)
        found = [(one.record(cell), one.trajectory(cell)) for one in (study, less)]
        if all(record is not None and course is not None for record, course in found):
            scores = [record["score"] for record, _ in found]
            rows.append((task, title_of(found[0][0]), seed, *scores, *(len(course["loss"]) for _, course in found)))
    return pd.DataFrame(rows, columns=list(FULL))


def overlaps(study: Study, changes: Mapping[str, dict]) -> pd.DataFrame:
    """Jaccard index of the s-pruned masks of two choosers for one task and seed: columns `overlap.BETWEEN`.

    `changes` names two sets of preset fields, such as `CHOOSERS`.
    """
    first, second = (component_survival(under(study, fields), METHOD) for fields in changes.values())
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
