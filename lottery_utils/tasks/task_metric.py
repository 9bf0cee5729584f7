"""A task's metrics as an `evaluate.Metric` that needs no network and no metric script: what scores records."""

from __future__ import annotations

import datasets
import evaluate

from .glue import Task
from .metrics import compute_metrics


class TaskMetric(evaluate.Metric):
    """The metrics of one task: ``TaskMetric(get_task("mrpc")).compute(predictions=..., references=...)``.

    Returns what `compute_metrics` returns. `evaluate.load("glue")` would need the network and would run a
    ``glue/glue.py`` of the working directory. Values are kept in memory, so parallel cells share no file. Predictions
    are class ids, or scores for a regression.
    """

    def __init__(self, task: Task, **options):
        self.task = task
        super().__init__(config_name=task.name, **{"keep_in_memory": True, **options})

    def _build_data_dir(self) -> str:
        """No folder is made for values that stay in memory: there may be no home folder, or a closed one."""
        return self._data_dir_root if self.keep_in_memory else super()._build_data_dir()

    def _info(self) -> evaluate.MetricInfo:
        # float64, so that nothing is rounded on the way and both paths give the same numbers
        value = datasets.Value("float64" if self.task.regression else "int64")
        return evaluate.MetricInfo(
            description=f"{self.task.title}: {', '.join(self.task.metrics)}",
            citation="Wang et al. (2019), GLUE: A Multi-Task Benchmark and Analysis Platform for NLU, ICLR",
            inputs_description="predictions and references: one class id, or one score, per example",
            features=datasets.Features({"predictions": value, "references": value}),
            format="numpy",
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        return compute_metrics(self.task, predictions, references)
