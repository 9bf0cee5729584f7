"""Words and tables for the chapter on ways to rank: what they are, how they stand, where they break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.methods import METHODS
from lottery_utils.show.glue import as_percent, listed
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.show.tables import GAP, dressed

from .frames import FIELDS, MARGIN, compared, curves, gaps, left_out
from .standings import Standing, paper_way

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from lottery_utils.experiment.study import Study


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
        lead = one.effects.get("lead", Effect())
        rows.append(
            {
                "pruning": METHOD_NAMES[one.method],
                "ranks by": one.name,
                "lead kept": as_percent(one.area),
                "minus the paper's": _difference(lead),
                "tasks ahead": f"{lead.wins} of {lead.tasks}" if lead.tasks else GAP,
                "each seed": ", ".join(f"{seed:+.1f}" for seed in one.seeds) or GAP,
                "corrected p": GAP if np.isnan(lead.corrected) else f"{lead.corrected:.3f}",
                "falls under 90 % at": _size(one.target),
                "under the midpoint at": _size(one.middle),
            }
        )
    tasks = found[0].tasks if found else 0
    caption = (
        f"Ways to rank at equal size, {'means over ' if tasks != 1 else ''}{tasks} task{'s' * (tasks != 1)}: the lead "
        "over the majority score that is kept, mean over the sizes from 95 to 5 %; its difference from the paper's way "
        "in points, paired by task and seed, with the 95 % interval over tasks, each seed alone, and p with Holm's "
        "correction over all differences of the kind of pruning; and the sizes at which the score falls."
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
    paper = next((one for one in own if one.is_paper), None)
    if not own:
        return f"There is no curve of {METHOD_NAMES[method]} to compare."
    if paper is None or len(own) == 1:
        return "There is nothing to compare the paper's way with."
    over = f"on average over {paper.tasks} tasks" if paper.tasks > 1 else "on one task"
    text = f"Over all sizes, {paper.name} keeps {as_percent(paper.area)} of the lead {over}."
    groups = _by_verdict([one for one in own if one is not paper], "lead", ("more", "less"))
    said = "; ".join(f"{word}: {listed([_said(one) for one in ones])}" for word, ones in groups.items())
    return f"{text} {said[:1].upper()}{said[1:]}."


def chance_sentence(found: list[Standing], method: str) -> str:
    """Which ways keep more of the lead than a random order, and of which the run does not show it."""
    own = [one for one in found if one.method == method and "lead above random" in one.effects]
    random = next((one for one in found if one.method == method and one.name == "random"), None)
    if random is None:
        return ""
    text = f"A random order keeps {as_percent(random.area)}."
    groups = _by_verdict(own, "lead above random", ("more than that", "less than that"))
    for word, ones in groups.items():
        each = [_said(one, "lead above random") for one in ones]
        text += f" {word[:1].upper()}{word[1:]}: {listed(each)}."
    return text


def break_sentence(found: list[Standing], method: str) -> str:
    """From where to where each way breaks, the one that holds longest first, and what differs from the paper's way."""
    own = sorted((one for one in found if one.method == method), key=lambda one: one.target)
    if not own:
        return ""
    parts = [f"{one.name} from {_size(one.target)} to {_size(one.middle)}" for one in own]
    over = f"mean over {own[0].tasks} tasks" if own[0].tasks > 1 else "one task"
    text = f"In {METHOD_NAMES[method]} the phase in which a way breaks is, {over}: {', '.join(parts)}."
    others = [one for one in own if not one.is_paper and one.effects]
    if len(others) == len(own):
        return text
    for quantity, mark in (("target", "the target"), ("middle", "the midpoint")):
        words = ("at a smaller size", "at a larger size")
        groups = _by_verdict(others, quantity, words)
        said = [f"{word} with {listed([one.name for one in groups[word]])}" for word in words if word in groups]
        text += f" Under {mark}, no way clearly differs from {paper_way(method)}." if not said else ""
        text += f" It falls under {mark}, compared with {paper_way(method)}, {listed(said)}." if said else ""
    return text


def _by_verdict(ones: list[Standing], quantity: str, words: tuple[str, str]) -> dict[str, list[Standing]]:
    """Ways by what can be said of a difference; groups without one are left out."""
    named = dict(zip(("above", "below"), words))
    named |= {"undecided": "not told apart", "not testable": "too few tasks to tell"}
    ones = sorted((one for one in ones if quantity in one.effects), key=lambda one: -one.effects[quantity].mean)
    groups = {named[word]: [one for one in ones if one.effects[quantity].word == word] for word in named}
    return {word: group for word, group in groups.items() if group}


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
    return f"Lines are means over {seeds} seeds, bands span them." if seeds else "There is no curve."


def spread_sentence(frame: pd.DataFrame, method: str) -> str:
    """How far the seeds of a task lie apart, beside the ways to rank: standard deviations of the lead kept."""
    rows = compared(frame[frame["method"] == method])
    area = rows[rows["size"] < 1].groupby(["task", "name", "seed"])["lead"].mean()
    if area.empty or rows["seed"].nunique() < 2:
        return ""
    seeds = 100 * area.groupby(["task", "name"]).std().mean()
    means = area.drop("random", level="name", errors="ignore").groupby(["task", "name"]).mean()
    ways = 100 * means.groupby("task").std().mean()
    return (
        f"On one task, the lead that one way keeps differs between seeds with a standard deviation of {seeds:.1f} "
        f"points; between ways, random aside, with {ways:.1f}."
    )


def gap_sentence(study: Study) -> str:
    """Tasks and seeds without curves, and why."""
    flat, lacking = gaps(study)
    parts = []
    if flat:
        names = [title + _seeds_of(seeds, len(study.preset.seeds)) for title, seeds in flat.items()]
        parts.append(f"{listed(names)}: the full model does not beat the majority score, so nothing was pruned.")
    for method, seeds in lacking.items():
        for seed, titles in seeds.items():
            where = "any task" if len(titles) == len(study.preset.tasks) else listed(titles)
            parts.append(f"{METHOD_NAMES[method]}, seed {seed}: not every way to rank was run on {where}.")
    out = left_out(curves(study))
    titles = list(dict.fromkeys(title for own in out.values() for title in own if title not in flat))
    if titles and not lacking:
        points = f"{100 * MARGIN:.0f} points"
        parts.append(f"{listed(titles)}: a full model leads the majority score by less than {points}; in no average.")
    return "Gaps: " + " ".join(parts) if parts else "There is a curve for every task, seed and way to rank."


def _seeds_of(seeds: list[int], all_: int) -> str:
    """The seeds in brackets where it is not all of them."""
    return "" if len(seeds) == all_ else f" (seed{'s' * (len(seeds) > 1)} {listed([str(seed) for seed in seeds])})"


def _difference(one: Effect) -> str:
    if not one.tasks:
        return GAP
    ends = "" if np.isnan(one.low) else f" ({one.low:+.1f} to {one.high:+.1f})"
    return f"{one.mean:+.1f}{ends}"


def _said(one: Standing, quantity: str = "lead") -> str:
    """A way with its difference, tasks where it is above 0, seeds that agree: "x (+1, -2 to +4; 3 of 8 tasks, ...)"."""
    found = one.effects[quantity]
    counts = [f"{found.wins} of {found.tasks} tasks"] if found.tasks > 1 else []
    counts += [f"{one.agreeing} of {len(one.seeds)} seeds"] if len(one.seeds) > 1 and quantity == "lead" else []
    more = f"; {', '.join(counts)}" if counts else ""
    return f"{one.name} ({_difference(found).replace(' (', ', ').rstrip(')')}{more})"


def _size(size: float) -> str:
    return "not down to 5 %" if size == 0 else as_percent(size)
