"""The numbers of the authors' chapter, short enough for a sentence; each takes tables of `published` or `findings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from lottery_utils.show.glue import as_percent
from lottery_utils.show.tables import dressed

from .findings import EXACT

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

FAMILY_NAMES = {
    "heads_mlps": "good",
    "heads_mlps_random": "random",
    "heads_mlps_bad_1": "bad",
    "heads_mlps_super": "super-survivors",
    "heads_mlps_super_midling": "super random",
    "heads_mlps_super_bizzaro": "super bad",
}
NOT_STORED = "not stored yet"


def of_bars(bars: pd.DataFrame) -> dict[str, str]:
    """What the wrong bars show, and what the right file says: means over tasks without WNLI, in points."""
    rows = bars[bars["task"] != "wnli"]
    most = rows.loc[rows["gap"].idxmax()]
    return {
        "bars_plotted": f"{100 * rows['plotted'].mean():.1f}",
        "bars_released": f"{100 * rows['random'].mean():.1f}",
        "bars_too_high": f"{(rows['gap'] > 0).sum()} of {len(rows)}",
        "bars_most": f"{most['title']} ({100 * most['gap']:.1f} points)",
    }


def of_steps(errors: pd.DataFrame, levels: pd.DataFrame) -> dict[str, str]:
    """Which step size fits the stored shares, by how much others miss them, and how many steps were taken."""
    worst = errors.groupby("step")["error"].max().sort_values()
    fits = worst[worst < EXACT]
    usual = levels[levels["task"] != "wnli"]["steps"]
    return {
        "steps_fit": " and ".join(f"{step}\N{NO-BREAK SPACE}%" for step in fits.index),
        "steps_miss": f"{worst.iloc[len(fits)] / fits.max():.0f}",
        "steps_taken": f"{usual.min()} to {usual.max()}",
        "steps_lowest": as_percent(0.9**9),
        "steps_smallest": as_percent(levels["share"].min()),
    }


def of_importance(compared: pd.DataFrame, between: pd.DataFrame) -> dict[str, str]:
    """How differently the two protocols order the heads of this run, and what it does to the good subnetwork."""
    heads = between[between["component"] == "head"]
    if compared.empty or heads.empty:
        return dict.fromkeys(("importance_rank", "importance_common", "importance_jaccard"), NOT_STORED)
    rank, common = compared["spearman"], compared["common"]
    return {
        "importance_rank": f"{rank.min():.2f} to {rank.max():.2f}",
        "importance_common": f"{common.mean():.1f} of {compared['lowest'].iloc[0]}",
        "importance_jaccard": f"{heads['jaccard'].iloc[0]:.2f}, by chance {heads['chance'].iloc[0]:.2f}",
    }


def of_slices(errors: pd.DataFrame) -> dict[str, str]:
    """How far each way to cut the output projection is from the layer's output, and what that does to norms."""
    rows, columns = (errors[errors["slices"] == kind] for kind in ("rows", "columns"))
    return {
        "slices_columns": f"{columns['error'].max():.0e}".replace("e-0", "e-"),
        "slices_rows": f"{rows['error'].min():.2f} to {rows['error'].max():.2f}",
        "slices_norms": f"{rows['correlation'].min():.2f} to {rows['correlation'].max():.2f}",
    }


def of_selection(kept: pd.DataFrame) -> dict[str, str]:
    """How close good, pruned ones lie to the threshold, and how little they vary beside retrained ones, s-pruning."""
    good = kept[(kept["method"] == "structured") & (kept["subnetwork"] == "good")].set_index("treatment")
    share, spread = good.loc["pruned", "kept"], good.groupby(level=0)["kept_std"].mean()
    return {
        "selection_kept": f"{as_percent(share.min())} to {as_percent(share.max())}",
        "selection_pruned": f"{100 * spread['pruned']:.1f}",
        "selection_retrained": f"{100 * spread['retrained']:.1f}",
    }


def of_sizes(sizes: pd.DataFrame, task: str = "mnli") -> dict[str, str]:
    """One task's size, counted in three ways."""
    row = sizes[sizes["task"] == task].iloc[0]
    return {f"sizes_{name}": as_percent(row[name]) for name in ("all", "prunable", "printed")}


def of_cochran(rows: pd.DataFrame) -> dict[str, str]:
    """The clearest case where "not rejected" is no agreement."""
    mlps = rows[rows["component"] == "mlp"]
    row = mlps.loc[mlps["cochran_p"].idxmax()]
    return {
        "cochran_task": row["title"],
        "cochran_p": f"{row['cochran_p']:.2f}",
        "cochran_jaccard": f"{row['mean_pair_jaccard']:.2f}, by chance {row['chance_pair_jaccard']:.2f}",
    }


def of_super(different: pd.DataFrame) -> dict[str, str]:
    """How many different masks the five seeds have of the counterparts of super-survivors."""
    rows = different.set_index("family")["head"]
    bad, middling = rows["heads_mlps_super_bizzaro"], rows["heads_mlps_super_midling"]
    return {"super_bad": _range(bad), "super_random": _range(middling)}


def of_footprint(log: pd.DataFrame) -> dict[str, str]:
    """Hours and energy of the joint searches whose logs have a duration."""
    known = log[log["seconds"].notna()]
    return {
        "cost_logs": f"{len(known)} of {len(log)}",
        "cost_hours": f"{known['seconds'].sum() / 3600:.1f}",
        "cost_energy": f"{known['gpu_kwh'].sum() + known['cpu_kwh'].sum():.2f}",
    }


def different_table(different: pd.DataFrame) -> Styler:
    """How many different masks five seeds have, family by family."""
    rows = different.set_index("family").reindex(FAMILY_NAMES)
    shown = pd.DataFrame({"masks": list(FAMILY_NAMES.values()), "folder": [f"masks/{name}" for name in FAMILY_NAMES]})
    shown["different for heads"] = [_range(pair) for pair in rows["head"]]
    shown["different for MLPs"] = [_range(pair) for pair in rows["mlp"]]
    caption = "How many different masks the five seeds of a task have: least to most over eight tasks (without WNLI)."
    return dressed(shown, caption, "authors-different")


def sources_table(sources: dict[str, str]) -> Styler:
    """Where each restated table comes from."""
    frame = pd.DataFrame({"table": list(sources), "source": list(sources.values())})
    return dressed(frame, "The published numbers restated in this package, and their sources.", "sources", wrapped=True)


def _range(pair: tuple[int, int]) -> str:
    least, most = pair
    return f"{least}" if least == most else f"{least} to {most}"
