"""Pre-training on language and on what is none: learning curves, scores by task, the lottery of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.errors import UserError
from lottery_utils.show.forest import forest
from lottery_utils.show.stats import Effect
from lottery_utils.show.stored import here_or_above
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    WIDTH,
    empty_figure,
    legend_below,
    panels,
)

from .frames import BAD, FULL, GOOD, GOOD_BAD, RANDOM, parted
from .names import CORPORA

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

CORPUS_NAMES = {
    "language": "language",
    "shuffled": "shuffled words",
    "brackets": "brackets",
    "zipf": "Zipf noise",
    "none": "none",
}
CORPUS_LOOK = {  # line styles too, so that grey print tells them apart
    "language": ("#004488", "-"),
    "shuffled": ("#33997A", (0, (6, 1.5))),
    "brackets": ("#AA4499", (0, (3, 1.5))),
    "zipf": ("#8A7A3B", (0, (1, 1))),
}
WEIGHTS = "models/pretraining"  # in the repository: a folder a corpus
MARKS = {"full": "D", "good": "o", "random": "s", "bad": "v"}
MAJORITY = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}


def pretraining_studies(preset: str, folder: str | Path, overrides: dict | str | None = None) -> dict[str, Study]:
    """The studies of the pre-trainings with a record in `folder`, by model: looked for here and in the folders above.

    A record belongs to the model of that name, such as "zipf" or "zipf-2"; model and data need not be at hand. All
    studies have the seeds that one of them has. Raises UserError when there is no record of any.
    """
    from lottery_utils.experiment.study import Study, open_study

    base = open_study(preset, overrides=overrides, results_dir=here_or_above(folder))
    cells: dict[str, list[dict]] = {}
    for record in base.store.records():
        cells.setdefault(record["source"].get("model"), []).append(record["cell"])
    cells = {name: own for name, own in cells.items() if name and parted(name)}
    seeds = {cell["seed"] for own in cells.values() for cell in own}
    seeds = [seed for seed in base.preset.seeds if seed in seeds]
    studies = {}
    for name in sorted(cells, key=_place):
        tasks = {cell["task"] for cell in cells[name]}
        kept = [task for task in base.preset.tasks if task in tasks]
        one = open_study(preset, kept, seeds, {**_changes(overrides), "model": name}, base.store.root)
        studies[name] = Study(one.preset, base.store.root, stored=True)
    if not studies:
        raise UserError(f"no records of pre-trainings in {str(folder)!r}; run this in the repository's folder")
    return studies


def _place(name: str) -> tuple[int, int]:
    """Order of the models: first runs of all corpora, then the second ones."""
    corpus, run = parted(name)
    return run, CORPORA.index(corpus)


def models_in(folder: str | Path = WEIGHTS) -> list[str]:
    """Names of the pre-trained models in a folder, in order."""
    there = (path.parent.name for path in here_or_above(folder).glob("*/config.json"))
    return sorted((name for name in there if parted(name)), key=_place)


def _changes(overrides: dict | str | None) -> dict:
    return json.loads(overrides) if isinstance(overrides, str) and overrides.strip() else dict(overrides or {})


def pretraining_logs(folder: str | Path = WEIGHTS) -> dict[str, dict]:
    """What was written while pre-training, by model; those that are not at hand are left out."""
    paths = {name: here_or_above(folder) / name / "pretrain_log.json" for name in models_in(folder)}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}


def learning_curves(logs: Mapping[str, dict]) -> Figure:
    """Loss and accuracy on masked words against steps, a line a run, a colour a corpus; "none" has no step."""
    lines = {name: pd.DataFrame(log["curve"]) for name, log in logs.items() if log["curve"]}
    if not lines:
        return empty_figure("Nothing to show: no log of a pre-training is at hand.")
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    for ax, column, name in zip(
        figure.subplots(1, 2), ("word_loss", "word_acc"), ("loss (nats)", "accuracy"), strict=True
    ):
        for name_of_model, curve in lines.items():
            colour, dashes = CORPUS_LOOK[parted(name_of_model)[0]]
            ax.plot(curve["step"], curve[column], color=colour, linestyle=dashes, linewidth=1.6)
        ax.set_ylim(0, None if column == "word_loss" else 1)
        ax.set_xlim(0, None)
        ax.set_xlabel("steps of pre-training")
        ax.set_ylabel(f"{name} on masked words")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    handles = [
        Line2D([], [], color=CORPUS_LOOK[c][0], linestyle=CORPUS_LOOK[c][1], linewidth=1.6, label=CORPUS_NAMES[c])
        for c in dict.fromkeys(parted(one)[0] for one in lines)
    ]
    legend_below(figure, handles, len(handles))
    return figure


def score_panels(frame: pd.DataFrame) -> Figure:
    """Full model and retrained subnetworks of each pre-training, a panel a task; seeds are the small marks.

    `frame` as from `frames.all_scores`; where a search is a gap the full model stands alone.
    """
    full = frame[frame["treatment"] == "full"]
    if full.empty:
        return empty_figure("Nothing to show: no full model is stored.")
    tasks = list(dict.fromkeys(full["task"]))
    corpora = [corpus for corpus in CORPORA if corpus in set(full["corpus"])]
    figure, axes = panels(len(tasks), height=2.2)
    for ax, task in zip(axes, tasks, strict=True):
        own = frame[frame["task"] == task]
        ax.axhline(own.loc[own["subnetwork"] == "majority", "score"].mean(), **MAJORITY, zorder=1)
        for place, corpus in enumerate(corpora):
            _draw_scores(ax, place, own[own["corpus"] == corpus])
        ax.set_xticks(range(len(corpora)), [CORPUS_NAMES[c] for c in corpora], fontsize=7, rotation=35, ha="right")
        ax.set_xlim(-0.6, len(corpora) - 0.4)
        ax.set_ylim(min(-0.05, own["score"].min() - 0.05) if own["score"].min() < 0.05 else 0.0, 1.05)
        ax.set_title(own["title"].iloc[0], fontsize=9)
        ax.set_ylabel(METRIC_NAMES[own["metric"].iloc[0]], fontsize=8)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="x", length=0)
    handles = [
        Line2D([], [], marker=MARKS[name], color=COLOURS[name], linestyle="", ms=6, label=NAMES[name] + how)
        for name, how in (("full", ""), ("good", ", retrained"), ("random", ", retrained"), ("bad", ", retrained"))
    ]
    legend_below(figure, [*handles, Line2D([], [], **MAJORITY, label="majority")], 5)
    return figure


def _draw_scores(ax: Axes, place: int, rows: pd.DataFrame) -> None:
    for at, (name, treatment) in enumerate((FULL, GOOD, RANDOM, BAD)):
        scores = rows.loc[(rows["subnetwork"] == name) & (rows["treatment"] == treatment), "score"]
        if len(scores):
            x = place + 0.19 * (at - 1.5)
            look = {"marker": MARKS[name], "linestyle": "", "color": COLOURS[name]}
            ax.plot(np.full(len(scores), x), scores, ms=2.5, alpha=0.55, markeredgewidth=0, zorder=2, **look)
            ax.plot(x, scores.mean(), ms=5.5, zorder=3, **look)


def start_and_lottery(gained: Mapping[str, Effect], lottery: Mapping[str, Mapping[tuple, Effect]]) -> Figure:
    """How far each full model is above the one without pre-training, and good subnetworks above bad ones.

    `gained` as from `frames.gains`, `lottery` by method as from `frames.within`.
    """
    panels = {"full model\nabove no pre-training": {CORPUS_NAMES[corpus]: one for corpus, one in gained.items()}}
    for method, effects in lottery.items():
        title = f"{METHOD_NAMES[method]}, retrained:\ngood above bad"
        panels[title] = {CORPUS_NAMES[corpus]: effects[corpus, what] for corpus, what in effects if what == GOOD_BAD}
    return forest(panels, "points", "pre-trained on", absent="\N{EN DASH}")
