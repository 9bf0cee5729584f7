"""What BERT is tested on: the nine GLUE tasks, their data and their metrics."""

from .glue import TASKS, Task, get_task
from .load import Split, TaskData, load_task
from .metrics import compute_metrics, main_score, majority_score, predictions_from_logits, search_score

__all__ = [
    "TASKS",
    "Split",
    "Task",
    "TaskData",
    "compute_metrics",
    "get_task",
    "load_task",
    "main_score",
    "majority_score",
    "predictions_from_logits",
    "search_score",
]
