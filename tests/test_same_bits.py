"""The same cell gives the same bits in another process, whatever its hash seed, for every stage."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import small_world

from lottery_utils.experiment.stage_table import STAGES
from lottery_utils.experiment.store import Store

CODE = """
import json, sys
from lottery_utils.experiment.study import open_study
from lottery_utils.experiment.stage_table import BASELINES, STAGES
settings = json.loads(sys.argv[1])
study = open_study("laptop", ["sst2"], [1], settings, sys.argv[2])
names = ["good", "random", "bad", "super", *BASELINES]
summary = study.run(STAGES, subnetworks=names, engine="serial", progress=False)
print(summary.failed)
sys.exit(not summary.ok)
"""


@pytest.mark.slow
def test_every_stage_gives_the_same_bits_in_two_processes(tmp_path):
    small_world.make_task(tmp_path / "data", train=48, dev=24)
    model = small_world.make_model(tmp_path / "model")
    changes = {"epochs": 1, "dropout": 0.1, "magnitude_max_steps": 2, "head_step": 0.4, "attention_examples": 4}
    changes |= {"attention_min_tokens": 4, "attention_max_tokens": 16}
    changes |= {"landscape_examples": 8, "landscape_directions": 1, "landscape_grid": 3, "probe_sentences": 40}
    settings = {**small_world.SETTINGS, **changes, "model": str(model), "data": str(tmp_path / "data")}
    paths, crew = os.pathsep.join(path for path in sys.path if path), []
    for seed, threads in (("1", "1"), ("77", "2")):
        environment = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "PYTHONHASHSEED": seed}
        environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        command = [sys.executable, "-c", CODE, json.dumps(settings), str(tmp_path / seed)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        crew.append(subprocess.Popen(command, env=environment, **pipes))
    for process in crew:
        out = process.communicate()[0]
        assert process.returncode == 0, out
    one, other = Store(tmp_path / "1"), Store(tmp_path / "77")
    assert one.addresses() == other.addresses()
    stages = set()
    for key in one.addresses():
        record, again = one.read(key, deep=True), other.read(key, deep=True)
        assert record["files"] == again["files"], record["name"]
        assert small_world.comparable(record) == small_world.comparable(again)
        stages.add(record["cell"]["stage"])
    assert stages == {stage for stage in STAGES if not stage.startswith("hans")}  # which is about MNLI and a file
