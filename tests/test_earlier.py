"""Records of earlier versions of the rules are shown as what they are, and no run takes them for today's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_records import DATA, MODEL, make_study

from lottery_book import status
from lottery_utils.cli import main
from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.identity import EARLIER, PRESENT, address, earlier_addresses, version_note
from lottery_utils.experiment.store import MASK, Store
from lottery_utils.experiment.study import Study
from lottery_utils.experiment.verify import verify_store
from lottery_utils.presets import get_preset
from lottery_utils.pruning.masks import StructuredMask
from lottery_utils.show import sentences

(FIRST,) = EARLIER
FULL, SEARCH = "mrpc/1/finetune/full", "mrpc/1/search/structured/good"
SCORE, BASELINE = "mrpc/1/score/structured/good", "mrpc/0/baseline/bag_of_words"
ARGUMENTS = ["--preset", "paper", "--tasks", "mrpc", "--seeds", "1"]
ARGUMENTS += ["--set", "model=nowhere-model", "data=nowhere-data"]


def made(root, versions=FIRST, **choices) -> Study:
    """A made-up study of records as `versions` of the rules made them, seen as one that came with the repository."""
    study = make_study(root, ("mrpc",), (1,), versions=versions, **choices)
    return Study(study.preset, root, stored=True)


def copied(study: Study, root, names, files=None) -> None:
    """Copy the records of the cells `names` into another store, with payload `files`."""
    store = Store(root)
    store.prepare()
    for name in names:
        key = study.address(name)
        store.write(key, study.store.read(key), files or {})


@pytest.fixture
def study(tmp_path):
    return made(tmp_path / "results")


def test_a_stored_study_shows_what_earlier_versions_made(study):
    assert study.record(SEARCH)["address"] == study.address(SEARCH)
    assert study.inputs(SEARCH) == study.record(SEARCH)["inputs"]
    assert len(study.table()) == len(study.cells()) and study.state(SCORE) == "done"
    earlier = study.earlier()
    assert {study.address(name) for name in (FULL, SEARCH, SCORE)} <= earlier and study.address(BASELINE) not in earlier


def test_a_run_and_what_looks_at_it_see_todays_cells_only(study):
    running = Study(study.preset, study.store.root)
    assert running.record(SEARCH) is None and running.state(SEARCH) == "missing"
    assert running.record(BASELINE) is not None
    assert running.address(SEARCH) == address(
        Cell("mrpc", 1, "search", "structured", "good"), study.preset, MODEL, DATA, PRESENT
    )


def test_of_a_cell_made_by_both_todays_is_shown(study, tmp_path):
    today, earlier = made(tmp_path / "today", PRESENT), study.address(SEARCH)
    copied(today, study.store.root, [SEARCH])
    both = Study(study.preset, study.store.root, stored=True)
    assert both.record(SEARCH)["address"] == today.address(SEARCH) != earlier
    assert both.record(SCORE)["address"] == study.address(SCORE)
    assert both.address(SEARCH) not in both.earlier() and both.address(SCORE) in both.earlier()


def test_the_mask_of_a_score_is_the_one_it_was_scored_under(study, tmp_path):
    today, root = made(tmp_path / "today", PRESENT), tmp_path / "both"
    masks = [StructuredMask(np.full((2, 2), kept), np.array([True, kept])) for kept in (True, False)]
    for source, mask in zip((study, today), masks, strict=True):
        copied(source, root, [SEARCH], {MASK: lambda path, mask=mask: mask.save(path, {})})
    copied(study, root, [SCORE])
    both = Study(study.preset, root, stored=True)
    assert both.mask(SCORE).heads.all() and not both.mask(SEARCH).heads.any()


def test_what_a_version_touches_and_what_it_does_not():
    prints = (MODEL, DATA)

    def differs(preset: str, changes: dict, *parts: str) -> bool:
        cell, chosen = Cell("rte", 1337, *parts), get_preset(preset, changes)
        return address(cell, chosen, *prints, FIRST) != address(cell, chosen, *prints, PRESENT)

    assert differs("laptop", {}, "finetune", "", "full") and differs("laptop", {}, "baseline", "", "random_init")
    assert not differs("demo", {}, "finetune", "", "full") and not differs("laptop", {}, "baseline", "", "majority")
    assert differs("demo", {"dropout": 0.1}, "finetune", "", "full")
    assert differs("demo", {}, "search", "structured", "good") and differs("demo", {}, "search", "magnitude", "good")
    assert not differs("demo", {"importance": "released"}, "search", "structured", "good")
    assert not differs("demo", {"importance": "released"}, "search", "magnitude", "good")
    assert differs("demo", {}, "curve", "structured", "nested")
    assert not differs("demo", {}, "curve", "magnitude", "nested")
    for stage in ("control", "score", "retrain"):
        assert differs("demo", {}, stage, "structured", "bad"), stage


def test_a_record_alone_says_by_which_rules_its_own_step_was_made(study):
    search, score, baseline = (study.record(name) for name in (SEARCH, SCORE, BASELINE))
    assert version_note(search) == "search 1, today 2" and version_note(score) == "made from such a one"
    assert earlier_addresses([baseline]) == set()
    assert earlier_addresses([search, score]) == {search["address"], score["address"]}


def test_records_of_today_are_never_called_earlier(tmp_path, capsys):
    study = made(tmp_path, PRESENT)
    assert study.earlier() == set()
    assert {finding.kind for finding in verify_store(study.store)} == {"done"}
    assert "rules" not in sentences.run_on(study)
    assert main(["status", *ARGUMENTS, "--results", str(tmp_path)]) == 0
    assert "earlier version" not in capsys.readouterr().out


def test_status_verify_and_show_say_what_they_are(study, capsys):
    root, count = str(study.store.root), len(study.cells())
    kept = count - 2  # majority and bag of words train nothing and search nothing
    assert main(["status", *ARGUMENTS, "--results", root]) == 0
    said = f"{kept} cells are kept, and not used: earlier version, not reproducible by today's code"
    assert said in capsys.readouterr().out
    assert main(["verify", "--results", root]) == 0
    out = capsys.readouterr().out
    assert f"earlier version: {study.address(SEARCH)}: search 1, today 2\n" in out
    assert out.endswith(f"{root}: {count} cells, nothing is damaged\n")
    assert f"{kept} earlier version: intact and shown; not reproducible by today's code" in out
    assert main(["show", study.address(SEARCH), "--results", root]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == study.record(SEARCH)
    assert "earlier version, not reproducible by today's code (search 1, today 2)" in err
    assert main(["show", study.address(BASELINE), "--results", root]) == 0
    assert capsys.readouterr().err == ""


def test_why_names_the_version_in_which_two_cells_differ(study, tmp_path, capsys):
    command = ["show", study.address(SEARCH), *ARGUMENTS, "--results", str(study.store.root)]
    copied(made(tmp_path / "today", PRESENT), study.store.root, [SEARCH])
    assert main([*command, "--why", SEARCH]) == 0  # by its name today's cell is found first
    assert "versions.search: 1  against  2" in capsys.readouterr().out


def test_pages_say_how_many_records_are_earlier(study):
    count = len(study.cells())
    clause = f"{count - 2} of {count} records by earlier rules"
    assert clause in sentences.run_on(study)
    assert status.status_numbers(status.stored([study.store.root]))["earlier"] == str(count - 2)
