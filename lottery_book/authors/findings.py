"""What the release shows on a second look, as numbers short enough for a sentence, and the bar that shows another's."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lottery_utils.demo import micro_bert_dir
from lottery_utils.experiment.identity import numpy_generator_for
from lottery_utils.show.effects import signed
from lottery_utils.show.sentences import as_percent
from lottery_utils.show.style import COLOURS, GRID, TEXT, WIDTH, legend_below

from ..sources import JOINT

STEPS = tuple(range(1, 21))  # per cent of the remaining weights removed in a step
CAP = 30  # steps
EXACT = 5e-7  # the stored means have eight digits, of numbers computed in single precision
NOT_STORED = "not stored yet"
LOOKS = {
    "plotted": {"marker": "X", "markersize": 8, "color": COLOURS["good"]},
    "random": {"marker": "o", "markersize": 7, "color": COLOURS["random"]},
}
LABELS = {"plotted": "as plotted: the good ones' results", "random": "released results of the random ones"}


def plotted_bars(results: pd.DataFrame) -> pd.DataFrame:
    """The bar "random subnetwork (retrained)" of the s-pruning figure, as plotted and as it should be.

    `results` as from `published.results`. Columns task, title, random (released results), plotted (the results
    file that the figure's notebook reads: the good ones), gap = plotted - random.
    """
    rows = results[(results["method"] == "structured") & (results["treatment"] == "retrained")]
    frame = rows.pivot(index=["task", "title"], columns="subnetwork", values="mean")[["random", "good"]]
    frame = frame.loc[list(dict.fromkeys(zip(rows["task"], rows["title"])))].rename(columns={"good": "plotted"})
    return frame.assign(gap=frame["plotted"] - frame["random"]).reset_index()


def bars_as_plotted(bars: pd.DataFrame) -> Figure:
    """The bar "random subnetwork (retrained)" as plotted and as in the released results, task by task."""
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    ax, places = figure.subplots(), np.arange(len(bars))
    ax.vlines(places, bars["plotted"], bars["random"], color="#B5B5B5", linewidth=1.2, zorder=1)
    for column, look in LOOKS.items():
        hollow = {"markerfacecolor": "white", "markeredgewidth": 1.6, "linestyle": ""}
        ax.plot(places, bars[column], **hollow, **look, label=LABELS[column], zorder=3)
    for place, row in enumerate(bars.itertuples()):
        top = max(row.plotted, row.random) + 0.04
        ax.text(place, top, signed(100 * row.gap), ha="center", va="bottom", fontsize=8, color=TEXT)
    ax.set_xticks(places, bars["title"])
    ax.set(ylim=(0, 1.05), ylabel="score, retrained")
    ax.yaxis.grid(True, color=GRID, linewidth=0.6)
    legend_below(figure, ax.lines)
    return figure


def step_errors(levels: pd.DataFrame, seeds: int = 5) -> pd.DataFrame:
    """Which step size of magnitude pruning can have made the stored mean shares?

    `levels` as from `published.table("magnitude_levels")`. For each step size s in `STEPS` and each task the smallest
    distance between the stored mean over seeds and any mean of five numbers (1 - s)^k, 0 <= k <= `CAP`. Columns
    step (per cent), title, error.
    """
    means = levels.drop_duplicates("title").set_index("title")["task_mean"]
    combos = np.array(list(combinations_with_replacement(range(CAP + 1), seeds)))
    rows = []
    for step in STEPS:
        possible = np.sort((((100 - step) / 100) ** np.arange(CAP + 1))[combos].mean(axis=1))
        for title, mean in means.items():
            at = np.searchsorted(possible, mean)
            near = possible[max(0, at - 1) : at + 1]
            rows.append((step, title, float(np.abs(near - mean).min())))
    return pd.DataFrame(rows, columns=["step", "title", "error"])


def of_steps(levels: pd.DataFrame) -> dict[str, str]:
    """Which step size fits the stored shares, by how much others miss them, and how many steps were taken."""
    worst = step_errors(levels).groupby("step")["error"].max().sort_values()
    fits = worst[worst < EXACT]
    usual = levels[levels["task"] != "wnli"]["steps"]
    return {
        "steps_fit": " and ".join(f"{step}\N{NO-BREAK SPACE}%" for step in fits.index),
        "steps_miss": f"{worst.iloc[len(fits)] / fits.max():.0f}",
        "steps_taken": f"{usual.min()} to {usual.max()}",
        "steps_lowest": as_percent(0.9**9),
        "steps_smallest": as_percent(levels["share"].min()),
    }


def compare_importances(exact: pd.DataFrame, released: pd.DataFrame, share: float = 0.1) -> pd.DataFrame:
    """How far the two importance protocols order the heads of one full model alike, one row per task and seed.

    Both as from `show.frames.component_importance`. Columns task, title, seed, spearman, lowest (how many heads the
    first step takes, `share` of all), common (of these, taken under both).
    """
    keys = ["task", "title", "seed", "layer", "head"]
    both = exact[exact["component"] == "head"].merge(released[released["component"] == "head"], "inner", keys)
    rows = []
    for (task, title, seed), own in both.groupby(["task", "title", "seed"], sort=False):
        lowest = max(1, int(share * len(own)))
        first = [set(own[column].nsmallest(lowest).index) for column in ("kept_x", "kept_y")]
        alike = own["kept_x"].corr(own["kept_y"], method="spearman")
        rows.append((task, title, seed, alike, lowest, len(first[0] & first[1])))
    return pd.DataFrame(rows, columns=["task", "title", "seed", "spearman", "lowest", "common"])


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


def slice_errors(tokens: int = 64) -> pd.DataFrame:
    """Do a head's parts of the attention's output sum to that output? For column and for row slices of W_O.

    Random head outputs (tokens, hidden) through each layer's real projection of the embedded micro-BERT. Columns
    layer, slices ("columns" or "rows"), error = |sum of parts - output| / |output| without bias, and correlation of
    the parts' norms with those of the correct parts over heads and tokens.
    """
    from safetensors.numpy import load_file

    config = json.loads((micro_bert_dir() / "config.json").read_text(encoding="utf-8"))
    heads, weights = config["num_attention_heads"], load_file(micro_bert_dir() / "model.safetensors")
    rng, rows = numpy_generator_for("authors", "slices"), []
    for layer in range(config["num_hidden_layers"]):
        w = weights[f"bert.encoder.layer.{layer}.attention.output.dense.weight"].astype(float)  # (out, in): x w^T
        x = rng.normal(size=(tokens, heads, w.shape[1] // heads))
        output = x.reshape(tokens, -1) @ w.T
        columns = np.einsum("thd,ohd->tho", x, w.reshape(len(w), heads, -1))
        by_rows = np.einsum("thd,hdo->tho", x, w.reshape(heads, -1, w.shape[1]))
        right = np.linalg.norm(columns, axis=2).ravel()
        for kind, parts in (("columns", columns), ("rows", by_rows)):
            error = np.linalg.norm(parts.sum(axis=1) - output) / np.linalg.norm(output)
            alike = np.corrcoef(np.linalg.norm(parts, axis=2).ravel(), right)[0, 1]
            rows.append((layer, kind, float(error), float(alike)))
    return pd.DataFrame(rows, columns=["layer", "slices", "error", "correlation"])


def of_selection(results: pd.DataFrame) -> dict[str, str]:
    """How close good s-subnetworks lie to the threshold, and how little they vary beside retrained ones.

    `results` as from `published.results`; shares of the full model's score, without WNLI, whose full model is below the
    majority score.
    """
    full = results[results["subnetwork"] == "full"].set_index("task")["mean"]
    good = results.query("method == 'structured' and subnetwork == 'good' and task != 'wnli'")
    shares = good[["mean", "std"]].div(good["task"].map(full), axis=0).set_index(good["treatment"])
    spread = 100 * shares["std"].groupby(level=0).mean()
    return {
        "selection_kept": " to ".join(as_percent(end) for end in shares.loc["pruned", "mean"].agg(["min", "max"])),
        "selection_pruned": f"{spread['pruned']:.1f}",
        "selection_retrained": f"{spread['retrained']:.1f}",
    }


def of_cochran(agreement: pd.DataFrame) -> dict[str, str]:
    """The clearest case where "not rejected" is no agreement, among the joint masks' MLPs: one task's numbers."""
    mlps = agreement[(agreement["family"] == JOINT) & (agreement["component"] == "mlp")]
    row = mlps.loc[mlps["cochran_p"].where(mlps["permutation_p"].notna()).idxmax()]
    return {
        "cochran_task": row["title"],
        "cochran_p": f"{row['cochran_p']:.2f}",
        "cochran_pairs": as_percent(row["share_pairs_not_rejected"]),
        "cochran_jaccard": f"{row['mean_pair_jaccard']:.2f}, by chance {row['chance_pair_jaccard']:.2f}",
    }


def of_super(masks: pd.DataFrame) -> dict[str, str]:
    """How many different masks of heads the five seeds have of the counterparts of super-survivors, over all tasks."""
    heads = masks[(masks["task"] != "wnli") & (masks["component"] == "head")]
    counts = heads.groupby(["family", "task"])["same_as_seed"].nunique()
    families = {"super_bad": "heads_mlps_super_bizzaro", "super_random": "heads_mlps_super_midling"}
    ends = {name: (counts[family].min(), counts[family].max()) for name, family in families.items()}
    return {name: f"{low}" if low == high else f"{low} to {high}" for name, (low, high) in ends.items()}


def of_footprint(log: pd.DataFrame) -> dict[str, str]:
    """Hours and energy of the joint searches whose logs have a duration."""
    known = log[log["seconds"].notna()]
    return {
        "cost_logs": f"{len(known)} of {len(log)}",
        "cost_hours": f"{known['seconds'].sum() / 3600:.1f}",
        "cost_energy": f"{known['gpu_kwh'].sum() + known['cpu_kwh'].sum():.2f}",
    }
