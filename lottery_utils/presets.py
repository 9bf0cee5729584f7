"""What to run: the presets ``paper``, ``laptop`` and ``demo``, and checked overrides."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass

from .errors import UserError, shown, usable_path
from .methods import check_method
from .taskfile import GLUE_TASKS, NAME, read_task_file, task_file

PAPER_SEEDS = (1337, 42, 86, 71, 166)
METHODS = ("structured", "magnitude")
SUBNETWORKS = ("good", "random", "random_layer", "bad", "inverted", "super", "super_random", "super_bad")
CHOICES = {
    "methods": METHODS,
    "subnetworks": SUBNETWORKS,
    "precision": ("auto", "fp32", "bf16"),
    "importance": ("exact", "batched", "running", "released"),
    "selection": ("dev", "half", "other_half", "held_out"),
    "search": ("joint", "heads", "mlps"),
    "random_sizes": ("equal", "bernoulli"),
}
POSITIVE = ("max_length", "batch_size", "epochs", "learning_rate", "magnitude_max_steps", "train_limit", "dev_limit")
POSITIVE += ("longer", "attention_examples", "importance_batch")
POSITIVE += ("landscape_examples", "landscape_directions")
NOT_NEGATIVE = ("weight_decay", "adam_eps", "clip", "min_steps", "held_out", "importance_order")
LEAST_LENGTH = 8  # special tokens, and something of each text of a pair
LARGEST = 2**31 - 1  # of whole numbers; random generators and tensors take no others
PROBE_SENTENCES = 3_000  # of the grammar, as many as are stored
SHARES = ("head_step", "magnitude_step", "threshold")


@dataclass(frozen=True)
class Preset:
    """Everything that decides a result; the defaults are the paper's (protocol, sections 1 to 5)."""

    name: str = "paper"
    model: str = "bert-base-uncased"  # hub id, directory, or "embedded"
    data: str = "hub"  # "hub", "embedded", a directory of parquet or official TSV files, or a YAML file of own tasks
    tasks: tuple[str, ...] = GLUE_TASKS
    seeds: tuple[int, ...] = PAPER_SEEDS
    methods: tuple[str, ...] = METHODS
    subnetworks: tuple[str, ...] = ("good", "random", "bad")
    # fine-tuning and retraining
    max_length: int = 128
    batch_size: int = 32
    epochs: int = 3
    min_steps: int = 0  # epochs are added until this many optimiser steps are reached
    learning_rate: float = 2e-5
    warmup: float = 0.0  # share of all steps
    weight_decay: float = 0.0
    adam_eps: float = 1e-8
    clip: float = 1.0
    dropout: float | None = None  # None keeps the checkpoint's
    keep_classifier: bool = False  # a classifier that the checkpoint brings along; else a new one is drawn
    precision: str = "auto"  # the faster of fp32 and bf16, see `training.device.precision_of`
    train_limit: int | None = None  # first n examples; marked partial everywhere
    dev_limit: int | None = None
    unknown_words: float = 0.2  # share of words that the tokenizer does not know above which a run stops
    limited: tuple[str, ...] = ()  # tasks that the limits are for, and then a fixed draw of examples; (): all tasks
    held_out: float = 0.0  # examples of train kept from training, as a share of dev's number; at most half of train
    # searches
    threshold: float = 0.9  # share of the full model's dev score a good subnetwork keeps
    selection: str = "dev"  # examples that choose a subnetwork: dev, one half of it (scored on the other), held out
    importance: str = "exact"  # "released" is the authors' procedure; "running" and "batched" only sum as scripts do
    importance_batch: int = 64  # examples a batch of those sums
    importance_order: int | None = None  # None: the data's order; a number: shuffled by it
    search: str = "joint"
    score: str = "gate"  # what ranks heads and MLPs; see `methods`, or FILE.py:FUNCTION
    head_norms: bool = True  # scores of heads are divided by their layer's norm
    unstructured: str = "global"  # what ranks single weights
    head_step: float = 0.1  # share of all heads removed a step
    magnitude_step: float = 0.1  # share of the remaining weights removed a step
    magnitude_max_steps: int = 30
    random_sizes: str = "equal"  # "bernoulli" is the authors' draw, equal in expectation only
    # attention patterns
    attention_examples: int = 100  # dev examples for each task and seed
    attention_min_tokens: int = 16  # shorter and longer examples are left out
    attention_max_tokens: int = 128
    # loss surface and probes
    landscape_examples: int = 128  # dev examples on which the loss is measured
    landscape_directions: int = 3
    landscape_grid: int = 11  # points along each side of a surface
    probe_sentences: int = 1500  # of the grammar; a third of them for testing
    probe_text: str | None = None  # a CoNLL-U file to probe with, "english" for the package's own; None: the grammar
    probe_retrained: bool = True  # probe retrained subnetworks too, which may have to be trained again
    longer: int = 2  # times the epochs, where bad subnetworks are fine-tuned for longer
    hans: str | None = None  # the file heuristics_evaluation_set.txt of HANS, for MNLI


PRESETS = {
    "paper": Preset(),
    "laptop": Preset(
        name="laptop",
        model="sentence-transformers/all-MiniLM-L6-v2",
        tasks=("cola", "mrpc", "rte"),
        seeds=(1337, 42),
        learning_rate=1e-4,
        warmup=0.1,
    ),
    "base": Preset(
        name="base",
        model="sentence-transformers/all-mpnet-base-v2",
        tasks=("cola", "mrpc", "rte", "stsb", "sst2", "qnli", "mnli", "qqp"),
        seeds=(1337, 42, 86),
        subnetworks=("good", "random", "random_layer", "bad"),
        precision="bf16",
        train_limit=2000,
        dev_limit=1000,
        limited=("sst2", "qnli", "mnli", "qqp"),
    ),
    "demo": Preset(
        name="demo",
        model="embedded",
        data="embedded",
        seeds=(1337, 42, 86),
        max_length=48,
        batch_size=16,
        epochs=2,
        min_steps=125,
        learning_rate=5e-4,
        warmup=0.1,
        dropout=0.0,
        attention_examples=12,
        attention_min_tokens=8,
        attention_max_tokens=32,
        landscape_examples=64,
        probe_sentences=900,
    ),
}


@dataclass(frozen=True)
class Limits:
    """How many examples of train and dev are used, None for all: the first ones, or with `drawn` a fixed draw."""

    train: int | None = None
    dev: int | None = None
    drawn: bool = False


ALL = Limits()


def limits_of(preset: Preset, task: str) -> Limits:
    """The limits that `preset` sets for `task`."""
    if preset.limited and task not in preset.limited:
        return Limits()
    return Limits(preset.train_limit, preset.dev_limit, bool(preset.limited))


def get_preset(name: str, overrides: dict | None = None) -> Preset:
    """Return preset `name` with `overrides` (field name to value) applied.

    Raises UserError for an unknown preset or field, a wrong type or a value out of range; the
    message lists what is valid. Lists are accepted for tuple fields, numbers for float fields.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise UserError(f"unknown preset {shown(name)}; valid presets: {', '.join(PRESETS)}")
    if overrides is None:
        overrides = {}
    if not isinstance(overrides, dict):
        got = f"{type(overrides).__name__}: {shown(overrides)}"
        raise UserError(f"overrides must be a mapping of field to value, got {got}")
    fields = typing.get_type_hints(Preset)
    checked = {}
    for key, value in overrides.items():
        if key not in fields or key == "name":
            valid = ", ".join(f for f in fields if f != "name")
            raise UserError(f"unknown override {shown(key)}; valid fields: {valid}")
        checked[key] = _checked(key, value, fields[key])
    preset = dataclasses.replace(PRESETS[name], **checked)
    _check_together(preset)
    return dataclasses.replace(preset, tasks=_checked_tasks(preset, checked.get("tasks")))


def _check_together(preset: Preset) -> None:
    """Raise UserError for settings that need others: one without effect would mislead."""
    if preset.selection == "held_out" and not preset.held_out:
        raise UserError("selection held_out needs held_out above 0, such as 1: as many examples of train as dev has")
    for name in ("importance_batch", "importance_order"):
        if preset.importance == "exact" and getattr(preset, name) != getattr(Preset, name):
            raise UserError(f"{name} has no effect on importance exact; set importance to batched, running or released")
    if preset.importance != "exact" and preset.score != "gate":
        given = f"importance {preset.importance} is a way to sum score gate, not {shown(preset.score)}"
        raise UserError(f"{given}; leave one of them at its default")


def _checked_tasks(preset: Preset, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """The tasks of a study: GLUE's, or those that the YAML file of its data describes, by default all of them.

    Records can be read without the file they were made from: names given with one that is gone are believed here,
    and a run of them stops as soon as it asks for the data.
    """
    path = task_file(preset.data)
    if path is None:
        valid = GLUE_TASKS
    elif asked and not path.exists() and all(NAME.fullmatch(name) for name in asked):
        return asked
    else:
        valid = tuple(read_task_file(path))
        if asked is None:
            return valid
    for task in asked or ():
        if task not in valid:
            where = "" if path is None else f" in {path.name}"
            raise UserError(f"tasks: unknown value {shown(task)}; valid{where}: {', '.join(valid)}")
    return preset.tasks


def _checked(key: str, value, kind):
    """Return `value` as type `kind`, or raise UserError naming field, expected and got."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        item = typing.get_args(kind)[0]
        if not isinstance(value, (list, tuple)) or not value or not all(_is(v, item) for v in value):
            raise UserError(f"{key} must be a non-empty list of {item.__name__}, got {shown(value)}")
        value = tuple(value)
        if len(set(value)) != len(value):
            raise UserError(f"{key} lists a value twice: {shown(value)}")
    else:
        kinds = typing.get_args(kind) or (kind,)
        match = [k for k in kinds if _is(value, k)]
        if not match:
            expected = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
            raise UserError(f"{key} must be {expected}, got {shown(value)}")
        if match[0] is float:
            value = _as_float(key, value)
    _check_range(key, value)
    return value


def _as_float(key: str, value) -> float:
    try:
        return float(value)
    except OverflowError:
        raise UserError(f"{key} is too large a number: {shown(value)}") from None


def _is(value, kind) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _check_range(key: str, value) -> None:
    for item in value if isinstance(value, tuple) else (value,):
        if key in CHOICES and item not in CHOICES[key]:
            raise UserError(f"{key}: unknown value {shown(item)}; valid: {', '.join(CHOICES[key])}")
    if value is None:
        return
    if key in ("score", "unstructured"):
        check_method(key, value)
    if key in POSITIVE and not 0 < value < float("inf"):
        raise UserError(f"{key} must be above 0, got {shown(value)}")
    if key == "max_length" and value < LEAST_LENGTH:
        raise UserError(f"max_length must be at least {LEAST_LENGTH}, got {shown(value)}; less holds no two texts")
    if isinstance(value, int) and value > LARGEST:
        raise UserError(f"{key} must be at most {LARGEST}, got {shown(value)}")
    if key in SHARES and not 0 < value < 1:
        raise UserError(f"{key} must lie between 0 and 1, got {shown(value)}")
    if key in ("attention_min_tokens", "attention_max_tokens") and not 4 <= value <= 512:
        raise UserError(f"{key} must lie between 4 and 512, got {shown(value)}")
    if key == "landscape_grid" and not 3 <= value <= 101:
        raise UserError(f"landscape_grid must lie between 3 and 101, got {shown(value)}")
    if key == "probe_sentences" and not 30 <= value <= PROBE_SENTENCES:
        expected = f"must lie between 30 and {PROBE_SENTENCES}"
        raise UserError(f"probe_sentences {expected}, got {shown(value)}; for more give a CoNLL-U file as probe_text")
    if key == "unknown_words" and not 0 <= value <= 1:
        raise UserError(f"unknown_words must lie between 0 and 1, got {shown(value)}")
    if key in ("warmup", "dropout") and not 0 <= value < 1:
        raise UserError(f"{key} must be at least 0 and below 1, got {shown(value)}")
    if key in NOT_NEGATIVE and not 0 <= value < float("inf"):
        raise UserError(f"{key} must not be negative, got {shown(value)}")
    if key == "hans" and not value.strip():
        raise UserError("hans must name the file heuristics_evaluation_set.txt, or be null; got an empty string")
    if key == "probe_text" and not value.strip():
        raise UserError("probe_text must name a CoNLL-U file or be 'english' or null; got an empty string")
    if key in ("model", "data", "hans", "probe_text"):
        usable_path(key, value)
    if key in ("model", "data") and not value.strip():
        raise UserError(f"{key} must name a hub id, a directory or 'embedded', got an empty string")
    if key == "seeds" and not all(0 <= s < 2**31 for s in value):
        raise UserError(f"seeds must lie between 0 and 2147483647, got {shown(value)}")
