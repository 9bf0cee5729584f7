"""Chapter 5: super-survivors, the components good in every seed, beside controls of their size (the paper's bars)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from lottery_utils.show.leads import TREATMENTS, Condition, leads
from lottery_utils.show.stats import Effect, paired
from lottery_utils.show.tables import dressed

from . import published
from .side_by_side import by_task
from .sources import NO_RECORD, PUBLISHED, Source
from .survivors import sizes

SUPERS = ("super", "super_random", "super_bad")
ROWS = ("good", *SUPERS)
CONDITIONS: list[Condition] = [("structured", name, how) for how in TREATMENTS for name in ROWS]
BERT_HEADS, BERT_MLPS = 144, 12


def with_supers(source: Source) -> Source:
    """`source` with the leads of good subnetworks, super-survivors and their controls, over the tasks that have all."""
    if source.results.empty:
        return source
    results = source.results[source.results["method"].isin(["", "structured"])]
    return replace(source, leads=leads(results, ROWS if set(results["subnetwork"]).issuperset(SUPERS) else ()))


def over_random(source: Source, treatment: str = "retrained") -> Effect:
    """Super-survivors minus super random in points of lead, of a source `with_supers`; the sample is tasks."""
    rows = source.leads[source.leads["treatment"] == treatment]
    return paired(rows.assign(seed=0, points=100 * rows["lead"]), "points", "super", "super_random", "subnetwork")


def in_every_seed(source: Source, task: str, seeds: Sequence[int] = ()) -> str:
    """How many heads of a task the good subnetworks of every seed keep, or of `seeds` alone."""
    chosen = [pair for pair in source.courses("structured") if pair[0] == task and (not seeds or pair[1] in seeds)]
    masks = [source.good_mask(*pair).heads for pair in chosen]
    return str(np.all(masks, axis=0).sum()) if masks else NO_RECORD


def super_sizes(source: Source) -> pd.DataFrame:
    """What good subnetworks keep, means over seeds, and what survives in every seed: one row per task.

    Columns task, good_heads, super_heads, good_mlps, super_mlps; a task without super-survivors is left out.
    """
    columns = ["task", "good_heads", "super_heads", "good_mlps", "super_mlps"]
    if source.kind == PUBLISHED:
        good = sizes(source, "structured").set_index("task")
        rows = published.table("super_survivors").set_index("task").join(good, how="inner").reset_index()
        return rows.assign(good_heads=rows["heads"] * BERT_HEADS, good_mlps=rows["mlps"] * BERT_MLPS)[columns]
    if source.study is None:
        return pd.DataFrame(columns=columns)
    table = source.study.table(["search", "control"], ["structured"], ["good", "super"])
    table = table[~table["degenerate"].astype(bool)].astype({"heads": float, "mlps": float})
    means = table.groupby(["task", "subnetwork"], sort=False)[["heads", "mlps"]].mean().unstack()
    means.columns = [f"{name}_{part}" for part, name in means.columns]
    return means.reset_index().reindex(columns=columns).dropna()


def size_table(sources: Sequence[Source]) -> Styler:
    """Heads and MLPs of good subnetworks and in every seed, one row per task, by source."""
    frames = {source.kind: super_sizes(source).set_index("task") for source in sources}
    columns = {
        f"{kind}: {title}": frame[f"good_{part}"].map("{:.1f} / ".format) + frame[f"super_{part}"].map("{:.0f}".format)
        for kind, frame in frames.items()
        for part, title in (("heads", "heads"), ("mlps", "MLPs"))
        if len(frame)
    }
    caption = "Heads and MLPs kept by a good subnetwork, mean over seeds / kept in every seed."
    return dressed(by_task(columns), caption, "super-sizes")
