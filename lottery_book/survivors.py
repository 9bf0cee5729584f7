"""Chapters 2 and 3: how much good subnetworks keep, and how far the seeds agree on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pandas.io.formats.style import Styler

from lottery_utils.experiment.study import Study
from lottery_utils.show.frames import component_importance, shown_title
from lottery_utils.show.heatmaps import maps_of_tasks, over_seeds, tasks_in_common
from lottery_utils.show.style import GRID, IMPORTANCE_MAP, METHOD_NAMES, legend_below, panels
from lottery_utils.show.tables import dressed, percent
from lottery_utils.tasks.glue import shown_task

from . import published
from .agreement.by_source import seeds_of
from .side_by_side import by_task, mark_of
from .sources import JOINT, NO_RECORD, PUBLISHED, Source, count, in_order

ONE_SEED = "it takes two seeds, which are not there yet"
PARTS = {"heads": "heads", "mlps": "MLPs", "prunable": "prunable weights"}


class Stability(NamedTuple):
    """Heads of a model that survive in all seeds, mean over tasks.

    `chance` is how many would survive in all seeds if each seed drew its heads at random, as many as it kept.
    """

    heads: int
    always: float
    chance: float
    seeds: int
    tasks: int


def stability(survival: pd.DataFrame) -> Stability | None:
    """How far the seeds' structured masks agree on heads, over tasks that have them all; None with one seed."""
    seeds, heads = survival["seed"].nunique(), survival[survival["component"] == "head"]
    rows = heads[heads["task"].isin(tasks_in_common(survival))]
    if seeds < 2 or rows.empty:
        return None
    kept = rows.pivot(index=["task", "layer", "head"], columns="seed", values="kept").astype(float)
    always, size = (kept == 1).all(axis=1).groupby("task").sum(), kept.groupby("task").size()
    chance = size * kept.groupby("task").mean().prod(axis=1)
    return Stability(int(size.iloc[0]), always.mean(), chance.mean(), seeds, len(size))


def heads_in_every_seed(source: Source) -> Stability | None:
    """Agreement of the seeds of s-pruning; None where a source does not have two seeds of a task.

    `chance`: every seed draws as many heads as it keeps, at random.
    """
    if source.kind == PUBLISHED:
        return _published_heads(set(source.leads["task"]))
    return stability(source.survival())


def agreement_phrase(source: Source) -> str:
    """Heads that survive in every seed beside chance: "16 of 48, by chance 9 (3 seeds, 8 tasks)", or why not."""
    agreement = heads_in_every_seed(source)
    if agreement is None:
        return ONE_SEED
    counts = f"{agreement.always:.0f} of {agreement.heads}, by chance {agreement.chance:.0f}"
    return f"{counts} ({agreement.seeds} seeds, {count(agreement.tasks, 'task')})"


def seed_jaccards(source: Source) -> pd.DataFrame:
    """How alike the seeds' good masks of heads are: Jaccard index, mean over pairs of seeds, and its chance level.

    One row per task, columns jaccard and chance, none with one seed. Tasks without a lead over a constant answer are
    left out: there is nothing to keep, so searches end anywhere.
    """
    rows = seeds_of(source, permutations=0)
    return rows[rows["component"] == "head"].set_index("task")[["jaccard", "chance"]].astype(float)


def jaccard_phrase(source: Source) -> str:
    """The mean of `seed_jaccards` beside chance, such as "0.51, by chance 0.39 (8 tasks)", or why there is none."""
    rows = seed_jaccards(source).dropna()
    if rows.empty:
        return ONE_SEED
    return f"{rows['jaccard'].mean():.2f}, by chance {rows['chance'].mean():.2f} ({count(len(rows), 'task')})"


class WeightShares(NamedTuple):
    """How what components keep of their weights under m-pruning differs: numbers of each task, averaged over tasks.

    `components` and `seeds` are standard deviations between the components of a task and between the seeds of a
    component; `alike` is the mean correlation of two tasks' maps. NaN without a map, with one seed, with one task.
    """

    components: float = np.nan
    seeds: float = np.nan
    alike: float = np.nan


def weight_shares(source: Source) -> WeightShares:
    """The numbers of a source's maps of m-pruning.

    Of the release without WNLI, whose full model does not lead; a study has no search of such a task.
    """
    maps = source.maps("magnitude")
    if source.kind == PUBLISHED:
        maps = {task: maps[task] for task in dict.fromkeys(source.leads["task"])}
    if not maps:
        return WeightShares()
    shares = np.array([each.mean.ravel() for each in maps.values()])
    of_seeds = np.array([each.std for each in maps.values()])
    pairs = np.corrcoef(shares)[np.triu_indices(len(shares), 1)] if len(shares) > 1 else np.array([np.nan])
    return WeightShares(float(shares.std(axis=1, ddof=1).mean()), float(of_seeds.mean()), float(pairs.mean()))


def sizes(source: Source, method: str) -> pd.DataFrame:
    """Shares that good subnetworks keep: task, and for each of `PARTS` mean and `_std`, sample deviation, over seeds.

    Tasks whose full model has no lead over a constant answer are left out: there is nothing to keep. m-pruning has no
    shares of heads and MLPs (NaN).
    """
    if source.kind == PUBLISHED:
        return _published_sizes(method, set(source.leads["task"]))
    if source.study is None:
        return pd.DataFrame(columns=["task", *(f"{part}{stat}" for part in PARTS for stat in ("", "_std"))])
    table = source.study.table(["search"], [method])
    rows = table[(table["method"] == method) & ~table["degenerate"].astype(bool)]
    shares = rows[[f"share_{part}" for part in PARTS]].astype(float).set_axis([*PARTS], axis=1)
    of_task = shares.groupby(rows["task"], sort=False)
    return of_task.mean().join(of_task.std().add_suffix("_std")).reset_index()


def mean_size(source: Source, method: str, part: str = "prunable") -> str:
    """The mean over tasks of what good subnetworks keep of a part, in words."""
    rows = sizes(source, method)
    return percent(rows[part].mean()) if len(rows) else NO_RECORD


def size_on(source: Source, task: str, method: str, part: str = "prunable") -> str:
    """What good subnetworks keep of a part on one task, mean over seeds, in words."""
    rows = sizes(source, method).set_index("task")
    return percent(rows.loc[task, part]) if task in rows.index else NO_RECORD


def size_table(sources: Sequence[Source], method: str) -> Styler:
    """What good subnetworks keep, one row per task, columns by source and part; means over seeds ± sample deviation."""
    frames = {source.kind: sizes(source, method).set_index("task") for source in sources}
    parts = PARTS if method == "structured" else {"prunable": PARTS["prunable"]}
    columns = {
        f"{kind}: {title}": frame[[part, f"{part}_std"]]
        for kind, frame in frames.items()
        for part, title in parts.items()
    }
    tasks = dict.fromkeys(task for frame in frames.values() for task in frame.index)
    common = [task for task in tasks if all(task in frame.index for frame in frames.values() if len(frame))]
    shown = {name: {row.Index: percent(*row[1:]) for row in shares.itertuples()} for name, shares in columns.items()}
    means = {name: percent(shares.reindex(common).iloc[:, 0].mean()) for name, shares in columns.items()}
    mean = {"task": f"mean over the {len(common)} they share"} | means
    caption = f"What good subnetworks of {METHOD_NAMES[method]} keep, mean ± sample deviation over seeds."
    return dressed(pd.concat([by_task(shown), pd.DataFrame([mean])], ignore_index=True), caption, f"sizes-{method}")


def size_dots(sources: Sequence[Source]) -> Figure:
    """How much good subnetworks keep: heads and MLPs by s-pruning, weights by m-pruning; one row per task."""
    shown = [("structured", "heads"), ("structured", "mlps"), ("magnitude", "prunable")]
    pairs = [(source, method) for source in sources for method in METHOD_NAMES]
    frames = {pair: sizes(*pair).set_index("task") for pair in pairs}
    tasks = in_order(task for frame in frames.values() for task in frame.index)
    figure, axes = panels(len(shown), 2.1, sharey=True)
    for ax, (method, part) in zip(axes, shown, strict=True):
        for source in sources:
            ax.plot(frames[source, method][part].reindex(tasks), range(len(tasks)), **mark_of(source))
        ax.set_title(f"{METHOD_NAMES[method]}: {PARTS[part]}", fontsize=8.5)
        ax.grid(True, color=GRID, linewidth=0.6)
        ax.set(xlim=(-0.05, 1.05), xlabel="share kept")
    axes[0].set_yticks(range(len(tasks)), [shown_task(task).title for task in tasks], fontsize=8)
    axes[0].invert_yaxis()
    legend_below(figure, [Line2D([], [], **mark_of(source), label=source.name) for source in sources], 3)
    return figure


def importance_of_tasks(study: Study) -> Figure:
    """Importances in the full model, before anything is pruned: the order in which components are first removed.

    One panel per task, mean over seeds; those of tasks without any search are there, and say so.
    """
    importance = component_importance(study)
    maps = {}
    for task, title in dict(zip(importance["task"], importance["title"])).items():
        shown = over_seeds(importance[importance["task"] == task])
        maps[f"{title} ({count(shown.n, 'seed')})"] = shown
    absent = [task for task in study.preset.tasks if task not in set(importance["task"])]
    maps |= dict.fromkeys(shown_title(task, demo=study.preset.data == "embedded") for task in absent)
    return maps_of_tasks(maps, Normalize(0, 1), IMPORTANCE_MAP, "importance, share of the largest\nhead or MLP, mean")


def _published_heads(tasks: set[str]) -> Stability:
    shares = _published_masks(tasks)
    heads = int(shares["total"].iloc[0])
    chance = heads * shares.groupby("task")["share"].prod()
    survival = published.table("survival_by_task")
    of_heads = survival[(survival["family"] == JOINT) & (survival["component"] == "head")]
    by_task = of_heads[of_heads["task"].isin(tasks)].groupby("task")["mean"]
    always = by_task.agg(lambda kept: (kept == 1).sum()).mean()
    return Stability(heads, always, chance.mean(), published.SEEDS, len(tasks))


def _published_masks(tasks: set[str], component: str = "head") -> pd.DataFrame:
    """The good masks of the release: task, seed, total, and the share of heads or MLPs kept."""
    masks = published.table("masks_of_seeds")
    rows = masks[(masks["family"] == JOINT) & (masks["component"] == component) & masks["task"].isin(tasks)]
    total = 144 if component == "head" else 12  # BERT-base
    return rows.assign(total=total, share=rows["kept"] / total)


def _published_sizes(method: str, tasks: set[str]) -> pd.DataFrame:
    if method == "magnitude":
        levels = published.table("magnitude_levels")
        by_task = levels[levels["task"].isin(tasks)].groupby("task", sort=False)["share"].agg(["mean", "std"])
        return by_task.rename(columns={"mean": "prunable", "std": "prunable_std"}).reset_index()
    shares = {part: _published_masks(tasks, part).groupby("task", sort=False)["share"] for part in ("head", "mlp")}
    weights = published.table("subnetwork_sizes")
    weights = weights[weights["family"] == JOINT].set_index("task")
    columns = {"heads": shares["head"].mean(), "heads_std": shares["head"].std()}
    columns |= {"mlps": shares["mlp"].mean(), "mlps_std": shares["mlp"].std()}
    columns |= {"prunable": weights["share_prunable_mean"], "prunable_std": weights["share_prunable_std"]}
    return pd.DataFrame(columns).reindex(shares["head"].mean().index).rename_axis("task").reset_index()
