"""Tables and sentences of the chapter on pre-training without language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..analysis.pretraining import BAD, FULL, GOOD, LEFT_OUT, RANDOM, WITHIN, Effect, parted
from ..tasks.registry import shown_task
from .glue import listed
from .pretraining import CORPUS_NAMES
from .style import NAMES
from .tables import GAP, dressed, percent

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from ..experiment.study import Study

OBJECTS = {"shuffled": "shuffled words", "brackets": "brackets", "zipf": "Zipf noise", "none": "no pre-training"}
OBJECTS |= {"language": "the language"}


def budget_table(logs: Mapping[str, dict]) -> Styler:
    """What each pre-training was given, and what it learned of its own corpus."""
    rows = []
    for name, log in logs.items():
        held = log["held_out"]
        rows.append(
            {
                "pre-trained on": CORPUS_NAMES[parted(name)[0]],
                "run": str(parted(name)[1]),
                "steps": f"{log['step']:,}",
                "texts": f"{log['texts']:,}",
                "tokens": f"{log['tokens']:,}",
                "masked words": f"{log['masked']:,}",
                "held-out accuracy": f"{held['masked_words']:.3f}" if held else GAP,
                "held-out loss (nats)": f"{held['masked_words_loss']:.2f}" if held else GAP,
                "CPU time": f"{log['cpu_seconds'] / 60:.1f} min" if log["step"] else GAP,
            }
        )
    caption = "The budget of each pre-training, and how well it then guesses masked words of its own corpus."
    return dressed(pd.DataFrame(rows), caption, "pretraining-budget")


def score_table(frame: pd.DataFrame) -> Styler:
    """A row a corpus and model, a column a task: mean ± sample deviation over runs and seeds."""
    named = {FULL: "full model", GOOD: "good, retrained", RANDOM: "random, retrained", BAD: "bad, retrained"}
    named |= {(name, "pruned"): f"{name}, pruned" for name in ("good", "random", "bad")}
    titles = frame.drop_duplicates("task").set_index("task")["title"]
    rows = []
    for corpus in dict.fromkeys(frame["corpus"]):
        for (subnetwork, treatment), name in named.items():
            own = frame[(frame["corpus"] == corpus) & (frame["subnetwork"] == subnetwork)]
            scores = own[own["treatment"] == treatment].groupby("task")["score"]
            cells = {titles[task]: _spread(values) for task, values in scores}
            rows.append({"pre-trained on": CORPUS_NAMES[corpus], "model": name, **cells})
    columns = ["pre-trained on", "model", *titles]
    caption = (
        "Dev scores, mean ± sample deviation over runs of pre-training and seeds. Means of subnetworks are over those "
        "that were searched; a gap: there was nothing to search."
    )
    return dressed(pd.DataFrame(rows, columns=columns), caption, "pretraining-scores")


def _spread(values: pd.Series) -> str:
    return f"{values.mean():.3f}" + (f" ± {values.std():.3f}" if len(values) > 1 else "")


def effect_table(effects: Mapping[tuple, Effect], caption: str, name: str) -> Styler:
    """A row an effect: mean in points, both intervals, Holm's p, and how many tasks and pairs it rests on."""
    rows = []
    for key, one in effects.items():
        rows.append(
            {
                "pre-trained on": CORPUS_NAMES[key[0]],
                "": NAMES.get(key[1], key[1]) if len(key) > 1 else NAMES["full"],
                "points": _signed(one.mean),
                "95 % interval": _interval(one.low, one.high),
                "bootstrap": _interval(one.boot_low, one.boot_high),
                "p (Holm)": GAP if np.isnan(one.corrected) else _p(one.corrected),
                "by run": " / ".join(_signed(run) for run in one.runs) or GAP,
                "tasks above 0": f"{one.wins} of {one.tasks}" if one.tasks else GAP,
                "pairs": str(one.pairs) if one.pairs else GAP,
                "verdict": one.word,
            }
        )
    return dressed(pd.DataFrame(rows), caption, name)


def coverage_table(found: pd.DataFrame) -> Styler:
    """How many runs and seeds of each task were searched, and what the good subnetworks keep on average over tasks."""
    rows = []
    for corpus, own in found.groupby("corpus", sort=False):
        cells = {row.title: f"{row.searched} of {row.stored}" if row.stored else GAP for row in own.itertuples()}
        kept = {name: percent(own[column].mean(), np.nan) for column, name in
                (("heads", "heads kept"), ("mlps", "MLPs kept"), ("weights", "weights kept"))}
        rows.append({"pre-trained on": CORPUS_NAMES[corpus], **cells, **kept})
    caption = (
        "Runs and seeds whose full model beats the majority score, so that there is something to search; and what the "
        "good subnetworks of these keep, mean over tasks."
    )
    return dressed(pd.DataFrame(rows), caption, "pretraining-coverage")


def run_sentence(studies: Mapping[str, Study], logs: Mapping[str, dict]) -> str:
    """Preset, tasks, runs of pre-training, seeds of each, steps and cost in one sentence part."""
    first = next(iter(studies.values()))
    tasks = {task for study in studies.values() for task in study.preset.tasks}
    records = {name: _records(study) for name, study in studies.items()}
    minutes = sum(record["seconds"] for own in records.values() for record in own) / 60
    parts = [f"preset {first.preset.name}, s-pruning only", f"{len(tasks)} task{'s' if len(tasks) > 1 else ''}"]
    by_seeds: dict[tuple, list[str]] = {}
    for name, own in records.items():
        seeds = tuple(s for s in first.preset.seeds if s in {record["cell"]["seed"] for record in own})
        by_seeds.setdefault(seeds, []).append(name)
    for seeds, names in by_seeds.items():
        whose = "each model" if len(by_seeds) == 1 else listed([_model(name) for name in names])
        parts.append(f"fine-tuning seed{'s' if len(seeds) != 1 else ''} {listed([str(s) for s in seeds])} of {whose}")
    trained = [log for log in logs.values() if log["step"]]
    if trained:
        steps = listed(sorted({f"{log['step']:,}" for log in trained}))
        runs = len({parted(name)[1] for name in logs})
        spent = sum(log["cpu_seconds"] for log in trained) / 60
        parts.append(
            f"{runs} run{'s' if runs > 1 else ''} of pre-training a corpus, {steps} steps each, {spent:.0f} minutes of "
            "CPU time in all"
        )
    parts.append(f"{minutes:.0f} minutes for all fine-tuning, searching and retraining, one thread of a shared machine")
    return "; ".join(parts)


def _model(name: str) -> str:
    corpus, run = parted(name)
    return OBJECTS[corpus] + (f" (run {run})" if run > 1 else "")


def _records(study: Study) -> list[dict]:
    cells = study.cells(["finetune", "search", "control", "score", "retrain"], ["structured"])
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
    """Where there is no subnetwork to compare, by pre-training."""
    lost = found[(found["degenerate"] > 0) & ~found["task"].isin(LEFT_OUT)]
    parts = []
    for corpus, own in lost.groupby("corpus", sort=False):
        names = [r.title + (f" ({r.degenerate} of {r.stored} times)" if r.searched else "") for r in own.itertuples()]
        parts.append(f"with {OBJECTS[corpus]} on {listed(names)}")
    text = f"{listed([shown_task(name).title for name in LEFT_OUT])} is left out of all averages"
    if not parts:
        return text + "; elsewhere every full model beats the majority score."
    return f"{text}. Elsewhere the full model does not beat the majority score, so that nothing can be searched, " + (
        "; ".join(parts) + "."
    )


def effect_sentence(one: Effect, what: str) -> str:
    """One effect in words: `what` names the difference, such as "good above bad"."""
    if not one.tasks:
        return f"{what}: no task has both"
    over = f"{one.tasks} task{'s' if one.tasks > 1 else ''}"
    text = f"{what}: {_signed(one.mean)} points over {over}"
    if np.isnan(one.low):
        return f"{text}, too few for an interval"
    return f"{text} ({_interval(one.low, one.high)}; {one.word})"


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
        shown = [OBJECTS[c] for c, word in words.items() if word == "above"]
        against = [OBJECTS[c] for c, word in words.items() if word == "below"]
        untested = [OBJECTS[c] for c, word in words.items() if word == "not testable"]
        text = f"{name} is shown for {listed(shown)}"
        text += f", the opposite for {listed(against)}" if against else ""
        text += f", and cannot be tested for {listed(untested)}" if untested else ""
        parts.append(text)
    return "; ".join(parts) + "."


def _signed(value: float) -> str:
    return GAP if np.isnan(value) else f"{value:+.1f}"


def _interval(low: float, high: float) -> str:
    return GAP if np.isnan(low) else f"{low:+.1f} to {high:+.1f}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
