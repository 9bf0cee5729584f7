"""Footprint, status page, downloads and the appendix' maps, from made-up records."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from made_up_records import make_study

from lottery_book import downloads, footprint, status
from lottery_utils.show import frames, heatmaps, scores

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("store"), ("cola", "wnli"), (1337, 42), degenerate=("wnli",))


def measured(records: list[dict]) -> list[dict]:
    """Records of which the fine-tunings, and no others, say what they used."""
    used = {"energy_kwh": 0.002, "co2_kg": 0.001, "gpu_hours": 0.5}
    return [record | used if record["cell"]["stage"] == "finetune" else record for record in records]


def test_footprint_sums_by_stage_and_says_what_was_not_measured(study):
    records = study.records()
    shown = footprint.footprint_table(measured(records), "Footprint.", "footprint").data.set_index(["stage", "pruning"])
    row = shown.loc[("finetune", "")]
    assert (row["cells"], row["time"], row["energy"], row["CO2"], row["GPU-hours"]) == (4, "20.0 s", "8 Wh", "4 g", "2")
    assert shown.loc[("search", "s-pruning"), ["measured", "energy", "CO2"]].tolist() == ["none", "–", "–"]
    assert shown.loc[("all", ""), ["measured", "energy"]].tolist() == ["4", "8 Wh"] and row["measured"] == "all"
    stages = [stage for stage, method in shown.index if method == "s-pruning"]
    assert stages == ["search", "control", "score", "retrain"] and list(shown.index)[-1] == ("all", "")
    assert "; 4 of them were measured: an estimated 8 Wh" in footprint.footprint_sentence(measured(records))
    assert footprint.footprint_sentence(records).endswith("their energy was not measured.")
    assert footprint.footprint_sentence([]) == "Nothing is stored yet, so there is no footprint to show."
    assert footprint.footprint_table([], "Footprint.", "footprint").data.empty


def test_status_names_stores_devices_commits_and_days(study, tmp_path):
    rows = status.stored([study.store.root, tmp_path / "nothing"])
    assert len(rows) == len(study.records())
    said = status.status_sentence(rows)
    assert said.endswith("They were computed on 2026-01-01, on made-up device.") and "of preset paper" in said
    stages = status.stage_status(rows).data
    assert set(stages["commit"]) == {"0" * 7} and set(stages["energy"]) == {"–"} and set(stages["measured"]) == {"none"}
    assert stages["cells"].sum() == len(rows)
    places = status.place_status(rows).data
    assert places["cells"].tolist() == [len(rows)] and "torch 2" in places["versions"].item()
    later = rows.assign(commit=["a" * 40] * (len(rows) - 1) + ["b" * 40], dirty=True, ended="2026-02-01")
    assert sorted(status.commits(later).split(", ")) == ["aaaaaaa changed", "bbbbbbb changed"]


def test_stores_of_presets_in_one_folder_are_counted(study, tmp_path):
    shutil.copytree(study.store.root, tmp_path / "importance" / "demo")
    rows = status.stored([study.store.root, tmp_path / "importance"])
    assert len(rows) == 2 * len(study.records())
    assert set(rows["store"]) == {f"paper ({study.store.root.name})", "paper (importance)"}


def test_status_of_an_empty_store_says_so(tmp_path):
    rows = status.stored([tmp_path])
    assert status.status_sentence(rows) == "Nothing is stored yet."
    for table in (status.stage_status(rows), status.place_status(rows)):
        assert table.data.empty and "<caption>" in table.to_html()


def test_stores_are_this_runs_and_those_of_the_repository(tmp_path, monkeypatch):
    for name in ("records/b", "records/a", "notebooks"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks")
    assert [folder.name for folder in status.stores("results")] == ["results", "a", "b"]


def test_chapters_are_counted_by_the_cells_they_need(study, monkeypatch):
    """The real notebooks on a store of made-up records: what they ask for is there, and nothing is computed."""
    monkeypatch.chdir(ROOT)
    parameters = {"preset": "paper", "tasks": ["cola", "wnli"], "seeds": [1337, 42], "overrides": {}}
    parameters["overrides"] = {"model": "nowhere-model", "data": "nowhere-data"}
    shown = status.chapter_status({**parameters, "results_dir": str(study.store.root)}).data.set_index("chapter")
    assert shown.loc["02_structured", ["cells", "stored", "failed"]].tolist() == [8, 8, "none"]
    assert list(shown.index) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_a_download_holds_the_whole_table(study):
    results = scores.results(study.table())
    page = downloads.csv_link(results, "scores & more.csv").data
    found = re.search(r'download="([^"]+)" href="data:text/csv;base64,([^"]+)"', page)
    assert found[1] == "scores &amp; more.csv"
    back = pd.read_csv(io.BytesIO(base64.b64decode(found[2])), keep_default_na=False)
    assert len(back) == len(results) and (back["score"].astype(float) == results["score"]).all()


def test_maps_in_numbers_have_a_panel_a_task_and_say_what_is_missing(study, tmp_path):
    for method in ("structured", "magnitude"):
        figure = heatmaps.survival_in_numbers(frames.component_survival(study, method), method, ["WNLI"])
        titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
        assert titles[0].startswith("CoLA") and titles[1] == "WNLI"
        assert any("±" in text.get_text() for text in figure.axes[0].texts)
        figure.savefig(tmp_path / f"{method}.png")
    empty = heatmaps.survival_in_numbers(frames.component_survival(study, "structured").iloc[:0], "structured")
    assert "Nothing to show" in empty.axes[0].texts[0].get_text()
