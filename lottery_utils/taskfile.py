"""Tasks of your own, described in a few lines of YAML: reading the description, and checking every word of it.

Scalars are texts: in YAML 1.1, 010 would be 8, 1:30 would be 90, and off false. Only the description is looked at here;
the data it names are read by `tasks.own`. Imports neither torch nor datasets.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from annotated_types import MaxLen, MinLen

from .disk import content_of
from .errors import UserError, one_line, require_known, shown, usable_path
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


def _differ(texts: tuple[str, ...]) -> bool:
    return len({*texts}) == len(texts)


def _one_as_list(value):
    return (value,) if isinstance(value, str) else value


def _as_pairs(labels):
    """(value, name shown) of each class; a list gives values only."""
    if isinstance(labels, dict):
        return tuple(labels.items())
    return tuple((value, value) for value in labels) if isinstance(labels, tuple) else labels


Text = Annotated[str, must("be one line of text", lambda text: text.strip() and text.isprintable())]
Different = must("be different texts", _differ)
Texts = Annotated[tuple[Text, ...], MinLen(1), Different, Converted(_one_as_list)]
Unique = must("give each class a value and a name of its own", lambda pairs: all(map(_differ, zip(*pairs))))
Labels = Annotated[tuple[tuple[Text, Text], ...], MinLen(2), Unique, Converted(_as_pairs)]
Name = Annotated[str, must("be 1 to 40 small letters, digits and _, a letter first", NAME.fullmatch)]
Dataset = Annotated[Text, must("be a name on the hub such as stanfordnlp/imdb", DATASET.fullmatch)]
Rising = must("be two numbers, the lower first", lambda pair: pair[0] < pair[1])
Numbers = Converted(lambda texts: tuple(map(_number, texts)) if isinstance(texts, tuple) else texts)
Range = Annotated[tuple[float, float], Rising, Numbers]
Kind = must(f"be a file in {', '.join(FILE_KINDS)}", lambda name: name.lower().endswith(FILE_KINDS))
DataFile = Annotated[Text, Kind]
DataFiles = Annotated[tuple[DataFile, ...], MinLen(1), Different, Converted(_one_as_list)]


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


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which knows of no numbers and truth values and refuses a key that is there twice."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"key {shown(key.value)} is there twice; keep one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null)\Z"), None)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<\Z"), None)


def _read_yaml(path: Path):
    if not path.exists():
        raise UserError(f"task description {path} does not exist; expected a YAML file, see the page on your own task")
    content = content_of("task description", path)
    try:
        return _Loader(content.decode("utf-8-sig")).get_single_data()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected UTF-8, got byte {error.object[error.start]:#04x}; convert it") from error
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as error:
        # the last three: a tag such as !!int, !!bool or !!timestamp on what is none
        raise UserError(f"{path}: is no valid YAML ({one_line(error, 160)}); correct it") from error


def read_task_file(path: Path) -> dict[str, Definition]:
    """The tasks that a YAML file describes, by name: one mapping, or several in a list below ``tasks``.

    Raises UserError, one line, for a missing or damaged file and for every key or value that is wrong.
    """
    content = _read_yaml(path)
    entries = [content]
    if isinstance(content, dict) and "tasks" in content:
        _require_mapping(content, ["tasks"], str(path))
        entries = content["tasks"]
        if not isinstance(entries, list) or not entries:
            raise UserError(f"{path}: tasks must be a list of tasks, got {shown(entries)}")
    found: dict[str, Definition] = {}
    for number, entry in enumerate(entries, 1):
        definition = _definition(entry, f"{path}: task {number}" if len(entries) > 1 else str(path), path.parent)
        if definition.name in found:
            raise UserError(f"{path}: two tasks are called {definition.name!r}; give each a name of its own")
        found[definition.name] = definition
    return found


def _require_mapping(given, keys: Iterable[str], where: str) -> None:
    if not isinstance(given, dict):
        raise UserError(f"{where}: expected a mapping with the keys {', '.join(keys)}, got {shown(given)}")
    require_known(given, keys, f"{where}: unknown key", "valid keys")


def _definition(entry, where: str, folder: Path) -> Definition:
    """Check one task's keys and values."""
    _require_mapping(entry, KEYS, where)
    metrics = _one_as_list(entry.get("metrics", ("accuracy",) if "labels" in entry else SCORE_METRICS))
    main = metrics[0] if isinstance(metrics, (list, tuple)) and metrics else ""
    content = {"title": entry.get("name"), "main_metric": main, **entry, "metrics": metrics, "folder": folder}
    if isinstance(share := _number(entry.get("dev")), float):
        if not 0 < share < 1:
            raise UserError(f"{where}: dev must be data files, or a share of train above 0 and below 1, got {share:g}")
        content["dev_share"] = share
        del content["dev"]
    if ("hub" in entry) == ("train" in entry or "dev" in entry):
        raise UserError(f"{where}: give either train and dev (data files) or hub (a dataset), not both and not neither")
    if "hub" in entry:
        _require_mapping(entry["hub"], Hub.__dataclass_fields__, f"{where}: hub")
        content["hub"] = checked(Hub, entry["hub"], f"{where}: hub: ")
    task = checked(Definition, content, f"{where}: ")
    if task.labels and "score_range" in entry:
        raise UserError(f"{where}: score_range is for regression; with labels leave it out")
    for split in ("train", "dev"):
        for path in task.files(split):
            usable_path(f"{where}: {split}", str(path))
    for problem in (*_problems(task), *_problems_of_metrics(task)):
        raise UserError(f"{where}: {problem}")
    return task


def _problems(task: Definition) -> Iterator[str]:
    """What does not go together: names, columns and files."""
    if task.name in GLUE_TASKS:
        yield f"name {task.name!r} is that of a GLUE task; choose another"
    if task.label in task.columns:
        names = ", ".join(map(repr, (*task.columns, task.label)))
        yield f"columns and label must be different columns, got {names}"
    if "label" in task.columns:
        yield "a text column cannot be called 'label'; rename it in the data"
    if task.hub is not None:
        if task.hub.train == task.hub.dev:
            yield f"train and dev are both split {task.hub.train!r}; a dev set of other examples is needed"
        return
    if not task.train:
        yield "train is missing; give its data files"
    if not task.dev and not task.dev_share:
        yield "dev is missing; give its data files; or dev: 0.2 to draw a fifth of train"
    if both := [path.name for path in task.files("train") if path in task.files("dev")]:
        yield f"{both[0]} is both train and dev; a dev set of other examples is needed"


def _problems_of_metrics(task: Definition) -> Iterator[str]:
    kind, known = ("classification", CLASS_METRICS) if task.labels else ("regression (no labels given)", SCORE_METRICS)
    for metric in task.metrics:
        if metric not in known:
            yield f"metric {shown(metric)} is not one of {kind}: {', '.join(known)}"
    if task.main_metric not in task.metrics:
        yield f"main_metric {shown(task.main_metric)} must be one of metrics: {', '.join(task.metrics)}"
    if "f1" in task.metrics and (count := len(task.labels)) != 2:
        yield f"metric 'f1' is of the second of two labels, got {count} labels; take another"


def definition_digest(definition: Definition) -> str:
    """What of a description decides results beside texts and labels, as text: classes, columns and metrics."""
    parts = (definition.columns, definition.label, definition.labels, definition.metrics, definition.main_metric)
    return json.dumps(parts, separators=(",", ":"))
