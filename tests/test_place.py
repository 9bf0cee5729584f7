"""Where results lie fails: a full disk, a read-only store, a clock set back; and a run that is asked to stop."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time

import made_up_records
import nbformat
import pytest
import small_world
from test_build import notebook

from lottery_book.building.build import build_report
from lottery_utils.cli import main
from lottery_utils.errors import UserError
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
    with pytest.raises(UserError, match=f"{folder} cannot be written .no space is left.*start again") as caught:
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


@pytest.mark.parametrize("what", ["page", "chapter"])
def test_a_report_on_a_full_disk_is_one_line_and_the_next_goes_on(what, small_disk, tmp_path, monkeypatch, capsys):
    """Where the book's source does not fit, and where an executed chapter does not."""
    (tmp_path / "book").mkdir()
    for name, text in {"_config.yml": "title: T\n", "_toc.yml": "format: jb-book\nroot: intro\n"}.items():
        (tmp_path / "book" / name).write_text(text)
    (tmp_path / "book" / "intro.md").write_text("word " * 250_000 if what == "page" else "# T\n")
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook("print('word ' * 250_000)"), tmp_path / "notebooks" / "01_a.ipynb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    places = {"results_dir": small_disk / "results", "out": small_disk / "out"}
    subprocess.run(["mount", "-o", "remount,size=600k", str(small_disk)], check=True)
    made_up_records.make_study(places["results_dir"], ["rte"], [1], leave_out=("magnitude", "score", "retrain"))
    before = {path: path.read_bytes() for path in places["results_dir"].rglob("*") if path.is_file()}
    assert main(["report", "--results", str(places["results_dir"]), "--out", str(places["out"]), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(places["out"]) in error and "no space is left there" in error
    assert {f.kind for f in verify_store(Store(places["results_dir"]))} == {"done"}
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    assert (build_report(**places, build=False, progress=False) / "01_a.ipynb").stat().st_size > 1_000_000
    assert {path: path.read_bytes() for path in before} == before


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


def test_on_a_disk_without_locks_the_run_goes_on(world, tmp_path, monkeypatch):
    import fcntl

    def flock(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert study_in(world, tmp_path).run(["baseline"], subnetworks=["majority"], engine="serial", progress=False).ok


def test_bf16_on_a_processor_without_it_ends_the_run_in_one_line(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("lottery_utils.training.device.has_bf16", lambda device: False)
    run = arguments({**world, "precision": "bf16"}, tmp_path, "run", "--engine", "serial", "--quiet")
    for _ in range(2):
        assert main(run) == 2
        error = capsys.readouterr().err
        assert "no bf16 instructions" in error and "set precision=fp32" in error and error.count("\n") == 1
        assert {f.kind for f in verify_store(Store(tmp_path))} <= {"done"} and not Store(tmp_path).addresses()
        assert not list((tmp_path / ".failures").iterdir())
    assert main(arguments({**world, "precision": "bf16"}, tmp_path, "status")) == 0


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


def test_a_notebook_run_in_its_own_folder_has_the_store_of_all(world, tmp_path, monkeypatch):
    (tmp_path / "lottery_utils").mkdir()
    (tmp_path / "lottery_utils" / "__init__.py").touch()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert study_in(world, "results").store.root == tmp_path / "results"
    assert study_in(world, tmp_path / "mine").store.root == tmp_path / "mine"
    (tmp_path / "notebooks" / "results").mkdir()  # one that is there is meant
    assert str(study_in(world, "results").store.root) == "results"


def test_a_place_whose_name_is_no_utf8_is_one_line(world, tmp_path):
    with pytest.raises(UserError, match="is no path .'utf-8' codec can't encode character"):
        study_in(world, os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
