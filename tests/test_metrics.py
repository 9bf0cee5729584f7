"""Metrics equal GLUE's: against their definitions, sklearn, scipy, and through `evaluate`."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lottery_utils.errors import CellFailed
from lottery_utils.tasks.glue import TASKS
from lottery_utils.tasks.metrics import (
    compute_metrics,
    main_score,
    majority_score,
    predictions_from_logits,
    search_score,
)

ROOT = Path(__file__).resolve().parents[1]

binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)
scores = st.floats(-10, 10, width=32)
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=30)


def split(rows):
    predictions, labels = zip(*rows)
    return np.array(predictions), np.array(labels)


def example(task, count=200):
    """Return predictions that agree with the labels now and then."""
    generator = np.random.default_rng(7)
    if task.regression:
        labels = generator.uniform(0, 5, count).astype(np.float32)
        return (labels + generator.normal(0, 1.5, count)).astype(np.float32), labels
    labels = generator.integers(0, task.num_labels, count)
    noise = generator.integers(0, task.num_labels, count)
    return np.where(generator.random(count) < 0.6, labels, noise), labels


@settings(deadline=None)  # the first example imports sklearn
@given(binary)
def test_binary_metrics_equal_their_definitions(rows):
    predictions, labels = split(rows)
    tp, fp, fn, tn = (sum((p, y) == pair for p, y in rows) for pair in ((1, 1), (1, 0), (0, 1), (0, 0)))
    both = compute_metrics(TASKS["mrpc"], predictions, labels)
    assert both["accuracy"] == pytest.approx((tp + tn) / len(rows))
    assert both["f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn) if tp else 0.0)
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    expected = (tp * tn - fp * fn) / math.sqrt(product) if product else 0.0
    assert compute_metrics(TASKS["cola"], predictions, labels)["mcc"] == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(pairs)
def test_correlations_stay_in_bounds_and_are_never_nan(rows):
    predictions, labels = split(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # scipy on nearly constant input
        metrics = compute_metrics(TASKS["stsb"], predictions, labels)
    assert all(-1 - 1e-9 <= value <= 1 + 1e-9 for value in metrics.values())
    if len(set(predictions.tolist())) == 1 or len(set(labels.tolist())) == 1:
        assert metrics == {"pearson": 0.0, "spearman": 0.0}


def test_correlations_equal_their_definitions():
    predictions, labels = (values.astype(float) for values in example(TASKS["stsb"]))
    predictions[:20] = predictions[0]  # ties share their mean rank

    def pearson(x, y):
        x, y = x - x.mean(), y - y.mean()
        return (x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum())

    def ranks(x):
        return np.array([(x < value).sum() + ((x == value).sum() + 1) / 2 for value in x])

    metrics = compute_metrics(TASKS["stsb"], predictions, labels)
    assert metrics["pearson"] == pytest.approx(pearson(predictions, labels), abs=1e-12)
    assert metrics["spearman"] == pytest.approx(pearson(ranks(predictions), ranks(labels)), abs=1e-12)


@pytest.mark.parametrize("name", TASKS)
def test_the_same_numbers_from_sklearn_scipy_and_evaluate(name):
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    from lottery_utils.tasks.task_metric import TaskMetric

    task = TASKS[name]
    predictions, labels = example(task)
    functions = {
        "mcc": lambda: matthews_corrcoef(labels, predictions),
        "accuracy": lambda: accuracy_score(labels, predictions),
        "f1": lambda: f1_score(labels, predictions),
        "pearson": lambda: pearsonr(predictions, labels)[0],
        "spearman": lambda: spearmanr(predictions, labels)[0],
    }
    metrics = compute_metrics(task, predictions, labels)
    assert list(metrics) == list(task.metrics)
    assert metrics == pytest.approx({key: float(functions[key]()) for key in task.metrics}, abs=1e-6)
    assert all(type(value) is float for value in metrics.values())
    assert TaskMetric(task).compute(predictions=predictions, references=labels) == metrics
    batched = TaskMetric(task)
    for start in range(0, len(labels), 64):
        batched.add_batch(predictions=predictions[start : start + 64], references=labels[start : start + 64])
    assert batched.compute() == metrics


def test_a_tasks_metric_is_an_evaluate_metric_and_writes_no_file(tmp_path):
    import evaluate

    from lottery_utils.tasks.task_metric import TaskMetric

    metric = TaskMetric(TASKS["mrpc"], cache_dir=str(tmp_path))
    assert isinstance(metric, evaluate.Metric)
    metric.add(prediction=1, reference=1)
    assert metric.compute() == {"accuracy": 1.0, "f1": 1.0}
    assert not list(tmp_path.iterdir())  # no folder either: a home folder may be closed
    # two at once, as two cells would
    one, other = TaskMetric(TASKS["rte"]), TaskMetric(TASKS["rte"])
    one.add(prediction=1, reference=1)
    other.add(prediction=0, reference=1)
    assert (one.compute()["accuracy"], other.compute()["accuracy"]) == (1.0, 0.0)


def test_a_stored_score_comes_through_evaluate(tmp_path, monkeypatch):
    """`_compute` is called by `evaluate.Metric.compute` only."""
    from lottery_utils.experiment.study import open_study
    from lottery_utils.tasks.task_metric import TaskMetric

    scored, real = [], TaskMetric._compute

    def compute(metric, predictions, references):
        scored.append((metric.task.name, real(metric, predictions, references)))
        return scored[-1][1]

    monkeypatch.setattr(TaskMetric, "_compute", compute)
    study = open_study("demo", ["rte"], [42], None, tmp_path / "results")
    assert study.run(["baseline"], subnetworks=["majority"], engine="serial", progress=False).ok
    assert scored == [("rte", study.record("rte/0/baseline/majority")["metrics"])]


def test_scores_of_the_paper():
    metrics = {"pearson": 0.8, "spearman": 0.6}
    assert main_score(TASKS["stsb"], metrics) == 0.8
    assert search_score(TASKS["stsb"], metrics) == pytest.approx(0.7)
    assert search_score(TASKS["mrpc"], {"accuracy": 0.7, "f1": 0.9}) == 0.7
    assert main_score(TASKS["cola"], {"mcc": 0.5}) == search_score(TASKS["cola"], {"mcc": 0.5}) == 0.5


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_majority_is_the_best_constant_prediction(labels):
    task = TASKS["mnli"]
    constant = [compute_metrics(task, np.full(len(labels), c), labels)["accuracy"] for c in range(3)]
    assert majority_score(task, labels) == pytest.approx(max(constant))


def test_majority_of_correlations_is_zero():
    assert majority_score(TASKS["cola"], [1, 1, 0]) == majority_score(TASKS["stsb"], [1.0, 2.0]) == 0.0


def test_published_majorities(shared_dir):
    from lottery_utils.tasks.load import load_task

    published = {"mrpc": 0.684, "rte": 0.527, "wnli": 0.563, "sst2": 0.509, "qnli": 0.505, "mnli": 0.354}
    for name, expected in published.items():
        labels = load_task(name, str(shared_dir / "glue")).dev.labels
        assert majority_score(TASKS[name], labels) == pytest.approx(expected, abs=6e-4)


def test_predictions_from_logits():
    logits = np.array([[0.1, 0.9], [2.0, -1.0]], dtype=np.float32)
    assert predictions_from_logits(TASKS["rte"], logits).tolist() == [1, 0]
    assert predictions_from_logits(TASKS["stsb"], logits[:, :1]) == pytest.approx([0.1, 2.0])
    with pytest.raises(ValueError, match=r"mnli: logits must have shape \(N, 3\), got \(2, 2\)"):
        predictions_from_logits(TASKS["mnli"], logits)


@pytest.mark.parametrize("value", (float("nan"), float("inf")))
def test_a_value_that_is_not_finite_stops_the_cell(value):
    with pytest.raises(CellFailed, match="rte: 1 of 4 logits are not finite"):
        predictions_from_logits(TASKS["rte"], np.array([[0.1, value], [2.0, -1.0]]))
    with pytest.raises(CellFailed, match="stsb: "):
        compute_metrics(TASKS["stsb"], [1.0, value], [1.0, 2.0])


@pytest.mark.parametrize("predictions, labels", (([], []), ([0, 1], [0]), ([[0, 1]], [[0, 1]])))
def test_lengths_must_agree(predictions, labels):
    with pytest.raises(ValueError, match="same shape"):
        compute_metrics(TASKS["rte"], predictions, labels)


def test_importing_the_tasks_stays_cheap():
    """The command line and every worker import this package; evaluate, datasets and torch take seconds."""
    code = "import sys; from lottery_utils.tasks import load, metrics; "
    code += "print([name for name in ('torch', 'evaluate', 'datasets') if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert out.stdout.strip() == "[]", out.stderr
