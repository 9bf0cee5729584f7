"""Results recomputed end to end, beside committed records that no version touched and beside golden files."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden import make

from lottery_utils.experiment.cells import parse_cell
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.fast import cpu_attention, cpu_halves
from lottery_utils.pruning import structured
from lottery_utils.pruning.importance import normalise_heads

RECORDS = Path(__file__).resolve().parent.parent / "records"
SINCE = ("lead",)  # arrays that records of before lack
FULL, SEARCH = "rte/1337/finetune/full", "rte/1337/search/structured/good"
COMMITTED = {  # folder, and settings that no version of the rules touched, and what is run: stages, subnetworks
    "importance/demo": ({"importance": "released"}, (["search", "control", "score"], ["structured"], ["good", "bad"])),
    "methods/demo": ({}, (["curve"], ["magnitude"], None)),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason="golden files and committed records are of CPUs"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A store in which every test finds the full model of the first."""
    return tmp_path_factory.mktemp("store")


@pytest.mark.parametrize("part", make.PARTS)
def test_results_are_those_of_the_golden_file(part, root):
    assert make.differences(make.computed(part, root), make.golden(part)) == []


@pytest.mark.parametrize("folder", COMMITTED)
def test_committed_results_come_out_again(folder, root):
    settings, asked = COMMITTED[folder]
    study = open_study("demo", [make.TASK], [make.SEED], settings, root)
    committed = Study(study.preset, RECORDS / folder, stored=True)
    assert study.run(*asked, engine="serial", progress=False).ok
    cells = [cell for cell in study.cells(*asked) if committed.record(cell) is not None]
    assert {cell.stage for cell in cells} - {"finetune"} == set(asked[0])
    for cell in cells:
        assert study.address(cell) == committed.address(cell)
        found, expected = make.of_cell(study, cell), make.of_cell(committed, cell)
        found = {name: value for name, value in found.items() if name in expected or name not in SINCE}
        assert make.differences(named(cell.name, found), named(cell.name, expected)) == []


def named(cell: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of a cell by the names that `make.tolerance` reads."""
    return {f"{cell}/{name}": value for name, value in arrays.items()}


def test_masks_and_counts_are_compared_exactly_and_the_rest_within_its_tolerance():
    expected = {name: value for part in make.PARTS for name, value in make.golden(part).items()}
    for name, value in expected.items():
        moved = {**expected, name: value + 10.0}
        assert len(make.differences(moved, expected)) == 1, name
    assert {name.rpartition("/")[2] for name in expected if not make.tolerance(name)} == {
        "heads", "mlps", "counts", "kept", "passed"
    }
    assert make.differences({**expected, "more": np.zeros(1)}, expected) == ["more is in one of them only"]


def test_the_golden_file_notices_another_dropout(tmp_path, monkeypatch):
    for module in (cpu_attention, cpu_halves):
        monkeypatch.setattr(module, "factors", lambda like, rate: F.dropout(torch.ones_like(like), rate))
    lines = make.differences(make.computed("dropout", tmp_path), make.golden("dropout"))
    assert len(lines) == 2, lines  # losses and logits


def test_the_golden_file_notices_norms_over_living_heads(root, tmp_path, monkeypatch):
    open_ranking = structured.open_ranking

    @contextmanager
    def over_living(model, dev, preset, seed):
        with open_ranking(model, dev, replace(preset, head_norms=False), seed) as (passes, rank):

            def ranked(found):
                scores, mlps = rank(found)
                return normalise_heads(np.where(found.mask.heads, scores, 0.0)), mlps

            yield passes, ranked

    study = make.study_of("structured", tmp_path)
    full = study.address(FULL)
    assert make.study_of("structured", root).run(["finetune"], engine="serial", progress=False).ok
    shutil.copytree(make.study_of("structured", root).store.folder(full), study.store.folder(full))
    monkeypatch.setattr(structured, "open_ranking", over_living)
    assert study.run(["search"], ["structured"], ["good"], engine="serial", progress=False).ok
    found = named(f"structured/{SEARCH}", make.of_cell(study, parse_cell(SEARCH)))
    expected = {name: value for name, value in make.golden("structured").items() if name in found}
    assert any(line.startswith(f"structured/{SEARCH}/heads") for line in make.differences(found, expected))
