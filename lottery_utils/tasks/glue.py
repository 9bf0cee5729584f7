"""Every task: GLUE's nine, with the columns, labels, metrics and sizes of ``nyu-mll/glue``, and those of your own.

Tasks of your own are described by a YAML file, or by the records of a study.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError, require_known
from ..taskfile import Definition, read_task_file, task_file


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
_MET: dict[str, Task] = {}  # own tasks met in this process, for titles and metrics on pages; computing never asks it


def get_task(name: str) -> Task:
    """Return the task called `name` ("mrpc"); raises UserError listing the valid names."""
    require_known([name], TASKS, "unknown task", "valid tasks")
    return TASKS[name]


def own_task(definition: Definition) -> Task:
    """The task that a definition describes; without official sizes, so its data are never partial by themselves."""
    return Task(
        definition.name,
        definition.title,
        definition.columns,
        tuple(name for _, name in definition.labels),
        definition.metrics,
        definition.main_metric,
        train_size=None,
        dev_size=None,
        scores=definition.score_range,
        label_values=tuple(value for value, _ in definition.labels),
    )


def find_definition(name: str, path: Path) -> Definition:
    """The definition of own task `name` in a YAML file; raises UserError listing the names that are there."""
    definitions = read_task_file(path)
    require_known([name], definitions, "unknown task", f"valid in {path.name}")
    return definitions[name]


def find_task(name: str, data: str) -> Task:
    """The task `name` of a study whose data is `data`; raises UserError for a name it does not have."""
    path = task_file(data)
    return get_task(name) if path is None else own_task(find_definition(name, path))


def meet(data: str) -> None:
    """Take notice of the tasks in the YAML file that `data` names, if it does; one that cannot be read is no error."""
    path = task_file(data)
    if path is None or not path.is_file():
        return
    with contextlib.suppress(UserError):
        _MET.update({name: own_task(definition) for name, definition in read_task_file(path).items()})


def describe(task: Task) -> dict:
    """What a record says about an own task, so that it can be read without the YAML file."""
    numbers = {"scores": [str(value) for value in task.scores]} if task.regression else {}
    texts = {"title": task.title, "main_metric": task.main_metric}
    lists = {"columns": list(task.columns), "labels": list(task.label_names), "metrics": list(task.metrics)}
    return {**texts, **lists, **numbers}


def task_of_record(record: dict) -> Task:
    """The task of a record: GLUE's, or as the record itself describes it."""
    name, description = record["cell"]["task"], record.get("task")
    if name in TASKS or not description:
        return shown_task(name)
    columns, labels, metrics = (tuple(description[key]) for key in ("columns", "labels", "metrics"))
    scores = tuple(float(value) for value in description.get("scores", ("0", "5")))
    title = _MET[name].title if name in _MET else description["title"]  # a corrected title is no other task
    _MET[name] = Task(name, title, columns, labels, metrics, description["main_metric"], None, None, scores=scores)
    return _MET[name]


def shown_task(name: str) -> Task:
    """The task `name` for a page: GLUE's, or an own one met before; of others no more than the name is known."""
    return TASKS.get(name) or _MET.get(name) or Task(name, name, (), (), ("accuracy",), "accuracy", None, None)
