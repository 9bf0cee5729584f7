"""Every committed record has the address that its inputs and its settings lead to, by the rules it was made by."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import pytest

from lottery_book.later_work.sections import THRESHOLDS
from lottery_book.pretraining import models_in
from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.fingerprints import Fingerprints
from lottery_utils.experiment.identity import EARLIER, PRESENT, Versions, address, earlier_addresses
from lottery_utils.experiment.store import Store
from lottery_utils.methods import METHODS as WAYS
from lottery_utils.presets import Preset, get_preset

RECORDS = Path(__file__).resolve().parent.parent / "records"
MODELS = RECORDS.parent / "models" / "pretraining"
TWO_SEEDS = {"seeds": [1337, 42]}
LIGHT = [{"threshold": threshold} for threshold in THRESHOLDS]
REAL = {"precision": "bf16"}  # of the small English BERT
RUNNING = {"importance": "running"}
SUMS = [{}, RUNNING, {"importance": "released"}, {"importance": "batched"}, {**RUNNING, "importance_order": 1}]
SUMS += [{**RUNNING, "importance_batch": size} for size in (8, 32, 1)]
HELD = {"held_out": 1.0}
SELECTIONS = [{"selection": "half"}, {"selection": "other_half"}, HELD, {**HELD, "selection": "held_out"}]
RANKINGS = [{kind: name} for kind in ("score", "unstructured") for name in WAYS[kind]]
RANKINGS += [{"score": name, "head_norms": False} for name in ("gate", "taylor", "output")]
# folder: preset, and the settings under which its records were made, as the scripts and chapters give them
STUDIES = {
    "base": ("base", [{}, *LIGHT]),
    "laptop": ("laptop", [REAL]),
    "importance/demo": ("demo", SUMS),
    "importance/laptop": ("laptop", [REAL | changes for changes in SUMS]),
    "selection/demo": ("demo", SELECTIONS),
    "selection/laptop": ("laptop", [REAL | changes for changes in SELECTIONS]),
    "methods/demo": ("demo", RANKINGS),
    "pretraining": ("demo", [{"model": str(MODELS / name)} for name in models_in(MODELS)]),
    "landscape": ("demo", [TWO_SEEDS]),
    "probes": ("demo", [TWO_SEEDS]),
    "probes_english": ("laptop", [{**REAL, "probe_text": "english", "probe_retrained": False}]),
}
# the content of what is not in the repository: the English models, and GLUE's data at the pinned revision; of the large
# tasks the draw that the study of MPNet used
ENGLISH = {
    "laptop": "ba25ff2953a386750c47619622ca058294bc32e317704056b53259063c735e63",
    "base": "ae969a9d77241e2a73d66ccdaf0ab25da88a987139d7f67805886e820d47a1f2",
}
GLUE = {"cola": "3cf298a9029c4f64", "mrpc": "5b36ad16f9ba8e35", "rte": "a045e537a3b4928e", "stsb": "94f913ec6d3ea3b7"}
GLUE |= {"sst2": "fe1950284029b8ff", "qnli": "6718ca850e73da3f", "mnli": "b6a626a3099eb6f5", "qqp": "7077c5931536f252"}


@lru_cache
def stored(folder: str) -> list[dict]:
    """Every record of a committed folder."""
    return list(Store(RECORDS / folder).records())


@lru_cache
def prints(preset: Preset, task: str) -> tuple[str, str]:
    """Fingerprints of a preset's model and of a task's data, from their content where that is in the repository."""
    if preset.name in ENGLISH:
        return ENGLISH[preset.name], GLUE[task]
    return model_print(preset.model), demo_data(task)


@lru_cache
def model_print(model: str) -> str:
    return Fingerprints(get_preset("demo", {"model": model}), Store(RECORDS / "nowhere"))[""]


@lru_cache
def demo_data(task: str) -> str:
    return Fingerprints(get_preset("demo"), Store(RECORDS / "nowhere"))[task]


@lru_cache
def led_to(folder: str) -> dict[str, Versions]:
    """The addresses to which the settings of a folder lead its cells: the latest versions that lead to each."""
    name, changes = STUDIES[folder]
    presets = [get_preset(name, change) for change in changes]
    cells = {Cell(**record["cell"]) for record in stored(folder)}
    found: dict[str, Versions] = {}
    for versions in (PRESENT, *EARLIER):
        for preset in presets:
            for cell in cells:
                found.setdefault(address(cell, preset, *prints(preset, cell.task), versions), versions)
    return found


def test_no_committed_folder_is_left_out():
    folders = {path.relative_to(RECORDS).as_posix() for path in RECORDS.glob("**/") if Store(path).addresses()}
    assert folders == set(STUDIES)


@pytest.mark.parametrize("folder", STUDIES)
def test_addresses_are_hashes_of_the_recorded_inputs(folder):
    for record in stored(folder):
        text = json.dumps(record["inputs"], sort_keys=True, separators=(",", ":"))
        cell = record["cell"]
        parts = [cell[name] for name in ("task", "method", "subnetwork", "stage")] + [str(cell["seed"])]
        parts.append(hashlib.sha256(text.encode()).hexdigest()[:10])
        assert record["address"] == "-".join(part for part in parts if part), record["name"]


@pytest.mark.parametrize("folder", STUDIES)
def test_settings_lead_to_every_committed_address(folder):
    lost = [record["address"] for record in stored(folder) if record["address"] not in led_to(folder)]
    assert stored(folder) and not lost


def test_records_that_only_earlier_versions_lead_to_are_known_without_their_settings():
    records = [record for folder in STUDIES for record in stored(folder)]
    only_earlier = {
        record["address"]
        for folder in STUDIES
        for record in stored(folder)
        if led_to(folder)[record["address"]] != PRESENT
    }
    assert earlier_addresses(records) == only_earlier
    assert {record["address"] for record in records} - only_earlier  # what no version touched keeps its address
