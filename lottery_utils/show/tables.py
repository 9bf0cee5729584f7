"""Tables for the chapters: DataFrames dressed as HTML that keeps the page's colours and scrolls when it is wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..experiment.cells import NO_SEED
from ..experiment.stage_table import SUPER
from ..tasks.registry import shown_task
from .data_sizes import rows_used
from .frames import title_of
from .glue import listed
from .scores import CONDITION, complete_tasks, summary, with_kept
from .sentences import earlier_clause
from .style import METHOD_NAMES, METRIC_NAMES, NAMES, place_of

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from ..experiment.study import Study
    from ..tasks.glue import Task

GAP = "–"


def dressed(frame: pd.DataFrame, caption: str, name: str, wrapped: bool = False) -> Styler:
    """`frame` as a table with a caption; `name` makes its HTML the same from run to run.

    A table of numbers scrolls when it is wide, a `wrapped` one of words breaks its lines.
    """
    style = frame.style.set_caption(caption).set_uuid(name).hide(axis="index").format(na_rep=GAP, escape="html")
    return style.set_table_attributes(f'class="dataframe{" wrapped" if wrapped else ""}"')


def task_table(study: Study) -> Styler:
    """The study's tasks: labels, metric, examples used here and in GLUE, majority score (paper, table 1)."""
    table = study.table()
    glue = any(shown_task(name).train_size is not None for name in study.preset.tasks)
    official = dict.fromkeys(("GLUE train", "GLUE dev"), GAP) if glue else {}  # your own tasks have no such sizes
    rows = []
    for name in study.preset.tasks:
        task, own = shown_task(name), table[table["task"] == name]
        record = study.record(_cell_of(own.iloc[0])) if len(own) else None
        used = {} if record is None else rows_used(record)
        rows.append(
            {
                "task": task.title if record is None else title_of(record),
                "labels": _labels(task),
                "metric": METRIC_NAMES[task.main_metric],
                **{f"{split} here": f"{used[split]:,}" if split in used else GAP for split in ("train", "dev")},
                **(official if task.train_size is None else _official(task)),
                "majority": f"{own['majority'].iloc[0]:.3f}" if len(own) else GAP,
            }
        )
    there = "here and in GLUE" if glue else "here"
    caption = f"The tasks: number of examples used {there}, and the majority score on the dev set used here."
    style = dressed(pd.DataFrame(rows), caption, "tasks")
    style.set_properties(subset=["labels", "metric"], **{"white-space": "normal"})  # the table then fits its page
    return style.set_table_styles([{"selector": "th.col_heading", "props": "white-space: normal"}])


def _official(task: Task) -> dict[str, str]:
    return {"GLUE train": f"{task.train_size:,}", "GLUE dev": f"{task.dev_size:,}"}


def _labels(task: Task) -> str:
    """The classes of a task, or the range of its scores."""
    if not task.regression:
        return ", ".join(task.label_names).replace("_", " ")
    low, high = task.scores
    return f"score {low:g} to {high:g}" if np.isfinite((low, high)).all() else "score"


def results_table(results: pd.DataFrame, caption: str, name: str) -> Styler:
    """A row a condition, a column a task: mean ± sample deviation over seeds (paper, appendix).

    The last column is the mean share of the full model's score that a condition keeps, over the tasks where every
    seed of every row of its kind is there: s-pruning, super-survivors, m-pruning. So rows of a kind are means over the
    same tasks (longer retraining, of a few tasks, does not count and has a gap); the caption names tasks left out.
    """
    means, kept = _in_order(summary(results)), summary(with_kept(results), "kept")
    kinds = dict.fromkeys((method, name in SUPER) for method, name in zip(means["method"], means["subnetwork"]))
    complete = {(method, of_super): _complete(results, method, of_super) for method, of_super in kinds}
    rows = []
    for condition, group in means.groupby(CONDITION, sort=False):
        tasks = complete[condition[0], condition[1] in SUPER]
        own = kept[(kept[CONDITION] == list(condition)).all(axis=1) & kept["task"].isin(tasks)]["mean"]
        rows.append(
            {
                **_named(*condition),
                **{r.title: _with_spread(r.mean, r.std) for r in group.itertuples()},
                "share of full": f"{100 * own.mean():.0f} %" if len(own) == len(tasks) and own.notna().any() else GAP,
            }
        )
    titles = list(dict.fromkeys(means["title"]))
    columns = ["pruning", "model", "", *titles, "share of full"]
    return dressed(pd.DataFrame(rows, columns=columns), f"{caption}{_left_out(results, complete)}", name)


def seed_table(results: pd.DataFrame, caption: str, name: str) -> Styler:
    """A row a task and condition, a column a seed: the values behind `results_table`."""
    rows = results[results["seed"] != NO_SEED]
    wide = rows.pivot_table(index=["task", "title", "metric", *CONDITION], columns="seed", values="score", sort=False)
    shown = [
        {
            "task": key[1],
            "metric": METRIC_NAMES[key[2]],
            **_named(*key[3:]),
            **{f"seed {seed}": _number(value) for seed, value in values.items()},
        }
        for key, values in wide.iterrows()
    ]
    return dressed(pd.DataFrame(shown), caption, name)


def provenance_table(study: Study) -> Styler:
    """What the results were computed on, with what and when."""
    found = study.provenance()
    dates = [found["started"], found["ended"]]
    rows = {
        "preset": found["preset"],
        "model": ", ".join(dict.fromkeys((found["model"], *_fingerprints(study)))),
        "tasks": ", ".join(shown_task(name).title for name in found["tasks"]),
        "seeds": ", ".join(map(str, found["seeds"])),
        "cells": f"{found['cells']} stored, {found['seconds']:,.0f} s of computing in all",
        **dict(zip(("rules",), earlier_clause(found["earlier"], found["cells"]))),
        "energy": _energy_text(found),
        "device": "; ".join(found["devices"]) or GAP,
        "computed": " to ".join(dict.fromkeys(d[:16].replace("T", " ") + " UTC" for d in dates if d)) or GAP,
        "versions": ", ".join(f"{name} {' and '.join(v)}" for name, v in found["versions"].items()) or GAP,
        "commit": ", ".join(c[:10] for c in found["commits"]) + (", with changes" if found["dirty"] else "") or GAP,
        "data": "; ".join(_sources(found["data"])) or GAP,
        "partial": ", ".join(shown_task(name).title for name in found["partial"]) or "none",
    }
    for number, (text, count) in enumerate(found["notes"].items()):
        rows[f"note {number + 1}"] = f"{text} ({count} cell{'s' if count > 1 else ''})"
    frame = pd.DataFrame({"": list(rows), "this run": list(rows.values())})
    return dressed(frame, "What the numbers of this chapter were computed on.", "provenance", wrapped=True)


def percent(mean: float, std: float) -> str:
    """Such as ``43 ± 5 %``; no deviation where there is none, a gap where there is no mean."""
    if mean is None or np.isnan(mean):
        return GAP
    return f"{100 * mean:.0f} %" if np.isnan(std) else f"{100 * mean:.0f} ± {100 * std:.0f} %"


def _cell_of(row: pd.Series) -> str:
    """Name of the cell a row of the study's table belongs to."""
    return "/".join(str(row[c]) for c in ("task", "seed", "stage", "method", "subnetwork") if str(row[c]))


def _named(method: str, subnetwork: str, treatment: str) -> dict[str, str]:
    """A condition as the cells of three columns."""
    plain = treatment in ("full", "baseline")
    return {"pruning": METHOD_NAMES.get(method, ""), "model": NAMES[subnetwork], "": "" if plain else treatment}


def _in_order(means: pd.DataFrame) -> pd.DataFrame:
    """Conditions as figures order them: baselines, full model, then each method's subnetworks; tasks stay in order."""
    place = means["subnetwork"].map(place_of)
    return means.assign(place=place).sort_values(["method", "place"], key=_method_first, kind="stable")


def _method_first(column: pd.Series) -> pd.Series:
    return column.map({name: i for i, name in enumerate(("", *METHOD_NAMES))}) if column.name == "method" else column


def _with_spread(mean: float, std: float) -> str:
    return _number(mean) if np.isnan(std) else f"{mean:.3f} ± {std:.3f}"


def _complete(results: pd.DataFrame, method: str, of_super: bool) -> list[str]:
    """`complete_tasks` of super-survivors and their controls, or of the other subnetworks of a method."""
    other = (results["method"] == method) & (results["subnetwork"].isin(SUPER) != of_super)
    return complete_tasks(results[~other | (results["treatment"] == "full")], method)


def _left_out(results: pd.DataFrame, complete: dict[tuple[str, bool], list[str]]) -> str:
    """Which tasks the last column of `results_table` leaves out, by kind of row; "" when there is none."""
    titles, parts = dict(zip(results["task"], results["title"])), {}
    for (method, of_super), tasks in complete.items():
        missing = [title for task, title in titles.items() if task not in tasks]
        if missing and method:
            parts.setdefault(listed(missing), []).append("super-survivors" if of_super else METHOD_NAMES[method])
    if not parts:
        return ""
    said = "; ".join(f"{names} for {listed(kinds)}" for names, kinds in parts.items())
    return f" Left out of the last column, as not every seed of every row is there: {said}."


def _fingerprints(study: Study) -> list[str]:
    """The model's fingerprint, as its records have it: a directory's name says little."""
    records = (study.record(cell) for cell in study.cells(["finetune"]))
    return [f"fingerprint {r['inputs']['model'][:12]}" for r in records if r is not None][:1]


def _energy_text(found: dict) -> str:
    """Energy and CO2 of a study, over how many of its cells, and how they were measured."""
    if not found["measured"]:
        return "; ".join(found["energy_how"]) or GAP
    part = "" if found["measured"] == found["cells"] else f" in {found['measured']} of {found['cells']} cells"
    text = f"{1000 * found['energy_kwh']:.3g} Wh, {1000 * found['co2_kg']:.3g} g of CO2 equivalents{part}"
    return "; ".join((text, *found["energy_how"]))


def _sources(data: dict[str, dict]) -> list[str]:
    """Sources with the tasks they hold for, in order."""
    tasks: dict[str, list[str]] = {}
    for name, entry in data.items():
        tasks.setdefault(entry["source"], []).append(shown_task(name).title)
    return list(tasks) if len(tasks) == 1 else [f"{source} ({', '.join(names)})" for source, names in tasks.items()]


def _number(value: float) -> str:
    return GAP if value is None or np.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return GAP if np.isnan(value) else f"{value:+.3f}"
