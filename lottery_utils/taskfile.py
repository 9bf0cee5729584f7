"""Tasks of your own, described in a few lines of YAML: reading the description, and checking every word of it.

Only the description is looked at here; the data it names are read by `tasks.own`. Imports neither torch nor datasets.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import MaxLen, MinLen

from .errors import UserError, require_known, shown, usable_path
from .validation import STRICT, Converted, checked, must

GLUE_TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
SUFFIXES = (".yaml", ".yml")
FOLDER_FILES = ("task.yaml", "task.yml")
FILE_KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
CLASS_METRICS, SCORE_METRICS = ("accuracy", "f1", "mcc"), ("pearson", "spearman")
# a name becomes part of addresses, where hyphens divide the parts, and of folder names
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
DATASET = re.compile(r"(?!.*\.\.)[\w.-]+(/[\w.-]+)?", re.ASCII)


def _number(text):
    """A text as a number; what is none is left as it is."""
    try:
        return text if "_" in text else float(text.replace(".inf", "inf"))  # Python reads 1_0 as 10; .inf is YAML's
    except (ValueError, AttributeError, TypeError):
        return text


def _numbers(texts):
    return tuple(map(_number, texts)) if isinstance(texts, tuple) else texts


def _one_as_list(value):
    return (value,) if isinstance(value, str) else value


def _as_pairs(labels):
    """(value, name shown) of each class; a list gives values only."""
    if isinstance(labels, dict):
        return tuple(labels.items())
    return tuple((value, value) for value in labels) if isinstance(labels, tuple) else labels


def _are_unique(pairs: tuple[tuple[str, str], ...]) -> bool:
    return all(len({pair[which] for pair in pairs}) == len(pairs) for which in (0, 1))


Text = Annotated[str, must("be one line of text", lambda text: text.strip() and text.isprintable())]
Different = must("be different texts", lambda texts: len({*texts}) == len(texts))
Texts = Annotated[tuple[Text, ...], MinLen(1), Different, Converted(_one_as_list)]
Unique = must("give each class a value and a name of its own", _are_unique)
Labels = Annotated[tuple[tuple[Text, Text], ...], MinLen(2), Unique, Converted(_as_pairs)]
Name = Annotated[str, must("be 1 to 40 small letters, digits and _, a letter first", NAME.fullmatch)]
Dataset = Annotated[Text, must("be a name on the hub such as stanfordnlp/imdb", DATASET.fullmatch)]
Rising = must("be two numbers, the lower first", lambda pair: pair[0] < pair[1])
Range = Annotated[tuple[float, float], Rising, Converted(_numbers)]
DataFile = Annotated[Text, must(f"be a file in {', '.join(FILE_KINDS)}", lambda name: _suffix(name) in FILE_KINDS)]
DataFiles = Annotated[tuple[DataFile, ...], MinLen(1), Different, Converted(_one_as_list)]


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


@dataclass(frozen=True)
class Hub:
    """A dataset of the hub; `files` are glob patterns that narrow what is fetched, () means every data file."""

    __pydantic_config__ = STRICT

    dataset: Dataset
    config: Text | None = None
    revision: Text = "main"
    train: Text = "train"
    dev: Text = "validation"
    files: Texts = ()


@dataclass(frozen=True)
class Definition:
    """One task as described: data files or a hub dataset, and what the labels mean.

    `labels` are (value in the data, name shown) pairs, the position is the class id; empty for regression, where
    `score_range` limits the scores. `train` and `dev` are relative to `folder`, the YAML file's.
    """

    __pydantic_config__ = STRICT | {"allow_inf_nan": True}  # a range may be open

    name: Name
    columns: Annotated[Texts, MaxLen(2)]
    title: Text
    metrics: Texts
    main_metric: Text
    folder: Path
    label: Text = "label"
    labels: Labels = ()
    score_range: Range = (-math.inf, math.inf)
    train: DataFiles = ()
    dev: DataFiles = ()
    dev_share: float = 0.0  # of train, drawn, where there are no files of dev
    hub: Hub | None = None

    def files(self, split: str) -> tuple[Path, ...]:
        """The data files of "train" or "dev"; that they are there is checked when they are read."""
        # of Path's own, an unknown user is an error
        return tuple(self.folder / os.path.expanduser(name) for name in getattr(self, split))


KEYS = ("name", "title", "train", "dev", "hub", "columns", "label", "labels", "metrics", "main_metric", "score_range")


def task_file(data: str) -> Path | None:
    """The YAML file that `data` names, itself or by its folder (``task.yaml``); None when it names none."""
    if data in ("hub", "embedded"):
        return None
    path = Path(os.path.expanduser(data))  # of Path's own, an unknown user is an error
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return path
    return next((path / name for name in FOLDER_FILES if os.path.isfile(path / name)), None)  # no for a closed folder


def read_task_file(path: Path) -> dict[str, Definition]:
    """The tasks that a YAML file describes, by name: one mapping, or several in a list below ``tasks``.

    Raises UserError, one line, for a missing or damaged file and for every key or value that is wrong.
    """
    from .yamlfile import read_yaml  # imported when a description is read: the command starts without

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping with the keys {', '.join(KEYS)}, got {shown(content)}")
    if "tasks" in content:
        require_known(content, ["tasks"], f"{path}: unknown key", "valid keys")
        entries = content["tasks"]
        if not isinstance(entries, list) or not entries:
            raise UserError(f"{path}: tasks must be a list of tasks, got {shown(entries)}")
    else:
        entries = [content]
    found: dict[str, Definition] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{path}: task {number}" if len(entries) > 1 else str(path)
        if not isinstance(entry, dict):
            raise UserError(f"{where} must be a mapping with the keys {', '.join(KEYS)}; got {shown(entry)}")
        definition = _definition(entry, where, path.parent)
        if definition.name in found:
            raise UserError(f"{path}: two tasks are called {definition.name!r}; give each a name of its own")
        found[definition.name] = definition
    return found


def _definition(entry: dict, where: str, folder: Path) -> Definition:
    """Check one task's keys and values."""
    require_known(entry, KEYS, f"{where}: unknown key", "valid keys")
    metrics = _one_as_list(entry.get("metrics", ("accuracy",) if "labels" in entry else SCORE_METRICS))
    main = metrics[0] if isinstance(metrics, (list, tuple)) and metrics else ""
    content = {"title": entry.get("name"), "main_metric": main, **entry}
    content |= {"metrics": metrics, "folder": folder}
    if isinstance(share := _number(entry.get("dev")), float):
        if not 0 < share < 1:
            raise UserError(f"{where}: dev must be data files, or a share of train above 0 and below 1, got {share:g}")
        content["dev_share"] = share
        del content["dev"]
    if ("hub" in entry) == ("train" in entry or "dev" in entry):
        raise UserError(f"{where}: give either train and dev (data files) or hub (a dataset), not both and not neither")
    if "hub" in entry:
        content["hub"] = _hub(entry["hub"], f"{where}: hub")
    task = checked(Definition, content, f"{where}: ")
    _check_together(task, where)
    if task.labels and "score_range" in entry:
        raise UserError(f"{where}: score_range is for regression; with labels leave it out")
    return task


def _check_together(task: Definition, where: str) -> None:
    """Raise UserError for values that do not go together."""
    if task.name in GLUE_TASKS:
        raise UserError(f"{where}: name {task.name!r} is that of a GLUE task; choose another")
    if task.label in task.columns:
        names = ", ".join(map(repr, (*task.columns, task.label)))
        raise UserError(f"{where}: columns and label must be different columns, got {names}")
    if "label" in task.columns:
        raise UserError(f"{where}: a text column cannot be called 'label'; rename it in the data")
    _check_metrics(task, where)
    if task.hub is None:
        _check_files(task, where)


def _check_metrics(task: Definition, where: str) -> None:
    kind, known = ("classification", CLASS_METRICS) if task.labels else ("regression (no labels given)", SCORE_METRICS)
    for metric in task.metrics:
        if metric not in known:
            raise UserError(f"{where}: metric {shown(metric)} is not one of {kind}: {', '.join(known)}")
    if task.main_metric not in task.metrics:
        main, valid = shown(task.main_metric), ", ".join(task.metrics)
        raise UserError(f"{where}: main_metric {main} must be one of metrics: {valid}")
    if "f1" in task.metrics and (count := len(task.labels)) != 2:
        raise UserError(f"{where}: metric 'f1' is of the second of two labels, got {count} labels; take another")


def _check_files(task: Definition, where: str) -> None:
    for split in ("train", "dev"):
        if not task.files(split) and not (split == "dev" and task.dev_share):
            hint = "; or dev: 0.2 to draw a fifth of train" if split == "dev" else ""
            raise UserError(f"{where}: {split} is missing; give its data files{hint}")
        for path in task.files(split):
            usable_path(f"{where}: {split}", str(path))
    if both := [path.name for path in task.files("train") if path in task.files("dev")]:
        raise UserError(f"{where}: {both[0]} is both train and dev; a dev set of other examples is needed")


def _hub(given, where: str) -> Hub:
    if not isinstance(given, dict):
        keys = ", ".join(Hub.__dataclass_fields__)
        raise UserError(f"{where} must be a mapping with the keys {keys}; got {shown(given)}")
    require_known(given, Hub.__dataclass_fields__, f"{where}: unknown key", "valid keys")
    hub = checked(Hub, given, f"{where}: ")
    if hub.train == hub.dev:
        raise UserError(f"{where}: train and dev are both split {hub.train!r}; a dev set of other examples is needed")
    return hub


def definition_digest(definition: Definition) -> str:
    """What of a description decides results beside texts and labels, as text: classes, columns and metrics."""
    parts = (definition.columns, definition.label, definition.labels, definition.metrics, definition.main_metric)
    return json.dumps(parts, separators=(",", ":"))
