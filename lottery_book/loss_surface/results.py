"""Barriers and sharpness: what the stored landscape cells say, the chapter's figure and its table.

Losses are in hundredths of the loss of the best constant answer on the same examples, here points, so that tasks can be
put together: 100 is as good as knowing nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from lottery_utils.show.effects import effect_table
from lottery_utils.show.frames import Reading
from lottery_utils.show.stats import Effect, corrected, effect, paired_effects
from lottery_utils.show.style import COLOURS, GRID, empty_figure, lighter, outer_labels, panels

from .stage import ACROSS, NETWORKS, ORDERED, POINTS, SIZES, SUBNETWORKS, WITHIN

SHARPNESS = ("task", "title", "seed", "network", "sharpness", "loss")
PATHS = ("task", "title", "seed", "pair", "point", "loss")
BEGINS = {f"{a} to {b}": a for a, b in WITHIN} | {f"{name} to {name}, next seed": name for name in ACROSS}
COMPARED = (
    ("good to bad", "good to random"),
    ("good to bad", "good to good, next seed"),
    ("bad to bad, next seed", "good to good, next seed"),
)
NEARER = "(good to bad) − (good to random)"
NOTHING = 100  # points: the loss of knowing nothing
TOP = 300  # points above which the figure is cut off
LOW = 10  # a barrier below is called low
LEARNT = 90  # a network with a loss below has learnt something


def sharpness(compared: list[Reading], size: float) -> pd.DataFrame:
    """Mean rise of the loss under steps of `size`, both ways along every direction: columns `SHARPNESS`.

    A step and its opposite cancel the slope, so what is left is how the loss bends, also where it has no minimum.
    `loss` is the loss before any step. Raises ValueError for a size that was not measured.
    """
    there = np.isclose(np.abs(SIZES), size)
    if there.sum() != 2:
        raise ValueError(f"no steps of size {size}; there are {sorted(s for s in SIZES if s > 0)}")
    rows = []
    for reading in compared:
        for name in NETWORKS:
            if f"line.{name}" in reading.arrays:
                losses = _points(reading, f"line.{name}")
                start = losses[0, SIZES.index(0.0)]
                rows.append((reading.task, reading.title, reading.seed, name, losses[:, there].mean() - start, start))
    return pd.DataFrame(rows, columns=list(SHARPNESS))


def paths(compared: list[Reading]) -> pd.DataFrame:
    """The loss on the straight paths: columns `PATHS`; `pair` is one of `BEGINS`."""
    rows = []
    for reading in compared:
        for key in sorted(reading.arrays):
            kind, _, pair = key.partition(".")
            if kind in ("path", "next"):
                pair = pair.replace("-", " to ") if kind == "path" else f"{pair} to {pair}, next seed"
                same = (reading.task, reading.title, reading.seed, pair)
                rows += [(*same, *place) for place in zip(POINTS, _points(reading, key), strict=True)]
    return pd.DataFrame(rows, columns=list(PATHS))


def _points(reading: Reading, key: str) -> np.ndarray:
    return NOTHING * reading.arrays[key] / float(reading.arrays["nothing"][0])


def barriers(table: pd.DataFrame) -> pd.DataFrame:
    """How far each path of `paths` rises above the line between its ends, at most: task, title, seed, pair, barrier."""

    def barrier(path: pd.DataFrame) -> float:
        losses = path["loss"].to_numpy()
        return (losses - (losses[0] + (losses[-1] - losses[0]) * path["point"])).max()

    groups = table.groupby(["task", "title", "seed", "pair"], sort=False)[["point", "loss"]]
    return groups.apply(barrier).rename("barrier").reset_index() if len(table) else table.assign(barrier=table["loss"])


def with_every(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of tasks that have every pair, so that means are over the same tasks; all if none has."""
    pairs = table.groupby("task")["pair"].transform("nunique")
    complete = table[pairs == table["pair"].nunique()]
    return complete if len(complete) else table


def path_lines(table: pd.DataFrame) -> Figure:
    """The loss on straight paths, one panel per pair: thin lines are tasks (means over seeds), a thick one their mean.

    One seed above, two seeds below. `table` as from `paths`; tasks are those that have every path.
    """
    if table.empty:
        return empty_figure("Nothing to show: no loss surface is stored.")
    rows = with_every(table)
    means = rows.groupby(["pair", "title", "point"])["loss"].mean().reset_index()
    pairs = [pair for pair in BEGINS if pair in set(rows["pair"])]
    figure, axes = panels(len(pairs), height=1.5, columns=len(WITHIN))
    for ax, pair in zip(axes, pairs, strict=True):
        of_pair, colour = means[means["pair"] == pair], COLOURS[BEGINS[pair]]
        same = {"x": "point", "y": "loss", "errorbar": None, "ax": ax}
        sns.lineplot(of_pair, units="title", estimator=None, color=lighter(colour, 0.45), linewidth=0.8, **same)
        sns.lineplot(of_pair, color=colour, linewidth=2, **same)
        ax.set_title(pair.replace(", ", ",\n"), fontsize=8)
        ax.axhline(NOTHING, color="#4A4A4A", linewidth=1.1, linestyle=":")
        ax.set(xlim=(0, 1), ylim=(0, min(TOP, 1.05 * means["loss"].max())), xlabel="", ylabel="")
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    outer_labels(figure, axes, "place on the path", f"loss, {NOTHING} = knowing nothing")
    text = f"s-pruning; {rows['title'].nunique()} tasks, mean over seeds"
    figure.supxlabel(text, fontsize=8, x=0.01, ha="left", color="#4A4A4A")
    return figure


def sharpness_differences(table: pd.DataFrame) -> dict[str, Effect]:
    """Between networks, by label, those with the full model among them; p is corrected (Holm) for all.

    `table` as from `sharpness`.
    """
    pairs = {}
    for how in ("retrained", "pruned"):
        pairs |= {f"{a} − {b}, {how}": (f"{a}.{how}", f"{b}.{how}") for a, b in ORDERED}
        pairs |= {f"{name} − full, {how}": (f"{name}.{how}", "full") for name in SUBNETWORKS}
    return corrected(paired_effects(table, "sharpness", pairs))


def share_learnt(table: pd.DataFrame, network: str) -> str:
    """How many networks of a kind have learnt something, such as "7 of 16"; `table` as from `sharpness`."""
    losses = table.loc[table["network"] == network, "loss"]
    return f"{(losses < LEARNT).sum()} of {len(losses)}"


def barrier_means(table: pd.DataFrame) -> dict[str, Effect]:
    """The barrier on each path, by pair, over the tasks that have every path; `table` as from `paths`.

    None can lie below 0, so none is tested against it.
    """
    by_task = barriers(with_every(table)).groupby(["pair", "title"], sort=False)["barrier"].mean()
    means = {pair: effect(by_task[pair]) for pair in BEGINS if pair in by_task.index.levels[0]}
    return {pair: replace(mean, p=np.nan, corrected=np.nan) for pair, mean in means.items()}


def barrier_differences(table: pd.DataFrame) -> dict[str, Effect]:
    """Between barriers of the same task and seed, by label; p is corrected (Holm) for all."""
    rows = barriers(table).rename(columns={"pair": "network"})
    return corrected(paired_effects(rows, "barrier", {f"({a}) − ({b})": (a, b) for a, b in COMPARED}))


def mean_barrier(means: Mapping[str, Effect], pair: str) -> str:
    """One barrier, mean over tasks, such as "61"."""
    return f"{means[pair].mean:.0f}" if pair in means else "not run"


def low_barriers(means: Mapping[str, Effect], pair: str) -> str:
    """On how many tasks a barrier is low, such as "5 of 8"."""
    return f"{(means[pair].by_task < LOW).sum()} of {means[pair].tasks}" if pair in means else "none"


def difference_table(differences: Mapping[str, Mapping[str, Effect]]) -> Styler:
    """Differences by what was measured and label; p is corrected within what was measured."""
    effects = {(what, label): each for what, of_pairs in differences.items() for label, each in of_pairs.items()}
    caption = "Differences in points: hundredths of the loss of knowing nothing. p is corrected (Holm) within a group."
    return effect_table(effects, caption, "surface-differences", ("of", "difference"))
