"""Chapters 7 and 8: the same statistics for published masks, the real study, this run, and made-up masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.show.effects import p_value
from lottery_utils.show.frames import component_survival
from lottery_utils.show.sentences import as_percent
from lottery_utils.show.tables import GAP, dressed

from .. import published
from ..sources import JOINT, PUBLISHED, Source
from .coefficients import AGREEMENT, agreement, statistics
from .figures import KINDS
from .overlap import OVERLAP, super_survivors, task_overlap

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


def seeds_of(source: Source) -> pd.DataFrame:
    """How far the seeds of a task agree under s-pruning: task, title, component and `STATISTICS`, one row each.

    No row where a source has one seed, or no lead of a task's full model.
    """
    if source.kind == PUBLISHED:
        rows = published.seed_agreement()
        rows = rows[(rows["family"] == JOINT) & rows["task"].isin(source.leads["task"])]
    else:
        survival = _survival(source)
        several = not survival.empty and survival["seed"].nunique() > 1
        rows = agreement(survival) if several else pd.DataFrame(columns=list(AGREEMENT))
    return rows.rename(columns=JACCARD)[["task", "title", "component", *STATISTICS]].reset_index(drop=True)


def shared_by_tasks(source: Source, supers: bool = False, family: str = JOINT) -> pd.DataFrame:
    """Components that two tasks share: columns `overlap.OVERLAP`; with `supers` of components in every seed's mask.

    `family` chooses among the published masks: "heads_mlps", pruned together, or "heads" and "mlps", pruned alone.
    """
    if source.kind == PUBLISHED:
        rows = published.task_overlap()
        rows = rows[rows["family"] == family + ("_super" if supers else "")]
        rows = rows[~rows[["task_a", "task_b"]].isin(["WNLI"]).any(axis=1)]  # four of its five masks are empty
        rows = rows.assign(title_a=rows["task_a"], title_b=rows["task_b"])
        return rows[list(OVERLAP)].reset_index(drop=True)
    survival = _survival(source)
    if survival.empty:
        return pd.DataFrame(columns=list(OVERLAP))
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
    """Every statistic of the agreement between seeds, means over the tasks of a source; a column a source."""
    chosen = {source.name: table[table["component"] == component] for source, table in tables.items()}
    rows = [{"statistic": "tasks", **{name: len(table) or GAP for name, table in chosen.items()}}]
    for statistic, (label, form) in STATISTICS.items():
        columns = {name: table[statistic].dropna().astype(float) for name, table in chosen.items()}
        means = {name: of.median() if statistic.endswith("_p") else of.mean() for name, of in columns.items()}
        rows.append({"statistic": label} | {name: GAP if np.isnan(m) else form(m) for name, m in means.items()})
    caption = f"How far the seeds of a task agree on {KINDS[component]}: means over tasks; of p values the median."
    return dressed(pd.DataFrame(rows), caption, f"agreement-{component}")


def _survival(source: Source) -> pd.DataFrame:
    return pd.DataFrame() if source.study is None else component_survival(source.study, "structured")


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
