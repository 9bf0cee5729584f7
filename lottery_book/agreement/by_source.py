"""Chapters 7 and 8: how alike seeds' masks are and what tasks share, published, in the real study and in this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pandas.io.formats.style import Styler

from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.show import style
from lottery_utils.show.effects import p_value
from lottery_utils.show.heatmaps import colour_bar
from lottery_utils.show.sentences import as_percent
from lottery_utils.show.style import COLOURS, GRID, WIDTH, legend_below, say
from lottery_utils.show.tables import GAP, dressed

from .. import published
from ..evidence import framed
from ..sources import JOINT, PUBLISHED, Source, in_order
from .coefficients import PERMUTATIONS, agreement, statistics
from .overlap import OVERLAP, super_survivors, task_overlap

KINDS = {"head": "heads", "mlp": "MLPs"}
EXCESS_MAP = LinearSegmentedColormap.from_list("excess", ("#D58791", "#F6F6F2", "#7FA6CC"))
MEAN = {"color": COLOURS["good"], "marker": "D", "markersize": 5, "linestyle": "none"}
CHANCE = {"color": "#222222", "marker": "_", "markersize": 13, "markeredgewidth": 1.6, "linestyle": "none"}
STATISTICS = {
    "jaccard": ("Jaccard", "{:.2f}".format),
    "chance": ("by chance", "{:.2f}".format),
    "permutation_p": ("p (permutation)", p_value),
    "fleiss_kappa": ("Fleiss' \N{GREEK SMALL LETTER KAPPA}", "{:.2f}".format),
    "cochran_p": ("p (Cochran's Q)", p_value),
    "share_pairs_not_rejected": ("pairs not rejected", as_percent),
}
JACCARD = {"mean_pair_jaccard": "jaccard", "chance_pair_jaccard": "chance"}
EXAMPLES = {
    "name": ("masks", str),
    "text": ("", str),
    "cochran_p": ("Cochran's Q, p", p_value),
    "share_pairs_not_rejected": ("pairs not rejected", as_percent),
    "fleiss_kappa": ("Fleiss' κ", "{:.2f}"),
    "mean_pair_jaccard": ("Jaccard", "{:.2f}"),
    "chance_pair_jaccard": ("Jaccard by chance", "{:.2f}"),
    "permutation_p": ("permutation p", p_value),
}


def seeds_of(source: Source, permutations: int = PERMUTATIONS) -> pd.DataFrame:
    """How far the seeds of a task agree under s-pruning: task, title, component and `STATISTICS`, one row each.

    No row where a source has one seed, or no lead of a task's full model; without `permutations` no p of them.
    """
    if source.kind == PUBLISHED:
        rows = published.seed_agreement()
        rows = rows[(rows["family"] == JOINT) & rows["task"].isin(source.leads["task"])]
    else:
        survival = source.survival()
        rows = agreement(survival if survival["seed"].nunique() > 1 else survival.iloc[:0], permutations)
    return rows.rename(columns=JACCARD)[["task", "title", "component", *STATISTICS]].reset_index(drop=True)


def shared_by_tasks(source: Source, supers: bool = False, family: str = JOINT) -> pd.DataFrame:
    """Components that two tasks share: columns `overlap.OVERLAP`; with `supers` of components in every seed's mask.

    `family` chooses among the published masks: "heads_mlps", pruned together, or "heads" and "mlps", pruned alone.
    """
    if source.kind == PUBLISHED:
        rows = published.table("task_overlap")
        rows = rows[rows["family"] == family + ("_super" if supers else "")]
        rows = rows[~rows[["task_a", "task_b"]].isin(["WNLI"]).any(axis=1)]  # four of its five masks are empty
        rows = rows.assign(title_a=rows["task_a"], title_b=rows["task_b"])
        return rows[list(OVERLAP)].reset_index(drop=True)
    survival = source.survival()
    return task_overlap(super_survivors(survival) if supers else survival)


def mean_jaccard(table: pd.DataFrame, component: str = "head") -> str:
    """The mean Jaccard index over tasks beside its chance level: ".57, by chance .46"; or why there is none."""
    rows = table[(table["component"] == component) & table["jaccard"].notna()]
    if rows.empty:
        return "it takes two seeds"
    return f"{rows['jaccard'].mean():.2f}, by chance {rows['chance'].mean():.2f}"


def mean_shared(table: pd.DataFrame, component: str = "head") -> str:
    """Components that two tasks share, mean over pairs, beside chance: "51.0, by chance 46.8"."""
    rows = table[(table["component"] == component) & (table["title_a"] != table["title_b"])]
    if rows.empty:
        return "it takes two tasks of one seed"
    return f"{rows['mean_shared'].mean():.1f}, by chance {rows['chance_mean'].mean():.1f}"


def seed_table(tables: Mapping[Source, pd.DataFrame], component: str = "head") -> Styler:
    """Every statistic of the agreement between seeds, means over the tasks of a source; one column per source."""
    chosen = {source.name: table[table["component"] == component] for source, table in tables.items()}
    rows = [{"statistic": "tasks", **{name: len(table) or GAP for name, table in chosen.items()}}]
    for statistic, (label, form) in STATISTICS.items():
        columns = {name: table[statistic].dropna().astype(float) for name, table in chosen.items()}
        means = {name: of.median() if statistic.endswith("_p") else of.mean() for name, of in columns.items()}
        rows.append({"statistic": label} | {name: GAP if np.isnan(m) else form(m) for name, m in means.items()})
    caption = f"How far the seeds of a task agree on {KINDS[component]}: means over tasks; of p values the median."
    return dressed(pd.DataFrame(rows), caption, f"agreement-{component}")


def likeness(tables: Mapping[Source, pd.DataFrame]) -> Figure:
    """Mean Jaccard index of a task's masks and its chance level: one column per source, one row per component.

    `tables` have component, title, jaccard, chance, one row a task and component; a table without rows is a gap.
    """
    figure = Figure(figsize=(WIDTH, 3.7), layout="constrained")
    grid = figure.subplots(len(KINDS), len(tables), squeeze=False)
    for axes, (component, name) in zip(grid, KINDS.items(), strict=True):
        for ax, (source, table) in zip(axes, tables.items(), strict=True):
            _dots(ax, table[table["component"] == component], source)
            framed(ax, source.kind, source.name)
            ax.tick_params(labelleft=ax is axes[0])
        axes[0].set_ylabel(f"{name}: Jaccard index", fontsize=8)
    names = {"mean over pairs": MEAN, "by chance, same sizes": CHANCE}
    legend_below(figure, [Line2D([], [], label=name, **look) for name, look in names.items()])
    return figure


def shared(tables: Mapping[Source, pd.DataFrame | str], components: Sequence[str] = tuple(KINDS)) -> Figure:
    """How many components two tasks share beyond chance: one column per source, one row per component.

    `tables` have columns `overlap.OVERLAP`; a text says why there is none. Blue: more than by chance, red: fewer, as a
    share of what the smaller of the two masks could share beyond chance. (The paper's figure of overlaps, and its
    appendix.)
    """
    figure = Figure(figsize=(WIDTH, 0.3 + 2.7 * len(components)), layout="constrained")
    grid = figure.subplots(len(components), len(tables), squeeze=False)
    norm = Normalize(-1, 1)
    for axes, component in zip(grid, components, strict=True):
        for ax, (source, table) in zip(axes, tables.items(), strict=True):
            if isinstance(table, str):
                say(ax, table)
            else:
                _matrix(ax, table[table["component"] == component], norm)
            framed(ax, source.kind, f"{source.kind}:\n{source.model}\n{KINDS[component]}")
    label = "shared beyond chance, share of the most possible"
    colour_bar(figure, list(grid.ravel()), norm, EXCESS_MAP, label)
    return figure


def _dots(ax: Axes, rows: pd.DataFrame, source: Source) -> None:
    """One panel of `likeness`."""
    if rows["jaccard"].notna().sum() == 0:
        say(ax, source.missing if source.study is None else "it takes two seeds\nof a task")
        return
    places = {task: place for place, task in enumerate(in_order(rows["task"]))}
    rows = rows.assign(title=rows["title"].map(_short)).sort_values("task", key=lambda tasks: tasks.map(places))
    for column, look in (("chance", CHANCE), ("jaccard", MEAN)):
        sns.pointplot(rows, x="title", y=column, errorbar=None, ax=ax, **look)
    ax.tick_params(axis="x", rotation=60, labelsize=7)
    ax.set(ylim=(-0.03, 1.05), xlabel="", ylabel="")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)


def _matrix(ax: Axes, rows: pd.DataFrame, norm: Normalize) -> None:
    """One panel of `shared`; the diagonal is grey."""
    title_of = dict(zip(rows["task_a"], rows["title_a"], strict=True))
    titles = [title_of[task] for task in in_order(rows["task_a"])]
    if len(titles) < 2:
        say(ax, "it takes two tasks\nof one seed")
        return
    kept = rows[rows["title_a"] == rows["title_b"]].set_index("title_a")["mean_shared"]
    most = np.minimum(rows["title_a"].map(kept), rows["title_b"].map(kept)) - rows["chance_mean"]
    excess = (rows["mean_shared"] - rows["chance_mean"]) / most.where(most > 0)
    wide = rows.assign(excess=excess).pivot(index="title_a", columns="title_b", values="excess")
    wide = wide.reindex(index=titles, columns=titles)
    look = {"cmap": EXCESS_MAP.with_extremes(bad=style.GAP), "cbar": False, "linewidths": 0.6, "linecolor": "white"}
    short = [_short(title) for title in titles]
    sns.heatmap(wide, ax=ax, norm=norm, xticklabels=short, yticklabels=short, **look)
    ax.tick_params(length=0, labelsize=7)
    ax.tick_params(axis="y", rotation=0)
    ax.tick_params(axis="x", rotation=90)
    ax.set(xlabel="", ylabel="")


def _short(title: str) -> str:
    """A title without what the chapter on the real study says once for all."""
    return title.removesuffix(" (partial)")


def examples_table() -> Styler:
    """The same statistics for masks made up to be identical, disjoint, random and nested: what each can see."""
    frame = examples()[list(EXAMPLES)].rename(columns={name: head for name, (head, _) in EXAMPLES.items()})
    caption = "Five made-up masks of 144 heads, four times."
    return dressed(frame, caption, "agreement-examples", formats=dict(EXAMPLES.values()))


def examples(seeds: int = 5, heads: int = 144, permutations: int = 1999) -> pd.DataFrame:
    """Statistics of four sets of made-up masks: columns name, text and `coefficients.STATISTICS`.

    identical: the same two thirds of the heads in each seed; disjoint: each seed its own fifth; random: two thirds
    drawn anew; nested: each seed keeps a growing part of one order.
    """
    rng = numpy_generator_for("agreement", "examples")
    place = np.arange(heads)
    most = 2 * heads // 3
    growing = (np.linspace(0.4, 0.95, seeds) * heads).astype(int)
    made = {
        "identical": ("the same heads, the same number", np.tile(place < most, (seeds, 1))),
        "disjoint": ("no head in common, the same number", place // (heads // seeds) == np.arange(seeds)[:, None]),
        "random": ("drawn at random, the same number", rng.permuted(np.tile(place < most, (seeds, 1)), axis=1)),
        "nested": ("each inside the next, different numbers", place < growing[:, None]),
    }
    rows = [{"name": n, "text": t, **statistics(v, rng, permutations)} for n, (t, v) in made.items()]
    return pd.DataFrame(rows)
