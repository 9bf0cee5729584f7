"""Bad subnetworks against baselines (paper, table 2), and what longer fine-tuning does to them (paper, appendix)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lottery_utils.show.glue import listed
from lottery_utils.show.scores import choose, compare, summary
from lottery_utils.show.style import (
    COLOURS,
    GRID,
    METHOD_NAMES,
    METRIC_NAMES,
    NAMES,
    TEXT,
    empty_figure,
    legend_below,
    panels,
)
from lottery_utils.show.tables import GAP, dressed
from lottery_utils.tasks.registry import shown_task

from .. import published
from .frames import BASELINES, best_bad_published, leads

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from lottery_utils.experiment.study import Study

ORDER = (*BASELINES, "bad", "full")
MAJORITY = {"color": "#8A8A8A", "linewidth": 0.9, "linestyle": (0, (4, 3))}


def versus_bars(frame: pd.DataFrame, best: dict[str, str]) -> Figure:
    """Baselines, the better bad subnetwork retrained, and the full model, a panel a task (paper, table 2).

    `frame` and `best` as from `versus.against`; each title names the method whose bad subnetwork is shown.
    """
    if frame.empty or not (frame["treatment"] == "full").any():
        return empty_figure("Nothing to show: no full model is stored.")
    frame = frame[frame["task"].isin(frame.loc[frame["treatment"] == "full", "task"])]
    named = zip(frame["task"], frame["title"], strict=True)
    titles = {task: f"{title}: bad by {METHOD_NAMES[best[task]]}" for task, title in named if task in best}
    names = [name for name in ORDER if name in set(frame["subnetwork"])]
    tasks = list(dict.fromkeys(frame["task"]))
    figure, axes = panels(len(tasks), height=1.9)
    for ax, task in zip(axes, tasks, strict=True):
        own = frame[frame["task"] == task]
        for place, name in enumerate(names):
            scores = own.loc[own["subnetwork"] == name, "score"]
            if scores.empty:
                ax.text(0.01, place, "gap", va="center", fontsize=7.5, color="#6E6E6E")
                continue
            ax.barh(place, scores.mean(), 0.74, color=COLOURS[name], zorder=2)
            if len(scores) > 1:
                spread = np.linspace(-0.2, 0.2, len(scores)) + place
                ax.scatter(scores, spread, s=9, color="white", edgecolors=TEXT, linewidths=0.7, zorder=3)
        ax.axvline(own.loc[own["subnetwork"] == "majority", "score"].mean(), **MAJORITY)
        ax.axvline(0, color="#8A8A8A", linewidth=0.8)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_yticks(range(len(names)), [NAMES[name] for name in names] if _is_first(ax) else [])
        ax.set_xlim(min(0.0, frame["score"].min() - 0.02), 1.03)
        ax.set_title(titles.get(task, own["title"].iloc[0]), fontsize=9)
        ax.set_xlabel(METRIC_NAMES[own["metric"].iloc[0]], fontsize=8)
        ax.xaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="y", length=0)
    dot = Line2D([], [], marker="o", linestyle="", ms=4, markerfacecolor="white", color=TEXT, label="one seed")
    legend_below(figure, [dot, Line2D([], [], **MAJORITY, label="majority")])
    return figure


def _is_first(ax: Axes) -> bool:
    return ax.get_subplotspec().is_first_col()


def longer_lines(results: pd.DataFrame) -> Figure:
    """Bad subnetworks fine-tuned as usual and for longer, joined by a line for each seed; a panel a task."""
    longer = choose(results, subnetwork="bad", treatment="retrained longer")
    tasks = list(dict.fromkeys(longer["task"]))
    if not tasks:
        return empty_figure("Nothing to show: no bad subnetwork was fine-tuned for longer.")
    methods = [name for name in METHOD_NAMES if (longer["method"] == name).any()]
    figure, axes = panels(len(tasks), height=2.2)
    for ax, task in zip(axes, tasks, strict=True):
        own = results[results["task"] == task]
        for name, look in (("full", {"color": TEXT, "linewidth": 0.9}), ("majority", MAJORITY)):
            ax.axhline(own.loc[own["subnetwork"] == name, "score"].mean(), **look)
        for at, method in enumerate(methods):
            pairs = _pairs(own, method)
            for before, after in pairs:
                ax.plot([3 * at, 3 * at + 1.2], [before, after], color=COLOURS["bad"], linewidth=1.1, alpha=0.8)
                ax.plot(3 * at, before, "o", ms=4, color="white", markeredgecolor=COLOURS["bad"], zorder=3)
                ax.plot(3 * at + 1.2, after, "o", ms=4, color=COLOURS["bad"], zorder=3)
        ax.set_xticks([3 * at + 0.6 for at in range(len(methods))], [METHOD_NAMES[m] for m in methods])
        ax.set_xlim(-0.6, 3 * len(methods) - 1.2)
        low, high = min(0.0, own["score"].min()), max(own["score"].max(), 0.5)
        ax.set_ylim(low - 0.03, high + 0.05)
        ax.set_title(own["title"].iloc[0])
        ax.set_ylabel(METRIC_NAMES[own["metric"].iloc[0]], fontsize=8)
        ax.yaxis.grid(True, color=GRID, linewidth=0.6)
        ax.tick_params(axis="x", length=0)
    dot = {"marker": "o", "markersize": 4, "color": COLOURS["bad"]}
    handles = [
        Line2D([], [], **dot, markerfacecolor="white", linestyle="", label="bad, retrained"),
        Line2D([], [], **dot, linestyle="", label="bad, retrained longer"),
        Line2D([], [], color=COLOURS["bad"], linewidth=1.1, label="one seed"),
        Line2D([], [], color=TEXT, linewidth=0.9, label="full model"),
        Line2D([], [], **MAJORITY, label="majority"),
    ]
    legend_below(figure, handles)
    return figure


def _pairs(own: pd.DataFrame, method: str) -> list[tuple[float, float]]:
    """(usual, longer) scores of one task and method for the seeds that have both."""
    treatments = ("retrained", "retrained longer")
    usual, longer = (choose(own, method, "bad", treatment).set_index("seed")["score"] for treatment in treatments)
    return [(usual[seed], longer[seed]) for seed in longer.index if seed in usual.index]


def published_table() -> Styler:
    """Majority, the better bad subnetwork retrained and the full model in the authors' released numbers."""
    found = published.results()
    bad, best = best_bad_published(found)
    rows = []
    for name, part in (("majority", found[found["subnetwork"] == "majority"]), ("bad", bad), ("full", None)):
        part = found[found["subnetwork"] == "full"] if part is None else part
        cells = {r.title: f"{r.mean:.3f}" + (f" ± {r.std:.3f}" if r.std == r.std else "") for r in part.itertuples()}
        rows.append({"": NAMES[name] + (", retrained" if name == "bad" else ""), **cells})
    titles = found.drop_duplicates("task").set_index("task")["title"]
    rows.append({"": "better method", **{titles[task]: METHOD_NAMES[method] for task, method in best.items()}})
    caption = "Published: the same three conditions in the authors' release, mean ± sample deviation over five seeds."
    frame = pd.DataFrame(rows, columns=["", *titles])
    return dressed(frame, caption, "versus-published").set_table_attributes('class="dataframe published"')


def lead_table(frame: pd.DataFrame) -> Styler:
    """How far the better bad subnetwork, retrained, is above each baseline, in units of the metric."""
    wide = leads(frame)
    shown = pd.DataFrame({"task": [title for _, title in wide.index]}) if len(wide) else pd.DataFrame({"task": []})
    for name in wide.columns:
        shown[f"above {NAMES[name]}"] = [GAP if np.isnan(v) else f"{v:+.3f}" for v in wide[name]]
    return dressed(shown, "Bad subnetworks, the better of two, retrained: how far above each baseline.", "leads")


def lead_sentence(frame: pd.DataFrame) -> str:
    """On how many tasks the better bad subnetwork is above all baselines, and the best of them where it is not."""
    wide = leads(frame)
    wide = wide.dropna(how="all") if len(wide) else wide
    if wide.empty:
        return "There is no retrained bad subnetwork to compare yet."
    worst = wide.min(axis=1)
    names = listed([NAMES[name] for name in wide.columns])
    if len(wide) == 1:
        place = "above" if worst.iloc[0] > 0 else "not above"
        return f"On {wide.index[0][1]} the bad subnetwork is {place} every baseline ({names})."
    text = f"Bad subnetworks are above every baseline ({names}) on {(worst > 0).sum()} of {len(wide)} tasks"
    lost = wide[worst <= 0]
    if len(lost):
        by = [f"{title} ({_ahead(row)})" for (_, title), row in lost.iterrows()]
        text += f"; not on {listed(by)}"
    return text + "."


def _ahead(row: pd.Series) -> str:
    """Which baseline leads, and by how much."""
    name, lead = NAMES[row.idxmin()], -row.min()
    return f"{name} leads by {lead:.3f}" if lead >= 0.0005 else f"level with {name}"


def word_model_sentence(frame: pd.DataFrame) -> str:
    """How CBoW and BiLSTM do against majority and bag of words, means over tasks."""
    means = summary(frame).pivot(index="task", columns="subnetwork", values="mean")
    said = []
    for name in ("cbow", "bilstm"):
        if name in means:
            rows = means[["majority", name]].dropna()
            above = (rows[name] > rows["majority"]).sum()
            said.append(f"{NAMES[name]} is above majority on {above} of {len(rows)} tasks")
    return f"{listed(said)}." if said else "Neither CBoW nor BiLSTM was run."


def longer_sentence(results: pd.DataFrame, method: str) -> str:
    """What longer fine-tuning changes, in points of the full model's score, with the interval over tasks."""
    found = compare(results, method, ("bad", "retrained longer"), ("bad", "retrained"))
    name = METHOD_NAMES[method]
    if not found.tasks:
        return f"{name}: not run."
    text = f"{name}: {100 * found.mean:+.1f} points of the full score, mean over {found.tasks} task"
    text += "s" * (found.tasks > 1)
    if np.isnan(found.low):
        return text + "."
    words = {"above": "longer training helps", "below": "longer training hurts", "undecided": "no clear effect"}
    return f"{text} (95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}), {words[found.word]}."


def left_out_sentence(study: Study, tasks: list[str]) -> str:
    """Tasks on which bad subnetworks are not fine-tuned for longer, to save time."""
    left = [shown_task(name).title for name in study.preset.tasks if name not in tasks]
    return f"To save time, longer fine-tuning leaves out {listed(left)}; name tasks to run them." if left else ""


def times(factor: int) -> str:
    """A factor in words: twice, three times."""
    words = {1: "once", 2: "twice", 3: "three times", 4: "four times"}
    return words.get(factor, f"{factor} times")
