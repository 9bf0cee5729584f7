"""What to run: the presets ``paper``, ``laptop`` and ``demo``, and checked overrides."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar, get_args

from annotated_types import Ge, Gt, Le, Lt, MinLen

from .errors import UserError, require_known, shown, usable_path
from .methods import check_method
from .taskfile import GLUE_TASKS, NAME, read_task_file, task_file
from .validation import STRICT, Rule, checked, must

Method = Literal["structured", "magnitude"]
Subnetwork = Literal[
    "good", "random", "random_layer", "bottom_layers", "bad", "inverted", "super", "super_random", "super_bad"
]
Search = Literal["joint", "heads", "mlps"]
METHODS, SUBNETWORKS = get_args(Method), get_args(Subnetwork)
PAPER_SEEDS = (1337, 42, 86, 71, 166)
T = TypeVar("T")
LARGEST = 2**31 - 1  # of whole numbers; random generators and tensors take no others
PROBE_SENTENCES = 3_000  # of the grammar, as many as are stored


Different = must("list no value twice", lambda values: len({*values}) == len(values))
Several = Annotated[tuple[T, ...], MinLen(1), Different]
WORTH_SAYING = 0.01  # share of unknown words from which records and pages mention it
Count = Annotated[int, Gt(0), Le(LARGEST)]
Whole = Annotated[int, Ge(0), Le(LARGEST)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Gt(0), Lt(1)]
ShareOrAll = Annotated[float, Gt(0), Le(1)]
BelowOne = Annotated[float, Ge(0), Lt(1)]
Tokens = Annotated[int, Ge(4), Le(512)]
Place = Annotated[str, must("name something", str.strip), Rule(usable_path)]
Ranking = Annotated[str, Rule(check_method)]


@dataclass(frozen=True)
class Preset:
    """Everything that decides a result; the defaults are the paper's (protocol, sections 1 to 5).

    `get_preset` checks overrides by what stands beside the fields; a preset made directly is believed.
    """

    __pydantic_config__ = STRICT

    name: str = "paper"
    model: Place = "bert-base-uncased"  # hub id, directory, or "embedded"
    data: Place = "hub"  # "hub", "embedded", a directory of parquet or official TSV files, or a YAML file of own tasks
    tasks: Several[str] = GLUE_TASKS
    seeds: Several[Whole] = PAPER_SEEDS
    methods: Several[Method] = METHODS
    subnetworks: Several[Subnetwork] = ("good", "random", "bad")
    # fine-tuning and retraining
    max_length: Annotated[int, Ge(8), Le(LARGEST)] = 128  # special tokens, and something of each text of a pair
    batch_size: Count = 32
    epochs: Count = 3
    min_steps: Whole = 0  # epochs are added until this many optimiser steps are reached
    learning_rate: Positive = 2e-5
    warmup: BelowOne = 0.0  # share of all steps
    weight_decay: NotNegative = 0.0
    adam_eps: NotNegative = 1e-8
    clip: NotNegative = 1.0
    dropout: BelowOne | None = None  # None keeps the checkpoint's
    keep_classifier: bool = False  # a classifier that the checkpoint brings along; else a new one is drawn
    # "auto" is the faster of fp32 and bf16, see `training.device.precision_of`
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    train_limit: Count | None = None  # first n examples; marked partial everywhere
    dev_limit: Count | None = None
    unknown_words: Annotated[float, Ge(0), Le(1)] = 0.2  # share that the tokenizer may not know before a run stops
    limited: Several[str] = ()  # tasks that the limits are for, and then a fixed draw of examples; (): all tasks
    held_out: NotNegative = 0.0  # examples kept from training, as a share of dev's number; at most half of train
    # searches
    threshold: ShareOrAll = 0.9  # share of the full model's dev score a good subnetwork keeps
    # examples that choose a subnetwork: dev, one half of it (scored on the other), held out
    selection: Literal["dev", "half", "other_half", "held_out"] = "dev"
    # "released" is the authors' procedure; "running" and "batched" only sum as scripts do
    importance: Literal["exact", "batched", "running", "released"] = "exact"
    importance_batch: Count = 64  # examples a batch of those sums
    importance_order: Whole | None = None  # None: the data's order; a number: shuffled by it
    search: Search = "joint"
    score: Ranking = "gate"  # what ranks heads and MLPs; see `methods`, or FILE.py:FUNCTION
    head_norms: bool = True  # scores of heads are divided by their layer's norm
    unstructured: Ranking = "global"  # what ranks single weights
    head_step: Share = 0.1  # share of all heads removed a step
    magnitude_step: Share = 0.1  # share of the remaining weights removed a step
    magnitude_max_steps: Count = 30
    random_sizes: Literal["equal", "bernoulli"] = "equal"  # "bernoulli" is the authors' draw, equal in expectation only
    # attention patterns
    attention_examples: Count = 100  # dev examples for each task and seed
    attention_min_tokens: Tokens = 16  # shorter and longer examples are left out
    attention_max_tokens: Tokens = 128
    # loss surface and probes
    landscape_examples: Count = 128  # dev examples on which the loss is measured
    landscape_directions: Count = 3
    landscape_grid: Annotated[int, Ge(3), Le(101)] = 11  # points along each side of a surface
    # of the grammar, a third of them for testing; for more give a CoNLL-U file as `probe_text`
    probe_sentences: Annotated[int, Ge(30), Le(PROBE_SENTENCES)] = 1500
    probe_text: Place | None = None  # a CoNLL-U file to probe with, "english" for the package's own; None: the grammar
    probe_retrained: bool = True  # probe retrained subnetworks too, which may have to be trained again
    longer: Count = 2  # times the epochs, where bad subnetworks are fine-tuned for longer
    hans: Place | None = None  # the file heuristics_evaluation_set.txt of HANS, for MNLI


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
    require_known([name], PRESETS, "unknown preset", "valid presets")
    overrides = {} if overrides is None else overrides
    if not isinstance(overrides, dict):
        got = f"{type(overrides).__name__}: {shown(overrides)}"
        raise UserError(f"overrides must be a mapping of field to value, got {got}")
    fields = [field for field in Preset.__dataclass_fields__ if field != "name"]
    require_known(overrides, fields, "unknown override", "valid fields")
    valid = checked(Preset, overrides) if overrides else Preset()
    preset = dataclasses.replace(PRESETS[name], **{field: getattr(valid, field) for field in overrides})
    _check_together(preset)
    return dataclasses.replace(preset, tasks=_checked_tasks(preset, preset.tasks if "tasks" in overrides else None))


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
    require_known(asked or (), valid, "tasks: unknown value", "valid" if path is None else f"valid in {path.name}")
    return preset.tasks
