"""A study carried to a machine without network in parts, computed there by several processes, and brought back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_records import make_study
from safetensors.torch import load_file

from lottery_utils.demo import micro_bert_dir
from lottery_utils.experiment.store import Store
from lottery_utils.experiment.verify import verify_store
from lottery_utils.models.load import load_classifier, load_tokenizer
from lottery_utils.models.source import model_name

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))
import gpu_study  # noqa: E402

TASKS = str(ROOT / "lottery_utils" / "demo" / "tasks")
SMALL = {"train_limit": 24, "dev_limit": 16, "limited": ["sst2"], "epochs": 1, "max_length": 24, "precision": "fp32"}
SMALL |= {"methods": ["structured"], "dropout": 0.0, "threshold": 0.5, "attention_examples": 2}
SMALL |= {"attention_min_tokens": 4, "attention_max_tokens": 24}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The demo's model and tasks in parts of at most 1 MB."""
    out = tmp_path_factory.mktemp("packed") / "parts"
    assert gpu_study.main("pack", "embedded", TASKS, str(out), "--part-mb", "1") == 0
    return out


def test_parts_are_small_and_give_the_model_rounded_to_bf16_which_is_read_as_float32(parts, tmp_path, capsys):
    files = sorted(parts.iterdir())
    assert len(files) > 2 and all(path.stat().st_size <= 1e6 for path in files)
    assert gpu_study.main("unpack", str(parts), str(tmp_path)) == 0
    folder = gpu_study.model_in(tmp_path)
    assert "rounded-to-bf16" in model_name(str(folder)) and "bf16" in (folder / "ROUNDED.txt").read_text()
    assert {value.dtype for value in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}
    found, original = load_classifier(str(folder), 2), load_classifier("embedded", 2)
    for one, other in zip(found.parameters(), original.parameters(), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=1e-6, rtol=2**-8)
    assert load_tokenizer(str(folder)).get_vocab() == load_tokenizer("embedded").get_vocab()


def test_weights_can_be_carried_as_they_are(tmp_path):
    assert gpu_study.main("pack", "embedded", TASKS, str(tmp_path / "parts"), "--dtype", "fp32") == 0
    assert gpu_study.main("unpack", str(tmp_path / "parts"), str(tmp_path / "there")) == 0
    weights = gpu_study.model_in(tmp_path / "there") / "model.safetensors"
    assert weights.read_bytes() == (micro_bert_dir() / "model.safetensors").read_bytes()


def damaged(parts: Path, folder: Path, name: str, change) -> Path:
    """A copy of the parts in which `change` was done to one file."""
    folder.mkdir()
    for path in parts.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    change(folder / name)
    return folder


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("part-02", Path.unlink, "part-02 is missing"),
        ("part-02", flip, "part-02 has another checksum"),
        ("part-01", lambda path: path.write_bytes(b""), "part-01 has 0 bytes, expected 1000000"),
        ("parts.json", Path.unlink, "no readable parts.json"),
        ("parts.json", lambda path: path.write_text("[1]"), "no readable parts.json"),
    ],
)
def test_parts_that_are_missing_or_altered_are_refused_in_a_line(parts, tmp_path, capsys, name, change, said):
    folder = damaged(parts, tmp_path / "bad", name, change)
    assert gpu_study.main("unpack", str(folder), str(tmp_path / "there")) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1
    assert not (tmp_path / "there").exists()


def test_parts_do_not_mix_with_older_ones(parts, capsys):
    assert gpu_study.main("pack", "embedded", TASKS, str(parts)) == 2
    assert "is not empty" in capsys.readouterr().err


def test_records_come_back_in_few_files_and_join_those_that_are_there(tmp_path, capsys):
    study = make_study(tmp_path / "results", ("mrpc", "rte"), (1, 2))
    for tasks in (["rte"], ["mrpc", "rte"]):  # the second time with cells that are there already
        out = tmp_path / f"brought{len(tasks)}"
        assert gpu_study.main("bring", str(tmp_path / "results"), str(out), "--tasks", *tasks) == 0
        assert gpu_study.main("take", str(out), str(tmp_path / "records")) == 0
    store = Store(tmp_path / "records")
    assert store.addresses() == study.store.addresses()
    assert not [finding for finding in verify_store(store) if finding.kind == "damaged"]
    bring = ("bring", str(tmp_path / "results"))
    assert gpu_study.main(*bring, str(tmp_path / "few"), "--files", "2", "--mb", "0.001") == 2
    assert "more than 2 files" in capsys.readouterr().err and not list((tmp_path / "few").iterdir())
    assert gpu_study.main(*bring, str(tmp_path / "none"), "--tasks", "cola") == 2


def run(there: Path, results: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts" / "gpu_study.py"), "run", str(there), str(results)]
    command += ["--tasks", "sst2", "--seeds", "1", "2", "--set", json.dumps(SMALL), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_processes_share_a_study_which_goes_on_where_the_time_was_over(parts, tmp_path):
    assert gpu_study.main("unpack", str(parts), str(tmp_path / "there")) == 0
    first = run(tmp_path / "there", tmp_path / "results", "--workers", "2", "--minutes", "0")
    assert first.returncode == 0 and "stopped when the time was over" in first.stdout, first.stderr
    second = run(tmp_path / "there", tmp_path / "results", "--workers", "2", "--minutes", "20")
    assert second.returncode == 0, second.stdout + second.stderr
    lines = second.stdout.splitlines()
    total = int(lines[-1].split("/")[0])
    assert lines[-1] == f"{total}/{total} cells are stored" and len(lines) == total + 2
    assert all("to go" in line for line in lines[1:-1])
    store = Store(tmp_path / "results")
    assert not [finding for finding in verify_store(store) if finding.kind == "damaged"]
    records = list(store.records())
    stages = {(record["cell"]["stage"], record["cell"]["subnetwork"]) for record in records}
    assert {("attention", "super"), ("retrain", "super_bad"), ("score", "random_layer")} <= stages
    assert all("rounded-to-bf16" in record["source"]["model_name"] for record in records)
    assert np.isfinite([record["seconds"] for record in records]).all()
