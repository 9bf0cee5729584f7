"""Sentences and tables of the chapter on honest selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.show.effects import told
from lottery_utils.show.glue import as_percent, as_text, listed
from lottery_utils.show.sentences import run_on
from lottery_utils.show.stats import LEAST, Effect
from lottery_utils.show.style import METHOD_NAMES, NAMES
from lottery_utils.show.tables import GAP, dressed, percent
from lottery_utils.tasks.hans import HEURISTICS

from .frames import CHOOSERS

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from lottery_utils.experiment.study import Study

BIAS = {"above": "the score on the examples that chose the mask is too high", "below": "it is too low"}
BIAS |= {"undecided": "no clear difference", "not testable": "not testable here"}
NO_HANS = "HANS was not at hand when this page was made, so no network was scored on it."


def seen_sentence(found: pd.DataFrame, effects: Mapping[tuple, Effect]) -> str:
    """What subnetworks keep on examples that chose them and on others, and the difference with its interval."""
    parts = []
    for (method,), one in effects.items():
        means = found[found["method"] == method].groupby("task")[["seen", "unseen"]].mean().mean()
        seen, unseen = (as_percent(means[name]) for name in ("seen", "unseen"))
        kept = f"{seen} of the full score where it was chosen, {unseen} elsewhere"
        parts.append(f"{METHOD_NAMES[method]} keeps {kept}; the difference is {told(one)}: {BIAS[one.word]}")
    return f"{'. '.join(parts)}." if parts else "No mask was chosen on a half of a dev set."


def chooser_sentence(effects: Mapping[tuple, Effect], column: str, what: str) -> str:
    """The differences between masks chosen on dev and held out in one column, in words."""
    parts = [f"{METHOD_NAMES[m]} {told(one)}" for (m, c), one in effects.items() if c == column and one.tasks]
    return f"{what}, chosen on dev minus chosen held out: {'; '.join(parts)}." if parts else f"{what}: not run."


def overlap_sentence(alike: pd.DataFrame, what: str) -> str:
    """How alike the masks of two choosers are, beside chance."""
    parts = []
    for component, name in (("head", "heads"), ("mlp", "MLPs")):
        rows = alike[alike["component"] == component]
        if len(rows):
            jaccard, chance = (as_text(float(rows[c].mean())) for c in ("jaccard", "chance"))
            parts.append(f"{jaccard} for {name} ({chance} by chance)")
    if not parts:
        return "There are no two masks to compare."
    tasks = alike["task"].nunique()
    over = f"mean over {tasks} tasks" if tasks > 1 else "on one task"
    return f"The Jaccard index of {what} is {listed(parts)}, {over}."


def lottery_sentence(effects: Mapping[tuple, Effect]) -> str:
    """Whether good subnetworks stay above random and bad ones when the mask is chosen held out."""
    parts = []
    for (method, chooser, other), one in effects.items():
        if one.tasks:
            place = {"dev": "dev", "held out": "held-out examples"}[chooser]
            parts.append(f"{METHOD_NAMES[method]}, chosen on {place}: good minus {other} {told(one)}")
    return f"{'; '.join(parts)}." if parts else "No subnetwork was scored."


def price_sentence(one: Effect) -> str:
    """What keeping examples from training costs the full model."""
    if not one.tasks:
        return "What holding examples out of training costs was not measured."
    change = told(one)
    return f"Trained without the held-out examples instead of on all, the full model's dev score changes by {change}."


def threshold_sentence(found: pd.DataFrame) -> str:
    """How the full model scores on the held-out examples beside dev: where they are easier, the threshold is higher."""
    held = found[found["chooser"] == "held out"].drop_duplicates(["task", "seed"])
    if held.empty:
        return "Nothing was chosen held out."
    means = held.groupby("task")[["full", "full_seen"]].mean()
    above = int((means["full_seen"] > means["full"]).sum())
    gap = float((means["full_seen"] - means["full"]).mean())
    higher = f"the full model scores higher on the held-out examples than on dev ({gap:+.3f} on average)"
    return f"On {above} of {len(means)} tasks {higher}."


def held_out_sentences(
    found: pd.DataFrame,
    effects: Mapping[tuple, Effect],
    alike: pd.DataFrame,
    won: Mapping[tuple, Effect],
    price: Effect,
) -> dict[str, str]:
    """All that a study says of masks chosen held out, by name: good, weights, alike_chosen, threshold, lottery, price.

    Of `selection.chosen`, `chooser_effects`, `overlaps` (with `CHOOSERS`), `lottery`, and `full_with_and_without`.
    """
    return {
        "good": chooser_sentence(effects, "good", "Dev score of good subnetworks, pruned"),
        "weights": chooser_sentence(effects, "weights", "Share of prunable weights kept"),
        "alike_chosen": overlap_sentence(alike, "the masks chosen on dev and held out"),
        "threshold": threshold_sentence(found),
        "lottery": lottery_sentence(won),
        "price": price_sentence(price),
    }


def answer_sentence(seen: Mapping[str, Mapping[tuple, Effect]], chosen: Mapping[str, Mapping[tuple, Effect]]) -> str:
    """The chapter's answer: how much a score owes to being measured where the mask was chosen."""
    halves = [said for name, own in seen.items() if (said := _doubtful(name, own.get(("structured",))))]
    held = [said for name, own in chosen.items() if (said := _doubtful(name, own.get(("structured", "good"))))]
    text = f"What s-pruned subnetworks score more on the examples that chose them than on others: {'; '.join(halves)}."
    if not halves:
        text = "Nothing was chosen on a half of dev."
    if held:
        text += f" On dev, what a mask chosen there scores more than one chosen held out: {'; '.join(held)}."
    return text


def _doubtful(name: str, one: Effect | None) -> str:
    """An effect with its study's name and, where its interval holds 0, that it is no clear difference."""
    if one is None or not one.tasks:
        return ""
    clear = "" if one.word in ("above", "below") or one.tasks < LEAST else ", no clear difference"
    return f"{name} {told(one)}{clear}"


def chosen_table(found: pd.DataFrame, caption: str, name: str) -> Styler:
    """A row a method, task and chooser: dev scores of good, random and bad, shares kept; means over seeds."""
    rows = []
    for (method, title, chooser), own in found.groupby(["method", "title", "chooser"], sort=False):
        cells = {"pruning": METHOD_NAMES[method], "task": title, "chosen on": chooser, "seeds": len(own)}
        cells |= {NAMES[c]: percent(own[c].mean(), np.nan) for c in ("good", "random", "bad")}
        cells |= {f"{c} kept": percent(own[c].mean(), np.nan) for c in ("weights", "heads", "mlps")}
        cells |= {"full model": f"{own['full'].mean():.3f}", "on what chooses": f"{own['full_seen'].mean():.3f}"}
        rows.append(cells)
    return dressed(pd.DataFrame(rows), caption, name)


def halves_table(found: pd.DataFrame, caption: str, name: str) -> Styler:
    """A row a method and task: scores on the half that chose and on the other, as shares of the full model's."""
    rows = []
    for (method, title), own in found.groupby(["method", "title"], sort=False):
        cells = {"pruning": METHOD_NAMES[method], "task": title, "seeds": len(own)}
        cells |= {"chose the mask": _share(own["seen"]), "other half": _share(own["unseen"])}
        rows.append(
            cells
            | {
                "difference": f"{100 * (own['seen'] - own['unseen']).mean():+.1f}",
                "weights kept": _share(own["weights"]),
            }
        )
    return dressed(pd.DataFrame(rows), caption, name)


def hans_table(found: pd.DataFrame) -> Styler:
    """A row a network of MNLI: accuracy on HANS, by label and by heuristic, means over seeds."""
    rows = []
    for (method, subnetwork, how), own in found.groupby(["method", "subnetwork", "treatment"], sort=False):
        cells = {"pruning": METHOD_NAMES.get(method, ""), "model": NAMES[subnetwork], "": "" if how == "full" else how}
        cells |= {"seeds": len(own), "HANS": f"{own['score'].mean():.3f}"}
        cells |= {"entailment": own["entailment"].mean(), "non-entailment": own["non_entailment"].mean()}
        cells |= {h.replace("_", " "): own[h].mean() for h in HEURISTICS}
        rows.append({k: f"{v:.3f}" if isinstance(v, float) else v for k, v in cells.items()})
    caption = "Accuracy on HANS: entailment against neutral or contradiction."
    return dressed(pd.DataFrame(rows or [{"model": GAP, "HANS": "not run"}]), caption, "hans")


def hans_sentence(found: pd.DataFrame, study: Study) -> str:
    """How the full model and the subnetworks of `study` do out of distribution, means over seeds."""
    if found.empty:
        return NO_HANS
    full = found[found["subnetwork"] == "full"]
    text = f"The full model has an accuracy of {as_text(float(full['score'].mean()))} on HANS" if len(full) else ""
    parts = [
        f"{NAMES[name]} {how} ({METHOD_NAMES[method]}) {as_text(float(own['score'].mean()))}"
        for (method, name, how), own in found[found["subnetwork"] != "full"].groupby(
            ["method", "subnetwork", "treatment"], sort=False
        )
    ]
    text = f"{run_on(study)}. {text or 'On HANS'}"
    return f"{text}; {', '.join(parts)}." if parts else f"{text}."


def run_sentence(halves: Mapping[str, pd.DataFrame], found: Mapping[str, pd.DataFrame]) -> str:
    """What was run: pairs of halves, and models trained without held-out examples; frames by the studies' names."""
    parts = []
    for name, frame in halves.items():
        for method, own in frame.groupby("method", sort=False):
            parts.append(f"{name}, halves of dev, {METHOD_NAMES[method]}: {_counted(own)}")
    for name, frame in found.items():
        for method, own in frame.groupby("method", sort=False):
            both = own[own["chooser"] == list(CHOOSERS)[1]]
            parts.append(f"{name}, held out, {METHOD_NAMES[method]}: {_counted(both)}")
    return "; ".join(parts) or "nothing"


def _counted(rows: pd.DataFrame) -> str:
    tasks, seeds = rows["task"].nunique(), rows["seed"].nunique()
    return f"{tasks} task{'s' * (tasks != 1)} with {seeds} seed{'s' * (seeds != 1)}"


def _share(values: pd.Series) -> str:
    return f"{100 * values.mean():.1f} %"
