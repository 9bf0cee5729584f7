"""Words and tables on importance, overlap between tasks and agreement between seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.show.glue import as_percent, listed
from lottery_utils.show.stats import holm
from lottery_utils.show.tables import GAP, dressed

from .coefficients import LEVEL, PermutationTest, statistics
from .overlap_figures import KINDS, p_text

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

COLUMNS = {
    "cochran_p": "Cochran's Q, p",
    "share_pairs_not_rejected": "pairs not rejected",
    "fleiss_kappa": "Fleiss' κ",
    "krippendorff_alpha": "Krippendorff's α",
    "mean_pair_jaccard": "Jaccard",
    "chance_pair_jaccard": "Jaccard by chance",
    "permutation_p": "permutation p",
}
NO_SEEDS = "With fewer than two seeds of a task, this run cannot say how far seeds agree."


def agreement_table(table: pd.DataFrame) -> Styler:
    """Every statistic of the agreement between seeds, a row a task and kind; as from `agreement.agreement`."""
    shown = pd.DataFrame({"task": table["title"], "": table["component"].map(KINDS), "seeds": table["seeds"]})
    shown["kept"] = [
        f"{mean:.1f} of {total}" if np.isnan(std) else f"{mean:.1f} ± {std:.1f} of {total}"
        for mean, std, total in zip(table["mean_kept"], table["std_kept"], table["total"])
    ]
    shown = shown.assign(**_statistics_shown(table))
    tried = int(table["permutations"].max()) if len(table) else 0
    caption = f"How far the seeds of a task agree ({tried:,} permutations). {GAP} marks what is undefined."
    return dressed(shown, caption, "agreement")


def examples_table() -> Styler:
    """The same statistics for masks made up to be identical, disjoint, random and nested: what each can see."""
    return dressed(_examples_shown(examples()), "Five made-up masks of 144 heads, four times.", "agreement-examples")


def examples(seeds: int = 5, heads: int = 144, permutations: int = 1999) -> pd.DataFrame:
    """Statistics of four sets of made-up masks, by name: columns name, text and those of `agreement.statistics`.

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


def _examples_shown(found: pd.DataFrame) -> pd.DataFrame:
    shown = pd.DataFrame({"masks": found["name"], "": found["text"]})
    return shown.assign(**_statistics_shown(found))


def _statistics_shown(table: pd.DataFrame) -> dict[str, list[str]]:
    form = {"share_pairs_not_rejected": as_share, "cochran_p": p_text, "permutation_p": p_text}
    return {label: [form.get(name, as_number)(value) for value in table[name]] for name, label in COLUMNS.items()}


def as_number(value: float) -> str:
    """Two decimals; a dash where it is undefined."""
    return GAP if np.isnan(value) else f"{value:.2f}"


def as_share(value: float) -> str:
    """Whole per cent; a dash where it is undefined."""
    return GAP if np.isnan(value) else as_percent(value)


def overlap_table(overlap: pd.DataFrame) -> Styler:
    """The numbers behind the overlap matrices: each pair of tasks once."""
    order = {task: i for i, task in enumerate(dict.fromkeys(overlap["task_a"]))}
    rows = overlap[overlap["task_a"].map(order) < overlap["task_b"].map(order)]
    shown = pd.DataFrame({"": rows["component"].map(KINDS), "task": rows["title_a"], "and": rows["title_b"]})
    for name, label in (("mean_shared", "shared"), ("std_shared", "deviation"), ("chance_mean", "by chance")):
        shown[label] = [as_number(value) for value in rows[name]]
    shown["seeds"] = rows["seeds"]
    return dressed(shown, "Surviving components that two tasks share, mean over seeds.", "overlap")


def super_table(counts: pd.DataFrame) -> Styler:
    """Super-survivors of each task, beside one seed's mask and chance; as from `overlap.super_counts`."""
    shown = pd.DataFrame({"task": counts["title"], "": counts["component"].map(KINDS), "seeds": counts["seeds"]})
    shown["in all"] = counts["total"]
    shown["one seed keeps"] = [as_number(value) for value in counts["mean_kept"]]
    shown["super-survivors"] = counts["super_survivors"]
    shown["by chance"] = [as_number(value) for value in counts["chance"]]
    caption = "Components that survive in every seed, and how many would by chance."
    return dressed(shown, caption, "super-survivors")


def overlap_sentence(overlap: pd.DataFrame, test: PermutationTest, component: str) -> str:
    """How many components two tasks share, beside chance, and whether that is more than chance."""
    rows = overlap[(overlap["component"] == component) & (overlap["task_a"] != overlap["task_b"])]
    name = KINDS[component]
    if rows.empty:
        return f"With fewer than two tasks, this run cannot say whether tasks share {name}."
    shared, chance = rows["mean_shared"].mean(), rows["chance_mean"].mean()
    pairs, above = len(rows) // 2, int((rows["mean_shared"] > rows["chance_mean"] + 1e-9).sum()) // 2
    text = f"Two tasks share {shared:.1f} {name} on average; chance would give {chance:.1f}."
    if pairs > 1:
        text += f" It is more than by chance in {above} of {pairs} pairs of tasks."
    if np.isnan(test.p):
        return text
    verdict = "More than chance explains" if test.p < LEVEL else "Not more than chance can explain"
    return f"{text} {verdict}: p {_with_sign(test.p)} over all pairs ({test.permutations:,} permutations)."


def seeds_sentence(table: pd.DataFrame, component: str) -> str:
    """On how many tasks seeds agree more than by chance; permutation tests, corrected over all rows of `table`."""
    tested, rows = _tested(table), table[(table["component"] == component) & (table["seeds"] > 1)]
    name = KINDS[component]
    if rows["mean_pair_jaccard"].isna().all():
        return NO_SEEDS
    found, chance = rows["mean_pair_jaccard"].mean(), rows["chance_pair_jaccard"].mean()
    text = f"The masks of two seeds have a Jaccard index of {found:.2f} on average for {name}, {chance:.2f} by chance"
    own = tested[tested["component"] == component]
    if own.empty:
        return text + "; there is nothing to test."
    yes = int((own["corrected"] < LEVEL).sum())
    agree = [title for title, p in zip(own["title"], own["corrected"]) if p < LEVEL]
    tasks = f"{yes} of {len(own)} tasks" + (f" ({listed(agree)})" if 0 < yes < len(own) else "")
    text += f". Seeds agree more than by chance on {tasks}, after Holm's correction for {len(tested)} tests."
    return text


def _tested(table: pd.DataFrame) -> pd.DataFrame:
    """Rows whose permutation test is defined, with `corrected`, p after Holm over all of them."""
    rows = table[table["permutation_p"].notna()]
    if rows.empty:
        return rows.assign(corrected=[])
    return rows.assign(corrected=holm(rows["permutation_p"].tolist()))


def cochran_sentence(table: pd.DataFrame) -> str:
    """How often Cochran's Q sees no difference, and a row of this run where that is not agreement."""
    rows = table[table["seeds"] > 1]
    if rows.empty:
        return NO_SEEDS
    undefined, open_rows = int(rows["cochran_p"].isna().sum()), rows[rows["cochran_p"] >= LEVEL]
    text = f"In this run Cochran's Q does not reject equal counts in {len(open_rows)} of {len(rows)} rows"
    text += f", and is undefined in {undefined} whose seeds keep exactly the same components" if undefined else ""
    least = open_rows[open_rows["fleiss_kappa"].notna()].sort_values("fleiss_kappa").head(1)
    if len(least) and least["fleiss_kappa"].item() < 0.4:
        row = least.iloc[0]
        text += f". For {KINDS[row['component']]} of {row['title']} p is {p_text(row['cochran_p'])}, while kappa is "
        text += f"only {row['fleiss_kappa']:.2f}"
    return text + "."


def super_sentence(counts: pd.DataFrame) -> str:
    """How many super-survivors a task has on average, beside chance."""
    if counts.empty:
        return "Super-survivors need two seeds of a task or more; this run has none."
    parts = []
    for component, name in KINDS.items():
        rows = counts[counts["component"] == component]
        means = rows[["super_survivors", "mean_kept", "chance"]].mean()
        parts.append(
            f"{means['super_survivors']:.1f} {name} are super-survivors, of {means['mean_kept']:.1f} that one seed "
            f"keeps; {means['chance']:.1f} would be by chance"
        )
    tasks = counts["task"].nunique()
    return f"On {'average over ' + str(tasks) + ' tasks' if tasks > 1 else 'this task'}, {'; '.join(parts)}."


def cut_sentence(first: pd.DataFrame) -> str:
    """How near the first cut lies to the heads that stay; `first` as from `decisions.first_cut`."""
    if first.empty:
        return "There is no search to describe."
    gone, stay = first[first["removed"]], first[~first["removed"]]
    keys = ["task", "seed"]
    edge = gone.groupby(keys)["importance"].max().rename("edge")
    near = stay.merge(edge.reset_index(), on=keys)
    near = near[near["importance"] < 2 * near["edge"]].groupby(keys).size().reindex(edge.index, fill_value=0).mean()
    removed = gone.groupby(keys).size().mean()
    return (
        f"The first step removes {removed:.0f} of {len(first) / len(edge):.0f} heads. On average {near:.1f} of the "
        "heads that stay are less than twice as important as the most important one that goes."
    )


def order_sentence(look: pd.DataFrame, between_seeds: pd.DataFrame) -> str:
    """How much of the good subnetwork the full model's importances would have foretold, and whether seeds rank alike.

    `look` as from `decisions.one_look`, `between_seeds` from `decisions.seeds_correlation`.
    """
    parts = []
    if len(look):
        means = look.groupby("task")[["same", "chance"]].mean().mean()
        parts.append(
            f"Of the heads in good subnetworks, {as_percent(means['same'])} are among the most important ones, as "
            f"many, of the full model; a random choice would have {as_percent(means['chance'])} of them."
        )
    if len(between_seeds) and between_seeds["correlation"].notna().any():
        mean = between_seeds["correlation"].mean()
        parts.append(f"Between seeds, importances in the full model have a rank correlation of {mean:.2f}.")
    return " ".join(parts) or "There is nothing to compare."


def _with_sign(p: float) -> str:
    text = p_text(p)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"
