"""Sentences whose words follow from the records, so that the chapters' prose is true for any outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..tasks.glue import TASKS
from ..tasks.registry import shown_task
from .frames import Gaps, gaps
from .glue import as_percent, listed
from .leads import SUBNETWORKS, TREATMENTS
from .scores import choose, compare, complete_tasks, mean_kept, sizes, summary
from .stats import Effect
from .style import METHOD_NAMES, NAMES
from .survival import stability

if TYPE_CHECKING:
    from ..experiment.study import Study

VERDICTS = {
    "above": "This run shows it",
    "below": "This run shows the opposite",
    "undecided": "This run does not settle it",
    "not testable": "This run cannot test it, with fewer than three tasks",
}


def run_on(study: Study) -> str:
    """Preset, model, tasks, seeds, device and dates in one sentence part; the chapter's last table has the rest."""
    found = study.provenance()
    tasks, seeds = found["tasks"], found["seeds"]
    names = "all nine tasks" if set(tasks) == set(TASKS) else listed([shown_task(name).title for name in tasks])
    parts = [f"preset {found['preset']}", f"model {found['model']}", names]
    parts.append(f"seed{'s' if len(seeds) > 1 else ''} {listed([str(s) for s in seeds])}")
    parts += found["devices"]
    dates = dict.fromkeys(found[key][:10] for key in ("started", "ended") if found[key])
    parts.append("computed " + " to ".join(dates) if dates else "nothing computed yet")
    parts += earlier_clause(found["earlier"], found["cells"])
    if found["partial"]:
        parts.append(f"partial data for {listed([shown_task(name).title for name in found['partial']])}")
    return "; ".join(parts)


def earlier_clause(earlier: int, cells: int) -> list[str]:
    """What a line on provenance adds where `earlier` of `cells` records are of an earlier version of the rules."""
    if not earlier:
        return []
    count = f"all {cells:,} records are" if earlier == cells else f"{earlier:,} of {cells:,} records are"
    return [f"{count} of an earlier version of the rules, which today's code does not reproduce"]


def gap_sentence(study: Study, method: str) -> str:
    """What cannot be shown for a method, and why."""
    found = gaps(study, method)
    if not found.missing and not found.degenerate:
        return "There is a search for every task and seed."
    parts = []
    if found.degenerate:
        why = "the full model does not beat the majority score, so no search was run"
        parts.append(f"{_with_seeds(found, found.degenerate)}: {why}.")
    if found.missing:
        parts.append(f"{_with_seeds(found, found.missing)}: not computed.")
    return "Gaps: " + " ".join(parts)


def size_sentence(table: pd.DataFrame, method: str) -> str:
    """How much the good subnetworks keep: mean over the tasks where every seed is there, least and most."""
    found = sizes(table)
    found = found[found["method"] == method]
    seeds = table.loc[table["stage"] == "search", "seed"].nunique()
    rows = found[found["n"] == seeds]
    if rows.empty:
        return "There is no good subnetwork to describe." if found.empty else "No task has a search for every seed."
    share = rows["share_prunable"]
    kept = f"{as_percent(share.mean())} of the prunable weights"
    if method == "structured":
        heads, mlps = as_percent(rows["share_heads"].mean()), as_percent(rows["share_mlps"].mean())
        kept = f"{heads} of the heads and {mlps} of the MLPs, that is {kept}"
    if len(rows) == 1:
        return f"On {rows['title'].iloc[0]} good subnetworks keep {kept}{_not_all(rows, found)}."
    least, most = rows.loc[share.idxmin()], rows.loc[share.idxmax()]
    return (
        f"Good subnetworks keep {kept}, mean over {len(rows)} tasks{_not_all(rows, found)}: "
        f"from {as_percent(share.min())} on {least['title']} to {as_percent(share.max())} on {most['title']}."
    )


def stability_sentence(survival: pd.DataFrame) -> str:
    """How far the seeds agree on heads, beside what chance would give."""
    found = stability(survival)
    if found is None:
        return "With fewer than two seeds, this run cannot say how far seeds agree."
    tasks = f"on average over {found.tasks} tasks" if found.tasks > 1 else "on this task"
    return (
        f"Of {found.heads} heads, {tasks} {_count(found.always)} survive in all of the {found.seeds} seeds, "
        f"{_count(found.never)} in none, and {_count(found.depends)} depend on the seed. If each seed drew as many "
        f"heads at random, {found.chance:.1f} would be expected to survive in all."
    )


def margin_sentence(results: pd.DataFrame) -> str:
    """On how many tasks the full model is above all the baselines there are, and by how much at least."""
    means = summary(results)
    full = means[means["treatment"] == "full"].set_index("title")["mean"]
    baselines = means[means["treatment"] == "baseline"]
    best = baselines.groupby("title", sort=False)["mean"].max().reindex(full.index)
    ahead = full - best
    if ahead.dropna().empty:
        return "There is no full model to compare yet."
    names = listed([NAMES[name] for name in dict.fromkeys(baselines["subnetwork"])])
    if len(full) == 1:
        place = "above" if ahead.iloc[0] > 0 else "not above"
        return f"On {full.index[0]} the full model is {place} every baseline ({names})."
    behind = listed([title for title in full.index if ahead[title] <= 0], "")
    text = f"The full model is above every baseline ({names}) on {(ahead > 0).sum()} of {len(full)} tasks"
    text += f", not on {behind}" if behind else ""
    over = ahead[ahead > 0]
    if len(over) > 1:
        text += f"; where it is, it leads the best of them by {over.min():.3f} to {over.max():.3f}"
    return text + "."


def kept_sentence(results: pd.DataFrame, method: str) -> str:
    """What good, random, random by layer and bad subnetworks of a method keep of the full score, pruned and retrained.

    Means over the tasks where every seed of all of them is there: the same tasks for all.
    """
    own = choose(results, method)
    if own.empty:
        return f"There is no subnetwork of {METHOD_NAMES[method]} to describe."
    results = results.drop(own.index[~own["subnetwork"].isin(SUBNETWORKS)])
    tasks = complete_tasks(results, method)
    if not tasks:
        return f"No task has every seed of every subnetwork of {METHOD_NAMES[method]}, so no average is given."
    parts = []
    for name in SUBNETWORKS:
        kept = {how: mean_kept(results, method, name, how, tasks) for how in ("pruned", "retrained")}
        said = [f"{as_percent(share)} {how}" for how, share in kept.items() if not np.isnan(share)]
        if said:
            parts.append(f"{NAMES[name]} ones {listed(said)}")
    whole = own[own["task"].isin(tasks)].drop_duplicates("task")
    over = f", on average over {len(tasks)} tasks" if len(tasks) > 1 else f" on {whole['title'].iloc[0]}"
    over += _not_all(whole, own.drop_duplicates("task"))
    return f"Of the full model's score, subnetworks of {METHOD_NAMES[method]} keep{over}: {', '.join(parts)}."


def comparison_sentence(results: pd.DataFrame, method: str, first: tuple[str, str], second: tuple[str, str]) -> str:
    """A verdict on "the first is better than the second", with the numbers behind it."""
    found = compare(results, method, first, second)
    return f"{VERDICTS[found.word]}{_numbers(found, first, second)}."


def layer_sentence(results: pd.DataFrame, method: str) -> str:
    """Whether good subnetworks are above random ones with their count in every layer; "" where none were run."""
    if choose(results, method, "random_layer").empty:
        return ""
    names = {how: (("good", how), ("random_layer", how)) for how in TREATMENTS}
    said = [f"{how.capitalize()}: {comparison_sentence(results, method, *pair)}" for how, pair in names.items()]
    return f"Are good ones above random ones with as many in every layer? {' '.join(said)}"


def _numbers(found: Effect, first: tuple[str, str], second: tuple[str, str]) -> str:
    if found.tasks == 0:
        return ""
    names = [f"{NAMES[subnetwork]} {how}" for subnetwork, how in (first, second)]
    text = f": {names[0]} minus {names[1]} is {_points(found.mean)} points of the full score"
    if not np.isnan(found.low):
        text += f" (95 % interval over tasks {_points(found.low)} to {_points(found.high)}; "
        text += f"ahead on {found.wins} of {found.tasks} tasks)"
    return text


def _not_all(rows: pd.DataFrame, found: pd.DataFrame) -> str:
    """Says which tasks of `found` are not in `rows`, as not every seed is there; "" when all are."""
    missing = [title for title in found["title"] if title not in set(rows["title"])]
    return f" (left out, not there for every seed: {listed(missing)})" if missing else ""


def _count(value: float) -> str:
    """A mean count with one decimal, a whole one without."""
    return f"{value:.1f}".removesuffix(".0")


def _points(share: float) -> str:
    """A difference in whole points, signed unless it is 0."""
    return f"{round(100 * share):+d}" if round(100 * share) else "0"


def _with_seeds(found: Gaps, tasks: dict[str, list[int]]) -> str:
    """Task names, with the seeds in brackets where it is not all of them."""
    named = {n: "" if len(s) == found.seeds else f" (seed {listed([str(x) for x in s])})" for n, s in tasks.items()}
    return listed([name + seeds for name, seeds in named.items()])
