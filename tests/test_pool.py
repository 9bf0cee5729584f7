"""What the pool does when a cell runs out of memory, a worker dies, a disk is full; failures are kept and retried."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from multiprocessing.connection import Pipe

import pytest
import small_world
import torch
from safetensors import SafetensorError

from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.experiment import compute, pool, stage
from lottery_utils.experiment.cells import Cell, full
from lottery_utils.experiment.identity import Key
from lottery_utils.experiment.locks import claim
from lottery_utils.experiment.pool import Job
from lottery_utils.experiment.run import Summary, run_schedule
from lottery_utils.experiment.schedule import Schedule
from lottery_utils.experiment.store import Store
from lottery_utils.experiment.study import open_study
from lottery_utils.presets import get_preset


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Overrides for a tiny model and task."""
    root = tmp_path_factory.mktemp("world")
    small_world.make_task(root / "data", train=32, dev=16)
    model = small_world.make_model(root / "model")
    settings = {**small_world.SETTINGS, "epochs": 1, "model": str(model), "data": str(root / "data")}
    return {**settings, "tasks": ["sst2"], "seeds": [1, 2]}


def study_in(world, folder):
    return open_study("laptop", overrides=world, results_dir=folder)


class Bar:
    """A progress bar that only keeps the lines."""

    def __init__(self):
        self.lines = []

    def tick(self, running):
        pass

    def say(self, line):
        self.lines.append(line)


# a worker process that speaks the protocol and computes nothing: argv[2] says what each cell does
ACTOR = """
import json, os, sys, time
from multiprocessing.connection import Connection
from lottery_utils.experiment.pool import Answer
pipe, plan, log, device = Connection(int(sys.argv[1])), json.loads(sys.argv[2]), *sys.argv[3:]
while True:
    try:
        job, cell = pipe.recv()
    except EOFError:
        break
    alone = any(line.startswith(f"{cell.seed} ") for line in open(log))  # it was tried before
    what = plan.get(str(cell.seed), ["computed"])
    what = what[min(alone, len(what) - 1)]
    with open(log, "a") as file:
        file.write(f"{cell.seed} {alone} {device} start\\n")
    if what == "killed":
        os.kill(os.getpid(), 9)
    if what == "leaves":
        os._exit(3)
    time.sleep(0.05)
    with open(log, "a") as file:
        file.write(f"{cell.seed} {alone} {device} end\\n")
    pipe.send(Answer(what, f"cell {cell.seed} says {what}"))
"""


def act(monkeypatch, tmp_path, plan: dict, seeds=range(8), workers=3, devices=()):
    """Run cells of `seeds` by actors; returns (summary, lines of the bar, the actors' cells' log, the store)."""
    log = cast(monkeypatch, tmp_path, plan, devices)
    store = Store(tmp_path / "results")
    store.prepare()
    cells = [full("mrpc", seed) for seed in seeds]
    schedule = Schedule(cells, seeds, set(), lambda cell: 1.0)
    summary, bar = Summary(len(cells)), Bar()
    job = Job(str(store.root), Key(get_preset("paper"), {"": "a", "mrpc": "b"}))
    run_schedule(schedule, job, summary, "local", workers, bar)
    return summary, bar.lines, [line.split() for line in log.read_text().splitlines()], store


def cast(monkeypatch, tmp_path, plan: dict, devices=()):
    """Let actors play the workers; returns their log."""

    log = tmp_path / "log"
    log.touch()

    def start(device):
        pipe, other = Pipe()
        command = [sys.executable, "-c", ACTOR, str(other.fileno()), json.dumps(plan), str(log), str(device)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with other:
            return subprocess.Popen(command, env=environment, pass_fds=[other.fileno()]), pipe

    monkeypatch.setattr(pool, "start_worker", start)
    monkeypatch.setattr(pool, "gpus", lambda: list(devices))
    return log


def test_workers_end_with_their_run(monkeypatch, tmp_path):
    import psutil

    before = set(psutil.Process().children())
    summary, _, _, _ = act(monkeypatch, tmp_path, {})
    assert summary.computed == 8 and not set(psutil.Process().children()) - before


def test_a_cell_out_of_memory_is_tried_again_alone_and_then_failed_while_others_go_on(monkeypatch, tmp_path):
    plan = {"1": ["out_of_memory", "computed"], "2": ["out_of_memory", "out_of_memory"]}
    summary, lines, log, _ = act(monkeypatch, tmp_path, plan)
    assert summary.computed == 7 and list(summary.failed) == ["mrpc/2/finetune/full"]
    assert "the second time alone" in summary.failed["mrpc/2/finetune/full"]
    assert sum("tried again alone" in line for line in lines) == 2
    running = set()
    for seed, alone, _, what in log:
        (running.add if what == "start" else running.remove)((seed, alone))
        assert len(running) <= 1 or all(a == "False" for _, a in running)
    assert sum(alone == "True" and what == "start" for _, alone, _, what in log) == 2


def test_workers_share_the_devices(monkeypatch, tmp_path):
    plan = {"0": ["out_of_memory", "computed"]}
    summary, _, log, _ = act(monkeypatch, tmp_path, plan, range(12), 4, ("0", "1"))
    assert summary.computed == 12
    assert {device for _, _, device, _ in log} == {"0", "1"}


def test_a_killed_worker_is_replaced_and_its_cell_tried_once_more(monkeypatch, tmp_path):
    plan = {"1": ["killed", "computed"], "2": ["killed", "killed"], "3": ["leaves"]}
    summary, _, log, store = act(monkeypatch, tmp_path, plan)
    assert summary.computed == 6 and sorted(summary.failed) == ["mrpc/2/finetune/full", "mrpc/3/finetune/full"]
    assert "signal 9" in summary.failed["mrpc/2/finetune/full"] and "code 3" in summary.failed["mrpc/3/finetune/full"]
    assert [line[0] for line in log if line[3] == "start"].count("2") == 2  # finite
    notes = [json.loads(path.read_text()) for path in (store.root / ".failures").iterdir()]
    assert sorted(note["cell"] for note in notes) == sorted(summary.failed)


@pytest.mark.parametrize("engine", ("serial",))
def test_memory_that_runs_out_in_a_cell_fails_that_cell_alone(world, tmp_path, monkeypatch, engine):
    study = study_in(world, tmp_path / "results")
    tries, real = [], stage.finetune

    def greedy(model, train, preset, key, **named):
        tries.append(key[1])
        if key[1] == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(model, train, preset, key, **named)

    monkeypatch.setattr(stage, "finetune", greedy)
    summary = study.run(["finetune"], engine=engine, progress=False)
    assert sorted(tries) == [1, 1, 2] and summary.computed == 1
    (error,) = summary.failed.values()
    assert "CUDA out of memory" in error and "the second time alone" in error
    monkeypatch.setattr(stage, "finetune", real)
    assert study.run(["finetune"], engine=engine, progress=False).failed  # noted, not tried
    assert sorted(tries) == [1, 1, 2]
    assert study.run(["finetune"], engine=engine, progress=False, retry_failed=True).ok


def test_the_record_says_that_graphs_trained_it_and_its_address_does_not(world, tmp_path, monkeypatch):
    study = study_in(world, tmp_path / "results")
    monkeypatch.setattr("lottery_utils.fast.cuda_graphs.REPLAYS", {"cpu"})
    asked = study.cells(["finetune"])
    assert study.run_cells(asked[:1], "serial", progress=False, cuda_graphs=True).ok
    assert study.run_cells(asked, "serial", progress=False).computed == 1
    notes = [study.record(cell)["notes"] for cell in asked]
    assert notes == [["trained by CUDA graphs"], []]


CELL = full("mrpc", 1)
OUT = RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried")


@pytest.mark.parametrize("error", (torch.OutOfMemoryError("x"), MemoryError(), OUT))
def test_kinds_of_memory_errors(error):
    assert compute.answer_to(error, CELL).status == "out_of_memory"


FULL_DISK = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize("error", (OSError(errno.ENOSPC, "x"), OSError(errno.EROFS, "x"), FULL_DISK))
def test_a_place_that_takes_no_files_stops_the_run_and_no_cell_is_to_blame(error):
    answer = compute.answer_to(error, CELL)
    assert answer.status == "user_error" and "start the same run again" in answer.error
    assert "\n" not in answer.error
    assert compute.answer_to(OSError(errno.ENOENT, "x"), CELL).status == "failed"
    assert compute.answer_to(ValueError("a\nb  c"), CELL).error == "mrpc/1/finetune/full: ValueError: a b c"


def test_a_failure_noted_by_another_run_is_not_tried_again(world, tmp_path):
    study = study_in(world, tmp_path / "results")
    cell = Cell("sst2", 1, "finetune", "", "full")
    study.run(["baseline"], subnetworks=["majority"], engine="serial", progress=False)
    job = Job(str(study.store.root), study.key)
    study.store.fail(study.address(cell), {"error": "no luck"})
    assert compute.compute(job, cell).error == "no luck (earlier; 'lottery run --retry-failed' tries again)"
    with claim(study.store.root, study.address(cell)):
        assert compute.compute(job, cell).status == "elsewhere"


def test_an_unknown_engine_is_one_line(world, tmp_path):
    with pytest.raises(UserError, match="serial, local, ray"):
        study_in(world, tmp_path / "results").run(engine="threads", progress=False)


# the command line


def command(world, folder, *first):
    pairs = [f"{key}={json.dumps(value)}" for key, value in world.items() if key not in ("tasks", "seeds")]
    return [*first, "--preset", "laptop", "--tasks", "sst2", "--seeds", "1", "--results", str(folder), "--set", *pairs]


def test_failed_cells_are_listed_and_retried_on_demand(world, tmp_path, monkeypatch, capsys):
    run = ["run", "--stages", "finetune", "--engine", "serial", "--quiet"]
    real = stage.finetune
    monkeypatch.setattr(stage, "finetune", lambda *a, **k: 1 / 0)
    assert main(command(world, tmp_path, *run)) == 1
    assert main(command(world, tmp_path, *run)) == 1
    assert "earlier; 'lottery run --retry-failed'" in capsys.readouterr().out
    assert main(command(world, tmp_path, "status")) == 0
    out = capsys.readouterr().out
    assert "failed: sst2/1/finetune/full: ZeroDivisionError: division by zero" in out and "--retry-failed" in out
    monkeypatch.setattr(stage, "finetune", real)
    assert main(command(world, tmp_path, *run, "--retry-failed")) == 0
    assert main(command(world, tmp_path, "status")) == 0
    assert "failed:" not in capsys.readouterr().out


def test_show_says_what_an_address_was_made_of_and_what_differs(world, tmp_path, capsys):
    run = ["run", "--stages", "finetune", "--engine", "serial", "--quiet"]
    assert main(command(world, tmp_path, *run)) == 0
    assert main(command({**world, "epochs": 2}, tmp_path, *run)) == 0
    capsys.readouterr()
    first, second = sorted(Store(tmp_path).addresses())
    assert main(["show", first, "--why", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "settings.learning_rate = 0.005" in out and "protocol = 1" in out
    assert "settings.batch_size = 32" in out  # the default
    assert main(["show", first, "--why", second, "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and "settings.epochs: " in lines[1] and {"1", "2"} <= set(lines[1].split())
    search, name = "sst2/1/search/structured/good", "sst2/1/finetune/full"
    assert main(command(world, tmp_path, "show", search, "--why")) == 0
    assert "(not stored)" in capsys.readouterr().out
    assert main(command(world, tmp_path, "show", search, "--why", name)) == 0
    assert "cell.stage: 'search'  against  'finetune'" in capsys.readouterr().out


def test_a_worker_comes_from_this_installation_though_its_folders_name_holds_a_colon(tmp_path, monkeypatch):
    room = tmp_path / "a:b" / "lottery_utils" / "experiment"
    room.mkdir(parents=True)
    for folder in (room.parent, room):
        (folder / "__init__.py").touch()
    code = "from multiprocessing.connection import Connection\ndef answer(pipe):\n    Connection(pipe).send(__file__)\n"
    (room / "pool.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path / "a:b"))
    process, pipe = pool.start_worker(None)
    assert pipe.recv() == str(room / "pool.py") and process.wait() == 0
