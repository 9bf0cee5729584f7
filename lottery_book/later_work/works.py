"""The later works as a table, with what was measured here beside what they published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.effects import effect_table, interval, signed
from lottery_utils.show.sentences import run_on
from lottery_utils.show.stats import Effect
from lottery_utils.show.tables import GAP, dressed

from ..sources import Source, count
from .figures import HEADLINE, NO_RECORD, WAYS, Sections
from .frames import LARGEST, arrays, first_removed, outlier_scores, passes, tidy

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

FIRST = ("source", "rankings", "in common", "by chance")
FILE = Path(__file__).with_name("works.csv")


def works() -> pd.DataFrame:
    """The later works: columns key (in the references), work, year, claim, number, checked, bears_on, section, link.

    `checked` says against what the number was checked: the paper's "abstract", or "from memory".
    """
    return pd.read_csv(FILE, dtype=str, keep_default_na=False)


def works_table(sources: Sequence[Source], found: Sections) -> Styler:
    """A row a later work: its claim and number, the claim of this paper it bears on, what was measured, its address."""
    picked = {letter: key for letter, key in HEADLINE.values()}
    rows = []
    for work in works().itertuples():
        measured = {
            source.kind: _short(found[source.kind][work.section].get(picked[work.section])) if work.section else GAP
            for source in sources
        }
        number = work.number if work.checked == "abstract" else f"{work.number} ({work.checked})"
        name = f'<a href="{work.link}">{work.work} {work.year}</a>'
        bears_on = work.bears_on + (f" (section {work.section})" if work.section else "")
        rows.append({"work": name, "claim": work.claim, "published": number, "on this paper": bears_on} | measured)
    caption = (
        "Later works, their claims and numbers as their abstracts give them. What was measured is the effect of the "
    )
    caption += "section named, as in the first figure, in hundredths of the lead."
    return dressed(pd.DataFrame(rows), caption, "later-works", wrapped=True).format(subset=["work"])


def section_table(sources: Sequence[Source], found: Sections, letter: str, at: str = "") -> Styler:
    """All effects of a section with their intervals, Holm's p and verdicts; `at` heads the condition's column."""
    effects: dict[tuple[str, ...], Effect] = {}
    for source in sources:
        for (first, second, where), each in found[source.kind][letter].items():
            key = (source.kind, f"{WAYS.get(first, first)} \N{MINUS SIGN} {WAYS.get(second, second)}")
            effects[(*key, f"{where}") if at else key] = each
    rows = ("source", "difference", at) if at else ("source", "difference")
    caption = "Differences in hundredths of the lead, paired by task and seed; p is corrected within a source."
    return effect_table(effects, caption, f"since-{letter}", rows)


def _short(effect: Effect | None) -> str:
    """An effect in a cell: mean, interval, tasks."""
    if effect is None or not effect.tasks:
        return GAP
    where = count(effect.tasks, "task")
    told = interval(effect.low, effect.high)
    return f"{signed(effect.mean)} ({where})" if told == GAP else f"{signed(effect.mean)} [{told}] ({where})"


def numbers() -> dict[str, str]:
    """The published number of each work, by its key."""
    return dict(zip(works()["key"], works()["number"], strict=True))


def evidence(source: Source) -> str:
    """What the evaluations of a source rest on, such as "MPNet-base, 1 task, 1 seed" or "MPNet-base, no task yet"."""
    cells = [cell for cell, _ in arrays(source.study, "outliers")]
    if not cells:
        return f"{source.model}, no task yet"
    tasks, seeds = {cell.task for cell in cells}, {cell.seed for cell in cells}
    return f"{source.model}, {count(len(tasks), 'task')}, {count(len(seeds), 'seed')}"


def lead_without(source: Source, count: int) -> str:
    """Mean lead kept without the `count` largest LayerNorm dimensions, such as "97 %"."""
    frame = tidy(source.study, outlier_scores(source.study))
    rows = frame[(frame["way"] == LARGEST) & (frame["at"] == count)]
    mean = rows.groupby("task")["points"].mean().mean()
    return NO_RECORD if np.isnan(mean) else f"{mean:.0f}\N{NO-BREAK SPACE}%"


def passes_phrase(source: Source) -> str:
    """How many passes a search took on average, or that there is none."""
    count = passes(source.study)
    return NO_RECORD if np.isnan(count) else f"{count:.0f}"


def provenance(source: Source) -> str:
    """What a source was run on, in one line."""
    return NO_RECORD if source.study is None else run_on(source.study)


def first_table(sources: Sequence[Source]) -> Styler:
    """What two rankings have in common among the first tenth of the heads that go, and what chance would give."""
    frame = pd.concat([first_removed(source.study).assign(source=source.kind) for source in sources])
    frame = frame.assign(rankings=frame["first"].map(WAYS) + ", " + frame["second"].map(WAYS))
    frame = frame[["source", "rankings", "shared", "chance"]].set_axis(FIRST, axis=1)
    caption = (
        "Of the first tenth of the heads that a ranking removes, the share that another removes too; mean of models."
    )
    return dressed(frame, caption, "since-first", formats=dict.fromkeys(FIRST[2:], "{:.2f}"))
