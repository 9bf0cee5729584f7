"""Chapters by themselves, on a store with what their NEEDS name and nothing else: one task and seed of the demo."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest

from lottery_utils import open_study
from lottery_utils.show.compute import asked, compute_together, needs_of

ROOT = Path(__file__).resolve().parent.parent
OVERRIDES = {"train_limit": 300, "dev_limit": 100, "epochs": 1, "min_steps": 40, "attention_examples": 3}
TREATED = {"finetune", "search", "control", "score", "retrain"}
CHAPTERS = {  # pictures that a chapter shows, the stages it needs, and how many searches
    "05_super": (2, TREATED, 1),
    "06_baselines": (3, {*TREATED, "baseline", "retrain_longer"} - {"score"}, 2),
    "07_importance": (3, {"finetune", "search"}, 3),
    "08_agreement": (3, {"finetune", "search"}, 1),
    "09_attention": (3, {"finetune", "search", "attention"}, 1),
    "11_authors": (1, {"finetune", "search"}, 2),
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Where the cells of all chapters are computed, each once."""
    return tmp_path_factory.mktemp("chapters") / "results"


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_on_what_it_needs(name, everything, tmp_path):
    """One task and seed leave gaps, not errors, and every figure is there."""
    notebook, results = ROOT / "notebooks" / f"{name}.ipynb", tmp_path / "results"
    pictures, stages, searches = CHAPTERS[name]
    needed = asked(open_study("demo", ["sst2"], [42], OVERRIDES, everything), needs_of(notebook))
    assert not [line for line in compute_together(needed, engine="serial", progress=False) if "failed" in line]
    cells = {study.address(cell): cell for study, cells in needed for cell in cells}
    assert {cell.stage for cell in cells.values()} == stages
    assert sum(cell.stage == "search" for cell in cells.values()) == searches
    for address in cells:
        shutil.copytree(everything / address, results / address)
    parameters = {"tasks": ["sst2"], "seeds": [42], "overrides": json.dumps(OVERRIDES), "results_dir": str(results)}
    parameters["compute_missing"] = False
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(str(notebook), str(out), parameters, progress_bar=False, cwd=str(ROOT))
    outputs = [output for cell in nbformat.read(out, 4).cells for output in cell.get("outputs", [])]
    assert not any(output.output_type == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == pictures
    told = "".join(output.get("text", "") for output in outputs)
    counts = re.findall(r"(\d+) of (\d+) cells are stored", told)
    assert counts and all(stored == whole for stored, whole in counts)
