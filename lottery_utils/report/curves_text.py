"""Words and tables for the chapter on ways to rank: what they are, how they stand, where they break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..analysis.methods import FIELDS, Standing, gaps
from ..methods import METHODS
from .glue import as_percent, listed
from .style import METHOD_NAMES
from .tables import GAP, dressed

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from ..experiment.study import Study


def methods_table() -> Styler:
    """The registry: pruning, name, what it ranks by, and how to ask for it."""
    rows = [
        {"pruning": METHOD_NAMES[method], "name": name, "ranks by": known.about, "asked for by": f"{kind}={name}"}
        for method, kind in FIELDS.items()
        for name, known in METHODS[kind].items()
    ]
    return dressed(pd.DataFrame(rows), "Ways to rank; the first of each kind is the paper's.", "methods", wrapped=True)


def standings_table(found: list[Standing], name: str = "standings") -> Styler:
    """How the ways to rank stand: lead kept over all sizes, the difference from the paper's way, where they break."""
    rows = []
    for one in found:
        paper = np.isnan(one.low) and one.ahead == 0
        rows.append(
            {
                "pruning": METHOD_NAMES[one.method],
                "ranks by": one.name,
                "tasks": one.tasks,
                "lead kept": as_percent(one.area),
                "minus the paper's": GAP if paper or np.isnan(one.ahead) else _difference(one),
                "falls under 90 % at": _size(one.target),
                "under the midpoint at": _size(one.middle),
            }
        )
    caption = (
        "Ways to rank at equal size, means over tasks: the lead over the majority score that is kept, mean over the "
        "sizes from 95 to 5 %; its difference from the paper's way in points, paired by task and seed, with the 95 % "
        "interval over tasks (not corrected for the number of comparisons) and the tasks where it is ahead; and the "
        "sizes at which the score falls."
    )
    return dressed(pd.DataFrame(rows), caption, name)


def curves_table(frame: pd.DataFrame, name: str = "curves", sizes=(0.9, 0.7, 0.5, 0.3, 0.1)) -> Styler:
    """A row a task and way to rank: majority score, full score and dev scores at some sizes, mean over seeds."""
    rows = []
    for (method, title, rank), own in frame.groupby(["method", "title", "name"], sort=False):
        means = own.groupby("size")["score"].mean()
        rows.append(
            {
                "pruning": METHOD_NAMES[method],
                "task": title,
                "ranks by": rank,
                "seeds": own["seed"].nunique(),
                "majority": f"{own['majority'].iloc[0]:.3f}",
                "full": f"{means.get(1.0, np.nan):.3f}",
                **{as_percent(size): f"{means[size]:.3f}" if size in means else GAP for size in sizes},
            }
        )
    return dressed(pd.DataFrame(rows), "Dev scores at some of the sizes, mean over seeds.", name)


def standing_sentence(found: list[Standing], method: str) -> str:
    """Which ways keep more than the paper's, which less, which the run does not tell apart."""
    own = [one for one in found if one.method == method]
    if not own:
        return f"There is no curve of {METHOD_NAMES[method]} to compare."
    paper = next((one for one in own if one.ahead == 0 and np.isnan(one.low)), None)
    if paper is None or len(own) == 1:
        return "There is nothing to compare the paper's way with."
    over = f"on average over {paper.tasks} tasks" if paper.tasks > 1 else "on one task"
    text = f"Over all sizes, {paper.name} keeps {as_percent(paper.area)} of the lead {over}."
    others = sorted((one for one in own if one is not paper), key=lambda one: -one.area)
    if paper.tasks < 2:
        each = [f"{one.name} {as_percent(one.area)}" for one in others]
        return f"{text} The others: {listed(each)}. With fewer than two tasks there is no interval."
    groups = {
        "more": [one for one in others if one.low > 0],
        "less": [one for one in others if one.high < 0],
        "neither clearly more nor less": [one for one in others if one.low <= 0 <= one.high],
    }
    parts = [f"{word}: {listed([_said(one) for one in ones])}" for word, ones in groups.items() if ones]
    said = "; ".join(parts)
    return f"{text} {said[:1].upper()}{said[1:]}."


def break_sentence(found: list[Standing], method: str) -> str:
    """From where to where each way breaks, the one that holds longest first."""
    own = sorted((one for one in found if one.method == method), key=lambda one: one.target)
    if not own:
        return ""
    parts = [f"{one.name} from {_size(one.target)} to {_size(one.middle)}" for one in own]
    over = f"mean over {own[0].tasks} tasks" if own[0].tasks > 1 else "one task"
    return f"In {METHOD_NAMES[method]} the phase in which a way breaks is, {over}: {', '.join(parts)}."


def size_sentence(frame: pd.DataFrame) -> str:
    """What a size means in components and in weights."""
    rows = frame[frame["method"] == "structured"].drop_duplicates("size").set_index("size")
    if not len(rows):
        return "There is no curve of s-pruning to describe."
    parts = []
    for size in (0.5, 0.05):
        if size in rows.index:
            row = rows.loc[size]
            heads, mlps = int(row["heads"]), int(row["mlps"])
            said = f"{heads} heads and {mlps} MLP{'s' if mlps != 1 else ''}, {100 * row['share']:.1f} % of the weights"
            parts.append(f"{as_percent(size)} is {said}")
    whole = rows.loc[1.0]
    return f"Of {int(whole['heads'])} heads and {int(whole['mlps'])} MLPs, {listed(parts, 'no size is there')}."


def seed_sentence(frame: pd.DataFrame) -> str:
    """How many seeds lie behind a curve, and what that means for a single task."""
    seeds = frame["seed"].nunique()
    if seeds == 1:
        return "There is one seed a task: a difference on one task may be that seed's; the averages over tasks count."
    return f"Curves are means over {seeds} seeds." if seeds else "There is no curve."


def gap_sentence(study: Study) -> str:
    """Tasks and seeds without curves, and why."""
    flat, lacking = gaps(study)
    parts = []
    if flat:
        names = [f"{title} (seed {listed([str(seed) for seed in seeds])})" for title, seeds in flat.items()]
        parts.append(f"{listed(names)}: the full model does not beat the majority score, so nothing was pruned.")
    for method, seeds in lacking.items():
        for seed, titles in seeds.items():
            where = "any task" if len(titles) == len(study.preset.tasks) else listed(titles)
            parts.append(f"{METHOD_NAMES[method]}, seed {seed}: not every way to rank was run on {where}.")
    return "Gaps: " + " ".join(parts) if parts else "There is a curve for every task, seed and way to rank."


def _difference(one: Standing) -> str:
    if np.isnan(one.low):
        return f"{100 * one.ahead:+.1f}"
    return f"{100 * one.ahead:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f}); {one.wins} of {one.tasks}"


def _said(one: Standing) -> str:
    return f"{one.name} ({100 * one.ahead:+.1f} points, 95 % interval {100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _size(size: float) -> str:
    return "not down to 5 %" if size == 0 else as_percent(size)
