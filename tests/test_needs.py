"""What chapters need: read without running them, of the right study, computed in one mode."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from lottery_book.importance_rules.results import RULES
from lottery_book.method_comparison.results import FIELDS
from lottery_book.pretraining import models_in
from lottery_utils.errors import UserError
from lottery_utils.experiment.study import open_study
from lottery_utils.methods import METHODS
from lottery_utils.presets import GLUE_TASKS
from lottery_utils.show.compute import asked, compute, needs_of

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = {path.stem.partition("_")[2] or path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
# chapters on records, and how many studies they show of which
SHOWN = {"methods": 14, "pretraining": 10, "landscape": 1, "probes": 2, "importance_bug": 12, "selection": 6}


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def parts_of(chapter: str, *arguments, **parameters):
    return asked(open_study(*arguments, **parameters), needs_of(CHAPTERS[chapter]))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_says_what_it_needs_of_the_demo(chapter):
    parts = parts_of(chapter, "demo")
    on_records = [need.get("overrides", {}) for need in needs_of(CHAPTERS[chapter]) if "records" in need]
    expected = sum(len(changes) if isinstance(changes, list) else 1 for changes in on_records)
    assert sum(study.stored for study, _ in parts) == expected == SHOWN.get(chapter, expected)
    assert all(cells for study, cells in parts if not study.stored) or chapter == "selection", "no file of HANS"
    assert parts or chapter == "status", "the chapter about what is stored"


@pytest.mark.parametrize("chapter", SHOWN)
def test_chapters_on_records_compute_of_another_study_what_they_show_of_the_demo(chapter, tmp_path):
    """Of a part of the demo the records are shown; other seeds are the reader's own study."""
    # of the demo and the laptop, whatever is asked
    fixed = {"pretraining": 10, "probes": 1, "importance_bug": 1, "selection": 1}.get(chapter, 0)
    part = parts_of(chapter, "demo", ["rte"], [42], results_dir=tmp_path)
    assert [study.stored for study, _ in part].count(True) == SHOWN[chapter]
    own = parts_of(chapter, "demo", ["rte"], [7], {"score": "taylor"}, results_dir=tmp_path)
    assert [study.stored for study, _ in own].count(True) == fixed and len(own) == len(part)
    for study, cells in own:
        assert study.stored or {(cell.task, cell.seed) for cell in cells} in ({("rte", 7)}, set())


def test_the_needs_name_what_the_registries_have():
    """They are literals, so that they can be read: here they are held to what they repeat."""
    ranked = [need["overrides"] for need in needs_of(CHAPTERS["methods"])]
    for overrides, kind in zip(ranked, FIELDS.values(), strict=True):
        asked_for = [changes[kind] for changes in overrides if kind in changes and "head_norms" not in changes]
        assert asked_for == list(METHODS[kind])
    (pretraining,) = needs_of(CHAPTERS["pretraining"])
    assert [changes["model"].split("/")[-1] for changes in pretraining["overrides"]] == models_in()
    rules = needs_of(CHAPTERS["importance_bug"])[1]["overrides"]
    assert sorted(map(str, rules)) == sorted(map(str, RULES.values()))


def test_hans_is_computed_where_its_file_is_given(tmp_path):
    (tmp_path / "hans.txt").touch()
    hans = {"hans": str(tmp_path / "hans.txt")}
    cells = [c for _, cells in parts_of("selection", "demo", overrides=hans) for c in cells]
    assert {cell.task for cell in cells} == {"mnli"} and {"hans", "hans_retrain"} <= {cell.stage for cell in cells}
    assert not [c for _, cells in parts_of("selection", "demo", ["rte"], overrides=hans) for c in cells]


def test_an_expensive_chapter_runs_few_tasks_on_the_demo_unless_asked():
    tasks = lambda *arguments: parts_of("baselines", *arguments)[1][0].preset.tasks  # noqa: E731
    assert tasks("demo") == ("cola", "mrpc", "rte") and tasks("paper") == GLUE_TASKS
    assert tasks("demo", ["qqp", "rte"]) == ("qqp", "rte")


def notebook(tmp_path: Path, code: str) -> Path:
    cells = [nbformat.v4.new_markdown_cell("NEEDS = none"), nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_a.ipynb")
    return tmp_path / "01_a.ipynb"


def test_needs_are_read_and_not_run(tmp_path):
    code = 'raise RuntimeError\nNEEDS = {"stages": ["finetune"]}'
    assert needs_of(notebook(tmp_path, code)) == [{"stages": ["finetune"]}]
    assert needs_of(notebook(tmp_path, "x = 1")) == []
    with pytest.raises(UserError, match="^chapter 01_a: NEEDS must be a literal: it is read, and not run$"):
        needs_of(notebook(tmp_path, "NEEDS = {'stages': STAGES}"))
    with pytest.raises(UserError, match="^NEEDS: unknown key 'stage'; valid: stages, methods, "):
        needs_of(notebook(tmp_path, "NEEDS = {'stage': 1}"))


def test_compute_says_what_lacks_and_computes_what_may_be(tmp_path, capsys):
    study = open_study("demo", ["rte"], [42], {"train_limit": 40, "dev_limit": 30}, tmp_path)
    majority = {"stages": ["baseline"], "subnetworks": ["majority"]}
    needs = [majority, {"stages": ["finetune"], "overrides": {"batch_size": 8}}]
    first, other = compute(study, needs, missing=False)
    assert (first.preset, other.preset.batch_size) == (study.preset, 8) and not study.store.addresses()
    said = "demo: 0 of 1 cells are stored\ndemo (batch_size 8): 0 of 1 cells are stored\n"
    assert capsys.readouterr().out == said
    compute(study, majority)
    assert first.state("rte/0/baseline/majority") == "done"
    assert capsys.readouterr().out.startswith("demo: 1 cells: 1 computed")
    compute(study, needs, missing=False)
    assert capsys.readouterr().out == said.replace("0 of", "1 of", 1)


def test_a_failed_cell_is_said_and_not_tried_again(tmp_path, capsys):
    study = open_study("demo", ["rte"], [42], {"train_limit": 40, "dev_limit": 30}, tmp_path)
    study.store.prepare()
    study.store.fail(study.address("rte/42/finetune/full"), {"cell": "rte/42/finetune/full", "error": "it broke"})
    for missing in (True, False):
        compute(study, {"stages": ["search"]}, missing)
        assert "failed: it broke" in capsys.readouterr().out
    assert not study.store.addresses()
