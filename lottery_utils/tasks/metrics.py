"""GLUE's metrics: Matthews correlation, accuracy, F1, Pearson and Spearman correlation.

The numbers are those of the GLUE metric of the `evaluate` library, with one documented exception:
a correlation that is undefined because predictions or labels are constant counts as 0.0, not NaN,
so that a collapsed subnetwork has a score. Records are scored through `task_metric.TaskMetric`, the
same functions as a metric of `evaluate`, whose import is too slow for a process that only looks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import CellFailed
from .glue import Task


def predictions_from_logits(task: Task, logits: np.ndarray) -> np.ndarray:
    """Return predictions (N,) from `logits` (N, C): int64 class ids, or float64 scores for regression.

    Raises ValueError for a wrong shape and CellFailed for a logit that is not finite.
    """
    logits = np.asarray(logits)
    if logits.ndim != 2 or logits.shape[1] != task.num_labels:
        raise ValueError(f"{task.name}: logits must have shape (N, {task.num_labels}), got {logits.shape}")
    # argmax of a row with NaN would quietly return a class
    if not np.isfinite(logits).all():
        raise CellFailed(f"{task.name}: {int((~np.isfinite(logits)).sum())} of {logits.size} logits are not finite")
    return logits[:, 0].astype(np.float64) if task.regression else logits.argmax(axis=1).astype(np.int64)


def compute_metrics(task: Task, predictions: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Return every metric of `task` in its official order; `predictions` and `labels` have shape (N,).

    Accuracy and F1 lie in [0, 1] (F1 of class 1, 0.0 if that is never predicted), the correlations
    in [-1, 1]. Raises ValueError for empty or unequal lengths, CellFailed for a value that is not finite.
    """
    kind = np.float64 if task.regression else np.int64
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if predictions.ndim != 1 or predictions.shape != labels.shape or not len(labels):
        raise ValueError(
            f"{task.name}: predictions and labels must have the same shape (N,) with N > 0, "
            f"got {predictions.shape} and {labels.shape}"
        )
    if not np.isfinite(predictions).all() or not np.isfinite(labels).all():
        raise CellFailed(f"{task.name}: predictions or labels hold a value that is not finite")
    predictions, labels = predictions.astype(kind), labels.astype(kind)
    return {name: float(_metric(name, predictions, labels)) for name in task.metrics}


def main_score(task: Task, metrics: dict[str, float]) -> float:
    """Return the metric the paper reports: MCC for CoLA, Pearson for STS-B, else accuracy."""
    return metrics[task.main_metric]


def search_score(task: Task, metrics: dict[str, float]) -> float:
    """Return the score a search compares: the mean of both correlations for STS-B, else the main metric."""
    if task.regression and {"pearson", "spearman"} <= metrics.keys():
        return (metrics["pearson"] + metrics["spearman"]) / 2
    return main_score(task, metrics)


def majority_score(task: Task, labels: ArrayLike) -> float:
    """Return the main metric of always predicting the commonest of `labels` (N,): 0.0 for MCC and correlations."""
    if task.main_metric not in ("accuracy", "f1"):
        return 0.0
    commonest = np.full(len(labels), np.bincount(labels).argmax())
    return compute_metrics(task, commonest, labels)[task.main_metric]


def _metric(name: str, predictions: np.ndarray, labels: np.ndarray) -> float:
    """One metric; a correlation that is undefined is 0, without asking for it: that would print a warning."""
    if name == "accuracy":
        return (predictions == labels).mean()
    if name == "f1":
        from sklearn.metrics import f1_score

        return f1_score(labels, predictions, zero_division=0.0)
    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0
    if name == "mcc":
        from sklearn.metrics import matthews_corrcoef

        return matthews_corrcoef(labels, predictions)
    from scipy.stats import pearsonr, spearmanr

    return {"pearson": pearsonr, "spearman": spearmanr}[name](predictions, labels)[0]
