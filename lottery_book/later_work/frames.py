"""The experiments as one kind of table, a row a task, seed and way, and the effects of each section of the chapter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell, full
from lottery_utils.presets import METHODS
from lottery_utils.pruning.importance import normalise_heads
from lottery_utils.show.frames import shown_title
from lottery_utils.show.stats import Effect, corrected, effect, paired
from lottery_utils.show.stored import under
from lottery_utils.show.style import METHOD_NAMES

from .one_look import HEADS_GONE, INACTIVE, SUMS
from .origins import KINDS, RANKED_BY

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

ROWS = ("task", "title", "seed", "way", "at", "score", "points")
LARGEST, RANDOM, SEARCH, FULL = "largest dimensions", "random dimensions", "full search", "full model"
SUBNETWORKS = ("good", "random", "random_layer", "bottom_layers", "bad")
TREATMENTS = {"score": "pruned", "retrain": "retrained"}
THRESHOLDS = (0.98, 1.0)
FIRST = 0.1  # share of the heads that count as the first removed
Score = tuple[Cell, str, object, float]  # a cell, a way, at which size or in which condition, its score
Key = tuple[str, str, object]  # two ways, and at what they are compared


def sections(study: Study | None) -> dict[str, dict[Key, Effect]]:
    """The effects of each section by its letter: the first way minus the second, in hundredths of the lead.

    Paired by task and seed, tasks are the sample, p with Holm's correction within a section.
    """
    subnetworks = tidy(study, subnetwork_scores(study))
    return {
        "a": compared(subnetworks, [("good", "random_layer"), ("random_layer", "random")]),
        "b": compared(tidy(study, outlier_scores(study)), [(LARGEST, RANDOM)]),
        "c": compared(tidy(study, origin_scores(study)), [RANKED_BY[::-1]]),
        "d": compared(tidy(study, alone_scores(study)), [(way, "exact") for way in INACTIVE[1:]]),
        "e": compared(tidy(study, same_size_scores(study)), [(way, SEARCH) for way in (*SUMS, "random")]),
        "f": compared(subnetworks, [("bottom_layers", name) for name in ("good", "random", "bad")]),
        "g": compared(tidy(study, threshold_scores(study)), [("good", FULL)]),
    }


def compared(frame: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> dict[Key, Effect]:
    """The first way minus the second, in each condition `at` that has both, corrected together."""
    found = {
        (*pair, at): paired(rows, "points", *pair, column="way")
        for at, rows in frame.groupby("at", sort=False)
        for pair in pairs
    }
    return corrected({key: each for key, each in found.items() if each.tasks})


def tidy(study: Study | None, scores: Iterable[Score]) -> pd.DataFrame:
    """Scores as columns `ROWS`; points: lead kept, times 100, with the task's mean lead over seeds below the line.

    Of single seeds a small lead of the full model would make any share. NaN where the full model does not lead.
    """
    rows = []
    for cell, way, at, score in scores:
        record = study.record(full(cell.task, cell.seed))
        title = shown_title(cell.task, record["partial"])
        rows.append((cell.task, title, cell.seed, way, at, score, record["majority"], record["score"]))
    frame = pd.DataFrame(rows, columns=[*ROWS[:-1], "majority", "full"])
    leads = (frame["full"] - frame["majority"]).groupby([frame["task"], frame["seed"]]).first().groupby("task").mean()
    lead = frame["task"].map(leads).astype(float)
    points = 100 * (frame["score"] - frame["majority"]) / lead.where(lead > 0)
    return frame.assign(points=points.astype(float))[list(ROWS)]


def subnetwork_scores(study: Study) -> Iterator[Score]:
    """Subnetworks of good's size, by method and treatment."""
    for stage, treatment in TREATMENTS.items():
        for method in METHODS:
            for cell, record in records(study, stage, method, SUBNETWORKS):
                yield cell, cell.subnetwork, f"{METHOD_NAMES[method]}, {treatment}", record["score"]


def outlier_scores(study: Study, at: str = "count") -> Iterator[Score]:
    """Without the largest and without random dimensions, draws averaged; `at` is "count" or "share" of all weights."""
    for cell, found in arrays(study, "outliers"):
        for place, size in enumerate(found[at].tolist()):
            yield cell, LARGEST, size, float(found["largest"][place])
            yield cell, RANDOM, size, float(found["random"][place].mean())


def removed_scores(study: Study) -> Iterator[Score]:
    """The same, and pruned subnetworks of s-pruning, at the share of all weights that each lacks."""
    yield from outlier_scores(study, "share")
    tasks = {cell.task for cell, _ in arrays(study, "outliers")}
    for cell, record in records(study, "score", "structured", ("good", "random", "bad")):
        if cell.task in tasks:
            yield cell, cell.subnetwork, 1 - record["shares"]["all"], record["score"]


def origin_scores(study: Study) -> Iterator[Score]:
    """Fine-tuned weights ranked by their own and by the pre-trained magnitudes, at the share kept."""
    for cell, found in arrays(study, "origins"):
        for way, scores in zip(RANKED_BY, found["score"].tolist(), strict=True):
            yield from ((cell, way, kept, score) for kept, score in zip(found["kept"].tolist(), scores, strict=True))


def alone_scores(study: Study) -> Iterator[Score]:
    """Heads alone removed at once by each of `INACTIVE`, at the share removed."""
    for cell, found in arrays(study, "one_look", "structured"):
        for way, scores in zip(INACTIVE, found["alone"].tolist(), strict=True):
            yield from ((cell, way, gone, score) for gone, score in zip(HEADS_GONE, scores, strict=True))


def same_size_scores(study: Study) -> Iterator[Score]:
    """At the good subnetwork's size: ranked once by each of `SUMS`, by the full search, and at random."""
    looked = list(arrays(study, "one_look", "structured"))
    for cell, found in looked:
        yield from ((cell, way, "", score) for way, score in zip(SUMS, found["same_size"].tolist(), strict=True))
    for cell, record in records(study, "score", "structured", ("good", "random")):
        if any((cell.task, cell.seed) == (own.task, own.seed) for own, _ in looked):
            yield cell, {"good": SEARCH}.get(cell.subnetwork, cell.subnetwork), "", record["score"]


def threshold_scores(study: Study) -> Iterator[Score]:
    """The full model and good subnetworks, retrained, at each of `THRESHOLDS` that they were searched with."""
    for threshold in THRESHOLDS if study is not None else ():
        own = under(study, {"threshold": threshold})
        for cell, record in records(own, "retrain", "structured", ("good",)):
            yield cell, "good", threshold, record["score"]
            yield cell, FULL, threshold, own.record(full(cell.task, cell.seed))["score"]


def overlaps(study: Study) -> pd.DataFrame:
    """How far both magnitudes remove the same weights: columns kept, layer, kind, jaccard, chance, means of models."""
    rows = []
    for _, found in arrays(study, "origins"):
        first, second, both, total = np.moveaxis(found["removed"].astype(float), -1, 0)
        jaccards = [part / np.maximum(first + second - part, 1) for part in (both, first * second / total)]
        for k, layer, kind in np.ndindex(first.shape):
            rows.append((found["kept"][k], layer, KINDS[kind], *(jaccard[k, layer, kind] for jaccard in jaccards)))
    frame = pd.DataFrame(rows, columns=["kept", "layer", "kind", "jaccard", "chance"])
    return frame.groupby(["kept", "layer", "kind"], sort=False).mean().reset_index()


def first_removed(study: Study) -> pd.DataFrame:
    """Share of the first tenth of the heads removed that two rankings have in common: columns pair, shared, chance."""
    rows = []
    for _, found in arrays(study, "one_look", "structured"):
        lowest = {way: _lowest(found[f"{way}_heads"], FIRST) for way in INACTIVE}
        for pair in combinations(INACTIVE, 2):
            one, other = (lowest[way] for way in pair)
            rows.append((*pair, (one & other).sum() / one.sum(), one.mean()))
    frame = pd.DataFrame(rows, columns=["first", "second", "shared", "chance"])
    return frame.groupby(["first", "second"], sort=False).mean().reset_index()


def sink_effects(study: Study) -> dict[tuple[str, str], Effect]:
    """Attention on [CLS] and [SEP], in per cent, of heads that a ranking removes minus those it keeps.

    `SEARCH` is the good subnetwork's choice; the others remove a quarter of the heads at once.
    """
    values: dict[tuple[str, str], dict] = {}
    for cell, found in arrays(study, "one_look", "structured"):
        gone = {way: _lowest(found[f"{way}_heads"], HEADS_GONE[0]) for way in INACTIVE[:-1]}
        good = study.mask(Cell(cell.task, cell.seed, "search", "structured", "good"))
        gone |= {} if good is None or good.heads.all() else {SEARCH: ~good.heads}
        for way, removed in gone.items():
            for token, sinks in zip(("[CLS]", "[SEP]"), 100 * found["sinks"], strict=True):
                difference = sinks[removed].mean() - sinks[~removed].mean()
                values.setdefault((way, token), {})[cell.task, cell.seed] = difference
    series = {key: pd.Series(own).rename_axis(["task", "seed"]) for key, own in values.items()}
    return corrected({key: effect(own) for key, own in series.items()})


def passes(study: Study) -> float:
    """Forward passes over the dev set that a search of s-pruning took, mean over tasks and seeds; NaN for none."""
    courses = [course for _, course in arrays(study, "search", "structured", "good")]
    return float(np.mean([len(course["score"]) for course in courses])) if courses else np.nan


def arrays(study: Study | None, stage: str, method: str = "", subnetwork: str = "full") -> Iterator[tuple[Cell, dict]]:
    """(cell, arrays) of every cell of a stage that has some: none after a degenerate search."""
    for cell, _ in records(study, stage, method, (subnetwork,)):
        if found := study.trajectory(cell):
            yield cell, found


def records(study: Study | None, stage: str, method: str, names: tuple[str, ...]) -> Iterator[tuple[Cell, dict]]:
    """(cell, record) of the cells that are stored and not degenerate, tasks and seeds as in the preset."""
    if study is None:
        return
    cells = (Cell(t, s, stage, method, n) for t in study.preset.tasks for s in study.preset.seeds for n in names)
    for cell in cells:
        if (record := study.record(cell)) is not None and not record["degenerate"]:
            yield cell, record


def _lowest(heads: np.ndarray, share: float) -> np.ndarray:
    """The lowest `share` of the heads (L, H), one at least, after division by their layer's norm, as bool (L, H)."""
    order = np.argsort(normalise_heads(heads).ravel(), kind="stable")[: max(1, int(share * heads.size))]
    return np.isin(np.arange(heads.size), order).reshape(heads.shape)
