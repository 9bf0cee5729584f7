"""What the release shows on a second look, each as numbers: the pictures and sentences of the authors' chapter."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd

from lottery_utils.demo.files import micro_bert_dir
from lottery_utils.experiment.identity import numpy_generator_for

FIGURE_CONSTANT = 0.21  # what the authors' figure titles subtract for the embeddings
STEPS = tuple(range(1, 21))  # per cent of the remaining weights removed in a step
CAP = 30  # steps
EXACT = 5e-7  # the stored means have eight digits, of numbers computed in single precision


def plotted_bars(results: pd.DataFrame) -> pd.DataFrame:
    """The bar "random subnetwork (retrained)" of the s-pruning figure, as plotted and as it should be.

    `results` as from `published.results`. Columns task, title, random (released results), plotted (the results
    file that the figure's notebook reads: the good ones), gap = plotted - random.
    """
    rows = results[(results["method"] == "structured") & (results["treatment"] == "retrained")]
    frame = rows.pivot(index=["task", "title"], columns="subnetwork", values="mean")[["random", "good"]]
    frame = frame.loc[list(dict.fromkeys(zip(rows["task"], rows["title"])))].rename(columns={"good": "plotted"})
    return frame.assign(gap=frame["plotted"] - frame["random"]).reset_index()


def step_errors(levels: pd.DataFrame, seeds: int = 5) -> pd.DataFrame:
    """Which step size of magnitude pruning can have made the stored mean shares?

    `levels` as from `published.magnitude_levels`. For each step size s in `STEPS` and each task the smallest
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


def compare_importances(exact: pd.DataFrame, released: pd.DataFrame, share: float = 0.1) -> pd.DataFrame:
    """How far the two importance protocols order the heads of one full model alike, a row a task and seed.

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


def kept_shares(results: pd.DataFrame) -> pd.DataFrame:
    """Each condition's mean score as a share of the full model's, and its deviation over seeds in the same unit.

    `results` as from `published.results`. WNLI is left out: its full model is below the majority score. Adds
    columns kept and kept_std.
    """
    full = results[results["subnetwork"] == "full"].set_index("task")["mean"]
    rows = results[(results["method"] != "") & (results["task"] != "wnli")]
    base = rows["task"].map(full)
    return rows.assign(kept=rows["mean"] / base, kept_std=rows["std"] / base).reset_index(drop=True)


def sizes_printed(sizes: pd.DataFrame, family: str = "heads_mlps") -> pd.DataFrame:
    """Three answers to "how much is left": task, title, all, printed (all - 0.21), prunable; means over seeds."""
    rows = sizes[sizes["family"] == family].rename(columns={"share_all_mean": "all", "share_prunable_mean": "prunable"})
    rows = rows.assign(printed=rows["all"] - FIGURE_CONSTANT)
    return rows[["task", "title", "all", "printed", "prunable"]].reset_index(drop=True)


def sizes_and_sameness(agreement: pd.DataFrame, masks: pd.DataFrame) -> pd.DataFrame:
    """What Cochran's Q answers to: one row a task and kind of component of the joint masks.

    `agreement` as from `published.seed_agreement`, `masks` as from `published.masks_of_seeds`. Adds to the
    statistics spread, the sample deviation of the number kept over its mean; rows where a statistic is undefined
    (WNLI) are left out.
    """
    kept = masks[masks["family"] == "heads_mlps"].groupby(["task", "component"])["kept"]
    spread = (kept.std() / kept.mean()).rename("spread").reset_index()
    rows = agreement[agreement["family"] == "heads_mlps"].merge(spread, "left", ["task", "component"])
    return rows[rows["permutation_p"].notna()].reset_index(drop=True)


def different_masks(masks: pd.DataFrame) -> pd.DataFrame:
    """How many different masks five seeds have: columns family, head, mlp (tuples least, most over tasks but WNLI)."""
    rows = []
    for family, of_family in masks[masks["task"] != "wnli"].groupby("family", sort=False):
        counts = of_family.groupby(["component", "task"])["same_as_seed"].nunique()
        kinds = {kind: (int(counts[kind].min()), int(counts[kind].max())) for kind in ("head", "mlp")}
        rows.append({"family": family, **kinds})
    return pd.DataFrame(rows)
