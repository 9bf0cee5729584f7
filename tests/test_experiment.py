"""Cells, their addresses, and whole studies at small scale: resumed, damaged, in processes, without checkpoints."""

from __future__ import annotations

import dataclasses
import errno
import shutil
import subprocess
import sys

import numpy as np
import pytest
import small_world
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from lottery_utils.errors import CellFailed, UserError
from lottery_utils.experiment import compute, identity, loaded, provenance, remade, stage, stages
from lottery_utils.experiment.cells import NEEDS, Cell, full, parse_cell, plan, upstream
from lottery_utils.experiment.fingerprints import CACHE
from lottery_utils.experiment.identity import EARLIER, Key, Versions, address, inputs, seed_for
from lottery_utils.experiment.locks import claim
from lottery_utils.experiment.pool import Job
from lottery_utils.experiment.remade import recorded_mask
from lottery_utils.experiment.run import Summary
from lottery_utils.experiment.schedule import Schedule
from lottery_utils.experiment.stage_table import CASES, STAGES, SUPER
from lottery_utils.experiment.store import CHECKPOINT, MASK, PREDICTIONS, RECORD
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.experiment.work import Result, Work
from lottery_utils.experiment.work import run as run_cell
from lottery_utils.export.rebuild import rebuild
from lottery_utils.places import function_at
from lottery_utils.presets import METHODS, SUBNETWORKS, Preset, get_preset
from lottery_utils.show.sentences import run_on
from lottery_utils.training.finetune import TrainLog

MODEL, DATA = "a" * 64, "b" * 16
PAPER = get_preset("paper")
GOOD = Cell("mrpc", 42, "search", "structured", "good")

# cells


def test_names_are_read_back():
    cells = plan(PAPER, STAGES, METHODS, SUBNETWORKS)
    assert len({c.name for c in cells}) == len(cells)
    assert all(parse_cell(c.name) == c for c in cells)
    assert Cell("mrpc", 42, "retrain", "structured", "good").name == "mrpc/42/retrain/structured/good"
    assert full("rte", 1).name == "rte/1/finetune/full"


@pytest.mark.parametrize(
    "name",
    [
        "", "mrpc", "mrpc/1/a/b/c/d", "mrpc/x/finetune/full", "mrpc/²/finetune/full", "xyz/1/finetune/full",
        "mrpc/1/finetune/structured/full", "mrpc/1/search/structured/bad", "mrpc/1/control/structured/good",
        "mrpc/1/score/magnitude/super",
    ],
)  # fmt: skip
def test_other_names_are_user_errors(name):
    with pytest.raises(UserError, match="cell"):
        parse_cell(name)


def test_every_cell_comes_after_what_it_needs():
    cells = plan(PAPER, STAGES, METHODS, SUBNETWORKS)
    place = {cell: i for i, cell in enumerate(cells)}
    assert all(place[needed] < place[cell] for cell in cells for needed in upstream(cell, PAPER.seeds))


def test_a_choice_brings_what_it_needs_and_no_more():
    small = dataclasses.replace(PAPER, tasks=("mrpc",), seeds=(1, 2))
    cells = plan(small, ["score"], ["structured"], ["bad"])
    assert {c.name for c in cells if c.seed == 1} == {
        "mrpc/1/finetune/full", "mrpc/1/search/structured/good",
        "mrpc/1/control/structured/bad", "mrpc/1/score/structured/bad",
    }  # fmt: skip
    superior = Cell("mrpc", 1, "control", "structured", "super")
    assert {c.seed for c in upstream(superior, (2, 1))} == {1, 2}
    for wrong in ({"stages": ["train"]}, {"methods": ["x"]}, {"subnetworks": ["best"]}, {"stages": []}):
        with pytest.raises(UserError):
            plan(small, **wrong)
    with pytest.raises(UserError, match="nothing to run"):
        plan(small, ["score"], ["magnitude"], ["super"])


# addresses


def test_addresses_are_pinned():
    """A change here orphans everybody's results: raise PROTOCOL with intent, or leave the fields' defaults out."""
    names = [
        "mrpc/42/finetune/full",
        "mrpc/0/baseline/majority",
        "mrpc/42/search/structured/good",
        "mrpc/42/control/magnitude/bad",
        "mrpc/42/control/structured/super",
        "mrpc/42/retrain/structured/good",
    ]
    assert [address(parse_cell(n), PAPER, MODEL, DATA) for n in names] == PINNED_PAPER
    assert [address(parse_cell(n), PAPER, MODEL, DATA, EARLIER[0]) for n in names] == PINNED_EARLIER
    other = get_preset("paper", {"epochs": 4, "dropout": 0.0})
    assert address(parse_cell(names[-1]), other, MODEL, DATA) == PINNED_OTHER


PINNED_PAPER = [
    "mrpc-full-finetune-42-f805ce23dd",
    "mrpc-majority-baseline-0-ff384c1f42",
    "mrpc-structured-good-search-42-1c5e4b479b",
    "mrpc-magnitude-bad-control-42-bd5ef4ee56",
    "mrpc-structured-super-control-42-3568103b92",
    "mrpc-structured-good-retrain-42-c09603be2a",
]
PINNED_EARLIER = [
    "mrpc-full-finetune-42-05c0564616",
    "mrpc-majority-baseline-0-ff384c1f42",
    "mrpc-structured-good-search-42-bbfd16ad8d",
    "mrpc-magnitude-bad-control-42-2f939faf42",
    "mrpc-structured-super-control-42-1a3f939118",
    "mrpc-structured-good-retrain-42-3740c7c5b2",
]
PINNED_OTHER = "mrpc-structured-good-retrain-42-325858b69f"


def test_every_row_of_the_table_of_stages_names_what_is_there():
    for row in STAGES.values():
        assert callable(function_at(row.function))
        for case in row.cases:
            assert {*case.upstream} <= {*NEEDS} and {*case.versions} <= {*Versions._fields}
            assert {*case.settings} <= {field.name for field in dataclasses.fields(Preset)}
            assert case.examples in ("dev", "choosing", "scoring") or callable(function_at(case.examples))


def test_a_new_field_at_its_default_changes_no_address(monkeypatch):
    before = {c: address(c, PAPER, MODEL, DATA) for c in plan(PAPER)}
    wider = dataclasses.make_dataclass("Wider", [("new_knob", float, 0.5)], bases=(Preset,), frozen=True)
    for kind, case in CASES.items():
        if "epochs" in case.settings:
            monkeypatch.setitem(CASES, kind, dataclasses.replace(case, settings=(*case.settings, "new_knob")))
    monkeypatch.setitem(identity.DEFAULTS, "new_knob", 0.5)
    preset = wider(**dataclasses.asdict(PAPER))
    identity.address.cache_clear()
    try:
        assert {c: address(c, preset, MODEL, DATA) for c in plan(preset)} == before
        moved = dataclasses.replace(preset, new_knob=0.6)
        assert address(full("mrpc", 42), moved, MODEL, DATA) != before[full("mrpc", 42)]
    finally:
        identity.address.cache_clear()


RELEVANT = {
    "max_length": st.integers(8, 512), "batch_size": st.integers(1, 256), "epochs": st.integers(1, 20),
    "min_steps": st.integers(0, 1000), "learning_rate": st.floats(1e-7, 1e-1), "warmup": st.floats(0, 0.9),
    "weight_decay": st.floats(0, 1), "adam_eps": st.floats(1e-12, 1e-2), "clip": st.floats(0, 10),
    "dropout": st.floats(0, 0.9), "precision": st.sampled_from(["fp32", "bf16"]), "threshold": st.floats(0.05, 0.95),
    "importance": st.just("released"), "search": st.sampled_from(["heads", "mlps"]), "head_step": st.floats(0.01, 0.9),
}  # fmt: skip
IRRELEVANT = {
    "name": st.text(max_size=5), "magnitude_step": st.floats(0.01, 0.9), "magnitude_max_steps": st.integers(1, 99),
    "random_sizes": st.just("bernoulli"), "tasks": st.just(("mrpc",)), "methods": st.just(("structured",)),
    "subnetworks": st.just(("good", "inverted")), "seeds": st.just((42, 7)),
    "model": st.text(min_size=1), "data": st.text(min_size=1),
}  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(RELEVANT)).flatmap(lambda f: st.tuples(st.just(f), RELEVANT[f])))
def test_a_field_that_matters_changes_the_address(change):
    field, value = change
    if value != getattr(PAPER, field):
        other = dataclasses.replace(PAPER, **{field: value})
        for stage in ("search", "score", "retrain"):
            cell = dataclasses.replace(GOOD, stage=stage)
            assert address(cell, other, MODEL, DATA) != address(cell, PAPER, MODEL, DATA)


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({}, optional=IRRELEVANT))
def test_a_field_that_does_not_matter_leaves_the_address(changes):
    """Model and data count by their content, other seeds and the other method's settings not at all."""
    other = dataclasses.replace(PAPER, **changes)
    for cell in (full("mrpc", 42), GOOD, dataclasses.replace(GOOD, stage="retrain")):
        assert address(cell, other, MODEL, DATA) == address(cell, PAPER, MODEL, DATA)


@settings(max_examples=50, deadline=None)
@given(st.text("0123456789abcdef", min_size=1), st.text("0123456789abcdef", min_size=1))
def test_other_contents_give_other_addresses(model, data):
    for cell in (GOOD, dataclasses.replace(GOOD, stage="score")):
        same = address(cell, PAPER, model, data) == address(cell, PAPER, MODEL, DATA)
        assert same == ((model, data) == (MODEL, DATA))


def test_super_survivors_depend_on_the_set_of_seeds_not_its_order():
    one, other, more = (dataclasses.replace(PAPER, seeds=s) for s in ((42, 1), (1, 42), (1, 42, 7)))
    for name in SUPER:
        cell = Cell("mrpc", 42, "retrain", "structured", name)
        assert address(cell, one, MODEL, DATA) == address(cell, other, MODEL, DATA)
        assert address(cell, one, MODEL, DATA) != address(cell, more, MODEL, DATA)


def test_baselines_without_a_model_do_not_depend_on_it():
    for name in ("majority", "bag_of_words"):
        cell = Cell("mrpc", 0, "baseline", "", name)
        assert "model" not in inputs(cell, PAPER, MODEL, DATA)
        assert address(cell, PAPER, MODEL, DATA) == address(cell, get_preset("demo"), "c" * 64, DATA)


def test_addresses_and_seeds_are_the_same_in_every_process():
    code = (
        "from lottery_utils.experiment.identity import *; from lottery_utils.experiment.cells import *\n"
        "from lottery_utils.presets import get_preset\n"
        f"print(address(parse_cell('{GOOD.name}'), get_preset('paper'), '{MODEL}', '{DATA}'), seed_for('a', 'b'))\n"
        "import sys; print('torch' in sys.modules)"
    )
    path = ":".join(p for p in sys.path if p)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path, "PYTHONHASHSEED": "7"}
    )
    assert done.stdout.split() == [address(GOOD, PAPER, MODEL, DATA), str(seed_for("a", "b")), "False"]


def test_purposes_and_addresses_have_their_own_randomness():
    assert len({seed_for(a, p) for a in "ab" for p in "xy"}) == 4
    draws = [identity.numpy_generator_for(a, "x").random(3).tolist() for a in "aab"]
    assert draws[0] == draws[1] != draws[2]


# the order of work


def test_the_schedule_hands_out_ready_cells_longest_path_first_and_blocks_only_what_needs_a_failed_one():
    small = dataclasses.replace(PAPER, tasks=("mrpc",), seeds=(1, 2))
    cells = plan(small, methods=["structured"], subnetworks=["good", "bad"])
    schedule = Schedule(cells, small.seeds, set(), lambda cell: {"finetune": 5.0}.get(cell.stage, 1.0))
    first, second = schedule.next(), schedule.next()
    assert {first, second} == {full("mrpc", 1), full("mrpc", 2)}
    schedule.fail(full("mrpc", 1))
    assert {c.seed for c in schedule.blocked} == {1}
    assert len(schedule.blocked) == len([c for c in cells if c.seed == 1 and c.method])
    schedule.finish(full("mrpc", 2))
    seen = []
    while len(schedule.left):
        cell = schedule.next()
        assert all(c.seed == 2 or c.stage in ("baseline", "finetune") for c in upstream(cell, small.seeds))
        schedule.finish(cell)
        seen.append(cell)
    assert len(seen) + len(schedule.blocked) + 2 == len(cells)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lottery run --set data=/home/me/glue/mrpc", "lottery run --set data=mrpc"),
        ("--set overrides={\"model\": \"/a/b\"}", "--set overrides={\"model\": \"b\"}"),
        ("show mrpc/42/finetune/full ~/x/results/", "show mrpc/42/finetune/full results"),
        ("nyu-mll/glue and https://a.org/b, 3 / 4", "nyu-mll/glue and https://a.org/b, 3 / 4"),
    ],
)
def test_records_name_no_folder_of_the_machine(text, expected):
    assert provenance.without_folders(text) == expected


# whole studies

EVERYTHING = ("good", "random", "bad", "inverted", "super")


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A folder with a tiny model and a task."""
    root = tmp_path_factory.mktemp("world")
    small_world.make_model(root / "model")
    small_world.make_task(root / "glue")
    return root


def small_study(world, results, seeds=(1, 2), **changes) -> Study:
    """A study of the small world."""
    sources = {"model": str(world / "model"), "data": str(world / "glue")}
    overrides = {**sources, **small_world.SETTINGS, "subnetworks": list(EVERYTHING), **changes}
    return open_study("laptop", ["sst2"], list(seeds), overrides, results)


@pytest.fixture(scope="session")
def finished(world, tmp_path_factory):
    """The small study, undisturbed: its store is read only by the tests."""
    study = small_study(world, tmp_path_factory.mktemp("finished") / "results")
    summary = study.run(engine="serial", progress=False)
    assert summary.ok and summary.computed == summary.total
    return study


def same_results(one: Study, other: Study, cells) -> None:
    """Assert that records and payloads of `cells` are equal bit for bit, times and the like apart."""
    for cell in cells:
        first, second = one.record(cell), other.record(cell)
        assert small_world.comparable(first) == small_world.comparable(second), cell.name
        assert first["files"] == second["files"]


def copied(study: Study, target) -> Study:
    """The same study on a copy of its results."""
    shutil.copytree(study.store.root, target)
    return Study(study.preset, target)


def test_records_say_what_a_reader_needs(finished):
    record = finished.record("sst2/1/retrain/structured/good")
    keys = "format protocol address cell preset inputs upstream metrics score search_score majority shares counts"
    keys += " seconds stages_seconds device threads started ended versions commit dirty partial data_notes notes files"
    assert set(keys.split()) <= set(record)
    assert record["score"] == record["metrics"]["accuracy"] and record["majority"] == 0.5 and record["partial"]
    assert set(record["stages_seconds"]) == {"load", "train", "evaluate"} and record["threads"] == 1
    assert list(record["upstream"].values()) == [finished.address("sst2/1/search/structured/good")]
    assert record["versions"]["torch"] == torch.__version__
    text = (finished.store.folder(record["address"]) / RECORD).read_text()
    assert str(finished.store.root.parent) not in text and "/tmp" not in text


def test_a_full_model_learns_and_good_subnetworks_pass_the_threshold(finished):
    table = finished.table().set_index(["seed", "stage", "method", "subnetwork"]).sort_index()
    for seed in (1, 2):
        whole = table.loc[(seed, "finetune", "", "full")]
        assert whole.score > 0.9 and whole.share_all == 1.0 and whole.heads == whole.heads_total == 8
        for method in METHODS:
            good = table.loc[(seed, "search", method, "good")]
            assert good.search_score >= 0.9 * whole.score and good.share_prunable < 1.0
            pruned = table.loc[(seed, "score", method, "good")]
            assert pruned.score == pytest.approx(good.search_score, abs=1 / 60)
            for name in ("random", "bad"):
                other = table.loc[(seed, "control", method, name)]
                assert other.weights == good.weights
        inverted = table.loc[(seed, "control", "structured", "inverted")]
        assert inverted.heads == 8 - table.loc[(seed, "search", "structured", "good")].heads
    assert len(table) == len(finished.cells())


def test_tables_can_be_narrowed(finished):
    table = finished.table(stages=["score"], methods=["structured"], subnetworks=["good", "bad"])
    assert set(table.stage) == {"score"} and set(table.subnetwork) == {"good", "bad"} and len(table) == 4
    states = finished.states(stages=["finetune"])
    assert [(row["state"], row["seconds"] > 0) for row in states] == [("done", True)] * 2


def test_predictions_give_the_recorded_score(finished):
    for name in ("sst2/1/finetune/full", "sst2/1/score/magnitude/bad", "sst2/0/baseline/majority"):
        arrays, record = finished.predictions(name), finished.record(name)
        assert (arrays["predictions"] == arrays["labels"]).mean() == record["score"]
    assert (finished.predictions("sst2/1/finetune/full")["logits"].argmax(1) == arrays["labels"]).any()


def test_super_survivors_are_good_in_every_seed(finished):
    good = [finished.mask(f"sst2/{seed}/search/structured/good") for seed in (1, 2)]
    for seed in (1, 2):
        assert finished.mask(f"sst2/{seed}/control/structured/super") == good[0] & good[1]
    assert finished.mask("sst2/1/retrain/structured/super") == good[0] & good[1]
    assert finished.mask("sst2/1/control/structured/inverted") == ~good[0]


def test_a_second_run_finds_everything_done(finished, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.store.root.rglob("*") if p.is_file() and p.name != CACHE}
    summary = finished.run(engine="serial", progress=False)
    assert summary.computed == 0 and summary.ok and "everything is done" in str(summary)
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_an_interrupted_run_goes_on_to_the_same_results(finished, world, tmp_path, monkeypatch, capsys):
    study = small_study(world, tmp_path / "results", seeds=(1,))
    chosen = {"stages": ["retrain", "score"], "subnetworks": ["good", "bad"]}
    real, calls = compute.run, []

    def stopped(job):
        calls.append(job.cell)
        result = real(job)
        if len(calls) == 5:
            raise KeyboardInterrupt  # after the work, before the record
        return result

    monkeypatch.setattr(compute, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        study.run(**chosen, engine="serial", progress=False)
    assert "start the same run again" in capsys.readouterr().err
    assert len(study.store.addresses()) == 4 and not list((tmp_path / "results" / ".claims").iterdir())
    loaded.forget()
    monkeypatch.setattr(compute, "run", lambda job: calls.append(job.cell) or real(job))
    summary = study.run(**chosen, engine="serial", progress=False)
    assert summary.ok and summary.done == 4
    assert len(calls) == len(study.cells(**chosen)) + 1  # only the interrupted cell ran twice
    same_results(study, finished, study.cells(**chosen))


@pytest.mark.slow
def test_local_workers_find_what_the_serial_engine_finds(finished, world, tmp_path):
    study = small_study(world, tmp_path / "results", seeds=(1,))
    chosen = {"stages": ["retrain", "score"], "subnetworks": ["random"]}
    summary = study.run(**chosen, engine="local", workers=2, progress=False)
    assert summary.ok and summary.computed == len(study.cells(**chosen))
    same_results(study, finished, study.cells(**chosen))


def test_damage_is_set_aside_and_computed_again(finished, tmp_path, capsys):
    study = copied(finished, tmp_path / "results")
    record, payload = (study.address(f"sst2/1/{name}") for name in ("search/structured/good", "score/magnitude/good"))
    (study.store.folder(record) / RECORD).write_text("{")
    (study.store.folder(payload) / PREDICTIONS).write_bytes(b"0")
    assert study.record("sst2/1/search/structured/good") is None
    assert study.predictions("sst2/1/score/magnitude/good") is None
    assert study.state("sst2/1/search/structured/good") == "damaged"
    summary = study.run(engine="serial", progress=False)
    assert summary.computed == 2 and summary.ok
    told = capsys.readouterr().err
    assert record in told and payload in told and "set aside" in told
    assert (tmp_path / "results" / f"{record}.damaged-1").is_dir()
    same_results(study, finished, study.cells())


def test_weights_that_were_not_shared_are_made_again(finished, tmp_path, monkeypatch):
    study = copied(finished, tmp_path / "results")
    weights = study.store.folder(study.address("sst2/1/finetune/full")) / CHECKPOINT
    kept = load_file(weights)
    weights.unlink()
    lost = "sst2/1/search/magnitude/good"
    shutil.rmtree(study.store.folder(study.address(lost)))
    assert study.run(engine="serial", progress=False).computed == 1
    again = load_file(study.store.scratch(weights.parent.name) / CHECKPOINT)
    assert all(torch.equal(again[name], value) for name, value in kept.items()) and again.keys() == kept.keys()
    assert study.record(lost)["notes"] == finished.record(lost)["notes"]
    same_results(study, finished, [parse_cell(lost)])

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", ".claims")

    monkeypatch.setattr(remade, "claim", refused)  # as in a store of another owner, whose weights may be read
    rebuilt = rebuild(study, parse_cell("sst2/1/score/structured/good"))
    assert rebuilt.same == rebuilt.examples


def test_weights_that_come_out_differently_stay_beside_the_store_and_are_noted(finished, tmp_path, monkeypatch):
    study = copied(finished, tmp_path / "results")
    cell = parse_cell("sst2/1/finetune/full")
    weights = study.store.folder(study.address(cell)) / CHECKPOINT
    weights.unlink()
    lost = "sst2/1/score/structured/good"
    shutil.rmtree(study.store.folder(study.address(lost)))
    real = stage.finetune

    def other_device(model, *arguments, **named):
        log = real(model, *arguments, **named)
        with torch.no_grad():
            model.classifier.bias += 0.25
        return log

    monkeypatch.setattr(stage, "finetune", other_device)
    assert study.run(engine="serial", progress=False).ok
    assert not weights.exists()
    notes = study.record(lost)["notes"]
    assert len(notes) == 1 and "were made again" in notes[0] and "up to 0.25" in notes[0]


def test_a_failed_cell_stops_only_what_needs_it(world, tmp_path, monkeypatch, capsys):
    study = small_study(world, tmp_path / "results")
    real = stage.finetune

    def fails_for_seed_1(model, train, preset, key, **named):
        if key[1] == 1:
            raise CellFailed("loss is nan at step 3")
        return real(model, train, preset, key, **named)

    monkeypatch.setattr(stage, "finetune", fails_for_seed_1)
    summary = study.run(["search", "finetune"], ["structured"], engine="serial", progress=False)
    assert list(summary.failed) == ["sst2/1/finetune/full"] and not summary.ok
    assert summary.blocked == {"sst2/1/search/structured/good": "sst2/1/finetune/full"}
    assert study.state("sst2/2/search/structured/good") == "done" and study.state("sst2/1/finetune/full") == "failed"
    assert "loss is nan" in study.states(["finetune"])[0]["error"]
    assert len(study.table()) == 2
    monkeypatch.setattr(stage, "finetune", real)
    again = study.run(["search", "finetune"], ["structured"], engine="serial", progress=False)
    assert list(again.failed) == list(summary.failed) and again.blocked == summary.blocked and not again.computed
    assert "--retry-failed" in again.failed["sst2/1/finetune/full"]
    assert study.run(["search", "finetune"], ["structured"], engine="serial", progress=False, retry_failed=True).ok
    assert study.state("sst2/1/finetune/full") == "done"


def test_a_number_that_is_not_finite_is_never_stored(world, tmp_path, monkeypatch):
    study = small_study(world, tmp_path / "results", seeds=(1,))
    monkeypatch.setattr(stage, "predict", lambda *a: np.full((60, 2), np.nan, np.float32))
    summary = study.run(["finetune"], engine="serial", progress=False)
    assert summary.failed["sst2/1/finetune/full"].startswith("sst2/1/finetune/full: ")
    assert study.store.addresses() == []
    monkeypatch.undo()
    monkeypatch.setattr(stage, "finetune", lambda *a, **k: TrainLog([float("inf")], 1))
    assert not study.run(["finetune"], engine="serial", progress=False, retry_failed=True).ok
    assert study.store.addresses() == []


def test_retraining_starts_from_mask_times_pretrained_and_pruned_weights_stay_zero(finished, monkeypatch):
    seen = {}

    def watched(model, train, preset, key, weight_mask=None, **named):
        if weight_mask is not None:
            params = dict(model.named_parameters())
            seen["start"] = {name: params[name].detach().clone() for name in weight_mask}
            seen["mask"] = weight_mask
        log = real(model, train, preset, key, weight_mask=weight_mask, **named)
        seen["end"] = {name: p.detach().clone() for name, p in model.named_parameters()}
        return log

    real = stage.finetune
    monkeypatch.setattr(stage, "finetune", watched)
    cell = parse_cell("sst2/1/retrain/magnitude/good")
    run = working(finished, cell)
    with compute.steady():
        result = run_cell(run)
    pretrained = dict(run.classifier().named_parameters())
    for name, mask in seen["mask"].items():
        assert seen["start"][name].equal(pretrained[name])
        assert not seen["end"][name][~mask].any() and seen["end"][name][mask].any() == bool(mask.any())
    assert result.logits.tolist() == finished.predictions(cell)["logits"].tolist()

    structured = working(finished, parse_cell("sst2/1/retrain/structured/good"))
    mask = recorded_mask(structured, GOOD_HERE)
    run_cell(structured)
    kept = mask.heads.sum(1) * 8
    shapes = {n: tuple(p.shape) for n, p in seen["end"].items() if n.endswith("attention.output.dense.weight")}
    assert [shape[1] for shape in shapes.values()] == kept.tolist()


GOOD_HERE = Cell("sst2", 1, "search", "structured", "good")


def working(study: Study, cell: Cell) -> Work:
    """The work of one cell of a study, outside any engine."""
    return Work(cell, study.key, study.store, torch.device("cpu"))


def test_a_mask_that_keeps_everything_retrains_to_the_full_model(finished, tmp_path, world):
    """Full and retrained runs share classifier, order and dropout: with nothing pruned they are one run."""
    from lottery_utils.pruning.masks import StructuredMask, WeightMask

    run = working(finished, parse_cell("sst2/1/finetune/full"))
    weights = load_file(finished.store.folder(run.address()) / CHECKPOINT)
    matrices = {name: p for name, p in weights.items() if "encoder" in name and p.ndim == 2}
    whole = WeightMask({name: torch.ones_like(p, dtype=torch.bool) for name, p in matrices.items()})
    for mask in (whole, StructuredMask.full(2, 4)):
        masked = dataclasses.replace(run, cell=parse_cell("sst2/1/retrain/structured/good"))
        result = Result()
        stage.train(masked, result, *stage.untrained(masked, result), mask)
        np.testing.assert_allclose(result.logits, finished.predictions("sst2/1/finetune/full")["logits"], atol=1e-5)


def test_a_mask_that_keeps_everything_is_not_trained_again(finished, tmp_path, monkeypatch):
    """After a degenerate search; what is stored is the full model's course, and a note says so."""
    from lottery_utils.pruning.masks import StructuredMask

    monkeypatch.setattr(stages, "train", None)
    masked = working(finished, parse_cell("sst2/1/retrain/structured/good"))
    monkeypatch.setattr(stage, "recorded_mask", lambda work, cell, notes: StructuredMask.full(2, 4))
    result = Result()
    stages.run_retrain(masked, result)
    np.testing.assert_allclose(result.logits, finished.predictions("sst2/1/finetune/full")["logits"], atol=1e-5)
    course = finished.trajectory("sst2/1/finetune/full")
    assert all(np.array_equal(result.trajectory[name], course[name]) for name in ("loss", "epochs"))
    assert result.shares["prunable"] == 1.0 and any("not repeated" in note for note in result.notes)


def test_data_that_changes_under_a_run_is_refused(finished, tmp_path):
    study = copied(finished, tmp_path / "results")
    job = Job(str(study.store.root), Key(study.preset, {"": study.key.model, "sst2": "0" * 16}))
    answer = compute.compute(job, parse_cell("sst2/1/finetune/full"))
    assert answer.status == "failed" and "the data changed" in answer.error


def test_a_cell_another_worker_holds_is_left_to_it(finished, tmp_path):
    study = Study(finished.preset, tmp_path / "results")
    study.store.prepare()
    cell = parse_cell("sst2/0/baseline/majority")
    job = Job(str(study.store.root), finished.key)
    with claim(study.store.root, study.address(cell)):
        assert study.state(cell) == "running"
        assert compute.compute(job, cell).status == "elsewhere"
    assert compute.compute(job, cell).status == "computed"
    assert compute.compute(job, cell).status == "done"


def test_records_alone_are_enough_to_read_a_study(finished, tmp_path):
    """Neither model nor data nor weights: what a page of the book has."""
    shared = tmp_path / "shared"
    shutil.copytree(finished.store.root, shared, ignore=shutil.ignore_patterns(CHECKPOINT, ".*"))
    for sources in ({"model": "/gone/model", "data": "/gone/glue"}, {"model": "some/model-on-the-hub", "data": "hub"}):
        study = Study(dataclasses.replace(finished.preset, **sources), shared)
        assert len(study.table()) == len(finished.table())
        assert study.mask("sst2/1/search/magnitude/good").size
        assert len(study.records()) == len(finished.table())
    with pytest.raises(UserError):
        study.run(engine="serial", progress=False)


def test_a_line_of_provenance_names_the_seeds_that_have_records_and_what_is_partial(finished):
    wider = Study(dataclasses.replace(finished.preset, seeds=(1, 2, 3)), finished.store.root)
    said = run_on(wider)
    assert said.startswith("preset laptop; ") and "; seeds 1 and 2; " in said and "; computed 20" in said
    assert said.endswith("; partial data for SST-2")


@pytest.mark.parametrize(
    "given_",
    [
        {"preset": "big"}, {"tasks": ["glue"]}, {"tasks": '["rte"'}, {"seeds": "x"}, {"seeds": [-1]}, {"seeds": []},
        {"overrides": "[1]"}, {"overrides": {"epoch": 1}}, {"overrides": '{"epochs": "many"}'}, {"results_dir": ""},
        {"overrides": {"learning_rate": 10**400}},
        {"overrides": {"batch_size": 2**31}}, {"tasks": 5}, {"overrides": 3}, {"results_dir": 3}, {"seeds": "[1.5]"},
        {"tasks": {"rte": 1}},
    ],
)  # fmt: skip
def test_wrong_parameters_are_one_clear_line(given_):
    with pytest.raises(UserError) as caught:
        open_study(**given_)
    assert "\n" not in str(caught.value)


def test_parameters_as_papermill_passes_them():
    study = open_study("paper", '["rte"]', "[42]", '{"epochs": 1, "model": "DIR"}')
    assert study.preset.tasks == ("rte",) and study.preset.seeds == (42,) and study.preset.epochs == 1
    assert open_study("paper", "rte", 7).preset.seeds == (7,)
    assert open_study(tasks=["rte"], seeds=(1, 2)).preset.name == "demo"
    with pytest.raises(UserError, match="engine"):
        study.run(engine="cluster")
    with pytest.raises(UserError, match="workers"):
        study.run(workers=0)


def test_a_summary_says_what_happened():
    assert str(Summary(3, done=3)) == "everything is done: all 3 cells were stored already"
    mixed = Summary(4, computed=1, done=1, failed={"a": "x"}, blocked={"b": "a"}, seconds=61.0)
    assert str(mixed) == "4 cells: 1 computed, 1 stored already, 1 failed, 1 blocked by these, in 1 min 1 s"


def test_masks_are_stored_as_bits(finished):
    path = finished.store.folder(finished.address("sst2/1/search/magnitude/good")) / MASK
    assert path.stat().st_size < finished.record("sst2/1/finetune/full")["counts"]["weights"] / 8 + 8000
