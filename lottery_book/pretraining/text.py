"""Sentences of the chapter on pre-training without language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lottery_utils.experiment.cells import Cell
from lottery_utils.show.effects import interval, signed
from lottery_utils.show.glue import listed
from lottery_utils.show.sentences import earlier_clause
from lottery_utils.show.stats import Effect
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.tasks.registry import shown_task

from ..method_comparison.frames import MARGIN
from .frames import LEFT_OUT, WITHIN, parted

if TYPE_CHECKING:
    from lottery_utils.experiment.study import Study

OBJECTS = {"shuffled": "shuffled words", "brackets": "brackets", "zipf": "Zipf noise", "none": "the unpretrained model"}
OBJECTS |= {"language": "the language"}


def run_sentence(studies: Mapping[str, Study], logs: Mapping[str, dict]) -> str:
    """Preset, tasks, runs of pre-training, seeds of each, steps and cost in one sentence part."""
    first = next(iter(studies.values()))
    tasks = {task for study in studies.values() for task in study.preset.tasks}
    records = {name: records_of(study) for name, study in studies.items()}
    minutes = sum(record["seconds"] for own in records.values() for record in own) / 60
    parts = [f"preset {first.preset.name}", f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}"]
    by_seeds: dict[tuple, list[str]] = {}
    for method in first.preset.methods:
        for name, own in records.items():
            there = {record["cell"]["seed"] for record in own if record["cell"]["method"] == method}
            if seeds := tuple(s for s in first.preset.seeds if s in there):
                by_seeds.setdefault((METHOD_NAMES[method], seeds), []).append(name)
    for (method, seeds), names in by_seeds.items():
        whose = "each model" if len(names) == len(records) else listed([_model(name) for name in names])
        told = f"fine-tuning seed{'s' if len(seeds) != 1 else ''} {listed([str(s) for s in seeds])}"
        parts.append(f"{method} with {told} of {whose}")
    trained = [log for log in logs.values() if log["step"]]
    if trained:
        steps = listed(sorted({f"{log['step']:,}" for log in trained}))
        spent = sum(log["cpu_seconds"] for log in trained) / 60
        parts.append(f"{_runs(logs)}, {steps} steps each, {spent:.0f} minutes of CPU time in all")
    earlier = [studies[name].is_earlier(Cell(**record["cell"])) for name, own in records.items() for record in own]
    parts += earlier_clause(sum(earlier), len(earlier))
    parts.append(f"{minutes:.0f} minutes for all fine-tuning, searching and retraining, one thread of a shared machine")
    return "; ".join(parts)


def _runs(logs: Mapping[str, dict]) -> str:
    """How many runs of pre-training each corpus had."""
    counts = Counter(parted(name)[0] for name in logs)
    least = min(counts.values())
    text = f"{least} run{'s' if least > 1 else ''} of pre-training a corpus"
    more = [OBJECTS[corpus] for corpus, count in counts.items() if count > least]
    return text + (f", {max(counts.values())} for {listed(more)}" if more else "")


def _model(name: str) -> str:
    corpus, run = parted(name)
    return OBJECTS[corpus] + (f" (run {run})" if run > 1 else "")


def records_of(study: Study) -> list[dict]:
    """The stored records of one model's path, by all methods."""
    cells = study.cells(["finetune", "search", "control", "score", "retrain"])
    return [record for cell in cells if cell.stage != "baseline" and (record := study.record(cell)) is not None]


def learned_sentence(logs: Mapping[str, dict]) -> str:
    """What each pre-training can guess of its own corpus, the runs of a corpus in one."""
    found: dict[str, list[str]] = {}
    for name, log in logs.items():
        if log["held_out"]:
            found.setdefault(parted(name)[0], []).append(f"{100 * log['held_out']['masked_words']:.0f}")
    if not found:
        return "No log of a pre-training is at hand."
    parts = [f"{listed(list(dict.fromkeys(shares)))} % on {OBJECTS[corpus]}" for corpus, shares in found.items()]
    runs = " (a number a run)" if any(len(shares) > 1 for shares in found.values()) else ""
    return f"Of the masked words of texts held out, the models guess {listed(parts)}{runs}."


def gap_sentence(found: pd.DataFrame) -> str:
    """Where there is no subnetwork to compare, by corpus, and why."""
    left = listed([shown_task(name).title for name in LEFT_OUT])
    text = f"{left} is left out of all averages: its dev labels contradict its train labels."
    found = found[~found["task"].isin(LEFT_OUT)]
    lost = _cases(found, "degenerate")
    text += " Elsewhere " + (
        f"the full model does not beat the majority score, so that nothing can be searched, {lost}."
        if lost
        else "every full model beats the majority score."
    )
    whole = _cases(found, "whole")
    return text + (f" The search can remove nothing {whole}." if whole else "")


def _cases(found: pd.DataFrame, column: str) -> str:
    parts = []
    for corpus, own in found[found[column] > 0].groupby("corpus", sort=False):
        times = zip(own["title"], own[column], own["stored"], strict=True)
        names = [title + (f" ({some} of {all_} times)" if some < all_ else "") for title, some, all_ in times]
        parts.append(f"with {OBJECTS[corpus]} on {listed(names)}")
    return "; ".join(parts)


def reach_sentence(found: pd.DataFrame) -> str:
    """How often the fine-tuned full model of each corpus beats the majority score."""
    found = found[~found["task"].isin(LEFT_OUT)]
    parts = []
    for corpus, own in found.groupby("corpus", sort=False):
        above = own["stored"].sum() - own["degenerate"].sum()
        parts.append(f"{above} of {own['stored'].sum()} times with {OBJECTS[corpus]}")
    return f"the full model beats the majority score {listed(parts)}" if parts else "nothing is stored"


def narrow_sentence(scores: pd.DataFrame) -> str:
    """How many of the full models above the majority score are hardly above it; `scores` as from `all_scores`."""
    rows = scores[~scores["task"].isin(LEFT_OUT)]
    keys = ["corpus", "run", "task"]
    full = rows[rows["subnetwork"] == "full"]
    least = rows[rows["subnetwork"] == "majority"].set_index(keys)["score"].rename("least")
    leads = full.join(least, on=keys).assign(lead=lambda both: both["score"] - both["least"])
    parts = []
    for corpus, own in leads[leads["lead"] > 0].groupby("corpus", sort=False):
        parts.append(f"{(own['lead'] < MARGIN).sum()} of {len(own)} with {OBJECTS[corpus]}")
    if not parts:
        return "No full model beats the majority score."
    points = f"{100 * MARGIN:.0f} points"
    return f"Of the full models that beat the majority score, these lead it by less than {points}: {listed(parts)}."


def effect_sentence(one: Effect, what: str) -> str:
    """One effect in words: `what` names the difference, such as "good above bad"."""
    if not one.tasks:
        return f"{what}: no task has both"
    over = f"{one.tasks} task{'s' if one.tasks > 1 else ''}"
    text = f"{what}: {signed(one.mean)} points over {over}"
    if np.isnan(one.low):
        return f"{text}, too few for an interval"
    runs = f"; by run {listed([signed(run) for run in one.runs])}" if one.runs else ""
    return f"{text} ({interval(one.low, one.high)}{runs}; {one.word})"


def effects_sentence(effects: Mapping[tuple, Effect], part: str = "") -> str:
    """The effects of one kind, a pre-training after the other."""
    chosen = {key[0]: one for key, one in effects.items() if not part or key[-1] == part}
    if not chosen:
        return "there is nothing to compare"
    return "; ".join(effect_sentence(one, OBJECTS[corpus]) for corpus, one in chosen.items())


def answer_sentence(effects: Mapping[tuple, Effect], corpora: list[str]) -> str:
    """For which pre-trainings each part of the lottery is shown after correction."""
    parts = []
    for name in WITHIN:
        words = {c: effects[c, name].word for c in corpora if (c, name) in effects}
        named = {c: OBJECTS[c] + ("" if effects[c, name].runs else " (one run of pre-training)") for c in words}
        shown = [named[c] for c, word in words.items() if word == "above"]
        against = [named[c] for c, word in words.items() if word == "below"]
        untested = [OBJECTS[c] for c, word in words.items() if word == "not testable"]
        text = f"{name} is shown for {listed(shown, 'no corpus')}"
        text += f", the opposite for {listed(against)}" if against else ""
        text += f", and cannot be tested for {listed(untested)}" if untested else ""
        parts.append(text)
    return "; ".join(parts) + "."
