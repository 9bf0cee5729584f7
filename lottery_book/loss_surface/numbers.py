"""Differences in sharpness and between barriers, and the chapter's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.frames import Reading
from lottery_utils.show.stats import Effect, corrected, effect, paired_effects
from lottery_utils.show.tables import dressed

from .figures import PAIRS, network_name, pair_name
from .frames import barriers, with_every
from .names import NETWORKS, ORDERED, SUBNETWORKS

COMPARED = (("good-bad", "good-random"), ("good-bad", "next seed: good"), ("next seed: bad", "next seed: good"))
LOW = 0.1  # a barrier below this share of the loss of knowing nothing is called low
LEARNT = 0.9  # a network with a loss below this share of that of knowing nothing has learnt something
NEARER = "(good to bad) − (good to random)"


def sharpness_differences(table: pd.DataFrame, method: str) -> dict[str, Effect]:
    """Between networks of a method, by label, those with the full model among them; p is corrected (Holm) for all.

    `table` as from `frames.sharpness`.
    """
    pairs = {}
    for how in ("retrained", "pruned"):
        pairs |= {f"{a} − {b}, {how}": (f"{a}.{how}", f"{b}.{how}") for a, b in ORDERED}
        pairs |= {f"{name} − full, {how}": (f"{name}.{how}", "full") for name in SUBNETWORKS}
    return corrected(paired_effects(table[table["method"] == method], "sharpness", pairs))


def learnt(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks that have learnt something: one that has not has nothing to lose."""
    return table[table["loss"] < LEARNT]


def share_learnt(table: pd.DataFrame, network: str) -> str:
    """How many networks of a kind have learnt something, such as "7 of 16"."""
    rows = table[table["network"] == network]
    return f"{len(learnt(rows))} of {len(rows)}"


def barrier_means(table: pd.DataFrame, method: str) -> dict[str, Effect]:
    """The barrier on each path of a method, by label, over the tasks that have every path.

    `table` as from `frames.paths`. None can lie below 0, so none is tested against it.
    """
    rows = barriers(with_every(table[table["method"] == method], "pair"))
    means = {}
    for pair in PAIRS:
        by_task = rows[rows["pair"] == pair].groupby("title", sort=False)["barrier"].mean()
        if len(by_task):
            means[pair_name(pair)] = replace(effect(by_task), p=np.nan, corrected=np.nan)
    return means


def barrier_differences(table: pd.DataFrame, method: str) -> dict[str, Effect]:
    """Between barriers of the same task and seed, by label; p is corrected (Holm) for all."""
    rows = barriers(table[table["method"] == method]).rename(columns={"pair": "network"})
    pairs = {f"({pair_name(a)}) − ({pair_name(b)})": (a, b) for a, b in COMPARED}
    return corrected(paired_effects(rows, "barrier", pairs))


def mean_barrier(means: Mapping[str, Effect], label: str) -> str:
    """One barrier, mean over tasks."""
    return f"{means[label].mean:.2f}" if label in means else "not run"


def low_barriers(means: Mapping[str, Effect], label: str) -> str:
    """On how many tasks a barrier is low, such as "5 of 8"."""
    return f"{int((means[label].by_task < LOW).sum())} of {means[label].tasks}" if label in means else "none"


def examples_of(compared: Sequence[Reading]) -> str:
    """On how many dev examples losses were measured."""
    counts = sorted({len(reading.arrays["rows"]) for reading in compared})
    return " or ".join(map(str, counts)) or "no"


def barrier_table(means: Mapping[str, Effect]) -> Styler:
    """Barriers: mean over tasks, least, most, and on how many tasks they are low."""
    ends = ["mean", "min", "max"]
    frame = pd.DataFrame({label: each.by_task.agg(ends) for label, each in means.items()}, index=ends).T
    frame = frame.rename(columns={"min": "least", "max": "most"}).rename_axis("path").reset_index()
    frame[f"tasks below {LOW:g}"] = [low_barriers(means, label) for label in means]
    caption = "Barriers in shares of the loss of knowing nothing, mean over seeds."
    return dressed(frame, caption, "barriers", formats=dict.fromkeys(("mean", "least", "most"), "{:.2f}"))


def level_table(near: pd.DataFrame, far: pd.DataFrame, method: str) -> Styler:
    """Each network's loss and its rise under short and long steps, mean over tasks and seeds."""
    tables = [with_every(table[table["method"] == method]) for table in (near, far)]
    of_tasks = [rows.groupby(["network", "title"])[["loss", "sharpness"]].mean() for rows in tables]
    short, long = (each.groupby("network").mean() for each in of_tasks)
    frame = short.assign(long=long["sharpness"]).reindex([name for name in NETWORKS if name in short.index])
    frame = frame.set_axis(["loss", "rise, a fifth", "rise, two fifths"], axis=1)
    frame.insert(0, "network", [network_name(name) for name in frame.index])
    caption = "Loss, and its mean rise under steps of two sizes, in shares of the loss of knowing nothing."
    return dressed(frame, caption, "levels", formats=dict.fromkeys(list(frame)[1:], "{:z.2f}"))
