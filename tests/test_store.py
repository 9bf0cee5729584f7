"""The store keeps whole cells or none, never overwrites, and notices damage; claims survive their owner's death."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from made_up_records import plain_record
from safetensors.numpy import save_file

from lottery_utils.errors import UserError
from lottery_utils.experiment import locks
from lottery_utils.experiment.locks import claim, is_claimed
from lottery_utils.experiment.store import CHECKPOINT, PREDICTIONS, RECORD, Damaged, Store

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "sst2-full-finetune-1-0123456789"


def write(store: Store, score: float = 0.5, address: str = ADDRESS) -> dict:
    """Store a small cell."""
    store.prepare()
    arrays = {"predictions": np.arange(4), "labels": np.full(4, score)}
    files = {name: lambda path: save_file(arrays, path) for name in (PREDICTIONS, CHECKPOINT)}
    return store.write(address, plain_record(score=score), files)


def test_a_record_is_read_back_with_floats_to_the_last_bit(tmp_path):
    store = Store(tmp_path / "results")
    value = 0.1 + 0.2
    written = write(store, value)
    assert store.read(ADDRESS, deep=True) == written
    assert store.read(ADDRESS)["score"] == value
    assert store.addresses() == [ADDRESS]


def test_nothing_exists_before_the_first_write(tmp_path):
    store = Store(tmp_path / "results")
    assert store.read(ADDRESS) is None and store.addresses() == [] and store.failure(ADDRESS) is None
    assert not (tmp_path / "results").exists()


def test_a_stored_cell_is_never_overwritten(tmp_path):
    store = Store(tmp_path)
    first = write(store, 0.5)
    before = {p.name: p.read_bytes() for p in store.folder(ADDRESS).iterdir()}
    assert write(store, 0.9) == first
    assert {p.name: p.read_bytes() for p in store.folder(ADDRESS).iterdir()} == before
    assert not list((tmp_path / ".staging").iterdir())


def test_a_writer_that_stops_half_way_leaves_no_cell(tmp_path):
    store = Store(tmp_path)
    store.prepare()

    def stop(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(ADDRESS, {"score": 1.0}, {PREDICTIONS: stop})
    assert store.read(ADDRESS) is None and not list((tmp_path / ".staging").iterdir())
    with pytest.raises(ValueError, match="JSON compliant|Out of range"):
        store.write(ADDRESS, {"score": float("nan")}, {})
    assert store.read(ADDRESS) is None


def _edit(folder, change):
    path = folder / RECORD
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


DAMAGE = {
    "record cut short": lambda d: (d / RECORD).write_bytes((d / RECORD).read_bytes()[:-20]),
    "record empty": lambda d: (d / RECORD).write_bytes(b""),
    "record is no mapping": lambda d: (d / RECORD).write_text("[1, 2]"),
    "record not text": lambda d: (d / RECORD).write_bytes(b"\xff\xfe\x00"),
    "record deeply nested": lambda d: (d / RECORD).write_text("[" * 100_000),
    "score changed": lambda d: _edit(d, lambda r: r.update(score=0.99)),
    "files of another kind": lambda d: _edit(d, lambda r: r.update(files=[])),
    "record gone": lambda d: (d / RECORD).unlink(),
    "payload gone": lambda d: (d / PREDICTIONS).unlink(),
    "payload bit": lambda d: (d / PREDICTIONS).write_bytes((d / PREDICTIONS).read_bytes()[:-1] + b"\x01"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_can_be_set_aside(tmp_path, kind):
    store = Store(tmp_path)
    write(store)
    DAMAGE[kind](store.folder(ADDRESS))
    with pytest.raises(Damaged, match=ADDRESS) as caught:
        store.read(ADDRESS, deep=True)
    assert "\n" not in str(caught.value)
    aside = store.set_aside(ADDRESS)
    assert aside.name == f"{ADDRESS}.damaged-1" and store.read(ADDRESS) is None and store.addresses() == []
    assert write(store)["score"] == 0.5
    (store.folder(ADDRESS) / RECORD).unlink()
    assert store.set_aside(ADDRESS).name.endswith("damaged-2")


def test_a_record_under_another_cells_address_is_damage(tmp_path):
    store = Store(tmp_path)
    write(store)
    os.rename(store.folder(ADDRESS), tmp_path / "sst2-full-finetune-2-0123456789")
    with pytest.raises(Damaged, match="belongs to"):
        store.read("sst2-full-finetune-2-0123456789")


def test_a_payload_is_checked_when_it_is_used(tmp_path):
    store = Store(tmp_path)
    write(store)
    assert store.content(ADDRESS, PREDICTIONS) == (store.folder(ADDRESS) / PREDICTIONS).read_bytes()
    with pytest.raises(KeyError):
        store.content(ADDRESS, "mask.safetensors")
    DAMAGE["payload bit"](store.folder(ADDRESS))
    with pytest.raises(Damaged, match="checksum"):
        store.content(ADDRESS, PREDICTIONS)


def test_a_missing_checkpoint_is_no_damage_and_an_altered_one_is_not_used(tmp_path):
    store = Store(tmp_path)
    write(store)
    path = store.checkpoint(ADDRESS)
    kept = path.read_bytes()
    path.write_bytes(b"x" + kept[1:])
    assert store.checkpoint(ADDRESS) is None
    assert store.read(ADDRESS, deep=True) is not None
    path.unlink()
    assert store.checkpoint(ADDRESS) is None
    path.write_bytes(kept)
    assert store.checkpoint(ADDRESS) == path


@pytest.mark.parametrize("name", ["../outside", "/etc", "a/b", "a b", "", ".", "..", "a\0b", "é"])
def test_an_address_is_one_plain_path_component(tmp_path, name):
    with pytest.raises(UserError, match="not the address"):
        Store(tmp_path).folder(name)


def test_a_place_that_cannot_hold_results_is_a_user_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(UserError, match="is a file"):
        Store(file)
    with pytest.raises(UserError, match="cannot write results.*; give another"):
        Store(file / "below").prepare()


def test_what_is_no_folder_under_a_cells_address_is_damage(tmp_path):
    store = Store(tmp_path)
    store.folder(ADDRESS).write_text("x")
    with pytest.raises(Damaged, match=f"has no {RECORD}"):
        store.read(ADDRESS)
    store.set_aside(ADDRESS)
    assert write(store)["score"] == 0.5


def test_failures_are_noted_and_forgotten(tmp_path):
    store = Store(tmp_path)
    store.fail(ADDRESS, {"error": "loss is nan"})
    assert store.failure(ADDRESS)["error"] == "loss is nan"
    store.forget_failure(ADDRESS)
    assert store.failure(ADDRESS) is None


def test_only_one_worker_holds_a_claim(tmp_path):
    with claim(tmp_path, ADDRESS) as first:
        assert first and is_claimed(tmp_path, ADDRESS)
        with claim(tmp_path, ADDRESS) as second:
            assert not second
        assert is_claimed(tmp_path, ADDRESS)
    assert not is_claimed(tmp_path, ADDRESS)
    with claim(tmp_path, ADDRESS) as again:
        assert again


def test_a_claim_is_given_back_when_the_block_fails(tmp_path):
    with pytest.raises(RuntimeError), claim(tmp_path, ADDRESS):
        raise RuntimeError
    assert not is_claimed(tmp_path, ADDRESS)


DYING = """
import os, sys
from pathlib import Path
from lottery_utils.experiment.locks import claim
with claim(Path(sys.argv[1]), sys.argv[2]) as held:
    print(held, flush=True)
    sys.stdin.readline()
"""


def test_a_killed_workers_claim_is_free_at_once(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", DYING, str(tmp_path), ADDRESS]
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline().strip() == "True"
        assert is_claimed(tmp_path, ADDRESS)
        with claim(tmp_path, ADDRESS) as held:
            assert not held
        process.kill()
        process.wait()
        assert (tmp_path / ".claims" / ADDRESS).exists() and not is_claimed(tmp_path, ADDRESS)
        with claim(tmp_path, ADDRESS) as held:
            assert held
    assert not list((tmp_path / ".claims").iterdir())


def test_a_claim_can_be_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "POLL", 0.01)
    order, taken = [], threading.Event()

    def first():
        with claim(tmp_path, ADDRESS):
            taken.set()
            assert waits.wait(10)
            order.append("first")

    waits, thread = threading.Event(), threading.Thread(target=first)
    thread.start()
    assert taken.wait(10)
    acquire = FileLock.acquire
    monkeypatch.setattr(FileLock, "acquire", lambda lock: waits.set() or acquire(lock))
    with claim(tmp_path, ADDRESS, wait=True) as held:
        order.append("second")
    thread.join()
    assert held and order == ["first", "second"] and not list((tmp_path / ".claims").iterdir())


@pytest.mark.parametrize("number", locks.UNSUPPORTED)
def test_on_a_disk_without_locks_everyone_works(tmp_path, monkeypatch, number):
    import fcntl

    def flock(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with claim(tmp_path, ADDRESS) as first, claim(tmp_path, ADDRESS) as second:
        assert first and second and not is_claimed(tmp_path, ADDRESS)
    assert not list((tmp_path / ".claims").iterdir())


def test_many_threads_never_hold_one_claim_together(tmp_path):
    holders, together, start = [], [], threading.Barrier(8)

    def work():
        start.wait()
        for _ in range(20):
            with claim(tmp_path, ADDRESS) as held:
                if held:
                    holders.append(1)
                    together.append(len(holders))
                    holders.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together and set(together) == {1}


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_are_made_as_the_umask_says(tmp_path, mask, mode):
    """safetensors makes files for their owner only; a store is read by others."""
    code = "import os, sys; os.umask(int(sys.argv[2])); from test_store import *; write(Store(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s"), str(mask)], env=environment, check=True)
    files = [path for path in (tmp_path / "s").rglob("*") if path.is_file() and ".claims" not in path.parts]
    assert len(files) >= 2 and {path.stat().st_mode & 0o777 for path in files} == {mode}


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
@pytest.mark.parametrize("name", [RECORD, PREDICTIONS])
def test_what_cannot_be_read_is_not_taken_for_damaged(tmp_path, monkeypatch, error, name):
    """One failed read says nothing about the bytes: the cell stays where it is, and the line says what to do."""
    store = Store(tmp_path)
    write(store)
    real = Path.read_bytes

    def read_bytes(path):
        if path.name == name:
            raise error
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", read_bytes)
        why = "no permission" if isinstance(error, PermissionError) else "the disk gave an input/output error.*"
        with pytest.raises(UserError, match=rf"{name} cannot be read \({why}\); nothing was changed"):
            store.read(ADDRESS, deep=True)
    assert store.read(ADDRESS, deep=True) is not None and not list(tmp_path.glob("*.damaged-*"))


@pytest.mark.parametrize("name", [RECORD, PREDICTIONS])
@pytest.mark.parametrize("where", ["a link to nothing", "a Git LFS pointer"])
def test_a_cell_whose_bytes_lie_elsewhere_is_not_set_aside(tmp_path, where, name):
    """Behind a link to a disk that is away, or in a repository whose large files were not fetched, it may be intact."""
    store = Store(tmp_path)
    write(store)
    path = store.folder(ADDRESS) / name
    path.unlink()
    if where == "a link to nothing":
        path.symlink_to(tmp_path / "away")
    else:
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n")
    with pytest.raises(UserError, match=f"{name} is {where}"):
        store.set_aside(ADDRESS)
    assert path.parent.is_dir() and not list(tmp_path.glob("*.damaged-*"))


def test_a_cell_whose_folder_is_on_a_disk_that_is_away_is_not_set_aside(tmp_path):
    store = Store(tmp_path)
    write(store)
    folder = store.folder(ADDRESS)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert store.read(ADDRESS, deep=True)["address"] == ADDRESS
    (tmp_path / "elsewhere").rename(tmp_path / "away")
    with pytest.raises(UserError, match="is a link to nothing"):
        store.read(ADDRESS)
    assert folder.is_symlink()


def cannot_flush(monkeypatch, folders: bool) -> None:
    """Have the system refuse to flush folders, or plain files, as some mounts do."""
    flushed = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode) == folders:
            raise OSError(errno.EINVAL, "Invalid argument")
        flushed(handle)

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_place_that_cannot_flush_is_found_out_before_the_first_cell(tmp_path, monkeypatch):
    """Some mounts answer fsync of a folder with EINVAL: every cell would be computed, and then be lost."""
    cannot_flush(monkeypatch, folders=True)
    with pytest.raises(UserError, match=f"{tmp_path} cannot be flushed to its disk .Invalid argument.; name a place"):
        Store(tmp_path).prepare()


def test_a_place_that_renames_no_folders_is_found_out_before_the_first_cell(tmp_path, monkeypatch):
    """As buckets that are mounted as folders."""

    def rename(source, target):
        raise OSError(errno.ENOSYS, "Function not implemented", str(source))

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(UserError, match="cannot write results to .*: Function not implemented; give another results"):
        Store(tmp_path).prepare()
    assert not any((tmp_path / ".staging").iterdir())


def test_a_place_without_modes_takes_cells(tmp_path, monkeypatch):
    """FAT has none, and refuses to set some."""

    def chmod(path, mode, **_):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "chmod", chmod)
    assert Store(tmp_path).put("rte-full-finetune-1-0123456789", {"record.json": lambda path: path.write_text("{}")})


def test_a_checkpoint_whose_record_is_damaged_is_none(tmp_path):
    store = Store(tmp_path)
    folder = tmp_path / "rte-full-finetune-1-0123456789"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "record.json").write_text("{")
    assert store.checkpoint(folder.name) is None and (folder / "model.safetensors").read_bytes() == b"weights"
