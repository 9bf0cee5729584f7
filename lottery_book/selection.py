"""Is a subnetwork as good on examples that did not choose it? Masks chosen on a half of dev, or held out of train.

Two designs, for s-pruning. "halves": the fine-tuned models stay; a search on one half of dev, its subnetwork scored on
both, and the other way round. "held out": examples of train, as many as dev has, are kept from training; one search
chooses on them, one on dev, and both subnetworks are scored on dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

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
from lottery_utils.show.frames import component_survival, searches, title_of
from lottery_utils.show.stats import Effect, corrected, effect
from lottery_utils.show.style import COLOURS, GRID, WIDTH, empty_figure, legend_below
from lottery_utils.tasks.glue import shown_task
from lottery_utils.tasks.load import halves
from lottery_utils.tasks.metrics import compute_metrics, search_score

from .agreement.overlap import jaccard_between
from .evidence import framed
from .sources import count

METHOD = "structured"
FOLDS = {"half": 0, "other_half": 1}  # to the half that chooses
HELD = {"held_out": 1.0}
CHOOSERS = {"dev": HELD, "held out": {**HELD, "selection": "held_out"}}
SUBNETWORKS = ("good", "random", "bad")
DIFFERENCES = {
    "seen": "half that chose minus other half",
    "good": "chosen on dev minus held out",
    "weights": "weights kept: chosen on dev minus held out",
    "random": "chosen held out: good minus random",
    "bad": "chosen held out: good minus bad",
    "price": "full model: trained on less minus on all",
}
SIDES = {"seen": "chose the\nmask", "unseen": "others"}
LIMIT = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}
FULL_LINE = {"color": "#222222", "linewidth": 0.8}
HALVES = ("task", "title", "seed", "seen", "unseen", "weights")
CHOSEN = ("task", "title", "seed", "chooser", *SUBNETWORKS, "weights")
FULL = ("task", "title", "seed", "all", "less")


def effects(study: Study) -> dict[str, Effect]:
    """Differences in points of the full score, by `DIFFERENCES`, paired by task and seed.

    Holm's correction is within a question: chosen on dev against held out; good ones against random and bad ones.
    """
    frames = (make(study).set_index(["task", "seed"]) for make in (half_scores, chosen, full_scores))
    halved, both, full_models = frames
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
    score = fold.record(Cell(cell.task, cell.seed, "score", METHOD, "good"))
    full_model = study.predictions(full(cell.task, cell.seed))
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
                cells = [Cell(cell.task, cell.seed, "score", METHOD, name) for name in SUBNETWORKS]
                scores = list(map(of_chooser.record, cells))
                kept = [score["search_score"] / full_model["search_score"] if score else np.nan for score in scores]
                rows.append((cell.task, title_of(record), cell.seed, chooser, *kept, record["shares"]["prunable"]))
    return pd.DataFrame(rows, columns=list(CHOSEN))


def full_scores(study: Study) -> pd.DataFrame:
    """What holding examples out costs: columns `FULL`, the full model's dev score, trained on all of train or less."""
    rows, less = [], under(study, HELD)
    for task, seed in product(study.preset.tasks, study.preset.seeds):
        records = [one.record(full(task, seed)) for one in (study, less)]
        if all(record is not None for record in records):
            rows.append((task, title_of(records[0]), seed, *(record["score"] for record in records)))
    return pd.DataFrame(rows, columns=list(FULL))


def halves_alike(study: Study) -> tuple[float, float]:
    """Jaccard index of the heads that searches on the two halves keep, and its chance level; means over tasks."""
    alike = jaccard_between(*(component_survival(under(study, {"selection": name}), METHOD) for name in FOLDS))
    heads = alike.loc[alike["component"] == "head", ["jaccard", "chance"]].astype(float)
    return float(heads["jaccard"].mean()), float(heads["chance"].mean())


def table_of_effects(by_study: Mapping[str, Mapping[str, Effect]]) -> Styler:
    """`effects` of each study by its name: one row per difference and study."""
    rows = {(text, name): found[key] for key, text in DIFFERENCES.items() for name, found in by_study.items()}
    caption = (
        "S-pruning, pruned: differences in hundredths of the full model's score, of the prunable weights, in the last "
        "two rows of the metric; paired by task and seed."
    )
    return effect_table(rows, caption, "selection-effects", ("difference", "measured on"))


def seen_pairs(frames: Mapping[str, pd.DataFrame], threshold: float) -> Figure:
    """Each task's score on the half that chose its mask and on the other, joined; one panel per study.

    `frames` maps a study's name to a frame as from `half_scores`, this run's first; `threshold` is the share of the
    full score at which searches stop.
    """
    kinds = dict(zip(frames, ("this run", "real study"), strict=False))
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    if not frames:
        return empty_figure("Nothing to show: no mask was chosen on a half of a dev set.")
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    dot, same = {"marker": "o", "markersize": 4.5, "color": COLOURS["good"]}, {"x": "side", "y": "kept"}
    dot["linewidth"] = 0.8
    for ax, (name, own) in zip(figure.subplots(1, len(frames), sharey=True, squeeze=False)[0], frames.items()):
        means = own.groupby("title", sort=False)[list(SIDES)].mean().rename(columns=SIDES)
        rows = means.melt(var_name="side", value_name="kept", ignore_index=False).reset_index()
        sns.lineplot(rows, **same, units="title", estimator=None, alpha=0.6, markeredgewidth=0, ax=ax, **dot)
        sns.pointplot(rows, **same, errorbar=None, linestyle="none", marker="D", markersize=6, color="#222222", ax=ax)
        ax.axhline(threshold, **LIMIT)
        ax.axhline(1.0, **FULL_LINE)
        ax.set(xlim=(-0.35, 1.35), xlabel="", ylabel="score as a share of the full model's")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        framed(ax, kinds[name], f"{name}\n{count(len(means), 'task')}, {count(own['seed'].nunique(), 'seed')}")
        ax.tick_params(axis="x", length=0)
    handles = [
        Line2D([], [], **dot, label="one task, mean over seeds and halves"),
        Line2D([], [], marker="D", markersize=6, linestyle="", color="#222222", label="mean over tasks"),
        Line2D([], [], **LIMIT, label="where searches stop"),
        Line2D([], [], **FULL_LINE, label="full model"),
    ]
    legend_below(figure, handles, 2)
    return figure
