"""Footprint, status page, downloads and the appendix' scores, from made-up records."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up_records import make_study

from lottery_book import appendix, sources, status
from lottery_utils.show import frames

ROOT = Path(__file__).resolve().parent.parent
BAD_MNLI = "method == 'structured' and subnetwork == 'bad' and treatment == 'retrained' and task == 'mnli'"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("store"), ("cola", "wnli"), (1337, 42), degenerate=("wnli",))


def measured(records: list[dict]) -> list[dict]:
    """Records of which the fine-tunings, and no others, say what they used."""
    used = {"energy_kwh": 0.002, "co2_kg": 0.001, "gpu_hours": 0.5}
    return [record | used if record["cell"]["stage"] == "finetune" else record for record in records]


def test_footprint_sums_by_stage_and_says_what_was_not_measured(study):
    records = study.records()
    shown = appendix.footprint_table(measured(records), "Footprint.", "footprint").data.set_index(["stage", "pruning"])
    row = shown.loc[("finetune", "")]
    assert (row["cells"], row["time"], row["energy"], row["CO2"], row["GPU-hours"]) == (4, "20.0 s", "8 Wh", "4 g", "2")
    assert shown.loc[("search", "s-pruning"), ["measured", "energy", "CO2"]].tolist() == ["none", "–", "–"]
    assert shown.loc[("all", ""), ["measured", "energy"]].tolist() == ["4", "8 Wh"] and row["measured"] == "all"
    stages = [stage for stage, method in shown.index if method == "s-pruning"]
    assert stages == ["search", "control", "score", "retrain"] and list(shown.index)[-1] == ("all", "")
    assert appendix.total_of(measured(records)) == f"{appendix.total_of(records)}, 8 Wh"
    assert "Wh" not in appendix.total_of(records) and appendix.total_of([]) == "nothing yet"
    assert appendix.footprint_table([], "Footprint.", "footprint").data.empty


def test_status_names_stores_devices_commits_and_days(study, tmp_path):
    rows = status.stored([study.store.root, tmp_path / "nothing"])
    assert len(rows) == len(study.records())
    said = status.status_numbers(rows)
    assert (said["days"], said["devices"]) == ("2026-01-01", "made-up device")
    assert said["presets"] == f"paper {len(rows)}"
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
    assert status.status_numbers(rows) == {
        "stored": "0", "presets": "none", "days": "none", "devices": "none", "earlier": "0",
    }
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
    results = frames.results(study.table())
    page = appendix.csv_link(results, "scores & more.csv").data
    found = re.search(r'download="([^"]+)" href="data:text/csv;base64,([^"]+)"', page)
    assert found[1] == "scores &amp; more.csv"
    back = pd.read_csv(io.BytesIO(base64.b64decode(found[2])), keep_default_na=False)
    assert len(back) == len(results) and (back["score"].astype(float) == results["score"]).all()


def test_score_table_has_a_row_a_condition_and_lead_over_the_same_tasks():
    printed = sources.published_source()
    shown = appendix.score_table(printed, "made-up").data
    assert len(shown) == 20 and shown["lead kept"].tolist().count("–") == 6, "of super-survivors no lead is taken"
    bad = shown[(shown["pruning"] == "s-pruning") & (shown["model"] == "bad") & (shown[""] == "retrained")].iloc[0]
    assert bad["lead kept"] == f"{100 * printed.effects()['structured', 'bad', 'retrained'].mean:.0f}"
    assert bad["MNLI"] == f"{printed.results.query(BAD_MNLI)['score'].item():.3f}".removeprefix("0")
    nothing = replace(printed, results=pd.DataFrame(), kind="real study")
    assert appendix.score_table(nothing, "made-up").data.empty
    html = appendix.score_tabs([printed, nothing]).data
    assert re.findall(r'<input [^>]*id="([\w-]+)"( checked)?>', html) == [
        ("appendix-published", " checked"),
        ("appendix-real-study", ""),
    ]
    assert html.count('<div class="sd-tab-content">') == html.count("<table") == 2
