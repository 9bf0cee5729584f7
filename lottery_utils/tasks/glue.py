"""The nine GLUE tasks: columns, labels, metrics and official sizes, as in ``nyu-mll/glue``."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import require_known


@dataclass(frozen=True)
class Task:
    """One GLUE task (Wang et al., 2019), or one of your own; label ids are positions in `label_names`."""

    name: str  # configuration name in nyu-mll/glue
    title: str  # as printed in the paper, and the name of the official TSV folder
    columns: tuple[str, ...]  # one or two text columns
    label_names: tuple[str, ...]  # () for regression, where labels are numbers within `scores`
    metrics: tuple[str, ...]
    main_metric: str  # the one the paper reports
    train_size: int | None  # None: there is no official size
    dev_size: int | None
    dev_split: str = "validation"
    scores: tuple[float, float] = (0.0, 5.0)  # range of STS-B's similarity
    label_values: tuple[str, ...] = ()  # what the data of an own task call each class; () for GLUE

    @property
    def regression(self) -> bool:
        """True for STS-B, and for an own task without labels."""
        return not self.label_names

    @property
    def num_labels(self) -> int:
        """Outputs of the classifier: the number of classes, 1 for regression."""
        return len(self.label_names) or 1


_SENTENCE, _PAIR, _QUESTIONS = ("sentence",), ("sentence1", "sentence2"), ("question1", "question2")
_NLI3, _NLI2 = ("entailment", "neutral", "contradiction"), ("entailment", "not_entailment")
_ACCURACY, _ACCURACY_F1, _CORRELATION = ("accuracy",), ("accuracy", "f1"), ("pearson", "spearman")

# Sizes, columns and label order are those of nyu-mll/glue. WNLI's labels are in the opposite order to RTE's.
_TASKS = (
    Task("cola", "CoLA", _SENTENCE, ("unacceptable", "acceptable"), ("mcc",), "mcc", 8551, 1043),
    Task("sst2", "SST-2", _SENTENCE, ("negative", "positive"), _ACCURACY, "accuracy", 67349, 872),
    Task("mrpc", "MRPC", _PAIR, ("not_equivalent", "equivalent"), _ACCURACY_F1, "accuracy", 3668, 408),
    Task("stsb", "STS-B", _PAIR, (), _CORRELATION, "pearson", 5749, 1500),
    Task("qqp", "QQP", _QUESTIONS, ("not_duplicate", "duplicate"), _ACCURACY_F1, "accuracy", 363846, 40430),
    Task("mnli", "MNLI", ("premise", "hypothesis"), _NLI3, _ACCURACY, "accuracy", 392702, 9815, "validation_matched"),
    Task("qnli", "QNLI", ("question", "sentence"), _NLI2, _ACCURACY, "accuracy", 104743, 5463),
    Task("rte", "RTE", _PAIR, _NLI2, _ACCURACY, "accuracy", 2490, 277),
    Task("wnli", "WNLI", _PAIR, ("not_entailment", "entailment"), _ACCURACY, "accuracy", 635, 71),
)
TASKS: dict[str, Task] = {task.name: task for task in _TASKS}


def get_task(name: str) -> Task:
    """Return the task called `name` ("mrpc"); raises UserError listing the valid names."""
    require_known([name], TASKS, "unknown task", "valid tasks")
    return TASKS[name]
