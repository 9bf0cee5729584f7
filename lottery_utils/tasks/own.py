"""Tasks of your own: from a description in YAML (`taskfile`) to a `Task` and its rows."""

from __future__ import annotations

from pathlib import Path

from ..errors import UserError
from ..taskfile import Definition
from .glue import Task
from .own_files import read_own_files
from .rows import RawSplit
from .sources import Found

DATA_FILES = ("*.csv", "*.tsv", "*.json", "*.jsonl", "*.parquet", "*.txt", "*.gz", "*.zst", "*.zip", "*.arrow")


def own_task(definition: Definition) -> Task:
    """The task that a definition describes; without official sizes, so its data are never partial by themselves."""
    values = tuple(value for value, _ in definition.labels)
    names = tuple(name for _, name in definition.labels)
    return Task(
        definition.name,
        definition.title,
        definition.columns,
        names,
        definition.metrics,
        definition.main_metric,
        train_size=None,
        dev_size=None,
        scores=definition.score_range,
        label_values=values,
    )


def own_splits(definition: Definition, description: str) -> Found:
    """Train and dev as read from files or the hub; `description` names the YAML file in the source.

    Raises UserError, one line, for a missing or damaged file, a missing or double column, a cut row.
    """
    if definition.hub is not None:
        return _hub_splits(definition)
    train = read_own_files(definition, "train", definition.files("train"))
    dev = read_own_files(definition, "dev", definition.files("dev"))
    return Found(f"{description}: {train.name}, {dev.name}", train, dev, (None, None))


def _hub_splits(definition: Definition) -> Found:
    """Both splits of a dataset of the hub, from the hub's cache where the network cannot be reached.

    The repository's files are fetched first, at the one revision asked for, and read from their folder: by its name
    alone `datasets` would, without network, take whatever revision it has seen.
    """
    import datasets

    hub = definition.hub
    what = f"dataset {hub.dataset}, " + (f"configuration {hub.config}, " if hub.config else "")
    what += f"revision {hub.revision[:12]}"
    folder = _snapshot(definition, what)
    splits = []
    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        for split in (hub.train, hub.dev):
            splits.append(datasets.load_dataset(str(folder), name=hub.config, split=split))
    except Exception as error:  # of many kinds: no such split or configuration, damaged files, scripts, which never run
        reason = " ".join(str(error).split()).replace(str(folder), hub.dataset)[:200] or type(error).__name__
        raise UserError(f"{what}: cannot be read ({reason}); check config, train, dev and files in the YAML") from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    raws = [_raw(definition, found, split, what) for found, split in zip(splits, (hub.train, hub.dev))]
    return Found(f"{what}: {hub.train}, {hub.dev}", *raws, (None, None))


def _snapshot(definition: Definition, what: str) -> Path:
    from huggingface_hub import snapshot_download

    hub, reason = definition.hub, ""
    patterns = ["README.md", *(hub.files or (*DATA_FILES, *(f"**/{name}" for name in DATA_FILES)))]
    pinned = len(hub.revision) == 40
    # a commit never changes, so the cache is asked first; a branch may have moved on
    for local in (True, False) if pinned else (False, True):
        try:
            folder = snapshot_download(
                hub.dataset, repo_type="dataset", revision=hub.revision, allow_patterns=patterns, local_files_only=local
            )
        except Exception as error:  # the hub raises errors of several libraries; all mean "not to be had"
            reason = type(error).__name__
            continue
        if any(path.is_file() and path.name != "README.md" for path in Path(folder).rglob("*")):
            return Path(folder)
        reason = "no data files there"
    raise UserError(
        f"{what} is neither in the hub's cache nor to be had from the hub ({reason}); check its name, connect once to "
        "fetch it, or give train and dev as files"
    )


def _raw(definition: Definition, found, split: str, what: str) -> RawSplit:
    """The wanted columns of one split; classes stored as numbers are named where the description uses the names."""
    where = f"{what}: split {split}"
    present = list(found.column_names)
    for column in (*definition.columns, definition.label):
        if column not in present:
            raise UserError(f"{where}: column {column!r} is missing; it has {', '.join(map(repr, present[:12]))}")
    columns = {column: list(found[column]) for column in definition.columns}
    labels = list(found[definition.label])
    names = getattr(found.features[definition.label], "names", None)
    if names and definition.labels and {value for value, _ in definition.labels} <= set(names):
        labels = [names[i] if isinstance(i, int) and 0 <= i < len(names) else i for i in labels]
    return RawSplit({**columns, "label": labels}, where, split)
