"""The headline in numbers: what ran, full scores beside the published ones, lead kept by task and in the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.presets import get_preset
from lottery_utils.show.leads import SUBNETWORKS, TREATMENTS, Condition
from lottery_utils.show.sentences import listed
from lottery_utils.show.style import METHOD_NAMES, METRIC_NAMES, NAMES
from lottery_utils.show.tables import GAP, dressed, examples, full_record
from lottery_utils.tasks.glue import shown_task

from .full_models import full_scores, score_on
from .sources import NO_RECORD, PRESET, Source

CONDITIONS = [(method, name, how) for method in METHOD_NAMES for name in SUBNETWORKS for how in TREATMENTS]
TASKS = get_preset(PRESET).tasks
HEADS = {"selector": "th.col_heading", "props": "white-space: normal; vertical-align: bottom"}


def ran_table(real: Source, printed: Source) -> Styler:
    """What ran of the real study, one row per task of its preset: examples, seeds, full model beside the published."""
    ours, theirs = (full_scores(source) for source in (real, printed))
    rows = []
    for task in TASKS:
        used = examples(None if real.study is None else full_record(real.study, task))
        row = {"task": shown_task(task).title, "metric": METRIC_NAMES[shown_task(task).main_metric], **used}
        row |= {"seeds complete": _seeds(real, task), "majority": score_on(real, task, "majority", absent=GAP)}
        rows.append(row | {"full model": ours.get(task, GAP), f"published ({printed.model})": theirs[task]})
    caption = "The real study, as far as it is stored: examples used, seeds with every subnetwork by both methods, and "
    caption += "scores of the full model, mean ± sample deviation over seeds, beside the published ones."
    return dressed(pd.DataFrame(rows), caption, "real-study-ran").set_table_styles([HEADS])


def mean_table(sources: Sequence[Source]) -> Styler:
    """Mean lead kept with its 95 % interval over tasks: one row per condition, one column per source."""
    columns = {source.name: _intervals(source) for source in (*sources, *_on_the_same_tasks(*sources[:2]))}
    caption = "Lead kept in per cent, mean over tasks and 95\u00a0% interval (Student's t over tasks). All rows "
    caption += f"of a method and column are over the same tasks and seeds: {'; '.join(map(_rests_on, sources))}."
    rows = pd.DataFrame(map(_named, CONDITIONS)).assign(**columns)
    return dressed(rows, caption, "real-study-means").set_table_styles([HEADS])


def task_table(source: Source, name: str) -> Styler:
    """Lead kept by task: one row per condition, one column per task of the real study's preset, at the end their mean.

    Conditions that the source never had are left out.
    """
    leads = source.leads.set_index(["method", "subnetwork", "treatment", "task"])["lead"]
    effects = source.effects()
    rows = [
        _named(condition)
        | {shown_task(task).title: _whole(leads.get((*condition, task))) for task in TASKS}
        | {"mean": _whole(effects[condition].mean) if condition in effects else GAP}
        for condition in CONDITIONS
        if condition in effects or condition[1] not in source.absent
    ]
    caption = f"{source.name}: lead kept in per cent, of the means over seeds of each task."
    style = dressed(pd.DataFrame(rows), caption, name)
    return style.set_properties(subset=["subnetwork"], **{"white-space": "normal"})  # the table then fits its page


def kept_number(source: Source, method: str, subnetwork: str, treatment: str = "retrained") -> str:
    """One mean, such as "62 %", or "no record yet"."""
    effect = source.effects().get((method, subnetwork, treatment))
    return NO_RECORD if effect is None else f"{_whole(effect.mean)}\N{NO-BREAK SPACE}%"


def missing(real: Source) -> str:
    """How many tasks of the real study have no number yet, by method, such as "3 of s-pruning and 4 of m-pruning"."""
    lacking = {title: len(set(TASKS) - set(real.of(method)["task"])) for method, title in METHOD_NAMES.items()}
    return listed([f"{number} of {title}" for title, number in lacking.items() if number])


def _named(condition: Condition) -> dict[str, str]:
    method, subnetwork, treatment = condition
    return {"pruning": METHOD_NAMES[method], "subnetwork": NAMES[subnetwork], "": treatment}


def _seeds(real: Source, task: str) -> str:
    """How many of the preset's seeds are complete for a task, by the method that has fewer."""
    counts = [real.of(method).set_index("task")["seeds"].groupby("task").max().get(task, 0) for method in METHOD_NAMES]
    return f"{min(counts)} of {len(get_preset(PRESET).seeds)}"


def _rests_on(source: Source) -> str:
    """What a column of means rests on, by method where they differ."""
    counts = {METHOD_NAMES[method]: source.evidence(method) or "nothing" for method in METHOD_NAMES}
    if len(set(counts.values())) == 1:
        return f"{source.kind} {next(iter(counts.values()))}"
    return f"{source.kind} {', '.join(f'{method} {count}' for method, count in counts.items())}"


def _on_the_same_tasks(printed: Source, real: Source) -> list[Source]:
    """The published leads of the real study's tasks of each method, where it has some and not all; else nothing."""
    there = real.leads[["method", "task"]].drop_duplicates()
    same = printed.leads.merge(there, on=["method", "task"])
    if there.empty or len(same) == len(printed.leads):
        return []
    return [replace(printed, model=f"{printed.model}, on the tasks of the real study", leads=same)]


def _intervals(source: Source) -> list[str]:
    """The mean of each condition with its interval, or why it is not there."""
    effects, texts = source.effects(), []
    for condition in CONDITIONS:
        if effect := effects.get(condition):
            mean, low, high = map(_whole, (effect.mean, effect.low, effect.high))
            texts.append(mean if np.isnan(effect.low) else f"{mean} [{low}, {high}]")
        else:
            texts.append(source.absent.get(condition[1], GAP))
    return texts


def _whole(share: float | None) -> str:
    """A share in whole per cent without the sign, with a real minus; a gap where there is none."""
    return GAP if share is None or np.isnan(share) else f"{round(100 * share)}".replace("-", "\N{MINUS SIGN}")
