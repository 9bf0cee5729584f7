"""The notebooks: pairs in step, parameters first, captions and labels there, and one run through papermill."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jupytext
import nbformat
import papermill
import pytest
from small_world import SETTINGS, make_model, make_task

from lottery_book.scorecard.claims import CITED

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STUDY_PARAMETERS = ["preset", "tasks", "seeds", "overrides", "results_dir"]
NAMES = [path.stem for path in NOTEBOOKS]


def read(path: Path):
    return nbformat.read(path, as_version=4)


def content(notebook) -> list[tuple]:
    """What a pair must share: kind, source, tags and figure settings of each cell."""
    return [
        (cell.cell_type, cell.source, cell.metadata.get("tags", []), cell.metadata.get("mystnb", {}))
        for cell in notebook.cells
    ]


def test_the_chapters_are_there():
    assert NAMES[:4] == ["01_finetuning", "02_structured", "03_magnitude", "04_subnetworks"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_pair_is_in_step(path):
    script = jupytext.read(path.with_suffix(".py"))
    assert content(script) == content(read(path)), f"run `jupytext --sync notebooks/{path.name}`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_parameters_are_the_first_code_and_survive_pairing(path):
    for notebook in (read(path), jupytext.read(path.with_suffix(".py"))):
        first = next(cell for cell in notebook.cells if cell.cell_type == "code")
        assert first.metadata["tags"] in (["parameters"], ["parameters", "hide-cell"])
        tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        assert len(tagged) == 1
    names = list(papermill.inspect_notebook(str(path)))
    if path.stem == "11_authors":
        assert names.pop() == "release_dir"
    assert names == (STUDY_PARAMETERS if path.stem == "status" else [*STUDY_PARAMETERS, "compute_missing"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_committed_without_outputs_and_with_a_kernel(path):
    notebook = read(path)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert notebook.metadata["jupytext"]["formats"] == "ipynb,py:percent"
    for cell in notebook.cells:
        assert not cell.get("outputs") and not cell.get("execution_count")


def test_figures_have_captions_labels_of_their_own_and_alternative_text():
    labels = []
    for path in sorted((ROOT / "book" / "chapters").glob("*.ipynb")):
        for cell in read(path).cells:
            if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
                settings = cell.metadata["mystnb"]
                assert settings["figure"]["caption"].endswith((".", ")")) and settings["image"]["alt"]
                labels.append(settings["figure"]["name"])
    assert len(labels) == len(set(labels)) > 35


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_numbers_in_prose_are_glued(path):
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    intro = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")  # which takes numbers from chapters
    used = set(re.findall(r"\{glue:text\}`(\w+)`", prose)) | set(re.findall(rf"{path.stem}\.ipynb::(\w+):s", intro))
    stored = read(ROOT / "book" / "chapters" / path.name)
    outputs = [output for cell in stored.cells for output in cell.get("outputs", [])]
    glued = {output.metadata.scrapbook.name for output in outputs if "scrapbook" in output.get("metadata", {})}
    if path.stem == "scorecard":  # whose rows the answer boxes of other chapters take
        used |= {f"claims_{chapter}" for chapter in CITED}
    assert used == glued, "what the executed chapter stores is what its prose, or the landing page, uses"
    measured = re.findall(r"\b\d+(?:\.\d+)? %|\b0\.\d+", re.sub(r"`[^`]*`", "", prose))
    assert not measured, f"typed by hand: {measured}"


@pytest.mark.slow
def test_notebook_02_alone_through_papermill(tmp_path):
    """Computes what it needs from an empty store, shows the maps, the course and the sizes."""
    make_model(tmp_path / "model")
    make_task(tmp_path / "data", "sst2", train=96, dev=40)
    overrides = {**SETTINGS, "epochs": 4, "model": str(tmp_path / "model"), "data": str(tmp_path / "data")}
    parameters = {
        "preset": "paper",
        "tasks": '["sst2"]',
        "seeds": [42],
        "overrides": json.dumps(overrides),
        "results_dir": str(tmp_path / "results"),
    }
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(ROOT / "notebooks" / "02_structured.ipynb"), str(out), parameters, progress_bar=False, cwd=str(ROOT)
    )
    executed = read(out)
    shown = {}
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
            for kind in output.get("data", {}):
                shown.setdefault(kind, []).append(cell.source.splitlines()[-1].split("(")[0])
    assert shown["image/png"] == [
        "side_by_side.survival_maps",
        "run.stamp",
        "run.stamp",
        "side_by_side.survival_across_tasks",
    ]
    assert shown["text/html"] == ["survivors.size_table"]
    stored = [p.name.rsplit("-", 2)[0] for p in (tmp_path / "results").iterdir() if p.name[0] != "."]
    assert sorted(stored) == ["sst2-full-finetune", "sst2-structured-good-search"], "only what it needs"


@pytest.mark.parametrize(
    "parameters, line",
    [
        ({"preset": "dem"}, "unknown preset 'dem'; valid presets: paper, laptop, base, demo"),
        ({"tasks": '["rt"]'}, "tasks: unknown value 'rt'; valid: cola, "),
    ],
)
def test_a_wrong_parameter_is_one_line_in_the_notebook(parameters, line, tmp_path):
    notebook, out = str(ROOT / "notebooks" / "02_structured.ipynb"), tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(notebook, str(out), parameters, progress_bar=False, cwd=str(ROOT))
    error = next(o for cell in read(out).cells for o in cell.get("outputs", []) if o.output_type == "error")
    assert len(error.traceback) == 1 and error.traceback[0].startswith(f"UserError: {line}"), error.traceback


@pytest.mark.slow
def test_embedded_demo_runs_notebook_02_offline(tmp_path):
    """The command of the README, on a part of one task."""
    overrides = {"train_limit": 200, "dev_limit": 100, "epochs": 1, "min_steps": 0}
    parameters = {"tasks": ["sst2"], "seeds": [42], "overrides": overrides, "results_dir": str(tmp_path / "results")}
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(ROOT / "notebooks" / "02_structured.ipynb"), str(out), parameters, progress_bar=False, cwd=str(ROOT)
    )
    assert not any(o.output_type == "error" for cell in read(out).cells for o in cell.get("outputs", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_the_times_of_things_to_try_are_those_that_were_measured(path):
    row = r"^\|(?:[^|`]*\|)? `([^`]+)` \| (\d+)"
    measured = dict(re.findall(row, (ROOT / "book" / "tried.md").read_text(encoding="utf-8"), re.MULTILINE))
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    shown = dict(re.findall(row + r" s[, ]", prose, re.MULTILINE))
    assert shown == {command: measured[command] for command in shown}
    assert len(shown) >= (0 if path.stem in ("status", "summary") else 1)
