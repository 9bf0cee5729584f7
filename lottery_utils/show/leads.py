"""Lead kept by subnetworks: the scores of all tasks in one unit, with means whose rows are over the same tasks.

Drawn as dots: a row a kind of subnetwork, a dot a task, the mean over tasks with its interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from .frames import CONDITION, Condition, choose, columns_of
from .stats import Effect, effect, lead_kept
from .style import COLOURS, GRID, NAMES, TEXT, say

SUBNETWORKS = ("good", "random", "random_layer", "bad")
TREATMENTS = ("pruned", "retrained")
LEADS = ("task", "title", *CONDITION, "lead", "seeds")
AXIS = (-0.75, 1.5)  # tasks farther out are triangles at its edge; above 1.1 stand the means as numbers
OFFSET = {"pruned": -0.2, "retrained": 0.2}  # of a treatment's line from the middle of its row
HOLLOW = "white"
MEAN_SIZE, TASK_SIZE = 7, 3.6


def leads(results: pd.DataFrame, subnetworks: Sequence[str] = SUBNETWORKS) -> pd.DataFrame:
    """Lead kept by `subnetworks`, pruned and retrained: a row a task and condition, columns `LEADS`.

    `results` as from `frames.results`. The seeds of a task are averaged before their lead is taken: of single seeds a
    small lead of the full model would make any share. All conditions of a method are over the same tasks and seeds,
    those that have every condition which `results` hold of that method; `seeds` counts them. A task whose full model
    does not lead is left out.
    """
    rows = results[results["subnetwork"].isin(subnetworks) & results["treatment"].isin(TREATMENTS)]
    rows = _with_ends(rows, results)
    whole = [_whole(of_method) for _, of_method in rows.groupby("method", sort=False)]
    return _mean_leads(pd.concat(whole) if whole else rows)


def leads_of(results: pd.DataFrame, conditions: Sequence[Condition]) -> pd.DataFrame:
    """Lead kept by any `conditions`: a row a task, a column a condition, over the tasks and seeds that have them all.

    For what `leads` does not have: super-survivors, longer training, baselines with seeds. A task without one of
    `conditions` has no row.
    """
    columns = columns_of(conditions)
    if results.empty:
        return pd.DataFrame(columns=columns)
    rows = results[pd.MultiIndex.from_frame(results[CONDITION]).isin(columns)]
    frame = _mean_leads(_whole(_with_ends(rows, results)))
    return frame.pivot(index="task", columns=CONDITION, values="lead").reindex(columns=columns).dropna()


def lead_effects(frame: pd.DataFrame) -> dict[Condition, Effect]:
    """The mean lead kept of each condition of `leads`, with its interval over tasks."""
    groups = frame.groupby(CONDITION, sort=False)
    return {condition: effect(rows.set_index("task")["lead"]) for condition, rows in groups}


def _mean_leads(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns `LEADS` of rows with full and majority score: a task's seeds are averaged before its lead is taken."""
    groups = rows.groupby(["task", "title", *CONDITION], sort=False)
    means = groups[["score", "full", "majority"]].mean()
    lead = lead_kept(means["score"], means["majority"], means["full"])
    return means.assign(lead=lead, seeds=groups.size()).dropna().reset_index()[list(LEADS)]


def _with_ends(rows: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """`rows` with the full model's score of their task and seed and the majority score, where both are there."""
    full = choose(results, treatment="full").set_index(["task", "seed"])["score"]
    majority = choose(results, subnetwork="majority").groupby("task")["score"].mean()
    pairs = pd.MultiIndex.from_frame(rows[["task", "seed"]])
    rows = rows.assign(full=full.reindex(pairs).to_numpy(), majority=rows["task"].map(majority))
    numbers = dict.fromkeys(("score", "full", "majority"), float)  # no row has no type of its own
    return rows.astype(numbers).dropna(subset=["full", "majority"])


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of those tasks and seeds that have every condition there is among `rows`."""
    conditions_had = rows.groupby(["task", "seed"])["score"].transform("size")
    return rows[conditions_had == len(rows[CONDITION].drop_duplicates())]


def lead_dots(
    ax: Axes, leads: pd.DataFrame, absent: Mapping[str, str], empty: str = "gap", rows: Sequence[str] = SUBNETWORKS
) -> None:
    """Draw the lead kept by subnetworks of one method, from rows of `leads.leads`: pruned hollow, retrained filled.

    `rows` are the kinds of subnetworks. A dot is a task, a mark the mean over tasks with its 95 % interval (Student's
    t), whose number in per cent is at the right.
    `absent` says why a kind of subnetwork is not there, `empty` why none is; without a word its row says "gap".
    """
    places = leads["subnetwork"].map(rows.index) + leads["treatment"].map(OFFSET)
    leads = leads.assign(place=places, shown=leads["lead"].clip(*AXIS))
    for treatment in OFFSET:
        draw_dots(ax, leads[leads["treatment"] == treatment], treatment == "pruned")
    kinds_shown = set(leads["subnetwork"])
    for place, name in enumerate(rows):
        if kinds_shown and name not in kinds_shown:
            say(ax, absent.get(name, "gap"), place)
    if not kinds_shown:
        say(ax, empty, (len(rows) - 1) / 2)
    dress(ax, [NAMES[name].replace(" ", "\n", 1) for name in rows])


def legend_of_dots() -> list[Line2D]:
    """Legend entries of `lead_dots`."""
    mark = {"marker": "o", "linestyle": "", "color": TEXT}
    return [
        Line2D([], [], **mark, markersize=MEAN_SIZE - 1, markerfacecolor=HOLLOW, label="pruned, mean over tasks"),
        Line2D([], [], **mark, markersize=MEAN_SIZE - 1, label="retrained, mean over tasks"),
        Line2D([], [], color=TEXT, linewidth=1.6, label="95 % interval"),
        Line2D([], [], **mark, markersize=TASK_SIZE, alpha=0.5, label="one task"),
    ]


def draw_dots(ax: Axes, rows: pd.DataFrame, hollow: bool) -> None:
    """Dots, means and intervals of `rows` with place, subnetwork, lead, and `shown`, the lead within `AXIS`."""
    if rows.empty:
        return
    colours = {name: COLOURS[name] for name in rows["subnetwork"]}
    same = {"data": rows, "y": "place", "hue": "subnetwork", "palette": colours, "orient": "h", "native_scale": True}
    same |= {"legend": False, "ax": ax}
    near = rows["lead"] == rows["shown"]
    dots = {"jitter": False, "linewidth": 0.6, "edgecolor": "face", "alpha": 0.5}
    sns.stripplot(**same | {"data": rows[near]}, x="shown", size=TASK_SIZE, **dots)
    sns.stripplot(**same | {"data": rows[~near]}, x="shown", size=TASK_SIZE + 1, marker="<", clip_on=False, **dots)
    look = {"linestyle": "none", "markersize": MEAN_SIZE, "markeredgewidth": 1.4, "err_kws": {"linewidth": 1.6}}
    look |= {"markerfacecolor": HOLLOW} if hollow else {}
    sns.pointplot(**same, x="lead", errorbar=_interval, **look)
    for place, mean in rows.groupby("place")["lead"].mean().items():
        _number(ax, mean, place)


def _interval(values: pd.Series) -> tuple[float, float]:
    """The 95 % interval of a mean over tasks, as all pages have it."""
    mean = effect(pd.Series(np.asarray(values)))
    return mean.low, mean.high


def _number(ax: Axes, mean: float, place: float) -> None:
    """The mean in per cent, at the right end of its line, on the panel's ground: no interval runs through it."""
    text = f"{round(100 * mean)}".replace("-", "\N{MINUS SIGN}")
    ground = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.6}
    ax.text(AXIS[1] - 0.05, place, text, fontsize=8, ha="right", va="center", color=TEXT, bbox=ground, zorder=6)


def dress(ax: Axes, rows: Sequence[str], fontsize: float = 9) -> None:
    """Axes, names of the rows and the lines of a constant answer and of the full model."""
    for share in (0, 1):
        ax.axvline(share, color="#8A8A8A", linewidth=0.9, zorder=0)
    ax.xaxis.grid(True, color=GRID, linewidth=0.6)
    ax.set(xlim=AXIS, ylim=(len(rows) - 0.5, -0.5), xlabel="", ylabel="")
    ax.set_xticks([-0.5, 0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, 0, "\N{NO-BREAK SPACE}%"))
    ax.set_yticks(range(len(rows)), rows, fontsize=fontsize)
    ax.tick_params(axis="y", length=0)
