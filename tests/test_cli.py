"""The command line: one line and exit code 2 for bad input, nothing stored; run, status, show; kill and resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_world

from lottery_utils.cli import main
from lottery_utils.experiment.study import open_study
from lottery_utils.experiment.tables import gap_lines


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with a tiny model and a task."""
    root = tmp_path_factory.mktemp("cli")
    small_world.make_model(root / "model")
    small_world.make_task(root / "glue")
    return root


def options(world, results, **changes) -> list[str]:
    """The options that name the small world."""
    overrides = {"model": str(world / "model"), "data": str(world / "glue"), **small_world.SETTINGS, **changes}
    pairs = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in overrides.items()]
    return ["--preset", "laptop", "--tasks", "sst2", "--seeds", "1", "--results", str(results), "--set", *pairs]


def refused(arguments, capsys) -> str:
    """The one line on standard error of a command that must exit with 2."""
    capsys.readouterr()
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("lottery: error: ") and err.count("\n") == 1 and "Traceback" not in err, err
    return err


def environment() -> dict:
    """The environment for a command in a process of its own."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def results(world, tmp_path_factory):
    """The results of one small command."""
    folder = tmp_path_factory.mktemp("results") / "results"
    chosen = ["--methods", "structured", "--subnetworks", "good", "bad", "--engine", "serial", "--quiet"]
    assert main(["run", *options(world, folder), *chosen]) == 0
    return folder


BAD_OPTIONS = {
    "no command": ([], "required"),
    "unknown command": (["train"], "invalid choice"),
    "unknown option": (["run", "--fast"], "unrecognized"),
    "unknown preset": (["run", "--preset", "big"], "valid presets"),
    "unknown task": (["run", "--tasks", "mrcp"], "mrpc"),
    "task twice": (["run", "--tasks", "rte", "rte"], "twice"),
    "no task": (["run", "--tasks"], "expected at least one"),
    "seed is no number": (["run", "--seeds", "one"], "--seeds"),
    "negative seed": (["run", "--seeds=-1"], "seeds"),
    "no room for a pair": (["run", "--set", "max_length=4"], "greater than or equal to 8, got 4"),
    "unknown method": (["run", "--methods", "random"], "magnitude"),
    "unknown stage": (["run", "--stages", "train"], "finetune"),
    "unknown subnetwork": (["run", "--subnetworks", "best"], "super_bad"),
    "empty choice": (["run", "--methods", "magnitude", "--stages", "score", "--subnetworks", "super"], "nothing"),
    "unknown override": (["run", "--set", "epoch=1"], "epochs"),
    "wrong type": (["run", "--set", "epochs=many"], "epochs must be a valid integer"),
    "out of range": (["run", "--set", "threshold=1.5"], "threshold"),
    "not a number": (["run", "--set", "learning_rate=NaN"], "learning_rate"),
    "no value": (["run", "--set", "epochs"], "KEY=VALUE"),
    "override twice": (["run", "--set", "epochs=1", "epochs=2"], "twice"),
    "tasks twice": (["run", "--tasks", "rte", "--set", 'tasks=["rte"]'], "once"),
    "unknown engine": (["run", "--engine", "slurm"], "serial"),
    "no workers": (["run", "--workers", "0"], "above 0"),
    "status of an unknown task": (["status", "--tasks", "x"], "valid"),
    "show without a cell": (["show"], "CELL"),
    "show a strange name": (["show", "mrpc/x/y"], "not the name of a cell"),
    "show an unknown address": (["show", "mrpc-nothing"], "no cell"),
    "authors in no place": (["import-authors", "x" * 300, "--out", "x"], "no path"),
    "tables to no place": (["import-authors", "x", "--out", "a\0b"], "no path"),
    "show a path": (["show", "../../etc"], "not the name"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_are_one_line(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments, part = BAD_OPTIONS[case]
    assert part in refused(arguments, capsys)
    assert not list(tmp_path.iterdir())


def _bad_world(case, world, root):
    """Overrides for a world with one thing wrong, and a part of the message to expect."""
    import shutil

    if case == "data directory missing":
        return {"data": str(root / "none")}, "does not exist"
    if case == "task missing":
        (root / "glue").mkdir()
        return {"data": str(root / "glue")}, "SST-2"
    if case in ("column missing", "wrong label", "empty split", "corrupt parquet"):
        shutil.copytree(world / "glue", root / "glue")
        path = root / "glue" / "sst2" / "train-00000-of-00001.parquet"
        table = pq.read_table(path).to_pydict()
        if case == "corrupt parquet":
            path.write_bytes(path.read_bytes()[:200])
            return {"data": str(root / "glue")}, "train-00000"
        if case == "column missing":
            table["text"] = table.pop("sentence")
        elif case == "wrong label":
            table["label"][3] = 7
        else:
            table = {name: values[:0] for name, values in table.items()}
        schema = pa.schema([(name, pa.int64() if name == "label" else pa.string()) for name in table])
        pq.write_table(pa.table(table, schema=schema), path)
        part = {"column missing": "'sentence'", "wrong label": "label 7", "empty split": "no rows"}[case]
        return {"data": str(root / "glue")}, part
    if case == "model directory missing":
        return {"model": str(root / "none")}, "there is no directory"
    shutil.copytree(world / "model", root / "model")
    weights, config = root / "model" / "model.safetensors", root / "model" / "config.json"
    if case == "model without weights":
        weights.unlink()
    elif case == "only a pickle":
        weights.rename(root / "model" / "pytorch_model.bin")
    elif case == "weights cut short":
        weights.write_bytes(weights.read_bytes()[:3000])
    elif case == "unknown family":
        config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "mobilebert"}))
    elif case == "weights do not fit":
        config.write_text(json.dumps({**json.loads(config.read_text()), "hidden_size": 64}))
    else:
        for path in [*(root / "model").glob("tokenizer*"), root / "model" / "vocab.txt"]:
            path.unlink()
    part = {"only a pickle": "pickle", "unknown family": "known families", "no tokenizer": "tokenizer"}
    return {"model": str(root / "model")}, part.get(case, "model")


@pytest.mark.parametrize(
    "case",
    [
        "data directory missing", "task missing", "column missing", "wrong label", "empty split", "corrupt parquet",
        "model directory missing", "model without weights", "only a pickle", "weights cut short", "unknown family",
        "weights do not fit", "no tokenizer",
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_stored(case, world, tmp_path, capsys):
    changes, part = _bad_world(case, world, tmp_path)
    arguments = options(world, tmp_path / "results", **changes)
    assert part in refused(["run", *arguments, "--engine", "serial", "--quiet"], capsys)
    assert not list(tmp_path.glob("results/*/record.json"))


def test_bad_input_met_by_a_worker_process_is_one_line_too(world, tmp_path, capfd):
    changes, _ = _bad_world("weights cut short", world, tmp_path)
    assert main(["run", *options(world, tmp_path / "results", **changes), "--workers", "2", "--quiet"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("lottery: error: model") and err.count("\n") == 1
    stored = {path.parent.name.split("-")[1] for path in tmp_path.glob("results/*/record.json")}
    assert stored <= {"random_init", "majority", "bag_of_words"}  # which read no weights, and may be done before others


def test_a_results_place_that_is_a_file_is_one_line(world, tmp_path, capsys):
    (tmp_path / "results").write_text("x")
    assert "is a file" in refused(["run", *options(world, tmp_path / "results")], capsys)


def test_a_second_run_says_that_everything_is_done(world, results, capsys):
    arguments = ["run", *options(world, results), "--methods", "structured", "--subnetworks", "good", "bad"]
    assert main([*arguments, "--quiet"]) == 0
    assert "everything is done: all 10 cells" in capsys.readouterr().out


def test_status_shows_the_grid(world, results, capsys):
    assert main(["status", *options(world, results)]) == 0
    head, *rows, legend, total = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["task", "seed", "finetune"] and "m-retrain" in head
    row = next(row for row in rows if row.startswith("sst2  1"))
    assert "done" in row and "missing" in row and "2 of 3" in row
    done = len(list(results.glob("*/record.json")))
    assert f"{done} done" in total and "missing" in total


def test_status_names_searches_that_had_nothing_to_search():
    at_chance = [("wnli", 7, "search", True), ("wnli", 7, "score", True), ("wnli", 42, "curve", True)]
    rows = [*at_chance, ("rte", 7, "search", False), ("rte", 7, "score", None)]
    states = [dict(zip(("task", "seed", "stage", "degenerate"), row)) for row in rows]
    assert [line.rpartition(": ")[2] for line in gap_lines(states)] == ["wnli (seeds 7, 42)"]
    assert gap_lines(states[3:]) == []


def test_status_names_failures(world, results, capsys):
    arguments = options(world, results)
    pairs = arguments[arguments.index("--set") + 1 :]
    small = open_study("laptop", ["sst2"], [1], dict(_pair(pair) for pair in pairs), results)
    key = small.address("sst2/1/retrain/magnitude/good")
    small.store.fail(key, {"error": "sst2/1/retrain/magnitude/good: loss is nan at step 7"})
    try:
        assert main(["status", *arguments]) == 0
        out = capsys.readouterr().out
        assert "failed: sst2/1/retrain/magnitude/good: loss is nan at step 7" in out and "1 failed" in out
    finally:
        small.store.forget_failure(key)


def _pair(text: str):
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def test_a_stopped_report_says_how_to_go_on(monkeypatch, capsys):
    from lottery_book.building import build

    def stop(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build_report", stop)
    assert main(["report"]) == 130
    assert "start the same report again" in capsys.readouterr().err


def test_show_finds_a_cell_by_name_address_or_beginning(world, results, capsys):
    def show(cell, *more):
        assert main(["show", cell, "--results", str(results), *more]) == 0
        return json.loads(capsys.readouterr().out)

    record = show("sst2/1/retrain/structured/good", "--preset", "laptop")
    assert record["name"] == "sst2/1/retrain/structured/good"
    assert show(record["address"]) == show(record["address"][:-3]) == record
    assert show("sst2/1/retrain/structured/good", *options(world, results)) == record
    assert "beginning" in refused(["show", "sst2", "--results", str(results)], capsys)
    path = results / record["address"] / "record.json"
    kept = path.read_bytes()
    path.write_text("{}")
    try:
        assert "damaged" in refused(["show", record["address"], "--results", str(results)], capsys)
    finally:
        path.write_bytes(kept)


def test_help_and_status_import_no_torch(world, results):
    code = "import sys; from lottery_utils.cli import main; main(sys.argv[1:])\n"
    code += "print('torch' in sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", code, "status", *options(world, results)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.stderr.strip() == "False" and "s-retrain" in done.stdout
    command = [sys.executable, "-X", "importtime", "-m", "lottery_utils.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    heavy = ("torch", "transformers", "numpy", "pandas")
    assert done.returncode == 0 and not any(f" {name}\n" in done.stderr for name in heavy)


@pytest.mark.slow
def test_a_command_stopped_or_killed_is_resumed_and_loses_nothing(world, results, tmp_path):
    """SIGINT, then SIGKILL of the command and its workers, then to the end: the records of an undisturbed run."""
    folder = tmp_path / "results"
    chosen = ["--methods", "structured", "--subnetworks", "good", "bad", "--workers", "1", "--quiet"]
    command = [sys.executable, "-m", "lottery_utils.cli", "run", *options(world, folder), *chosen]

    def start(wanted: int) -> subprocess.Popen:
        """Start the command and wait until `wanted` cells are stored."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        # tests run in the background inherit an ignored SIGINT; a command at a terminal does not
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        process = subprocess.Popen(command, env=environment(), start_new_session=True, preexec_fn=heard, **pipes)
        limit = time.monotonic() + 120
        while len(list(folder.glob("*/record.json"))) < wanted and process.poll() is None:
            assert time.monotonic() < limit, "the command stores nothing"
            time.sleep(0.02)
        return process

    process = start(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "start the same run again" in err and "Traceback" not in err
    assert not list((folder / ".claims").iterdir()) and not list((folder / ".staging").iterdir())

    before = {p: p.stat().st_mtime_ns for p in folder.glob("*/record.json")}
    process = start(len(before) + 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    between = {p: p.stat().st_mtime_ns for p in folder.glob("*/record.json")}
    assert before.items() <= between.items()

    process = start(10)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert between.items() <= {p: p.stat().st_mtime_ns for p in folder.glob("*/record.json")}.items()
    for path in results.glob("*/record.json"):
        one, other = (json.loads(p.read_text()) for p in (path, folder / path.parent.name / "record.json"))
        assert small_world.comparable(one) == small_world.comparable(other)
