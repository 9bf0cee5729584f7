"""How many maps are of each type, published, in the real study and in this run, and what the types look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.frames import Reading, joined
from lottery_utils.show.sentences import as_percent
from lottery_utils.show.style import COLOURS, GRID, IMPORTANCE_MAP, WIDTH, legend_below, say
from lottery_utils.tasks.glue import shown_task

from .. import published
from ..evidence import framed
from ..sources import NO_RECORD, PUBLISHED, Source, in_order
from .rules import KINDS, PATTERNS, WEIGHTS, draw_maps

ALL, SUPER = HEADS = ("all heads", "super-survivors")  # of the whole model, and alone in the model cut to them
SHARES = ["weights", "heads", "kind", "task", "title", "pattern", "share"]
MARKS = {ALL: ("all heads", "white"), SUPER: ("super-survivors, all else cut", COLOURS["super"])}
DRAWN = 14  # tokens of the drawn examples


def shares_of(source: Source) -> pd.DataFrame:
    """Share of each type of attention, mean over seeds: columns `SHARES`, one row a task, condition and type."""
    if source.kind == PUBLISHED:
        rows = published.table("attention_shares").rename(columns={"attention": "kind"})
        rows[["weights", "heads"]] = rows["condition"].str.split(", ", expand=True)
        return rows[SHARES]
    names = ["weights", "heads", "kind", "pattern"]
    conditions, frames = pd.MultiIndex.from_product([WEIGHTS, HEADS, KINDS, PATTERNS], names=names), []
    for reading in source.readings("attention"):
        counts = reading.arrays["counts"].sum(axis=(3, 4))  # of all heads: weights, networks, kinds, types
        maps = counts.sum(axis=-1, keepdims=True)
        share = pd.Series((counts / np.where(maps, maps, np.nan)).ravel(), conditions, name="share")
        frames.append(share.dropna().reset_index().assign(task=reading.task, title=reading.title))
    return joined(frames, SHARES).groupby(SHARES[:-1], sort=False)["share"].mean().reset_index()


def mean_share(table: pd.DataFrame, heads: str = ALL, kind: str = "raw", pattern: str = "heterogeneous") -> str:
    """The mean over tasks of the share of one type of maps in fine-tuned models; `table` as from `shares_of`."""
    chosen = {"weights": WEIGHTS[0], "heads": heads, "kind": kind, "pattern": pattern}
    share = table.loc[(table[list(chosen)] == list(chosen.values())).all(axis=1), "share"]
    return as_percent(share.mean()) if len(share) else NO_RECORD


def false_blocks(table: pd.DataFrame, kind: str) -> str:
    """How often a single sentence, which cannot be divided into blocks, is called block: an error of the classifier."""
    single = [name for name in table["task"].unique() if len(shown_task(name).columns) == 1]
    return mean_share(table[table["task"].isin(single)], ALL, kind, "block")


def classifier_f1(stored: Sequence[Reading], kind: str, harder: bool = False) -> str:
    """Macro F1 of a classifier on held-out maps drawn by rule, like those trained on or harder.

    The cells of one study share their classifiers; that of the first is meant.
    """
    if not stored:
        return NO_RECORD
    return f"{macro_f1(stored[0].arrays['confusion'][KINDS.index(kind), int(harder)]):.2f}"


def macro_f1(confusion: np.ndarray) -> float:
    """Mean F1 over the types of a confusion matrix, rows true; NaN for an empty one."""
    hit, total = np.diag(confusion).astype(float), confusion.sum(0) + confusion.sum(1)
    return float(np.mean(2 * hit / total)) if (total > 0).all() else float("nan")


def heterogeneous(tables: Mapping[Source, pd.DataFrame], kind: str, weights: Sequence[str] = WEIGHTS[:1]) -> Figure:
    """Share of heterogeneous maps by task, all heads and super-survivors: one column per source, one row per model.

    `kind` is "raw" or "normed". (The paper's attention figure, b and c, and its appendix.)
    """
    figure = Figure(figsize=(WIDTH, 0.6 + 2.0 * len(weights)), layout="constrained")
    grid = figure.subplots(len(weights), len(tables), squeeze=False)
    tasks = in_order(task for table in tables.values() for task in table["task"])
    for axes, weight in zip(grid, weights, strict=True):
        for ax, (source, table) in zip(axes, tables.items(), strict=True):
            chosen = (table["weights"] == weight) & (table["kind"] == kind) & (table["pattern"] == "heterogeneous")
            _dots(ax, table[chosen], source, tasks)
            framed(ax, source.kind, f"{source.name}\n{weight}, {kind}")
    look = {"marker": "o", "linestyle": "", "color": COLOURS["super"], "markersize": 5}
    legend_below(figure, [Line2D([], [], **look, markerfacecolor=face, label=text) for text, face in MARKS.values()])
    return figure


def _dots(ax: Axes, rows: pd.DataFrame, source: Source, tasks: Sequence[str]) -> None:
    """One panel of `heterogeneous`: a row for each of `tasks`, the same in every panel."""
    if rows.empty:
        say(ax, source.missing)
        return
    for heads, (_, face) in MARKS.items():
        look = {"color": COLOURS["super"], "markerfacecolor": face, "marker": "o", "linestyle": "none", "markersize": 5}
        shares = rows[rows["heads"] == heads].set_index("task")["share"]
        ax.plot(shares.reindex(tasks), range(len(tasks)), **look)
    ax.set_yticks(range(len(tasks)), [source.title_of(task) for task in tasks])
    ax.set(xlim=(0, 1), ylim=(len(tasks) - 0.5, -0.5))
    ax.set_xlabel("share of maps", fontsize=8)
    ax.grid(True, color=GRID, linewidth=0.6)
    ax.tick_params(axis="y", length=0, labelsize=7)


def types(stored: Sequence[Reading], seed: int = 6) -> Figure:
    """The five types: one map drawn by rule for each kind, and maps of the models that were so named.

    The models' maps are one at random for each type, from the first task of single sentences and the first of pairs;
    a type that no map was named is a gap. Rows of a map are the tokens that look.
    """
    rows = {f"by rule,\n{kind}": _by_rule(kind, seed) for kind in KINDS}
    first = {len(shown_task(reading.task).columns): reading for reading in reversed(stored)}
    for _, reading in sorted(first.items()):
        rows |= {f"{reading.title},\n{kind}": _of_model(reading, k) for k, kind in enumerate(KINDS)}
    figure = Figure(figsize=(WIDTH, 1.28 * len(rows) + 0.4), layout="constrained")
    axes = figure.subplots(len(rows), len(PATTERNS), squeeze=False)
    for line, (label, maps) in zip(axes, rows.items(), strict=True):
        for ax, values in zip(line, maps, strict=True):
            ax.set(xticks=[], yticks=[])
            if values.size:
                ax.imshow(values, cmap=IMPORTANCE_MAP, vmin=0, vmax=values.max(), interpolation="nearest")
            else:
                ax.set_box_aspect(1)
                say(ax, "gap")
        line[0].set_ylabel(label, fontsize=8)
    for ax, pattern in zip(axes[0], PATTERNS, strict=True):
        ax.set_title(pattern, fontsize=9)
    return figure


def _by_rule(kind: str, seed: int) -> list[np.ndarray]:
    drawn = draw_maps(len(PATTERNS), DRAWN, kind, np.random.default_rng(seed), (0.0, 0.15))
    return [drawn.maps[np.flatnonzero(drawn.labels == label)[0]] for label in range(len(PATTERNS))]


def _of_model(reading: Reading, kind: int) -> list[np.ndarray]:
    """A map of each type, empty where there is none."""
    maps, tokens = reading.arrays["example_maps"][kind].astype(float), reading.arrays["example_tokens"][kind]
    return [one[:n, :n] for one, n in zip(maps, tokens, strict=True)]
