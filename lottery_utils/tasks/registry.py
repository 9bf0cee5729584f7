"""One place that knows every task: GLUE's nine, and those of your own that a study or its records describe."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError, require_known
from ..taskfile import Definition, read_task_file, task_file
from .glue import TASKS, Task, get_task

_MET: dict[str, Task] = {}  # own tasks met in this process, for titles and metrics on pages; computing never asks it
_TITLES: dict[str, str] = {}  # of own tasks, as their YAML file has them now: a corrected title is no other task


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
    try:
        tasks = {name: own_task(definition) for name, definition in read_task_file(path).items()}
    except UserError:
        return
    _MET.update(tasks)
    _TITLES.update({name: task.title for name, task in tasks.items()})


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
    title = _TITLES.get(name, description["title"])
    _MET[name] = Task(name, title, columns, labels, metrics, description["main_metric"], None, None, scores=scores)
    return _MET[name]


def shown_task(name: str) -> Task:
    """The task `name` for a page: GLUE's, or an own one met before; of others no more than the name is known."""
    return TASKS.get(name) or _MET.get(name) or Task(name, name, (), (), ("accuracy",), "accuracy", None, None)
