"""What chooses a subnetwork and what scores it: parts of the data, how gradients are summed, HANS."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import small_world

from lottery_book import hans
from lottery_book.hans import read_hans, to_hans
from lottery_utils.errors import UserError
from lottery_utils.experiment import loaded
from lottery_utils.experiment.cells import Cell, full, parse_cell, part_of, plan
from lottery_utils.experiment.identity import address
from lottery_utils.experiment.stage_table import STAGES
from lottery_utils.experiment.study import open_study
from lottery_utils.presets import PRESETS, get_preset
from lottery_utils.pruning.importance import reduce_gradients, shuffled
from lottery_utils.show.compute import compute
from lottery_utils.tasks.load import halves, held_out_rows, load_task, set_aside
from lottery_utils.training.batches import take

GRADIENTS = np.random.default_rng(0).normal(size=(150, 3, 4))
SEARCH = Cell("mrpc", 42, "search", "structured", "good")


def test_batches_of_one_are_exact_and_one_batch_of_all_is_the_absolute_sum():
    exact = reduce_gradients(GRADIENTS, "exact")
    np.testing.assert_allclose(reduce_gradients(GRADIENTS, "batched", 1), exact)
    for rule in ("batched", "running", "released"):
        whole = reduce_gradients(GRADIENTS, rule, len(GRADIENTS))
        np.testing.assert_allclose(whole, np.abs(GRADIENTS.mean(0)))
    assert (exact >= reduce_gradients(GRADIENTS, "batched", 8)).all(), "signs cancel within a batch"


def test_running_sums_are_those_of_a_script_that_never_zeroes():
    order, pile, total = shuffled(150, 3), 0.0, 0.0
    for begin in range(0, 150, 32):
        pile = pile + GRADIENTS[order[begin : begin + 32]].mean(0)
        total = total + np.abs(pile)
    np.testing.assert_allclose(reduce_gradients(GRADIENTS, "running", 32, order), total)


def test_only_exact_does_not_depend_on_the_order():
    order = shuffled(150, 1)
    assert sorted(order) == list(range(150)) and (order == shuffled(150, 1)).all() and (order != shuffled(150, 2)).any()
    np.testing.assert_allclose(reduce_gradients(GRADIENTS, "exact", order=order), reduce_gradients(GRADIENTS, "exact"))
    for rule in ("batched", "running"):
        moved, plain = (reduce_gradients(GRADIENTS, rule, 32, one) for one in (order, None))
        assert not np.allclose(moved, plain, rtol=1e-2)


@pytest.mark.parametrize(
    ("train", "dev", "changes", "message"),
    [
        (2, 1, {"selection": "half"}, "selection=half halves dev, which has 1 example"),
        (1, 4, {"held_out": 1}, "held_out=1 leaves none of 1 train examples to train on"),
    ],
)
def test_a_part_that_would_be_empty_is_said_before_anything_is_stored(tmp_path, train, dev, changes, message):
    model, glue = small_world.make_model(tmp_path / "model"), tmp_path / "glue"
    small_world.make_task(glue, "sst2", train, dev)
    overrides = {**small_world.SETTINGS, "model": str(model), "data": str(glue), **changes}
    study = open_study("laptop", ["sst2"], [1], overrides, tmp_path / "results")
    with pytest.raises(UserError, match=message):
        study.run(engine="serial", progress=False)
    assert not study.store.root.exists()


OF_FULL = ("importance", "origins", "outliers")  # stages that look at full models, whatever is searched


def test_settings_enter_the_addresses_of_what_they_change_only():
    plain = get_preset("demo")
    print_of = {cell: address(cell, plain, "a", "b") for cell in plan(plain, STAGES)}
    same = {
        "hans": dataclasses.replace(plain, hans=None),
        "sums of exact": dataclasses.replace(plain, importance_batch=8, importance_order=1),
    }
    for name, other in same.items():
        assert {cell: address(cell, other, "a", "b") for cell in print_of} == print_of, name
    changed = {}
    for name, settings in {
        "batched": {"importance": "batched"},
        "order": {"importance": "running", "importance_order": 1},
        "half": {"selection": "half"},
        "held_out": {"held_out": 1.0},
    }.items():
        other = get_preset("demo", settings)
        changed[name] = {cell for cell in print_of if address(cell, other, "a", "b") != print_of[cell]}
    for name in ("batched", "order"):
        assert {c.stage for c in changed[name]} == {*STAGES} - {"finetune", "baseline", *OF_FULL}
        assert {c.method for c in changed[name]} == {"structured"}
    assert {c.method for c in changed["half"]} == {"structured", "magnitude"}
    assert not any(c.stage in ("finetune", "baseline", *OF_FULL) for c in changed["half"])
    left = {(c.stage, c.subnetwork) for c in set(print_of) - changed["held_out"]}
    assert left == {("baseline", "majority")}, "whatever is trained has fewer examples"


def test_settings_that_need_others():
    with pytest.raises(UserError, match="held_out needs held_out above 0"):
        get_preset("demo", {"selection": "held_out"})
    with pytest.raises(UserError, match="importance_batch has no effect on importance exact"):
        get_preset("demo", {"importance_batch": 8})
    with pytest.raises(UserError, match="held_out must be greater than or equal to 0"):
        get_preset("demo", {"held_out": -1})
    assert get_preset("demo", {"importance": "running", "importance_batch": 1}).importance_batch == 1


@pytest.mark.parametrize("task", ["mrpc", "rte", "wnli"])
def test_held_out_examples_are_not_trained_on(task):
    data = load_task(task, "embedded")
    kept, held = held_out_rows(data, 1.0)
    assert len(held) == min(len(data.dev), len(data.train) // 2) and not set(kept) & set(held)
    less, part = set_aside(data, 1.0)
    assert not set(less.train.texts) & set(part.texts)
    assert [data.train.texts[row] for row in held] == part.texts and (data.train.labels[held] == part.labels).all()
    assert set_aside(data, 0.0) == (data, None)
    assert len(held_out_rows(data, 1e308)[1]) == len(data.train) // 2


def test_copies_of_held_out_examples_are_left_out_of_train():
    data = load_task("rte", "embedded")
    _, held = held_out_rows(data, 0.2)
    twice = [*data.train.texts]
    twice[0 if held[0] else 1] = twice[held[0]]
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, texts=twice))
    less, part = set_aside(data, 0.2)
    assert not set(less.train.texts) & set(part.texts) and "1 with the same texts" in less.notes[-1]


def test_halves_are_whole_apart_and_the_same_every_time():
    first, second = halves("rte", 277)
    assert sorted([*first, *second]) == list(range(277)) and abs(len(first) - len(second)) == 1
    assert (halves("rte", 277)[0] == first).all() and (halves("mrpc", 277)[0] != first).any()


def test_searches_and_scores_read_different_halves():
    score = dataclasses.replace(SEARCH, stage="score")
    for selection, read, scored in (("half", "first", "second"), ("other_half", "second", "first")):
        assert (part_of(SEARCH, selection), part_of(score, selection)) == (read, scored)
        assert part_of(full("mrpc", 42), selection) == "dev"
    assert (part_of(SEARCH, "held_out"), part_of(score, "held_out")) == ("held_out", "dev")
    dev = loaded.examples(PRESETS["demo"], "rte", "x")
    parts = [loaded.examples(PRESETS["demo"], "rte", "x", part=part).dev for part in ("first", "second")]
    assert len(parts[0]) + len(parts[1]) == len(dev.dev)
    again = take(dev.dev, halves("rte", len(dev.dev))[1])
    assert (again.ids == parts[1].ids).all() and (again.labels == parts[1].labels).all()
    row = halves("rte", len(dev.dev))[1][3]
    begin, end = parts[1].starts[3:5]
    assert (parts[1].ids[begin:end] == dev.dev.ids[dev.dev.starts[row] : dev.dev.starts[row + 1]]).all()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("selection")
    small_world.make_task(root / "data", train=96, dev=41)
    settings = {**small_world.SETTINGS, "epochs": 3, "head_step": 0.3, "data": str(root / "data")}
    return root, {**settings, "model": str(small_world.make_model(root / "model"))}


def run(world, **changes):
    root, settings = world
    study = open_study("laptop", ["sst2"], [1], {**settings, **changes}, root / "results")
    summary = study.run(["score", "importance"], ["structured"], ["good"], engine="serial", progress=False)
    assert summary.ok, summary.failed
    return study


def test_a_study_under_each_selection(world):
    plain = run(world)
    first, second = run(world, selection="half"), run(world, selection="other_half")
    names = [f"sst2/1/{name}" for name in ("finetune/full", "search/structured/good", "score/structured/good")]
    assert first.address(names[0]) == plain.address(names[0]), "one fine-tuned model for all"
    assert [first.record(n)["data_rows"]["dev"] for n in names] == [41, 20, 21]
    assert [second.record(n)["data_rows"]["dev"] for n in names] == [41, 21, 20]
    rows, labels = halves("sst2", 41), plain.predictions(names[0])["labels"]
    assert (first.predictions(names[2])["labels"] == labels[rows[1]]).all()
    assert any("its second half" in note for note in first.record(names[2])["data_notes"])
    held = run(world, selection="held_out", held_out=1.0)
    assert [held.record(n)["data_rows"] for n in names] == [{"train": 55, "dev": 41}] * 3
    assert held.address(names[0]) != plain.address(names[0])


def test_importances_of_one_pass_and_searches_that_use_them(world):
    plain = run(world)
    sums = plain.trajectory("sst2/1/importance/structured/full")
    np.testing.assert_allclose(sums["batched_heads"][0], np.stack([sums["exact_heads"]] * 6), rtol=1e-5)
    np.testing.assert_allclose(sums["running_mlps"][-1], sums["batched_mlps"][-1], rtol=1e-5)
    assert sums["running_heads"].shape == (5, 6, 2, 4)
    other = run(world, importance="running", importance_batch=8, importance_order=2)
    course = other.trajectory("sst2/1/search/structured/good")
    place = list(sums["batches"]).index(8), list(sums["orders"]).index(2)
    norm = np.linalg.norm(sums["running_heads"][place], axis=1, keepdims=True)
    np.testing.assert_allclose(course["head_importance"][0], sums["running_heads"][place] / norm, rtol=1e-4)


LINES = [
    ("entailment", "The judge saw the doctors .", "The judge saw the doctors .", "lexical_overlap"),
    ("non-entailment", "The doctor saw the judges .", "The judges saw the doctor .", "lexical_overlap"),
    ("non-entailment", "If the man ran , the boy hid .", "The boy hid .", "constituent"),
]


def write_hans(path, lines, columns=("gold_label", "sentence1", "sentence2", "heuristic")):
    """As the official file: parses before the sentences, ids behind, tabs between."""
    head = ["gold_label", "sentence1_binary_parse", *columns[1:3], "pairID", *columns[3:], "subcase", "template"]
    rows = ["\t".join([line[0], "( parse )", *line[1:3], f"ex{i}", line[3], "s", "t"]) for i, line in enumerate(lines)]
    path.write_text("\n".join(["\t".join(head), *rows]) + "\n", encoding="utf-8")
    return path


def test_hans_is_read_and_three_classes_become_two(tmp_path):
    found = read_hans(write_hans(tmp_path / "hans.txt", LINES))
    assert found.split.texts[1] == LINES[1][1:3] and found.split.labels.tolist() == [0, 1, 1]
    assert found.heuristics.tolist() == [0, 0, 2]
    logits = np.array([[3.0, 0, 0], [0, 3, 0], [0, 0, 3]])  # entailment, neutral, contradiction
    assert to_hans(logits).tolist() == [0, 1, 1]
    assert read_hans(write_hans(tmp_path / "less.txt", LINES[:2])).fingerprint != found.fingerprint


@pytest.mark.parametrize(
    ("lines", "columns", "error"),
    [
        ([("contradiction", "a", "b", "constituent")], None, "line 2 has label 'contradiction', expected one of"),
        ([("entailment", "a", "b", "overlap")], None, "line 2 has heuristic 'overlap'"),
        ([("entailment", "a", "", "constituent")], None, "empty text in 1 of 1 rows, first in line 2"),
        ([], None, "the split has no rows"),
        (LINES, ("gold_label", "premise", "sentence2", "heuristic"), "column 'sentence1' is missing"),
    ],
)
def test_a_wrong_hans_file_is_one_line(tmp_path, lines, columns, error):
    path = write_hans(tmp_path / "hans.txt", lines, *([columns] if columns else []))
    with pytest.raises(UserError, match=error):
        read_hans(path)
    with pytest.raises(UserError, match="none.txt is not there"):
        read_hans(tmp_path / "none.txt")


@pytest.mark.slow
def test_every_subnetwork_of_mnli_is_scored_on_hans(tmp_path):
    path = write_hans(tmp_path / "hans.txt", LINES)
    small = {"train_limit": 64, "dev_limit": 40, "epochs": 1, "min_steps": 0, "threshold": 0.5, "hans": str(path)}
    study = open_study("demo", ["mnli"], [42], {**small, "methods": ["structured"]}, tmp_path / "results")
    summary = study.run(["hans", "hans_retrain"], subnetworks=["good", "bad"], engine="serial", progress=False)
    assert summary.ok, summary.failed
    cells = [c for c in study.cells(STAGES) if c.stage.startswith("hans") and study.record(c) is not None]
    names = {"/".join(c.name.split("/")[2:]) for c in cells}
    expected = {f"{stage}/structured/{name}" for stage in ("hans", "hans_retrain") for name in ("good", "bad")}
    assert names == {"hans/full", *expected}
    for cell in cells:
        record, found = study.record(cell), study.predictions(cell)
        assert record["score"] == np.mean(found["predictions"] == [0, 1, 1]) and record["majority"] == 2 / 3
        assert (to_hans(found["logits"]) == found["predictions"]).all()
    shown = hans.scores(study)
    assert len(shown) == len(cells) and set(shown["treatment"]) == {"full", "pruned", "retrained"}
    full = shown[shown["treatment"] == "full"].iloc[0]
    right = study.predictions("mnli/42/hans/full")["predictions"] == [0, 1, 1]
    assert full["entailment"] == right[0] and full["non_entailment"] == right[1:].mean()
    assert full["lexical_overlap"] == right[:2].mean() and full["constituent"] == right[2]
    settings = {**small, "methods": ["structured"], "seeds": [42], "hans": None}
    assert study.run(["hans", "hans_retrain"], engine="serial", progress=False).ok
    on_page = hans.scores(compute(study, {"stages": ["hans", "hans_retrain"]})[0])
    assert set(on_page["subnetwork"]) == {"full", "good", "random", "bad"}
    assert on_page[on_page["subnetwork"] != "random"].reset_index(drop=True).equals(shown)
    for without in (settings, {"model": "not/here"}):
        assert hans.scores(open_study("paper", None, None, without, tmp_path / "none")).empty
    again = open_study("demo", ["mnli"], [42], {**json.loads(json.dumps(small)), "hans": None}, tmp_path / "results")
    assert again.address("mnli/42/hans/full") != study.address("mnli/42/hans/full")
    assert again.address("mnli/42/finetune/full") == study.address("mnli/42/finetune/full")
    with pytest.raises(UserError, match="there is no cell"):
        parse_cell("rte/42/hans/full")
    with pytest.raises(UserError, match="HANS needs hans=FILE"):
        again.run(["hans"], ["structured"], ["bad"], engine="serial", progress=False)
