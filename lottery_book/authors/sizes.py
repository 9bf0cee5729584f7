"""How many of bert-base's parameters the released masks keep."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .release import GLUE, HEADS, LAYERS, Release

COLUMNS = ("family", "task", "share_all_mean", "share_all_std", "share_prunable_mean", "share_prunable_std")
HIDDEN, INNER, HEAD_SIZE = 768, 3072, 64
EMBEDDINGS = (30522 + 512 + 2 + 2) * HIDDEN  # words, positions, segments, LayerNorm
HEAD = 4 * HIDDEN * HEAD_SIZE + 3 * HEAD_SIZE  # query, key, value with biases; the head's columns of the projection
PROJECTION_BIAS = HIDDEN
MLP = 2 * HIDDEN * INNER + INNER + HIDDEN
PRUNABLE = LAYERS * (HEADS * HEAD + PROJECTION_BIAS + MLP)
NORMS = LAYERS * 2 * 2 * HIDDEN
POOLER = HIDDEN * HIDDEN + HIDDEN
LABELS = {"MNLI": 3, "STS-B": 1}  # the other tasks have two
FIGURE_CONSTANT = 0.21  # what the authors' figure titles subtract for the embeddings


def total_parameters(task: str) -> int:
    """Parameters of the bert-base-uncased classifier of a task (folder name)."""
    labels = LABELS.get(task, 2)
    return EMBEDDINGS + PRUNABLE + NORMS + POOLER + (HIDDEN + 1) * labels


def kept_prunable(heads: np.ndarray, mlps: np.ndarray) -> np.ndarray:
    """Prunable parameters left under masks heads (seeds, 144) and mlps (seeds, 12): (seeds,).

    As in the authors' pruned models, the projection's bias goes with the last head of its layer.
    """
    in_layer = heads.reshape(-1, LAYERS, HEADS).sum(axis=2)
    return in_layer.sum(axis=1) * HEAD + (in_layer > 0).sum(axis=1) * PROJECTION_BIAS + mlps.sum(axis=1) * MLP


def subnetwork_sizes(release: Release) -> pd.DataFrame:
    """Shares of all and of the prunable parameters that are left: mean and sample deviation over seeds.

    For every family with masks of heads and MLPs for all nine GLUE tasks; seeds that have both.
    """
    rows = []
    for family in release.families():
        if any((family, task, component) not in release.masks for task in GLUE for component in ("head", "mlp")):
            continue
        for task in GLUE:
            heads, mlps = (release.masks[family, task, component] for component in ("head", "mlp"))
            seeds = sorted(set(heads) & set(mlps))
            if not seeds:
                rows.append((family, task, *[np.nan] * 4))
                continue
            kept = kept_prunable(*(np.array([m[seed].ravel() for seed in seeds]) for m in (heads, mlps)))
            total = total_parameters(task)
            shares = (total - PRUNABLE + kept) / total, kept / PRUNABLE
            values = [f for s in shares for f in (s.mean(), s.std(ddof=1) if len(s) > 1 else np.nan)]
            rows.append((family, task, *values))
    return pd.DataFrame(rows, columns=list(COLUMNS))
