"""The experiments as one kind of table, one row per task, seed and way, and the effects of each section."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell, full
from lottery_utils.experiment.study import Study
from lottery_utils.presets import METHODS
from lottery_utils.show.compute import under
from lottery_utils.show.frames import Reading, readings, shown_title
from lottery_utils.show.stats import Effect, corrected, effect, paired
from lottery_utils.show.style import METHOD_NAMES

from ..scorecard.judge import Verdict
from .one_look import HEADS_GONE, INACTIVE, SUMS
from .stage import RANKED_BY

ROWS = ("task", "title", "seed", "way", "at", "score", "points")
LARGEST, RANDOM, SEARCH, FULL = "largest dimensions", "random dimensions", "full search", "full model"
SUBNETWORKS = ("good", "random", "random_layer", "bottom_layers", "bad")
TREATMENTS = {"score": "pruned", "retrain": "retrained"}
THRESHOLDS = (0.98, 1.0)
Score = tuple[str, int, str, object, float]  # task, seed, way, at which size or in which condition, score
Key = tuple[str, str, object]  # two ways, and at what they are compared
JUDGED: dict[Key, str] = {  # differences that are claims of the scorecard, which are not tested again here
    ("good", "random_layer", "s-pruning, pruned"): "s_layer",
    ("random_layer", "random", "s-pruning, pruned"): "s_layer_random",
    ("good", "random_layer", "m-pruning, pruned"): "m_layer",
    ("random_layer", "random", "m-pruning, pruned"): "m_layer_random",
    ("random_layer", "random", "s-pruning, retrained"): "s_layer_retrained",
    ("random_layer", "random", "m-pruning, retrained"): "m_layer_retrained",
}
SIDES = {"inside": "above", "outside": "below"}  # of the scorecard's region, which is above 0 for each of them


def sections(study: Study | None, verdicts: Mapping[str, Verdict]) -> dict[str, dict[Key, Effect]]:
    """The effects of each section by its letter: the first way minus the second, in hundredths of the lead.

    Paired by task and seed, tasks are the sample, p with Holm's correction within a section; but those of `JUDGED` are
    the scorecard's `verdicts` on this source.
    """
    subnetworks = tidy(study, subnetwork_scores)
    return {
        "a": judged(verdicts) | compared(subnetworks, [("good", "random_layer")]),
        "b": compared(tidy(study, outlier_scores), [(LARGEST, RANDOM)]),
        "c": compared(tidy(study, origin_scores), [RANKED_BY[::-1]]),
        "d": compared(tidy(study, alone_scores), [(way, "exact") for way in INACTIVE[1:]]),
        "e": compared(tidy(study, same_size_scores), [(way, SEARCH) for way in SUMS]),
        "f": compared(subnetworks, [("bottom_layers", name) for name in ("good", "random", "bad")]),
        "g": compared(tidy(study, threshold_scores), [("good", FULL)]),
    }


def judged(verdicts: Mapping[str, Verdict]) -> dict[Key, Effect]:
    """The effects of `JUDGED` as the scorecard has them, its p included, without those that have no number."""
    shown = {key: verdicts[claim].shown for key, claim in JUDGED.items() if verdicts[claim].effect.tasks}
    return {key: replace(each, side=SIDES.get(each.side, "")) for key, each in shown.items()}


def compared(frame: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> dict[Key, Effect]:
    """The first way minus the second, in each condition `at` that has both, corrected together; none of `JUDGED`."""
    effects = {
        (*pair, at): paired(rows, "points", *pair, column="way")
        for at, rows in frame.groupby("at", sort=False)
        for pair in pairs
        if (*pair, at) not in JUDGED
    }
    return corrected({key: each for key, each in effects.items() if each.tasks})


def tidy(study: Study | None, scores: Callable[[Study], Iterable[Score]]) -> pd.DataFrame:
    """What `scores` finds, as columns `ROWS`; points: lead kept, times 100, of the task's mean lead over seeds.

    Of single seeds a small lead of the full model would make any share. NaN where the full model does not lead.
    """
    rows = []
    for task, seed, way, at, score in scores(study) if study else ():
        record = study.record(full(task, seed))
        title = shown_title(task, record["partial"])
        rows.append((task, title, seed, way, at, score, record["majority"], record["score"]))
    frame = pd.DataFrame(rows, columns=[*ROWS[:-1], "majority", "full"])
    leads = (frame["full"] - frame["majority"]).groupby([frame["task"], frame["seed"]]).first().groupby("task").mean()
    lead = frame["task"].map(leads).astype(float)
    points = 100 * (frame["score"] - frame["majority"]) / lead.where(lead > 0)
    return frame.assign(points=points.astype(float))[list(ROWS)]


def subnetwork_scores(study: Study) -> Iterator[Score]:
    """Subnetworks of good's size, by method and treatment."""
    for stage, treatment in TREATMENTS.items():
        for method in METHODS:
            for cell, score in _scores(study, stage, method, SUBNETWORKS):
                yield cell.task, cell.seed, cell.subnetwork, f"{METHOD_NAMES[method]}, {treatment}", score


def outlier_scores(study: Study) -> Iterator[Score]:
    """Without the largest and without random dimensions, draws averaged, at how many."""
    for task, seed, arrays in of_stage(study, "outliers"):
        for place, count in enumerate(arrays["count"].tolist()):
            yield task, seed, LARGEST, count, float(arrays["largest"][place])
            yield task, seed, RANDOM, count, float(arrays["random"][place].mean())


def origin_scores(study: Study) -> Iterator[Score]:
    """Fine-tuned weights ranked by their own and by the pre-trained magnitudes, at the share kept."""
    for task, seed, arrays in of_stage(study, "origins"):
        for way, scores in zip(RANKED_BY, arrays["score"].tolist(), strict=True):
            yield from ((task, seed, way, *each) for each in zip(arrays["kept"].tolist(), scores, strict=True))


def alone_scores(study: Study) -> Iterator[Score]:
    """Heads alone removed at once by each of `INACTIVE`, at the share removed."""
    for task, seed, arrays in of_stage(study, "one_look"):
        for way, scores in zip(INACTIVE, arrays["alone"].tolist(), strict=True):
            yield from ((task, seed, way, *each) for each in zip(HEADS_GONE, scores, strict=True))


def same_size_scores(study: Study) -> Iterator[Score]:
    """At the good subnetwork's size: ranked once by each of `SUMS`, and by the full search."""
    looked_at = set()
    for task, seed, arrays in of_stage(study, "one_look"):
        looked_at.add((task, seed))
        yield from ((task, seed, way, "", score) for way, score in zip(SUMS, arrays["same_size"].tolist(), strict=True))
    for cell, score in _scores(study, "score", "structured", ("good",)):
        if (cell.task, cell.seed) in looked_at:
            yield cell.task, cell.seed, SEARCH, "", score


def threshold_scores(study: Study) -> Iterator[Score]:
    """The full model and good subnetworks, retrained, at each of `THRESHOLDS` that they were searched with."""
    for threshold in THRESHOLDS:
        searched = under(study, {"threshold": threshold})
        for cell, score in _scores(searched, "retrain", "structured", ("good",)):
            yield cell.task, cell.seed, "good", threshold, score
            yield cell.task, cell.seed, FULL, threshold, searched.record(full(cell.task, cell.seed))["score"]


def sinks(study: Study | None, on: str = "CLS") -> Effect:
    """Attention `on` [CLS] or [SEP], in points, of heads that the good subnetwork lacks less that of heads it keeps."""
    place = ("CLS", "SEP").index(on)
    differences = {}
    for task, seed, arrays in of_stage(study, "one_look"):
        kept = study.mask(Cell(task, seed, "search", "structured", "good")).heads
        attention = 100 * arrays["sinks"][place]
        if not kept.all():
            differences[task, seed] = attention[~kept].mean() - attention[kept].mean()
    return effect(pd.Series(differences).rename_axis(["task", "seed"])) if differences else Effect()


def of_stage(study: Study | None, stage: str) -> Iterator[tuple[str, int, dict[str, np.ndarray]]]:
    """Task, seed and arrays of every cell of a stage that has some: none after a degenerate search."""
    stored: list[Reading] = [] if study is None else readings(study, stage)
    yield from ((each.task, each.seed, each.arrays) for each in stored if not each.degenerate and each.arrays)


def _scores(study: Study, stage: str, method: str, names: tuple[str, ...]) -> Iterator[tuple[Cell, float]]:
    """(cell, score) of the cells that are stored and not degenerate, tasks and seeds as in the preset."""
    cells = (Cell(t, s, stage, method, n) for t in study.preset.tasks for s in study.preset.seeds for n in names)
    for cell in cells:
        if (record := study.record(cell)) is not None and not record["degenerate"]:
            yield cell, record["score"]
