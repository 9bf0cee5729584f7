"""What a GPU is asked to prove, tried without one: its layout of batches and its operations, on the CPU."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lottery_utils.fast import cut_passes, packed, packed_layer, packed_model

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """One cell of each kind of an MPNet, computed as a CPU does."""
    import gpu_smoke

    root = tmp_path_factory.mktemp("smoke")
    made = gpu_smoke.study_of(str(gpu_smoke.mpnet(root / "model")), root / "results")
    gpu_smoke.compute(made)
    return made


def padded(data, rows, device, low=False):
    """A batch as a GPU gets it: one group with a mask, and no tokens of no example."""
    return packed.pack(data, rows, device, pad=True)


def as_on_a_gpu(monkeypatch, pack) -> None:
    """Batches as `pack` makes them, and torch's operations one by one."""
    for module in (packed_model, cut_passes):
        monkeypatch.setattr(module, "pack", pack)
    monkeypatch.setattr(packed, "is_computed", lambda *_: False)
    monkeypatch.setattr(packed_layer, "is_written_out", lambda *_: False)


def beyond(rows: list[dict]) -> list[str]:
    """What differs by more than it may."""
    return [row["what"] for row in rows if not row["differs by"] <= row["tolerance"]]


@pytest.mark.slow
def test_every_kind_of_cell_is_the_same_in_a_gpu_s_layout(study, monkeypatch):
    import gpu_smoke

    as_on_a_gpu(monkeypatch, padded)
    rows = gpu_smoke.compared(study, CPU)
    assert beyond(rows) == []
    assert max(row["differs by"] for row in rows) > 0  # it did compute in another way
    assert {row["what"].split("/")[2] for row in rows} >= {"finetune", "search", "control", "score", "retrain"}


@pytest.mark.slow
def test_padding_that_is_attended_to_is_noticed(study, monkeypatch):
    import gpu_smoke

    def careless(*args, **options):
        batch, rows = padded(*args, **options)
        return dataclasses.replace(batch, mask=None), rows

    as_on_a_gpu(monkeypatch, careless)
    assert "sst2/42/score/structured/good" in beyond(gpu_smoke.compared(study, CPU))


@pytest.mark.slow
def test_the_smoke_part_runs_on_a_cpu_against_itself():
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--device", "cpu", "--tiny", "--smoke", "--dry"]
    done = subprocess.run([*command, "--threads", "1"], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n  0 of 22 rows differ by more than their tolerance" in done.stdout
    assert "CUDA graphs against the plain loop" in done.stdout
