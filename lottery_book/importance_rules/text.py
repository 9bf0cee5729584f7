"""Sentences and the table of the chapter on how importances are summed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.effects import told
from lottery_utils.show.glue import as_percent, as_text, listed
from lottery_utils.show.stats import Effect
from lottery_utils.show.tables import GAP, dressed

from .figures import other_seed
from .frames import RULES, SCORES

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

NOTHING = "No importances are stored."
AUTHORS = "running 64"
CLOSE = 0.05  # Jaccard indices nearer than this are called about equal


def model_sentence(frame: pd.DataFrame, batch: int = 64) -> str:
    """How near both sums come to the exact order of heads in the full model, at one batch size, over all orders."""
    rows = frame[(frame["component"] == "heads") & (frame["batch"] == batch)]
    if rows.empty:
        return NOTHING
    parts = []
    for rule, name in (("running", f"running sums over batches of {batch}"), ("batched", "zeroing between them")):
        own = rows[rows["rule"] == rule].groupby("task")
        of_tasks, shared = own["correlation"].mean(), own["shared"].mean().mean()
        spread = f", {_range(of_tasks)}" if len(of_tasks) > 1 else ""
        text = f"{as_text(float(of_tasks.mean()))}{spread}"
        parts.append(f"{name}: {text}, and {as_percent(shared)} of the first step's heads in common")
    where = f"{_over(rows['task'].nunique())}, over seeds and {rows['order'].nunique()} orders of the data"
    return f"Rank correlation with the exact importances of the heads in the full model, {where}: {'; '.join(parts)}."


def order_sentence(frame: pd.DataFrame, batch: int = 64) -> str:
    """How much shuffling the same examples changes the sums."""
    rows = frame[(frame["component"] == "heads") & (frame["batch"] == batch)]
    if rows.empty:
        return NOTHING
    means = {rule: own.groupby("task")[["correlation", "shared"]].mean().mean() for rule, own in rows.groupby("rule")}
    parts = []
    for rule in ("running", "batched"):
        correlation, shared = as_text(float(means[rule]["correlation"])), as_percent(means[rule]["shared"])
        parts.append(f"correlate by {correlation} and share {shared} of the first step's heads ({rule})")
    what = f"With batches of {batch}, two orders of the same examples"
    return f"{what} {listed(parts)}. Exact importances do not depend on the order at all."


def seeds_sentence(frame: pd.DataFrame, effects: Mapping[tuple, Effect]) -> str:
    """Whether seeds agree more under one sum than another; from `sums.between_seeds` and `sums.seed_effects`."""
    if frame.empty:
        return "With one seed, agreement of seeds cannot be measured."
    means = frame.groupby("sum", sort=False)["correlation"].mean()
    parts = [f"{as_text(float(value))} ({name})" for name, value in means.items()]
    tasks = _over(frame["task"].nunique())
    text = f"The rank correlation of two seeds, heads of the full model, is {listed(parts)}, {tasks}."
    least = effects.get((AUTHORS, "seeds"), Effect())
    return f"{text} {AUTHORS} minus exact: {told(least, 'hundredths', pairs=False)}." if least.tasks else text


def alike_sentence(alike: pd.DataFrame, seeds: pd.DataFrame, rule: str = AUTHORS) -> str:
    """How alike the good masks of a rule and of "exact" are, beside another seed's and chance."""
    heads = alike[(alike["component"] == "head") & (alike["rule"] == rule)] if len(alike) else alike
    if heads.empty:
        return f"No search was run with {rule}."
    other = other_seed(seeds, "head", heads["task"])["jaccard"].mean()
    text = f"With {rule}, the good subnetworks' heads have a Jaccard index of {as_text(float(heads['jaccard'].mean()))}"
    chance = as_text(float(heads["chance"].mean()))
    text += f" with the exact ones', {_over(heads['task'].nunique())} ({chance} by chance)"
    return text + (f"; those of another seed, both exact, {as_text(float(other))}." if other == other else ".")


def seed_masks_sentence(seeds: pd.DataFrame, effects: Mapping[tuple, Effect]) -> str:
    """Whether good masks of two seeds are more alike under one rule; from `sums.seeds_alike`, `seed_mask_effects`."""
    heads = seeds[(seeds["component"] == "head") & seeds["jaccard"].notna()] if len(seeds) else seeds
    if heads.empty:
        return "With one seed, agreement of seeds cannot be measured."
    parts = []
    for rule, own in heads.groupby("rule", sort=False):
        one = effects.get((rule, "seeds"), Effect())
        value = as_text(float(own["jaccard"].mean()))
        less = f", minus exact {told(one, 'hundredths', pairs=False)}" if one.tasks else ""
        parts.append(f"{value} with {rule}{less}")
    return f"The heads of two seeds' good subnetworks have a Jaccard index of {'; '.join(parts)}."


def effect_sentence(
    effects: Mapping[tuple, Effect], column: str, what: str, rules: tuple[str, ...] = (AUTHORS, "released")
) -> str:
    """The differences of some rules from "exact" in one column, in words."""
    parts = [f"{rule} {told(one)}" for rule in rules if (one := effects.get((rule, column))) is not None and one.tasks]
    return f"{what}, minus exact: {'; '.join(parts)}." if parts else f"{what}: not run."


def answer_sentence(
    frame: pd.DataFrame,
    alike: pd.DataFrame,
    seeds: pd.DataFrame,
    same: Mapping[tuple, Effect],
    found: Mapping[tuple, Effect],
    rule: str = AUTHORS,
) -> str:
    """The chapter's answer for one study: for which components go, and for how good what stays is."""
    heads = alike[(alike["component"] == "head") & (alike["rule"] == rule)] if len(alike) else alike
    if heads.empty:
        return _answer_without_searches(frame)
    own = float(heads["jaccard"].mean())
    other = float(other_seed(seeds, "head", heads["task"])["jaccard"].mean())
    which = f"For which heads are removed, yes: {rule} and exact share a Jaccard index of {as_text(own)}"
    if own > 0.9:
        which = f"For which heads are removed, hardly: {rule} and exact have a Jaccard index of {as_text(own)}"
    if other == other:
        word = "about as much as" if abs(own - other) < CLOSE else "more than" if own > other else "less than"
        which += f", {word} two seeds of the exact rule ({as_text(other)})"
    said = [_verdict(same.get((rule, "same size"), Effect()), "score at equal size")]
    said.append(_verdict(found.get((rule, "weights"), Effect()), "share of weights kept"))
    return f"{which}. For how good the subnetworks are: {'; '.join(said)}."


def _answer_without_searches(frame: pd.DataFrame, batch: int = 64) -> str:
    """What the full model alone says; `frame` as from `sums.full_model`."""
    rows = frame[(frame["component"] == "heads") & (frame["rule"] == "running") & (frame["batch"] == batch)]
    rows = rows[rows["order"] == 0]
    if rows.empty:
        return "The runs stored here do not answer it."
    means = rows.groupby("task")[["correlation", "shared"]].mean().mean()
    correlation, shared = as_text(float(means["correlation"])), as_percent(means["shared"])
    text = f"For the order of heads in the full model, yes: {AUTHORS} and exact correlate by {correlation} and share "
    text += f"{shared} of the first step's heads, {_over(rows['task'].nunique())}. "
    return text + "No search was run under it here, so scores are not compared."


def _verdict(one: Effect, what: str) -> str:
    words = {"above": "higher than with exact", "below": "lower than with exact", "undecided": "no clear difference"}
    return f"{what} {words.get(one.word, 'not testable here')}, {told(one)}"


def rule_table(found: pd.DataFrame, alike: pd.DataFrame, caption: str, name: str) -> Styler:
    """A row a rule: what its good subnetworks keep and score, means over tasks of means over seeds.

    `found` as from `sums.searched`, `alike` from `sums.alike`; scores are shares of the full model's. Only tasks and
    seeds that every rule has are averaged, so that rows compare.
    """
    rows, rules = [], found["rule"].nunique()
    found = found[found.groupby(["task", "seed"])["rule"].transform("nunique") == rules] if rules else found
    for rule in (rule for rule in RULES if rule in set(found["rule"])):
        own = found[found["rule"] == rule]
        means = own.groupby("task")[["heads", "mlps", "weights", *SCORES]].mean()
        shown = {"sum": rule, "tasks": own["task"].nunique(), "searches": len(own)}
        shown |= {f"{k} kept": _share(means[k].mean()) for k in ("heads", "mlps", "weights")}
        shown |= {k: _share(means[k].mean()) for k in SCORES}
        for component, title in (("head", "heads"), ("mlp", "MLPs")):
            pair = alike[(alike["rule"] == rule) & (alike["component"] == component)] if len(alike) else alike
            shown[f"Jaccard, {title}"] = f"{pair['jaccard'].mean():.2f}" if len(pair) else GAP
        rows.append(shown)
    frame = pd.DataFrame(rows or [{"sum": GAP, "searches": "none"}])
    empty = [column for column in frame.columns[1:] if (frame[column] == GAP).all()]
    return dressed(frame.drop(columns=empty), caption, name)


def run_sentence(found: pd.DataFrame, frame: pd.DataFrame) -> str:
    """How many full models were measured and how many searches compared."""
    models = frame[["task", "seed"]].drop_duplicates()
    rules = [rule for rule in RULES if rule in set(found["rule"])]
    searches = f"{len(found)} searches with {listed(rules)}" if rules else "no search"
    return f"{len(models)} full models, {searches}"


def _share(value: float) -> str:
    return GAP if np.isnan(value) else f"{100 * value:.1f} %"


def _range(values: pd.Series) -> str:
    return f"from {as_text(float(values.min()))} to {as_text(float(values.max()))}"


def _over(tasks: int) -> str:
    return f"mean over {tasks} tasks" if tasks > 1 else "on one task"
