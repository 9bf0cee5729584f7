"""Where results lie fails: a full disk, a read-only store, a clock set back; and a run that is asked to stop."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pytest
import small_world

from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.experiment import claims
from lottery_utils.experiment.claims import claim, is_claimed
from lottery_utils.experiment.store import RECORD, Store
from lottery_utils.experiment.study import open_study
from lottery_utils.experiment.verify import verify_store

STAGES = ["finetune", "search", "control"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Overrides for a tiny model and task."""
    root = tmp_path_factory.mktemp("world")
    small_world.make_task(root / "data", train=32, dev=16)
    model = small_world.make_model(root / "model")
    settings = {**small_world.SETTINGS, "epochs": 1, "model": str(model), "data": str(root / "data")}
    return {**settings, "magnitude_max_steps": 2, "head_step": 0.4}


def study_in(world, folder):
    return open_study("laptop", ["sst2"], [1], world, folder)


def arguments(world, folder, *first):
    pairs = [f"{key}={value}" for key, value in world.items()]
    return [*first, "--preset", "laptop", "--tasks", "sst2", "--seeds", "1", "--results", str(folder), "--set", *pairs]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own of 200 kB; needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("mounting a small disk needs root; the limit on file sizes is tested instead")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_stops_the_run_in_one_line_and_the_next_goes_on(world, small_disk, capsys):
    folder = small_disk / "results"
    study = study_in(world, folder)
    with pytest.raises(UserError, match="no space is left.*start the same run again") as caught:
        study.run(engine="serial", progress=False)
    assert "\n" not in str(caught.value)
    before = {path: path.read_bytes() for path in folder.glob(f"*/{RECORD}")}
    assert before and {f.kind for f in verify_store(Store(folder))} <= {"done"}
    assert main(arguments(world, folder, "run", "--engine", "serial", "--quiet")) == 2
    assert capsys.readouterr().err.count("\n") == 1
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    summary = study_in(world, folder).run(engine="serial", progress=False)
    assert summary.ok and summary.done == len(before)
    assert before.items() <= {path: path.read_bytes() for path in folder.glob(f"*/{RECORD}")}.items()


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="root can mount a small disk: the full disk is tested instead")
def test_a_limit_on_file_sizes_stops_the_run_in_one_line(world, tmp_path):
    code = "import sys; from lottery_utils.cli import main; sys.exit(main(sys.argv[1:]))"
    run = arguments(world, tmp_path / "results", "run", "--engine", "serial", "--quiet")
    command = [sys.executable, "-c", code, *run]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )  # fmt: skip
    assert done.returncode == 2 and "larger than this process may write" in done.stderr
    assert "Traceback" not in done.stderr and not list((tmp_path / "results").glob("*/model.safetensors"))
    assert {f.kind for f in verify_store(Store(tmp_path / "results"))} <= {"done"}


def environment() -> dict:
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def test_a_read_only_store_is_read_and_refused_for_writing(world, small_disk, capsys):
    folder = small_disk / "results"
    assert study_in(world, folder).run(["baseline"], subnetworks=["majority"], engine="serial", progress=False).ok
    capsys.readouterr()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert main(arguments(world, folder, "run", "--engine", "serial", "--quiet")) == 2
    error = capsys.readouterr().err
    assert "cannot write results" in error and error.count("\n") == 1
    assert main(arguments(world, folder, "status")) == 0 and "1 done" in capsys.readouterr().out
    assert main(["verify", "--results", str(folder)]) == 0
    assert main(arguments(world, folder, "run", "--stages", "baseline", "--subnetworks", "majority")) == 0
    assert main(arguments(world, folder, "gc", "--yes")) == 0


@pytest.mark.parametrize("now", (0.0, 4e9))
def test_claims_ask_no_wall_clock(tmp_path, monkeypatch, now):
    """A clock set back or forward makes no live claim stale, and keeps no dead one."""
    monkeypatch.setattr(time, "time", lambda: now)
    with claim(tmp_path, "here") as held:
        assert held and is_claimed(tmp_path, "here")
        with claim(tmp_path, "here") as second:
            assert not second
    path = tmp_path / ".claims" / "there"
    path.write_text('{"pid": 1, "born": null, "host": "elsewhere", "token": "t"}')
    assert is_claimed(tmp_path, "there")
    ahead = path.stat().st_mtime + 1e6  # touched while the disk's clock was ahead; it has been set back since
    os.utime(path, (ahead, ahead))
    assert is_claimed(tmp_path, "there")
    moment = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: moment + claims.SILENCE + 1)
    assert not is_claimed(tmp_path, "there")


def test_a_worker_that_is_dead_but_not_waited_for_holds_no_claim(tmp_path):
    pid = os.fork()
    if pid == 0:
        with claim(tmp_path, "cell"):
            os._exit(0)
    while not (tmp_path / ".claims" / "cell").exists() or claims._stat(pid)[:1] not in (["Z"], []):
        time.sleep(0.01)
    try:
        assert not is_claimed(tmp_path, "cell")
    finally:
        os.waitpid(pid, 0)


STOPPED = """
import sys, threading
from pathlib import Path
from lottery_utils.experiment.claims import claim

def stop(self, *_):
    raise KeyboardInterrupt
setattr(threading.Thread, sys.argv[2], stop)
try:
    with claim(Path(sys.argv[1]), "cell"):
        print("held", flush=True)
finally:
    print(len(list(Path(sys.argv[1], ".claims").iterdir())), "left")
"""


@pytest.mark.parametrize("moment", ("start", "join"))
def test_a_stop_while_a_claim_is_made_or_released_leaves_none(tmp_path, moment):
    command = [sys.executable, "-c", STOPPED, str(tmp_path), moment]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert "KeyboardInterrupt" in done.stderr and done.stdout.split()[-2:] == ["1", "left"]
    assert not list((tmp_path / ".claims").iterdir())


@pytest.mark.slow
def test_a_run_asked_to_stop_leaves_a_clean_store_and_says_how_to_go_on(world, tmp_path):
    """SIGTERM, as from a scheduler; for Ctrl-C see the tests of the command line."""
    folder = tmp_path / "results"
    code = f"import sys\n{MAIN}"
    command = [sys.executable, "-c", code, *arguments(world, folder, "run", "--engine", "serial", "--quiet")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True)
    while process.poll() is None and not list(folder.glob(f"*/{RECORD}")):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    err = process.communicate()[1]
    assert process.returncode == 130 and "start the same run again to go on" in err and "Traceback" not in err
    assert {f.kind for f in verify_store(Store(folder))} == {"done"}


MAIN = "from lottery_utils.cli import main; sys.exit(main(sys.argv[1:]))"


def test_a_tilde_in_a_place_is_the_home_folder(world, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    study = open_study("laptop", ["sst2"], [1], world, "~/results")
    study.run(["baseline"], subnetworks=["majority"], engine="serial", progress=False)
    assert (tmp_path / "results").is_dir() and not (tmp_path / "~").exists()
