"""Chapter 7: the search as decisions about heads, by what importance; and searches of heads or MLPs alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import nn

from lottery_utils.experiment import loaded
from lottery_utils.experiment.study import Study
from lottery_utils.models.anatomy import anatomy
from lottery_utils.presets import get_preset
from lottery_utils.pruning.importance import importance as importance  # which the chapter runs, as the next
from lottery_utils.pruning.importance import reduce_gradients as reduce_gradients
from lottery_utils.pruning.masks import StructuredMask
from lottery_utils.show.frames import component_survival, courses_of, example_task, final_step, joined
from lottery_utils.show.heatmaps import ComponentMap, as_map, over_tasks
from lottery_utils.show.sentences import as_percent
from lottery_utils.show.style import COLOURS, GRID, WIDTH, legend_below, lighter, say
from lottery_utils.tasks.glue import TASKS
from lottery_utils.training.batches import Encoded, take
from lottery_utils.training.batches import collate as collate

from . import published
from .agreement.by_source import shared_by_tasks
from .agreement.overlap import task_overlap
from .evidence import framed
from .sources import NO_RECORD, NOT_RUN, Source, count

DECISIONS = ("task", "title", "seed", "step", "layer", "head", "importance", "removed", "final")
SEARCH = ["task", "title", "seed"]
FATES = {  # what became of a head, from least to most lasting
    "removed in the first step": COLOURS["bad"],
    "removed later": lighter(COLOURS["bad"], 0.4),
    "in the good subnetwork": COLOURS["good"],
}
CUT = {"color": "#222222", "linestyle": "--", "linewidth": 0.8}
BINS = 20
Counted = tuple[ComponentMap, int] | None  # a map of numbers of tasks, and of how many tasks


def decisions(study: Study | None) -> pd.DataFrame:
    """Every search step with the heads it could remove: columns `DECISIONS`, one row a step and head.

    A step starts from the last mask that passed, with importances measured under that mask (the protocol `released`,
    at a change of phase, uses those of the mask that failed), divided by their layer's L2 norm. `removed` marks what
    the step takes away, `final` what the good subnetwork keeps.
    """
    frames = []
    for search in courses_of(study, "structured") if study else ():
        course = search.arrays
        good = course["heads"][final_step(course)].astype(bool)
        for step in range(1, len(course["score"])):
            base = int(np.flatnonzero(course["passed"][:step])[-1])
            source = step - 1 if study.preset.importance == "released" else base
            there = course["heads"][base].astype(bool)
            layer, head = np.nonzero(there)
            own = {"layer": layer, "head": head, "importance": course["head_importance"][source][there].astype(float)}
            own |= {"removed": ~course["heads"][step][there].astype(bool), "final": good[there]}
            frames.append(pd.DataFrame({**search.same, "step": step, **own}))
    return joined(frames, DECISIONS)


def one_example() -> tuple[nn.Module, Encoded, StructuredMask]:
    """The demo's pre-trained BERT with a new classifier, the first dev example of its SST-2-like task, and no mask."""
    preset = get_preset("demo")
    model = loaded.classifier(preset, "sst2", 0).eval()
    body = anatomy(model)
    example = take(loaded.examples(preset, "sst2", "").dev, np.arange(1))
    return model, example, StructuredMask.full(body.layers, body.heads)


def in_full_model(decided: pd.DataFrame) -> pd.DataFrame:
    """The rows of each search's first step, whose importances are the full model's."""
    return decided[decided["step"] == 1].reset_index(drop=True)


def cuts(first: pd.DataFrame) -> pd.Series:
    """Where first steps cut, by task, title and seed: halfway between the most important head removed and the least
    important one left.

    Heads are removed over all layers, so one value separates them; NaN when nothing is left, no row when none goes.
    """
    highest = first[first["removed"]].groupby(SEARCH, sort=False)["importance"].max()
    lowest = first[~first["removed"]].groupby(SEARCH, sort=False)["importance"].min()
    return (highest + lowest.reindex(highest.index)) / 2


def order_left(decided: pd.DataFrame) -> pd.Series:
    """How much of the full model's order of heads is left at a search's last step, by task, title and seed.

    Spearman's correlation over the heads that the step starts from; NaN with fewer than three of them.
    """
    found = {}
    for key, search in decided.groupby(SEARCH, sort=False):
        steps = search.pivot(index=["layer", "head"], columns="step", values="importance")
        found[key] = steps[1].corr(steps[steps.columns.max()], "spearman", min_periods=3)
    return pd.Series(found, dtype=float)


def one_look(decided: pd.DataFrame) -> pd.DataFrame:
    """Would one look have done? Columns task, title, seed, same, chance.

    same is the share of the good subnetwork's heads that are among the most important ones, as many, of the full
    model; chance is what a random choice of as many heads would give.
    """
    rows = []
    for key, own in in_full_model(decided).groupby(SEARCH, sort=False):
        kept = int(own["final"].sum())
        if 0 < kept < len(own):
            rows.append((*key, own.nlargest(kept, "importance")["final"].mean(), kept / len(own)))
    return pd.DataFrame(rows, columns=[*SEARCH, "same", "chance"])


def one_look_phrase(decided: pd.DataFrame) -> str:
    """The share of good heads that one look at the full model names, beside chance: "81 %, by chance 47 %"."""
    look = one_look(decided)
    if look.empty:
        return NO_RECORD
    means = look.groupby("task")[["same", "chance"]].mean().mean()
    return f"{as_percent(means['same'])}, by chance {as_percent(means['chance'])}"


def near_cut_phrase(decided: pd.DataFrame) -> str:
    """How many heads the first step removes, and how many stay with less than twice the importance of the last to go:
    "14 go, 40 stay", means over searches.
    """
    first = in_full_model(decided)
    if first.empty:
        return NO_RECORD
    edge = first["importance"].where(first["removed"]).groupby([first[key] for key in SEARCH]).transform("max")
    near = ~first["removed"] & (first["importance"] < 2 * edge)
    searched = len(first[SEARCH].drop_duplicates())
    return f"{first['removed'].sum() / searched:.0f} go, {near.sum() / searched:.0f} stay"


def seeds_correlation(decided: pd.DataFrame) -> pd.Series:
    """Do seeds rank heads alike in the full model? Mean Spearman correlation over the pairs of seeds, by task.

    Tasks with one seed are left out.
    """
    found = {}
    for task, own in in_full_model(decided).groupby("task", sort=False):
        alike = own.pivot(index=["layer", "head"], columns="seed", values="importance").corr("spearman").to_numpy()
        if len(alike) > 1:
            found[task] = alike[np.triu_indices(len(alike), 1)].mean()
    return pd.Series(found, dtype=float)


def cuts_by_source(sources: Sequence[Source], decided: Mapping[Source, pd.DataFrame]) -> Figure:
    """Importance of the heads in the full model of one task, one panel per source, with each seed's first cut.

    `decided` as from `decisions`, of the sources that have importances; colours say what became of the heads.
    (The paper's histogram of importance.)
    """
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots(1, len(sources), squeeze=False)[0]
    for ax, source in zip(axes, sources, strict=True):
        rows, about = decided.get(source), ""
        if rows is None or rows.empty:
            say(ax, "not released" if rows is None else source.missing)
        else:
            first = in_full_model(rows[rows["task"] == example_task(rows)])
            _histogram(ax, first)
            about = f"{first['title'].iloc[0]}, {count(first['seed'].nunique(), 'seed')}"
        framed(ax, source.kind, f"{source.name}\n{about}")
    axes[0].set_ylabel("heads")
    axes[len(axes) // 2].set_xlabel("importance (a layer's heads have the L2 norm 1)", fontsize=9)
    handles = [Patch(color=colour, label=label) for label, colour in FATES.items()]
    legend_below(figure, [*handles, Line2D([], [], **CUT, label="cut, one line per seed")], columns=4)
    return figure


def _histogram(ax: Axes, first: pd.DataFrame) -> None:
    """One task's importances, stacked by what became of the heads, and the first cuts.

    What a failed first step takes away comes back and may stay.
    """
    gone, later, good = FATES
    named = first.assign(fate=np.where(first["final"], good, np.where(first["removed"], gone, later)))
    look = {"palette": FATES, "hue_order": list(FATES)[::-1], "edgecolor": "white", "linewidth": 0.3, "alpha": 1}
    sns.histplot(named, x="importance", hue="fate", multiple="stack", bins=BINS, legend=False, ax=ax, **look)
    for cut in cuts(first).dropna():
        ax.axvline(cut, **CUT)
    ax.set(xlim=(0, None), xlabel="", ylabel="")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    ax.yaxis.get_major_locator().set_params(integer=True)


def modes(
    sources: Sequence[Source], studies: Mapping[str, Study]
) -> tuple[dict[str, dict[Source, Counted | str]], dict[Source, pd.DataFrame | str]]:
    """Heads and MLPs pruned "alone" and "together" by `sources.three_sources`; `studies` are this run's, by search.

    Returns maps across tasks, for `side_by_side.maps_across_tasks`, and what two tasks share when pruned alone; the
    real study prunes together only.
    """
    printed, real, run = sources
    apart, together = alone(studies), component_survival(studies["joint"], "structured")
    cells = published.table("survival_across_tasks")
    cells = cells[cells["family"] == cells["component"] + "s"]  # heads of "heads", MLPs of "mlps"
    maps = {
        "alone": {printed: (as_map(cells, published.SEEDS), len(TASKS)), real: NOT_RUN, run: over_tasks(apart)},
        "together": {printed: printed.map_across_tasks(), real: real.map_across_tasks(), run: over_tasks(together)},
    }
    shared = pd.concat([shared_by_tasks(printed, family="heads"), shared_by_tasks(printed, family="mlps")])
    return maps, {printed: shared, real: NOT_RUN, run: task_overlap(apart)}


def alone(studies: Mapping[str, Study]) -> pd.DataFrame:
    """What survives when each kind of component is pruned alone: heads of "heads", MLPs of "mlps".

    Columns as `show.frames.SURVIVAL`; tasks and seeds that both searches have, so that counts compare.
    """
    searched = [component_survival(studies[name], "structured") for name in ("heads", "mlps")]
    rows = pd.concat([searched[0].query("component == 'head'"), searched[1].query("component == 'mlp'")])
    both = rows.groupby(["task", "seed"])["component"].transform("nunique") == 2
    return rows[both].reset_index(drop=True)
