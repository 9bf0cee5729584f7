"""Tasks of your own, described in a few lines of YAML: reading the description, and checking every word of it.

Only the description is looked at here; the data it names are read by `tasks.own`. Imports neither torch nor datasets.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError, shown, usable_path
from .yamlfile import read_mapping

GLUE_TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
SUFFIXES = (".yaml", ".yml")
FOLDER_FILES = ("task.yaml", "task.yml")
FILE_KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
KEYS = ("name", "title", "train", "dev", "hub", "columns", "label", "labels", "metrics", "main_metric", "score_range")
HUB_KEYS = ("dataset", "config", "revision", "train", "dev", "files")
CLASS_METRICS, SCORE_METRICS = ("accuracy", "f1", "mcc"), ("pearson", "spearman")
# a name becomes part of addresses, where hyphens divide the parts, and of folder names
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
DATASET = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


@dataclass(frozen=True)
class Hub:
    """A dataset of the hub; `files` are glob patterns that narrow what is fetched, () means every data file."""

    dataset: str
    config: str | None
    revision: str
    train: str
    dev: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """One task as described: data files or a hub dataset, and what the labels mean.

    `labels` are (value in the data, name shown) pairs, the position is the class id; empty for regression, where
    `score_range` limits the scores.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    label: str
    labels: tuple[tuple[str, str], ...]
    metrics: tuple[str, ...]
    main_metric: str
    score_range: tuple[float, float]
    train: tuple[Path, ...] = ()
    dev: tuple[Path, ...] = ()
    hub: Hub | None = None


def task_file(data: str) -> Path | None:
    """The YAML file that `data` names, itself or by its folder (``task.yaml``); None when it names none."""
    if data in ("hub", "embedded"):
        return None
    path = Path(os.path.expanduser(data))  # of Path's own, an unknown user is an error
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return path
    return next((path / name for name in FOLDER_FILES if (path / name).is_file()), None)


def read_task_file(path: Path) -> dict[str, Definition]:
    """The tasks that a YAML file describes, by name: one mapping, or several in a list below ``tasks``.

    Raises UserError, one line, for a missing or damaged file and for every key or value that is wrong.
    """
    content = read_mapping(path, KEYS)
    if "tasks" in content:
        _only(content, ("tasks",), str(path))
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
    _only(entry, KEYS, where)
    name = entry.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        rule = "1 to 40 small letters, digits and _, a letter first"
        raise UserError(f"{where}: name must be {rule}; got {shown(name)}")
    if name in GLUE_TASKS:
        raise UserError(f"{where}: name {name!r} is that of a GLUE task; choose another")
    title = _text(entry, "title", where, name)
    columns = _texts(entry, "columns", where, None)
    label = _text(entry, "label", where, "label")
    if not 1 <= len(columns) <= 2:
        raise UserError(f"{where}: columns must name one or two text columns, got {len(columns)}")
    if len({*columns, label}) <= len(columns):
        names = ", ".join(map(repr, (*columns, label)))
        raise UserError(f"{where}: columns and label must be different columns, got {names}")
    if "label" in columns:
        raise UserError(f"{where}: a text column cannot be called 'label'; rename it in the data")
    labels = _labels(entry, where)
    metrics, main = _metrics(entry, where, bool(labels))
    if "f1" in metrics and len(labels) != 2:
        raise UserError(f"{where}: metric 'f1' is of the second of two labels, got {len(labels)} labels; take another")
    scores = _range(entry, where, bool(labels))
    if ("hub" in entry) == ("train" in entry or "dev" in entry):
        raise UserError(f"{where}: give either train and dev (data files) or hub (a dataset), not both and not neither")
    same = (name, title, columns, label, labels, metrics, main, scores)
    if "hub" in entry:
        return Definition(*same, hub=_hub(entry["hub"], f"{where}: hub"))
    train, dev = (_files(entry, split, where, folder) for split in ("train", "dev"))
    if both := [path.name for path in train if path in dev]:
        raise UserError(f"{where}: {both[0]} is both train and dev; a dev set of other examples is needed")
    return Definition(*same, train=train, dev=dev)


def _metrics(entry: dict, where: str, classes: bool) -> tuple[tuple[str, ...], str]:
    """The metrics and which of them is the main one."""
    kind, known = ("classification", CLASS_METRICS) if classes else ("regression (no labels given)", SCORE_METRICS)
    metrics = _texts(entry, "metrics", where, ("accuracy",) if classes else SCORE_METRICS)
    for metric in metrics:
        if metric not in known:
            raise UserError(f"{where}: metric {shown(metric)} is not one of {kind}: {', '.join(known)}")
    main = _text(entry, "main_metric", where, metrics[0])
    if main not in metrics:
        raise UserError(f"{where}: main_metric {shown(main)} must be one of metrics: {', '.join(metrics)}")
    return metrics, main


def _labels(entry: dict, where: str) -> tuple[tuple[str, str], ...]:
    """(value, name) of each class; a list gives values only, a mapping also the names shown."""
    if "labels" not in entry:
        return ()
    given = entry["labels"]
    if not isinstance(given, (list, dict)) or len(given) < 2:
        raise UserError(f"{where}: labels must list two values or more (regression has none), got {shown(given)}")
    pairs = list(given.items()) if isinstance(given, dict) else [(value, value) for value in given]
    for value in (part for pair in pairs for part in pair):
        if isinstance(value, bool):
            raise UserError(f"{where}: labels: YAML reads yes, no, on, off, true and false as truth values; quote them")
        if not isinstance(value, str) and not _is_small(value) or not str(value).strip():
            raise UserError(f"{where}: labels must be texts or whole numbers, got {shown(value)}; quote it")
        if not str(value).isprintable():
            raise UserError(f"{where}: labels must be one line of text each, got {shown(value)}; correct it")
    texts = tuple((str(value), str(name)) for value, name in pairs)
    for which in (0, 1):
        counts = Counter(pair[which] for pair in texts)
        if double := [name for name, count in counts.items() if count > 1]:
            raise UserError(f"{where}: labels name {shown(double[0])} twice; keep one")
    return texts


def _is_small(value) -> bool:
    """Whether a value is a whole number that data can hold: YAML knows larger ones, which Python cannot write."""
    return isinstance(value, int) and abs(value) < 2**63


def _is_number(value) -> bool:
    return (_is_small(value) or isinstance(value, float)) and not isinstance(value, bool)


def _range(entry: dict, where: str, classes: bool) -> tuple[float, float]:
    given = entry.get("score_range", [-math.inf, math.inf])
    if "score_range" in entry and classes:
        raise UserError(f"{where}: score_range is for regression; with labels leave it out")
    numbers = isinstance(given, list) and all(map(_is_number, given))
    if not numbers or len(given) != 2 or not given[0] < given[1]:
        raise UserError(f"{where}: score_range must be two numbers, the lower first, got {shown(given)}")
    return float(given[0]), float(given[1])


def _hub(given, where: str) -> Hub:
    if not isinstance(given, dict):
        raise UserError(f"{where} must be a mapping with the keys {', '.join(HUB_KEYS)}; got {shown(given)}")
    _only(given, HUB_KEYS, where)
    dataset = _text(given, "dataset", where, None)
    if not DATASET.fullmatch(dataset) or ".." in dataset:
        raise UserError(f"{where}: dataset must be a name on the hub such as stanfordnlp/imdb, got {shown(dataset)}")
    config = _text(given, "config", where, "") or None
    revision = _text(given, "revision", where, "main")
    train, dev = _text(given, "train", where, "train"), _text(given, "dev", where, "validation")
    if train == dev:
        raise UserError(f"{where}: train and dev are both split {train!r}; a dev set of other examples is needed")
    return Hub(dataset, config, revision, train, dev, _texts(given, "files", where, ()))


def _files(entry: dict, split: str, where: str, folder: Path) -> tuple[Path, ...]:
    """The data files of a split, relative to the YAML file; that they are there is checked when they are read."""
    paths = tuple(_path(folder, name, f"{where}: {split}") for name in _texts(entry, split, where, None))
    for path in paths:
        if path.suffix.lower() not in FILE_KINDS:
            raise UserError(f"{where}: {split} file {path.name!r} must end in {', '.join(FILE_KINDS)}; convert it")
    return paths


def _path(folder: Path, name: str, what: str) -> Path:
    """A path relative to the YAML file; raises UserError for one no file system takes."""
    path = folder / os.path.expanduser(name)  # of Path's own, an unknown user is an error
    usable_path(what, str(path))
    return path


def _only(entry: dict, valid: tuple[str, ...], where: str) -> None:
    for key in entry:
        if key not in valid:
            raise UserError(f"{where}: unknown key {shown(key)}; valid keys: {', '.join(valid)}")


def _text(entry: dict, key: str, where: str, default: str | None) -> str:
    """The text of `key`; raises UserError where it is missing without a default, empty or something else."""
    value = entry.get(key, default)
    if value is default and default is not None:
        return default
    if _is_number(value):
        value = str(value)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        got = "nothing" if key not in entry else shown(value)
        raise UserError(f"{where}: {key} must be one line of text, got {got}")
    return value


def _texts(entry: dict, key: str, where: str, default: tuple[str, ...] | None) -> tuple[str, ...]:
    """The texts of `key`, one or a list of them, none twice."""
    if key not in entry and default is not None:
        return default
    value = entry.get(key)
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str) and v.strip() and v.isprintable() for v in values):
        got = "nothing" if key not in entry else shown(value)
        raise UserError(f"{where}: {key} must be a text or a list of texts, got {got}")
    if len(set(values)) < len(values):
        raise UserError(f"{where}: {key} names the same thing twice: {shown(value)}; keep one")
    return tuple(values)


def definition_digest(definition: Definition) -> str:
    """What of a description decides results beside texts and labels, as text: classes, columns and metrics."""
    parts = (definition.columns, definition.label, definition.labels, definition.metrics, definition.main_metric)
    return json.dumps(parts, separators=(",", ":"))
