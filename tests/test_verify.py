"""`lottery verify` names everything in a store and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up_records import make_study
from safetensors.numpy import save_file

from lottery_utils.cli import main
from lottery_utils.disk import sha256
from lottery_utils.errors import CellFailed
from lottery_utils.experiment.cells import Cell
from lottery_utils.experiment.locks import claim
from lottery_utils.experiment.record import checksum
from lottery_utils.experiment.remade import recorded_mask
from lottery_utils.experiment.store import CHECKPOINT, MASK, RECORD, Damaged, Store
from lottery_utils.experiment.verify import KINDS, verify_store
from lottery_utils.experiment.work import Work
from lottery_utils.pruning.masks import StructuredMask, WeightMask

ARGUMENTS = ["--preset", "paper", "--tasks", "mrpc", "--seeds", "1", "2"]
ARGUMENTS += ["--set", "model=nowhere-model", "data=nowhere-data"]


@pytest.fixture
def study(tmp_path):
    """A made-up study whose full models have (made-up) weights of 4 kB."""
    made = make_study(tmp_path / "results", ("mrpc",), (1, 2))
    for cell in made.cells(["finetune"]):
        give_weights(made.store, made.address(cell))
    return made


def rewrite(store: Store, address: str, change) -> None:
    """Change a record and give it the checksum that fits."""
    path = store.folder(address) / RECORD
    record = json.loads(path.read_text())
    change(record)
    record["checksum"] = checksum(record)
    path.write_text(json.dumps(record))


def give_weights(store: Store, address: str) -> None:
    path = store.folder(address) / CHECKPOINT
    save_file({"weight": np.arange(1000, dtype=np.float32)}, path)
    rewrite(store, address, lambda record: record["files"].update({CHECKPOINT: sha256(path)}))


def kinds(store: Store) -> dict[str, list[str]]:
    """What was found beside intact cells, by kind."""
    found: dict[str, list[str]] = {}
    for finding in verify_store(store):
        if finding.kind != "done":
            found.setdefault(finding.kind, []).append(finding.name)
    return found


def verified(root: Path, capsys) -> tuple[int, str]:
    code = main(["verify", "--results", str(root)])
    return code, capsys.readouterr().out


def test_an_intact_store_is_said_to_be_intact(study, capsys):
    code, out = verified(study.store.root, capsys)
    count = len(study.cells())
    assert code == 0 and out.splitlines()[-1] == f"{study.store.root}: {count} cells, nothing is damaged"
    assert kinds(study.store) == {}


def test_everything_else_is_named_by_its_kind(study, capsys):
    store, root = study.store, study.store.root
    names = [study.address(c) for c in study.cells(["finetune", "search", "control"])]
    half, flipped, weights, old, lost = names[0], *[n for n in names if n != names[0]][1:5]
    (store.folder(half) / RECORD).unlink()
    path = store.folder(flipped) / RECORD
    path.write_bytes(path.read_bytes().replace(b"made up", b"made UP"))
    full = [n for n in names if "finetune" in n and n != half][0]
    if full != flipped:
        with open(store.folder(full) / CHECKPOINT, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x07")
    rewrite(store, old, lambda r: r["inputs"].update(protocol=0))
    shutil.rmtree(store.folder(lost))
    store.fail(lost, {"error": "it broke"})
    (root / f"{lost}.damaged-1").mkdir()
    (root / "holiday.jpg").write_bytes(b"x")
    (root / ".claims" / lost).touch()  # of a worker that was killed
    with claim(root, weights):
        found = kinds(store)
    assert {half, flipped, full} <= set(found["damaged"])
    assert old in found["earlier version"] and found["failed"] == [lost]
    assert found["running"] == [weights]
    assert found["set aside"] == [f"{lost}.damaged-1"]
    assert found["orphan"]  # cells behind the damaged and the lost one
    assert set(found) <= set(KINDS)
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    code, out = verified(root, capsys)
    assert code == 1 and f"damaged: {flipped}: {RECORD} does not match its checksum" in out
    assert before == {p: p.stat().st_mtime_ns for p in root.rglob("*") if ".claims" not in p.parts} | {
        p: t for p, t in before.items() if ".claims" in p.parts
    }


def test_what_cannot_be_read_is_named_and_the_rest_looked_at(study, monkeypatch, capsys):
    store, root = study.store, study.store.root
    closed, away = (study.address(cell) for cell in study.cells(["finetune"]))
    store.folder(away).rename(root.parent / "away")
    store.folder(away).symlink_to(root.parent / "elsewhere")
    real = Path.read_bytes

    def read_bytes(path):
        if path.parts[-2:] == (closed, RECORD):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert kinds(store) == {"unreadable": sorted([closed, away])}
    code, out = verified(root, capsys)
    assert code == 1 and out.splitlines()[-1] == f"{root}: {len(study.cells())} cells, 2 unreadable"
    assert f"unreadable: {closed}: {store.folder(closed) / RECORD} cannot be read (no permission)" in out
    assert main(["status", "--results", str(root), *ARGUMENTS[:4], "--seeds", "2", *ARGUMENTS[-3:]]) == 2
    store.folder(away).unlink()
    (root.parent / "away").rename(store.folder(away))
    capsys.readouterr()
    assert main(["status", "--results", str(root), *ARGUMENTS[:4], "--seeds", "2", *ARGUMENTS[-3:]]) == 0
    told = capsys.readouterr()  # another study's record is not needed for these
    assert "cells: " in told.out and f"left out: {store.folder(closed) / RECORD} cannot be read" in told.err


def test_folders_of_others_are_no_damage(study, capsys):
    (study.store.root / "exported").mkdir()
    (study.store.root / "exported" / "README.md").write_text("mine")
    code, out = verified(study.store.root, capsys)
    assert code == 0 and "exported" not in out


def test_a_place_without_results_is_one_line(tmp_path, capsys):
    assert main(["verify", "--results", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


WRONG_FIELDS = {
    "another format": lambda r: r.update(format=2),
    "a file elsewhere": lambda r: r["files"].update({"../../outside": "0"}),
    "a file with an absolute name": lambda r: r["files"].update({"/etc/passwd": "0"}),
}


@pytest.mark.parametrize("kind", WRONG_FIELDS)
def test_a_record_of_another_format_or_with_files_elsewhere_is_damaged_though_its_checksum_fits(study, kind):
    key = study.address(study.cells(["search"])[0])
    rewrite(study.store, key, WRONG_FIELDS[kind])
    with pytest.raises(Damaged, match=key):
        study.store.read(key)
    assert kinds(study.store)["damaged"] == [key]


def test_names_that_are_no_text_are_spelt_out(study, capsys):
    """Names that are not UTF-8 in the store, and escapes of a terminal in the notes of failures."""
    root, lost = study.store.root, study.address(study.cells(["search"])[0])
    for place in (root, root / ".staging", root / lost):
        place.mkdir(exist_ok=True)
        with open(os.fsencode(place) + b"/\xff\n\x1b[31m x", "w"):
            pass
    code, out = verified(root, capsys)
    assert code == 0
    shutil.rmtree(root / lost)
    (root / ".failures" / f"{lost}.json").write_text(json.dumps({"error": "it\n\x1b[31mbroke \ud800"}))
    code, out = verified(root, capsys)
    assert code == 0 and f"failed: {lost}: it \\x1b[31mbroke \\ud800" in out.splitlines()
    assert main(["status", *ARGUMENTS, "--results", str(root)]) == 0


def test_a_mask_of_the_other_kind_is_not_scored(study, tmp_path):
    masks = {
        "structured": StructuredMask(np.ones((2, 3), bool), np.ones(2, bool)),
        "magnitude": WeightMask({"w": torch.ones(4, dtype=torch.bool)}),
    }
    for method, other in (("structured", "magnitude"), ("magnitude", "structured")):
        search = Cell("mrpc", 1, "search", method, "good")
        file = SimpleNamespace(content=lambda address, name: (tmp_path / name).read_bytes())
        work = Work(search, study.key, file, torch.device("cpu"))
        masks[method].save(tmp_path / MASK)
        assert recorded_mask(work, search) == masks[method]
        masks[other].save(tmp_path / MASK)
        with pytest.raises(CellFailed, match=f"expected a {type(masks[method]).__name__}"):
            recorded_mask(work, search)
