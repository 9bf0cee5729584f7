"""The Ray engine on a simulated cluster of several nodes: a node goes while cells run, and nothing is lost."""

from __future__ import annotations

import os
import threading
import time

import pytest
import small_world

from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.experiment.store import Store
from lottery_utils.experiment.study import open_study
from lottery_utils.experiment.verify import verify_store


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    small_world.make_task(root / "data", train=32, dev=16)
    model = small_world.make_model(root / "model")
    settings = {**small_world.SETTINGS, "epochs": 1, "model": str(model), "data": str(root / "data")}
    return {**settings, "tasks": ["sst2"], "seeds": [1], "magnitude_max_steps": 2, "head_step": 0.4}


def test_without_ray_one_line_says_what_to_install(world, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match=r"lottery-utils\[ray\]"):
        open_study("laptop", overrides=world, results_dir=tmp_path).run(engine="ray", progress=False)


@pytest.mark.parametrize("share", ("0", "1.5", "half", "nan", "-1"))
def test_a_share_of_a_gpu_lies_between_0_and_1(monkeypatch, tmp_path, capsys, share):
    monkeypatch.setenv("LOTTERY_GPUS_PER_CELL", share)
    assert main(["run", "--tasks", "rte", "--engine", "ray", "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert ("invalid float value: 'half'" if share == "half" else "above 0, at most 1") in said


@pytest.mark.slow
def test_a_node_is_removed_while_cells_run_and_the_records_are_the_serial_ones(world, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
    from ray.cluster_utils import Cluster

    alone = open_study("laptop", overrides=world, results_dir=tmp_path / "serial")
    assert alone.run(engine="serial", progress=False).ok
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    doomed, _ = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    study = open_study("laptop", overrides=world, results_dir=tmp_path / "ray")
    removed = []

    def remove() -> None:
        limit = time.monotonic() + 300
        while len(list((tmp_path / "ray").glob("*/record.json"))) < 2 and time.monotonic() < limit:
            time.sleep(0.02)
        cluster.remove_node(doomed, allow_graceful=False)
        removed.append(len(list((tmp_path / "ray").glob("*/record.json"))))

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        summary = study.run(engine="ray", progress=False)
    finally:
        thread.join()
        ray.shutdown()
        cluster.shutdown()
    assert summary.ok, summary.failed
    assert removed and removed[0] < len(study.cells())
    one, other = Store(tmp_path / "serial"), Store(tmp_path / "ray")
    assert one.addresses() == other.addresses()
    for key in one.addresses():
        assert small_world.comparable(one.read(key)) == small_world.comparable(other.read(key, deep=True))
    assert not [finding for finding in verify_store(other) if finding.kind == "damaged"]
    assert os.environ.get("RAY_ADDRESS") is None
