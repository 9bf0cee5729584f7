"""The later works as a table, what was measured here beside what they published, and the effects of each section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from lottery_utils.show.effects import effect_table, forest, interval, signed
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import NAMES
from lottery_utils.show.tables import GAP, dressed

from ..evidence import framed
from ..sources import NO_RECORD, Source, count, seeds_in_words
from .sections import FULL, JUDGED, LARGEST, RANDOM, SEARCH, Key, of_stage, outlier_scores, tidy

FILE = Path(__file__).with_name("works.csv")
WAYS = NAMES | {
    "exact": "importance",
    "fisher": "Fisher, by example",
    "fisher_32": "Fisher, batches of 32",
    "tokens": "importance, by token",
    "output": "output norm",
    "entropy": "attention entropy",
    FULL: FULL,
}
HEADLINE: dict[str, tuple[str, Key]] = {  # a row's label to the section and effect it is
    "a  good \N{MINUS SIGN} random by layer,\nretrained": ("a", ("good", "random_layer", "s-pruning, retrained")),
    "b  4 largest \N{MINUS SIGN}\n4 random dimensions": ("b", (LARGEST, RANDOM, 4)),
    "c  pre-trained \N{MINUS SIGN} fine-tuned |w|,\nhalf the weights": ("c", ("pre-trained", "fine-tuned", 0.5)),
    "d  output norm \N{MINUS SIGN} importance,\nhalf the heads": ("d", ("output", "exact", 0.5)),
    "e  Fisher once \N{MINUS SIGN}\nfull search": ("e", ("fisher", SEARCH, "")),
    "f  bottom layers \N{MINUS SIGN} random,\nretrained": ("f", ("bottom_layers", "random", "s-pruning, retrained")),
    "g  good at .98 \N{MINUS SIGN}\nfull model": ("g", ("good", FULL, 0.98)),
}
KEYS: dict[str, Key] = {"frankle2021": ("good", "random_layer", "m-pruning, pruned")}  # of works with another than that
Sections = Mapping[str, Mapping[str, Mapping[Key, Effect]]]  # by kind of source and letter


def works() -> pd.DataFrame:
    """The later works: columns key (in the references), work, year, claim, number, checked, bears_on, section, link.

    `checked` says against what the number was checked: the paper's "abstract", or "from memory".
    """
    return pd.read_csv(FILE, dtype=str, keep_default_na=False)


def headline(sources: Sequence[Source], found: Sections) -> Figure:
    """One effect of each section, one panel per source: a ring is a task."""
    rows = {
        source.kind: {label: found[source.kind][letter].get(key, Effect()) for label, (letter, key) in HEADLINE.items()}
        for source in sources
    }
    return forest_of_sources(sources, rows)


def forest_of_sources(sources: Sequence[Source], rows: Mapping[str, Mapping[str, Effect]]) -> Figure:
    """Effects by kind of source and label, one panel per source in its look."""
    given = {"absent": NO_RECORD, "gap": NO_RECORD, "same_scale": True}
    figure = forest(rows, "difference, hundredths of the lead", **given)
    for ax, source in zip(figure.axes, sources, strict=False):
        if ax.lines:  # a figure that says why it is empty has no panels
            framed(ax, source.kind, source.name)
    return figure


def works_table(sources: Sequence[Source], found: Sections) -> Styler:
    """One row per later work: its claim and number, the claim of this paper it bears on, what was measured, address."""
    picked = {letter: key for letter, key in HEADLINE.values()}
    rows = []
    for work in works().itertuples():
        measured = {
            source.kind: _short(found[source.kind][work.section].get(KEYS.get(work.key, picked[work.section])))
            if work.section
            else GAP
            for source in sources
        }
        number = work.number if work.checked == "abstract" else f"{work.number} ({work.checked})"
        name = f'<a href="{work.link}">{work.work} {work.year}</a>'
        bears_on = work.bears_on + (f" (section {work.section})" if work.section else "")
        rows.append({"work": name, "claim": work.claim, "published": number, "on this paper": bears_on} | measured)
    caption = (
        "Later works, their claims and numbers as their abstracts give them. What was measured is the effect of the "
        "section named, as in the figure, in hundredths of the lead."
    )
    style = dressed(pd.DataFrame(rows), caption, "later-works", wrapped=True).format(subset=["work"])
    kinds = [source.kind for source in sources]
    return style.set_properties(["claim"], **{"min-width": "13em"}).set_properties(kinds, **{"min-width": "6em"})


def section_table(sources: Sequence[Source], found: Sections, letter: str, at: str = "") -> Styler:
    """The effects tested in a section: intervals, Holm's p and verdicts; `at` heads the condition's column."""
    rows = ("source", "difference", at) if at else ("source", "difference")
    effects: dict[tuple[str, ...], Effect] = {}
    for source in sources:
        tested = {key: each for key, each in found[source.kind][letter].items() if key not in JUDGED}
        for key, each in tested.items():
            effects[(source.kind, ways_of(key), f"{key[2]}")[: len(rows)]] = each
        if not tested:
            effects[(source.kind, NO_RECORD, GAP)[: len(rows)]] = Effect()
    caption = "Differences in hundredths of the lead, paired by task and seed; p is corrected within a source."
    return effect_table(effects, caption, f"since-{letter}", rows)


def ways_of(key: Key) -> str:
    """What is compared, such as "good \N{MINUS SIGN} random by layer"."""
    first, second, _ = key
    return f"{WAYS.get(first, first)} \N{MINUS SIGN} {WAYS.get(second, second)}"


def _short(effect: Effect | None) -> str:
    """An effect in a cell: mean, interval, tasks."""
    if effect is None or not effect.tasks:
        return GAP
    where = count(effect.tasks, "task")
    bounds = interval(effect.low, effect.high)
    return f"{signed(effect.mean)} ({where})" if bounds == GAP else f"{signed(effect.mean)} [{bounds}] ({where})"


def evidence(source: Source) -> str:
    """What the evaluations of a source rest on, such as "MPNet-base, 8 tasks, 1 to 2 seeds"."""
    seeds = Counter(task for task, _, _ in of_stage(source.study, "outliers"))
    if not seeds:
        return f"{source.model}, no task yet"
    return f"{source.model}, {count(len(seeds), 'task')}, {seeds_in_words(seeds.values())}"


def lead_without(source: Source, dimensions: int) -> str:
    """Mean lead kept without that many of the largest LayerNorm dimensions, such as "97 %"."""
    frame = tidy(source.study, outlier_scores)
    rows = frame[(frame["way"] == LARGEST) & (frame["at"] == dimensions)]
    mean = rows.groupby("task")["points"].mean().mean()
    return NO_RECORD if np.isnan(mean) else f"{mean:.0f}\N{NO-BREAK SPACE}%"


def share_of(source: Source, dimensions: int) -> str:
    """The share of all weights that so many LayerNorm dimensions are, such as "0.00009 %"."""
    for _, _, arrays in of_stage(source.study, "outliers"):
        share = 100 * float(arrays["share"][arrays["count"].tolist().index(dimensions)])
        return f"{np.format_float_positional(share, precision=1, fractional=False)}\N{NO-BREAK SPACE}%"
    return NO_RECORD


def passes(source: Source) -> str:
    """How many passes over the dev set a search of s-pruning took on average, or that there is none."""
    counts = [len(course["score"]) for course in source.courses("structured").values()]
    return f"{np.mean(counts):.0f}" if counts else NO_RECORD
