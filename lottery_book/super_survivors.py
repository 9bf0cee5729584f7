"""Super-survivors, the components good in every seed, with their random and bad counterparts (paper's bars)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lottery_utils.show.bars import score_bars
from lottery_utils.show.frames import shown_title
from lottery_utils.show.glue import as_percent, listed
from lottery_utils.show.scores import choose, mean_kept
from lottery_utils.show.style import NAMES, empty_figure
from lottery_utils.show.tables import GAP, dressed, percent
from lottery_utils.tasks.registry import shown_task

from . import published

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

    from lottery_utils.experiment.study import Study

SUPERS = ("super", "super_random", "super_bad")


def super_bars(results: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Super-survivors and their counterparts, pruned and retrained, beside majority and full model; a panel a task.

    `results` as from `scores.results`, `table` as from `Study.table`. Titles say how much super-survivors keep.
    """
    rows = results[results["subnetwork"].isin(SUPERS)]
    if rows.empty:
        return empty_figure("Nothing to show: no super-survivors were scored.")
    same = results["task"].isin(rows["task"])
    frame = pd.concat([results[same & results["subnetwork"].isin(["majority", "full"])], rows])
    sizes = super_sizes(table).set_index("task")
    titles = {
        task: f"{title}: {_counted(own.super_heads, own.super_mlps)}, {as_percent(own.super_share)}"
        for task, title in zip(frame["task"], frame["title"], strict=True)
        for own in [sizes.loc[task]]
    }
    return score_bars(frame, titles)


def _counted(heads: int, mlps: int) -> str:
    return f"{heads} head{'' if heads == 1 else 's'}, {mlps} MLP{'' if mlps == 1 else 's'}"


def super_sizes(table: pd.DataFrame) -> pd.DataFrame:
    """What super-survivors and good subnetworks keep, one row a task whose supers are there and not degenerate.

    task, title, super_heads, super_mlps, super_share (of prunable weights), good_heads, good_mlps, good_share
    (means over seeds), good_share_std.
    """
    rows = table[(table["method"] == "structured") & ~table["degenerate"].astype(bool)]
    supers = rows[(rows["stage"] == "control") & (rows["subnetwork"] == "super")].drop_duplicates("task")
    good = rows[rows["stage"] == "search"].astype({"heads": float, "mlps": float, "share_prunable": float})
    good = good.groupby("task")[["heads", "mlps", "share_prunable"]].agg(["mean", "std"])
    found = []
    for own in supers.itertuples():
        title = shown_title(own.task, own.partial, own.demo)
        parts = {"super_heads": int(own.heads), "super_mlps": int(own.mlps), "super_share": own.share_prunable}
        if own.task in good.index:
            row = good.loc[own.task]
            parts |= {"good_heads": row["heads", "mean"], "good_mlps": row["mlps", "mean"]}
            parts |= {"good_share": row["share_prunable", "mean"], "good_share_std": row["share_prunable", "std"]}
        found.append({"task": own.task, "title": title, **parts})
    columns = ["task", "title", "super_heads", "super_mlps", "super_share"]
    return pd.DataFrame(found, columns=[*columns, "good_heads", "good_mlps", "good_share", "good_share_std"])


def size_table(table: pd.DataFrame) -> Styler:
    """How much survives in every seed, beside the good subnetworks' means."""
    rows = super_sizes(table)
    shown = pd.DataFrame({"task": rows["title"]})
    for part, name in (("heads", "heads"), ("mlps", "MLPs")):
        shown[f"{name}, good"] = [GAP if np.isnan(v) else f"{v:.1f}" for v in rows[f"good_{part}"]]
        shown[f"{name}, super"] = rows[f"super_{part}"].astype(str)
    pairs = zip(rows["good_share"], rows["good_share_std"], strict=True)
    shown["prunable weights, good"] = [percent(mean, std) for mean, std in pairs]
    shown["prunable weights, super"] = [as_percent(share) for share in rows["super_share"]]
    caption = "Components kept by good subnetworks (mean over seeds) and by super-survivors (the same for all seeds)."
    return dressed(shown, caption, "super-sizes")


def super_kept_sentence(results: pd.DataFrame) -> str:
    """What super-survivors and their counterparts keep of the full score, pruned and retrained."""
    parts = []
    for name in SUPERS:
        kept = {how: mean_kept(results, "structured", name, how) for how in ("pruned", "retrained")}
        said = [f"{as_percent(share)} {how}" for how, share in kept.items() if not np.isnan(share)]
        if said:
            parts.append(f"{NAMES[name]} {listed(said)}")
    if not parts:
        return "There are no super-survivors to describe."
    return f"Of the full model's score, mean over tasks, are kept: {'; '.join(parts)}."


def published_sentence() -> str:
    """The same of the authors' released numbers, over the tasks where the full model beats the majority."""
    found = published.results()
    wide = found.pivot_table(index="task", columns=["method", "subnetwork", "treatment"], values="mean")
    full, least = wide["", "full", "full"], wide["", "majority", "baseline"]
    wide, full = wide[full > least], full[full > least]
    parts = []
    for name in SUPERS:
        shares = [(wide["structured", name, how] / full).mean() for how in ("pruned", "retrained")]
        parts.append(f"{NAMES[name]} {as_percent(shares[0])} pruned and {as_percent(shares[1])} retrained")
    return f"In the authors' released numbers, mean over {len(wide)} tasks, are kept: {'; '.join(parts)}."


def left_out_sentence(study: Study, tasks: list[str], results: pd.DataFrame) -> str:
    """Tasks of the study without super-survivors in this chapter, and why: not run to save time, or a gap."""
    there = set(choose(results, "structured")["task"])
    left = [shown_task(name).title for name in study.preset.tasks if name not in tasks]
    gaps = [shown_task(name).title for name in tasks if name not in there]
    parts = [f"To save time it leaves out {listed(left)}; name tasks to run them."] if left else []
    parts += [f"Gaps: {listed(gaps)}."] if gaps else []
    return " ".join(parts)
