"""Energy and CO2 of cells: numbers with how they were measured, nulls with a reason, nothing left behind."""

from __future__ import annotations

import json
import pickle
import socket
import sys
import types

import pytest
import small_world
import torch

from lottery_utils.cli import main
from lottery_utils.errors import UserError
from lottery_utils.experiment import energy
from lottery_utils.experiment.energy import COUNTRY, Meter, checked_grid, gpu_of
from lottery_utils.experiment.identity import Key
from lottery_utils.experiment.pool import Job
from lottery_utils.experiment.study import open_study
from lottery_utils.experiment.tables import results_table
from lottery_utils.presets import get_preset

FIELDS = {"energy_kwh", "co2_kg", "gpu_hours", "energy"}


@pytest.fixture(autouse=True)
def fresh():
    """No tracker from another test."""
    energy._tracker.cache_clear()
    yield
    energy._tracker.cache_clear()


def busy(meter: Meter) -> dict:
    with meter:
        sum(range(3_000_000))
    return meter.fields()


def test_a_cell_gets_numbers_and_how_they_were_measured():
    pytest.importorskip("codecarbon")
    found = busy(Meter())
    assert set(found) == FIELDS and 0 < found["energy_kwh"] < 1e-3 and 0 < found["co2_kg"] < 1e-3
    assert found["gpu_hours"] == 0.0 and found["energy"]["missing"] is None
    parts = [found["energy"][name] for name in ("cpu_kwh", "ram_kwh", "gpu_kwh")]
    assert sum(parts) == pytest.approx(found["energy_kwh"])
    about = found["energy"]
    assert about["tracker"].startswith("codecarbon ") and about["mode"] == "process" and about["country"] == COUNTRY
    json.dumps(found, allow_nan=False)


def test_the_country_decides_the_co2_and_not_the_energy():
    pytest.importorskip("codecarbon")
    intensity = {}
    for where in ("SWE", "POL"):
        found = busy(Meter(where))
        intensity[where] = found["co2_kg"] / found["energy_kwh"]
    assert intensity["POL"] > 3 * intensity["SWE"]


def test_the_users_own_settings_of_codecarbon_are_shut_out(tmp_path, monkeypatch):
    """They would change the numbers by factors that records do not say."""
    settings = {"pue": "1000", "force_cpu_power": "90000", "force_ram_power": "90000", "country_iso_code": "POL"}
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\npue = 1000\nforce_cpu_power = 90000\n")
    for name, value in settings.items():
        monkeypatch.setenv(f"CODECARBON_{name.upper()}", value)
    tracker, missing = energy._tracker(COUNTRY, "", "")
    assert missing is None and tracker._pue == 1.0 and not tracker._force_cpu_power and not tracker._force_ram_power
    found = busy(Meter())
    assert found["energy"]["country"] == COUNTRY and 0 < found["energy_kwh"] < 1e-3


def test_nothing_is_written_said_or_sent(tmp_path, monkeypatch, capfd):
    pytest.importorskip("codecarbon")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".codecarbon.config").write_text(
        "[codecarbon]\nsave_to_file=true\nemissions_endpoint=http://127.0.0.1:9\nelectricitymaps_api_token=x\n"
    )

    def refused(*a, **k):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert busy(Meter())["energy_kwh"] > 0
    assert [p.name for p in tmp_path.iterdir()] == [".codecarbon.config"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["pue = 1.3\n", "[codecarbon]\npue\n", "[codecarbon]\npue = 1\npue = 2\n", "\x00\xff"])
def test_a_broken_file_of_settings_costs_the_energy_and_no_result(tmp_path, monkeypatch, text):
    """codecarbon reads the user's files before it can be told not to."""
    pytest.importorskip("codecarbon")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".codecarbon.config").write_text(text, encoding="latin-1")
    found = busy(Meter())
    assert found["energy_kwh"] is None and found["co2_kg"] is None
    missing = found["energy"]["missing"]
    assert missing.startswith("codecarbon stopped: ") and "\n" not in missing
    assert missing.endswith("if there is a .codecarbon.config, see whether it is whole")


def test_without_codecarbon_there_are_nulls_and_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    found = busy(Meter())
    assert found["energy_kwh"] is found["co2_kg"] is None
    assert found["energy"]["missing"].startswith("codecarbon stopped: ModuleNotFoundError: ")
    assert checked_grid(None, None) == (COUNTRY, "")


class Broken:
    """A tracker whose power interface fails at one call."""

    def __init__(self, fails: str):
        self.fails = fails

    def start_task(self):
        if self.fails == "start":
            raise PermissionError("power counter")

    def stop_task(self):
        if self.fails == "stop":
            raise OSError("gone")
        energy_kwh = float("nan") if self.fails == "nan" else 1.0
        return types.SimpleNamespace(energy_consumed=energy_kwh, emissions=1.0, gpu_energy=0.0)


@pytest.mark.parametrize(
    ("fails", "gpu", "said"),
    [
        ("start", "", "PermissionError: power"),
        ("stop", "", "OSError: gone"),
        ("nan", "", "not finite"),
        ("", "GPU-1", "GPU"),
    ],
)
def test_a_power_interface_that_fails_costs_no_result(fails, gpu, said, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(energy, "_tracker", lambda *a: (Broken(fails), None))
        meter = Meter(gpu=gpu)
    found = busy(meter)
    assert found["energy_kwh"] is found["co2_kg"] is None and said in found["energy"]["missing"]
    assert (found["gpu_hours"] > 0) == bool(gpu)


def test_an_error_inside_passes_through():
    with pytest.raises(KeyError):
        with Meter():
            raise KeyError("cell")


def test_places_are_checked():
    pytest.importorskip("codecarbon")
    assert checked_grid("can", "Quebec") == ("CAN", "quebec")
    for country, region in (("XXX", ""), ("Germany", ""), ("USA", "bavaria"), ("DEU", "bavaria")):
        with pytest.raises(UserError, match="is unknown") as caught:
            checked_grid(country, region)
        assert "\n" not in str(caught.value)


def test_the_environment_is_read_by_the_command_line_alone(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("LOTTERY_COUNTRY", "XXX")
    assert main(["run", "--tasks", "rte", "--stages", "baseline", "--results", str(tmp_path)]) == 2
    assert "country 'XXX' is unknown" in capsys.readouterr().err
    assert open_study("demo", ["rte"], results_dir=tmp_path).run(["baseline"], None, ["majority"], "serial").ok


def test_a_cpu_needs_no_gpu_and_a_gpu_is_named_by_its_identifier(monkeypatch):
    assert gpu_of(torch.device("cpu")) == ""
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda d: types.SimpleNamespace(uuid="ab-12"))
    assert gpu_of(torch.device("cuda", 0)) == "GPU-ab-12"


def test_a_job_carries_the_place():
    job = Job("results", Key(get_preset("demo"), {"": "a"}), "lottery run", "DEU", "")
    assert pickle.loads(pickle.dumps(job)) == job


def test_records_hold_it_and_old_ones_lack_it(tmp_path):
    pytest.importorskip("codecarbon")
    small_world.make_model(tmp_path / "model")
    small_world.make_task(tmp_path / "glue")
    overrides = {"model": str(tmp_path / "model"), "data": str(tmp_path / "glue"), **small_world.SETTINGS, "epochs": 1}
    study = open_study("laptop", ["sst2"], [1], overrides, tmp_path / "results")
    names = ["majority", "cbow"]
    assert study.run(["baseline"], subnetworks=names, engine="serial", progress=False, country="FRA").ok
    record = study.record("sst2/1/baseline/cbow")
    assert set(record) >= FIELDS and record["energy_kwh"] > 0 and record["energy"]["country"] == "FRA"
    table = study.table()
    assert (table["energy_kwh"] > 0).all() and (table["co2_kg"] > 0).all() and (table["gpu_hours"] == 0).all()

    old = [{name: value for name, value in record.items() if name not in FIELDS}]
    assert results_table(old)["energy_kwh"].isna().all()
