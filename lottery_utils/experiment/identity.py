"""The address of a cell: a hash of exactly what can change its result, behind a readable prefix."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..methods import CURVE_SIZES, is_own, own_print
from ..methods import METHODS as OWN_METHODS
from ..places import function_at
from ..presets import Preset
from .cells import TRANSFORMERS, Cell, upstream

if TYPE_CHECKING:
    import numpy as np
    import torch

# Raise this by hand when a change of the code changes all results; old records stay beside the new ones.
PROTOCOL = 1


class Versions(NamedTuple):
    """What a change of the code has changed the results of, numbered by hand; 1 is left out of addresses.

    dropout: what trains with it. 2: on a CPU drawn from 16 bits a place, and in bf16 other products. search: structured
    searches and curves, and the stop rule of all but `released` ones. 2: layer norms over all heads, a continuous least
    target, one MLP a step above 12 layers.
    """

    dropout: int = 2
    search: int = 2


PRESENT = Versions()
EARLIER = (Versions(dropout=1, search=1),)  # in which older records were made: shown, and never made again
TRAINS = ("finetune", "retrain", "retrain_longer", "hans_retrain")

TRAINING = (
    "max_length",
    "batch_size",
    "epochs",
    "min_steps",
    "learning_rate",
    "warmup",
    "weight_decay",
    "adam_eps",
    "clip",
    "dropout",
    "keep_classifier",
    "precision",
    "held_out",
)
SUMS = ("importance_batch", "importance_order")  # how `importance` sums, where it is not "exact"
SEARCH = {  # `importance` also chooses between the stop rules
    "structured": ("threshold", "importance", "search", "head_step", "selection", "score", "head_norms", *SUMS),
    "magnitude": ("threshold", "importance", "magnitude_step", "magnitude_max_steps", "selection", "unstructured"),
}
CURVE = {"structured": ("importance", "score", "head_norms", *SUMS), "magnitude": ("unstructured",)}
ATTENTION = ("attention_examples", "attention_min_tokens", "attention_max_tokens")
COMPARING = {
    "landscape": ("landscape_examples", "landscape_directions"),
    "surface": ("landscape_examples", "landscape_grid"),
    "probes": ("probe_sentences", "probe_text", "probe_retrained"),
}
# of what a stage computes; raise one by hand when its code changes results
VERSIONS = {"attention": 1, "landscape": 1, "surface": 1, "probes": 2, "importance": 1}
DEFAULTS = {field.name: field.default for field in fields(Preset)}


@lru_cache(maxsize=100_000)
def address(cell: Cell, preset: Preset, model: str, data: str, versions: Versions = PRESENT) -> str:
    """Address such as ``mrpc-structured-good-retrain-42-1a2b3c4d5e``.

    `model` and `data` are content fingerprints (hex), the latter of the cell's task. Settings at
    the default of `Preset` are left out, so a new field does not orphan old records; so are the
    device, the engine, the batch layout of evaluation and where results lie.
    """
    digest = hashlib.sha256(canonical(inputs(cell, preset, model, data, versions)).encode()).hexdigest()
    parts = [cell.task, cell.method, cell.subnetwork, cell.stage, str(cell.seed), digest[:10]]
    return "-".join(part for part in parts if part)


def inputs(cell: Cell, preset: Preset, model: str, data: str, versions: Versions = PRESENT) -> dict:
    """Everything that decides the result of `cell`, as plain JSON types."""
    content: dict = {"protocol": PROTOCOL, "cell": cell.as_dict(), "data": data}
    if not _model_free(cell):
        content["model"] = model
    if cell.stage in VERSIONS:
        content["rules"] = VERSIONS[cell.stage]
    if cell.stage == "curve":
        content["sizes"] = list(CURVE_SIZES)
    settings = {name: getattr(preset, name) for name in settings_of(cell) if _counts(name, cell, preset)}
    if settings.get("hans"):
        settings["hans"] = hans_print(preset.hans)
    if settings.get("probe_text"):
        settings["probe_text"] = probe_text_print(preset.probe_text)
    settings |= {kind: own_print(settings[kind]) for kind in OWN_METHODS if is_own(settings.get(kind))}
    content["settings"] = {k: v for k, v in settings.items() if v != DEFAULTS[k]}
    content["upstream"] = [address(c, preset, model, data, versions) for c in upstream(cell, preset.seeds)]
    numbered = versions_of(cell, preset, versions)
    return content | ({"versions": numbered} if numbered else {})


def versions_of(cell: Cell, preset: Preset, versions: Versions = PRESENT) -> dict[str, int]:
    """The versions above 1 that are part of making a cell itself; those of the cells it reads are in its upstream."""
    return {name: n for name, n in versions._asdict().items() if n > 1 and _is_touched(name, cell, preset)}


def _is_touched(version: str, cell: Cell, preset: Preset) -> bool:
    """Whether what a version numbers is part of making this cell, apart from the cells it reads."""
    if version == "dropout":
        trains = cell.stage in TRAINS or (cell.stage == "baseline" and cell.subnetwork in TRANSFORMERS)
        return trains and preset.dropout != 0.0
    structured = cell.method == "structured"
    return preset.importance != "released" and (cell.stage == "search" or (cell.stage == "curve" and structured))


def _counts(name: str, cell: Cell, preset: Preset) -> bool:
    """Whether a setting can matter under the others: how sums are made does not where none are made."""
    if name in SUMS:
        return preset.importance != "exact"
    if name == "probe_sentences":
        return preset.probe_text is None
    # m-pruning ranks weights: of `importance` it takes only the authors' stop rule
    return name != "importance" or cell.method == "structured" or preset.importance == "released"


def settings_of(cell: Cell) -> tuple[str, ...]:
    """Names of the preset fields the stage of `cell` reads itself (its upstream reads others)."""
    if cell.stage == "search":
        return SEARCH[cell.method]
    if cell.stage == "hans":
        return ("hans",)
    if cell.stage == "hans_retrain":
        return (*TRAINING, "hans")
    if cell.stage == "curve":
        return CURVE[cell.method]
    if cell.stage == "importance":
        return ()
    if cell.stage == "attention":
        return ATTENTION
    if cell.stage in COMPARING:
        return COMPARING[cell.stage]
    if cell.stage == "control":
        return ("random_sizes",) if (cell.method, cell.subnetwork) == ("structured", "random") else ()
    if _model_free(cell):
        return () if cell.subnetwork == "majority" else ("held_out",)
    if cell.stage == "score":
        return ()
    return (*TRAINING, "longer") if cell.stage == "retrain_longer" else TRAINING


@lru_cache(maxsize=8)
def hans_print(path: str) -> str:
    """Fingerprint of a HANS file's content, read once a process; raises UserError when it cannot be used."""
    from ..tasks.hans import read_hans

    return read_hans(path).fingerprint


@lru_cache(maxsize=8)
def probe_text_print(name: str) -> str:
    """Fingerprint of a file of annotated sentences, read once a process; raises UserError when it cannot be used."""
    return function_at("lottery_book.probes.conllu:text_print")(name)


def _model_free(cell: Cell) -> bool:
    return cell.stage == "baseline" and cell.subnetwork not in TRANSFORMERS


def canonical(content: dict) -> str:
    """One text for equal contents: sorted keys, no spaces, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def seed_for(address: str, purpose: str) -> int:
    """A 63-bit seed that depends on `address` and `purpose` only, never on global state or order."""
    digest = hashlib.sha256(f"{address}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(address: str, purpose: str) -> torch.Generator:
    """A torch generator on the CPU seeded by `seed_for`."""
    import torch

    return torch.Generator().manual_seed(seed_for(address, purpose))


def numpy_generator_for(address: str, purpose: str) -> np.random.Generator:
    """A numpy generator seeded by `seed_for`."""
    import numpy as np

    return np.random.default_rng(seed_for(address, purpose))
