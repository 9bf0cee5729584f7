"""Packs: cells in one file a task and seed, read in place, made again from folders, and given back bit for bit."""

from __future__ import annotations

import errno
import io
import lzma
import os
import shutil
import stat
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_records import make_study
from safetensors.numpy import save_file
from small_world import SETTINGS, make_model, make_task
from test_store import cannot_flush
from test_verify import give_weights, rewrite

from lottery_utils import disk
from lottery_utils.cli import main
from lottery_utils.disk import POINTER, sha256
from lottery_utils.errors import CellFailed, UserError
from lottery_utils.experiment import compute, packing, packs, remade
from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.packing import pack, unpack
from lottery_utils.experiment.packs import pack_of, read_pack
from lottery_utils.experiment.reading import Results
from lottery_utils.experiment.remade import recorded_mask
from lottery_utils.experiment.store import CHECKPOINT, MASK, PREDICTIONS, RECORD, Store
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.experiment.verify import verify_store
from lottery_utils.experiment.work import Work
from lottery_utils.pruning.masks import WeightMask

PACK = "mrpc-1.tar.xz"


@pytest.fixture
def study(tmp_path):
    """A made-up study in folders; full models have weights, scores have predictions."""
    made = make_study(tmp_path / "results", ("mrpc", "rte"), (1, 2))
    for cell in made.cells(["finetune"]):
        give_weights(made.store, made.address(cell))
    for cell in made.cells(["score"]):
        give_file(made.store, made.address(cell), PREDICTIONS)
    return made


def give_file(store: Store, address: str, name: str) -> None:
    path = store.folder(address) / name
    save_file({"logits": np.arange(64, dtype=np.float32)}, path)
    rewrite(store, address, lambda record: record["files"].update({name: sha256(path)}))


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def in_packs(study: Study, folder: Path) -> Study:
    """The study read from packs in `folder` alone."""
    pack(study.store, folder)
    return Study(study.preset, folder, stored=True)


def archive(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> None:
    """A foreign tar.xz."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as file:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.type = len(data), kind
            file.addfile(member, io.BytesIO(data))
    path.write_bytes(lzma.compress(content.getvalue()))


def test_packed_cells_read_as_their_folders_do(study, tmp_path):
    packed = in_packs(study, tmp_path / "packed")
    assert sorted(os.listdir(tmp_path / "packed")) == [f"{t}-{s}.tar.xz" for t in ("mrpc", "rte") for s in (0, 1, 2)]
    assert packed.store.addresses() == study.store.addresses() and len(packed.records()) == len(study.cells())
    assert packed.records() == list(study.store.records())
    assert packed.states() == Study(study.preset, study.store.root, stored=True).states()
    for cell in study.cells():
        for read in (Results.trajectory, Results.predictions):
            ours, theirs = read(packed, cell), read(study, cell)
            assert (ours is None) == (theirs is None)
            assert ours is None or all(np.array_equal(ours[name], theirs[name]) for name in theirs)
        assert packed.mask(cell) == study.mask(cell)
    assert {finding.kind for finding in verify_store(packed.store)} == {"done"}


def test_weights_stay_out_and_unpack_gives_every_other_file_back(study, tmp_path, capsys):
    folder = tmp_path / "packed"
    assert main(["pack", str(study.store.root), str(folder)]) == 0
    before = tree(folder)
    assert main(["unpack", str(folder), "--out", str(tmp_path / "plain")]) == 0
    assert f"{len(study.cells())} cells unpacked" in capsys.readouterr().out
    shared = {name: content for name, content in tree(study.store.root).items() if not name.endswith(CHECKPOINT)}
    assert tree(tmp_path / "plain") == shared and tree(folder) == before
    assert unpack(folder, tmp_path / "plain") == 0
    assert {finding.kind for finding in verify_store(Store(tmp_path / "plain"))} == {"done"}


def test_packing_again_changes_nothing_and_equal_cells_make_equal_bytes(study, tmp_path):
    folder = tmp_path / "packed"
    assert len(pack(study.store, folder).written) == 6
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = pack(study.store, folder)
    assert not again.written and again.unchanged == 6
    assert times == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    pack(Store(folder), tmp_path / "second")  # from packs
    assert tree(tmp_path / "second") == tree(folder)


def test_a_pack_grows_and_loses_no_cell_whose_folder_is_gone(study, tmp_path):
    folder, store = tmp_path / "packed", study.store
    mine = [address for address in store.addresses() if pack_of(address) == PACK]
    late, gone = mine[0], mine[1]
    os.rename(store.folder(late), tmp_path / late)
    pack(store, folder)
    os.rename(tmp_path / late, store.folder(late))
    shutil.rmtree(store.folder(gone))
    assert pack(store, folder).written == [PACK]
    assert set(read_pack(folder / PACK)) == set(mine)


def test_another_cell_at_a_packed_address_is_refused(study, tmp_path):
    folder = tmp_path / "packed"
    pack(study.store, folder)
    before = tree(folder)
    address = next(address for address in study.store.addresses() if pack_of(address) == PACK)
    rewrite(study.store, address, lambda record: record.update(seconds=7.0))
    with pytest.raises(UserError, match=f"{PACK} has another cell {address}: their checksums differ"):
        pack(study.store, folder)
    assert tree(folder) == before


def test_a_damaged_cell_is_left_out_and_named(study, tmp_path, capsys):
    address = study.address(study.cells(["score"])[0])
    (study.store.folder(address) / PREDICTIONS).write_bytes(b"x")
    assert main(["pack", str(study.store.root), str(tmp_path / "packed")]) == 1
    assert f"damaged, left out: {address}: {PREDICTIONS} does not match" in capsys.readouterr().out
    assert address not in Store(tmp_path / "packed").addresses()


def test_a_killed_pack_leaves_the_old_one(study, tmp_path, monkeypatch):
    folder, address = tmp_path / "packed", study.store.addresses()[-1]
    os.rename(study.store.folder(address), tmp_path / address)
    pack(study.store, folder)
    before = tree(folder)
    os.rename(tmp_path / address, study.store.folder(address))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(disk.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        pack(study.store, folder)
    assert tree(folder) == before
    monkeypatch.undo()
    assert pack(study.store, folder).written == [pack_of(address)]


DAMAGE = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "altered": lambda path: path.write_bytes(path.read_bytes()[:200] + b"xxxx" + path.read_bytes()[204:]),
    "empty": lambda path: path.write_bytes(b""),
    "a zip": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
    "no tar": lambda path: path.write_bytes(lzma.compress(b"x" * 2000)),
    "above its folder": lambda path: archive(path, {"../evil/record.json": b"{}"}),
    "absolute": lambda path: archive(path, {"/tmp/evil/record.json": b"{}"}),
    "a link": lambda path: archive(path, {"mrpc-full-finetune-1-0123456789/record.json": b""}, tarfile.SYMTYPE),
    "of another task": lambda path: archive(path, {"rte-full-finetune-1-0123456789/record.json": b"{}"}),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_pack_is_one_line_and_nothing_is_written(kind, study, tmp_path, capsys):
    folder = tmp_path / "packed"
    pack(study.store, folder)
    DAMAGE[kind](folder / PACK)
    before = tree(tmp_path)
    for arguments in (
        ["pack", str(study.store.root), str(folder)],
        ["unpack", str(folder), "--out", str(tmp_path / "plain")],
        ["show", "mrpc-", "--results", str(folder)],
    ):
        assert main(arguments) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and f"{folder / PACK} is no intact pack of cells" in told
    assert main(["verify", "--results", str(folder)]) == 1
    assert f"damaged: {PACK}" in capsys.readouterr().out
    assert tree(tmp_path) == before


@pytest.mark.parametrize("why", ["no permission", "Git LFS pointer"])
def test_a_pack_that_cannot_be_read_is_not_called_damaged(why, study, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "packed"
    pack(study.store, folder)
    if why == "no permission":
        read = Path.read_bytes
        denied = PermissionError(errno.EACCES, "Permission denied", str(folder / PACK))
        monkeypatch.setattr(Path, "read_bytes", lambda p: read(p) if p.name != PACK else raise_(denied))
    else:
        (folder / PACK).write_bytes(POINTER + b"v1\noid sha256:0\nsize 12345\n")
    assert main(["unpack", str(folder), "--out", str(tmp_path / "plain")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and str(folder / PACK) in told and why in told and "intact" not in told
    assert main(["verify", "--results", str(folder)]) == 1
    named = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"unreadable: {PACK}: ")]
    assert len(named) == 1 and str(folder / PACK) in named[0] and why in named[0]


def raise_(error: Exception):
    raise error


def test_damage_behind_the_records_is_told_when_the_rest_is_read(study, tmp_path, capsys):
    packed = in_packs(study, tmp_path / "packed")
    path = tmp_path / "packed" / PACK
    path.write_bytes(path.read_bytes()[:-40] + b"xxxx" + path.read_bytes()[-36:])
    assert packed.states() == Study(study.preset, study.store.root, stored=True).states()
    with pytest.raises(UserError, match=f"{PACK} is no intact pack"):
        packed.trajectory("mrpc/1/search/structured/good")
    assert main(["verify", "--results", str(tmp_path / "packed")]) == 1


def test_a_place_that_cannot_flush_takes_no_packs_and_no_unpacked_cells(study, tmp_path, capsys, monkeypatch):
    assert main(["pack", str(study.store.root), str(tmp_path / "packs")]) == 0
    for folders, arguments in (
        (True, ["unpack", str(tmp_path / "packs"), "--out", str(tmp_path / "new")]),
        (False, ["pack", str(study.store.root), str(tmp_path / "more")]),
    ):
        with monkeypatch.context() as patch:
            cannot_flush(patch, folders)
            assert main(arguments) == 2
        assert f"{arguments[-1]}" in (said := capsys.readouterr().err) and said.count("\n") == 1
        assert "cannot be flushed to its disk (Invalid argument); name a place on another" in said


@pytest.mark.parametrize("command", ("pack", "unpack"))
def test_a_full_disk_is_one_line_with_the_place(command, study, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    assert main(["pack", str(study.store.root), str(tmp_path / "packs")]) == 0
    monkeypatch.setattr("lottery_utils.experiment.packs.replace", full)
    monkeypatch.setattr("lottery_utils.disk.usual_mode", full)  # of the first file that is written
    made, new = {"pack": study.store.root, "unpack": tmp_path / "packs"}[command], str(tmp_path / "new")
    capsys.readouterr()
    assert main([command, str(made), *(["--out"] if command == "unpack" else []), new]) == 2
    assert f"{new}" in (line := capsys.readouterr().err) and "cannot be written (no space is left" in line


def test_a_packed_cell_that_is_not_as_recorded_is_damage_and_a_run_does_not_touch_it(study, tmp_path, capsys):
    packed = in_packs(study, tmp_path / "packed")
    path = tmp_path / "packed" / PACK
    key = study.address("mrpc/1/score/structured/good")
    packs.write_pack(path, {**read_pack(path), key: {**read_pack(path)[key], PREDICTIONS: b"x"}})
    assert packed.predictions("mrpc/1/score/structured/good") is None
    assert f"{key}: {PREDICTIONS} does not match its checksum" in capsys.readouterr().err
    assert [f.name for f in verify_store(packed.store) if f.kind == "damaged"] == [key]
    before = tree(tmp_path / "packed")
    with pytest.raises(UserError, match=f"{PACK} is no intact pack of cells .{key} is not as its record says"):
        packed.store.set_aside(key)
    assert tree(tmp_path / "packed") == before


def test_folders_beside_packs_are_read_first(study, tmp_path):
    packed = in_packs(study, tmp_path / "packed")
    key = study.address("mrpc/1/score/structured/good")
    shutil.copytree(study.store.folder(key), packed.store.folder(key))
    rewrite(packed.store, key, lambda record: record.update(seconds=7.0))
    assert packed.store.read(key, deep=True)["seconds"] == 7.0
    assert packed.store.addresses() == study.store.addresses()
    assert len(verify_store(packed.store)) == len(study.cells())


def test_large_masks_stay_out_and_are_made_again_where_a_cell_needs_them(study, tmp_path, monkeypatch):
    search = Cell("mrpc", 1, "search", "magnitude", "good")
    key, folder = study.address(search), tmp_path / "packed"
    mask = WeightMask({"w": torch.arange(4096) % 3 == 0})
    mask.save(study.store.folder(key) / MASK, {"cell": search.name})
    digest = sha256(study.store.folder(key) / MASK)
    rewrite(study.store, key, lambda record: record["files"].update({MASK: digest}))
    rewrite(study.store, key, lambda record: record["counts"].update(weights=mask.size))
    monkeypatch.setattr(packing, "LARGE_MASK", 500)
    packed = in_packs(study, folder)
    assert MASK not in read_pack(folder / PACK)[key] and RECORD in read_pack(folder / PACK)[key]
    assert packed.mask(search) is None and packed.store.content(key, MASK) is None
    assert packed.store.read(key, deep=True)["files"][MASK] == digest
    assert unpack(folder, tmp_path / "plain") and Store(tmp_path / "plain").read(key, deep=True) is not None

    work = Work(search, packed.key, packed.store, "cpu")
    monkeypatch.setattr(remade, "run", lambda work: SimpleNamespace(mask=mask))
    assert recorded_mask(work, search) == mask
    notes = []
    assert recorded_mask(work, search, notes) == mask and not notes
    shifted, smaller = WeightMask({"w": torch.arange(4096) % 3 == 0}), WeightMask({"w": torch.arange(4096) % 4 == 0})
    shifted.weights["w"][:2] = torch.tensor([False, True])
    for other, refused in ((shifted, [None]), (smaller, [None, notes])):
        shutil.rmtree(packed.store.scratch(key))
        monkeypatch.setattr(remade, "run", lambda work, other=other: SimpleNamespace(mask=other))
        for where in refused:
            with pytest.raises(CellFailed, match="comes out differently here"):
                recorded_mask(work, search, where)
        assert not notes
    shutil.rmtree(packed.store.scratch(key))
    monkeypatch.setattr(remade, "run", lambda work: SimpleNamespace(mask=shifted))
    assert recorded_mask(work, search, notes) == shifted
    assert notes == [f"the mask of {search.name} was not stored and was made again: as many weights, but not all of "
                     "them the recorded ones"]  # fmt: skip


def test_a_run_beside_packs_computes_what_is_missing_even_the_mask_that_stayed_out(tmp_path, monkeypatch):
    """Weights and the mask are made again bit for bit, and the score is the one computed where they lay."""
    overrides = {**SETTINGS, "model": str(make_model(tmp_path / "model")), "data": str(tmp_path / "data")}
    make_task(tmp_path / "data")
    whole = open_study("paper", ["sst2"], [1], overrides, tmp_path / "results")
    assert whole.run(["search"], ["magnitude"], ["good"], "serial", progress=False).ok
    monkeypatch.setattr(packing, "LARGE_MASK", 100)
    before = pack(whole.store, tmp_path / "packed") and tree(tmp_path / "packed")
    assert whole.run(["score"], ["magnitude"], ["good"], "serial", progress=False).ok
    study = Study(whole.preset, tmp_path / "packed")
    search, score = (Cell("sst2", 1, stage, "magnitude", "good") for stage in ("search", "score"))
    assert MASK not in read_pack(tmp_path / "packed" / "sst2-1.tar.xz")[study.address(search)]
    remade_mask, there_when_the_clock_starts = study.store.scratch(study.address(search)) / MASK, []

    class Clock(compute.Meter):
        def __enter__(self):
            there_when_the_clock_starts.append(remade_mask.is_file())
            return super().__enter__()

    monkeypatch.setattr(compute, "Meter", Clock)
    summary = study.run(["score"], ["magnitude"], ["good"], "serial", progress=False)
    assert summary.ok and summary.computed == 1 and there_when_the_clock_starts == [True]
    weights = [path for path in study.store.root.rglob(CHECKPOINT) if not path.is_relative_to(whole.store.root)]
    assert weights and {stat.S_IMODE(path.stat().st_mode) for path in (remade_mask, *weights)} == {disk.usual_mode()}
    assert [path.name for path in study.store.root.iterdir() if path.is_dir() and path.name[0] != "."] == [
        study.address(score)
    ]
    assert np.array_equal(study.predictions(score)["logits"], whole.predictions(score)["logits"])
    assert {name: (tmp_path / "packed" / name).read_bytes() for name in before} == before
    assert pack(study.store, tmp_path / "packed").written == ["sst2-1.tar.xz"]


def test_no_packs_and_no_results_are_one_line(tmp_path, capsys):
    for arguments in (["pack", str(tmp_path / "none"), str(tmp_path / "x")], ["unpack", str(tmp_path)]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())
