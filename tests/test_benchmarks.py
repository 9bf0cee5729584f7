"""The measurements: results.json is well-formed, the pages say what it says, a tiny run appends what a page shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))
import page  # noqa: E402

ENTRY = {
    "name": "retrain-compact", "ours": 1.9, "peer": 2.0, "unit": "times", "ratio": 0.95, "what": "a thing",
    "than": "another", "note": "as it was", "machine": "a machine", "threads": 2, "versions": {"torch": "2"},
    "commit": "abc", "date": "2026-01-01 00:00 UTC", "runs": {"ours": {"wall": [1.0, 1.25], "cpu": []}},
    "rows": [{"kept": "half", "seconds": 0.123456, "parameters": 1234567}],
}  # fmt: skip


def write(path: Path, *entries: dict) -> Path:
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def test_results_are_well_formed_and_the_pages_agree_with_them():
    texts = page.pages(page.read())
    assert {path.name for path in texts} == {"README.md", "benchmarks.md", "pruning_buys.md"}
    for path, text in texts.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale; run python benchmarks/page.py"


def test_the_newest_entry_of_each_name_is_shown_and_a_gap_is_a_gap(tmp_path):
    older = ENTRY | {"ratio": 0.5, "date": "2025-01-01 00:00 UTC"}
    found = page.read(write(tmp_path / "r.json", older, ENTRY))
    text = page.benchmarks_page(found)
    assert "2026-01-01" in text and "2025-01-01" not in text
    row = next(line for line in text.splitlines() if page.SPEED["retrain-compact"][0] in line)
    assert "| 0.95 | 0.9 | yes |" in row and "`retrain-compact`" in text
    assert "| half | 0.123 | 1,234,567 |" in text and "Runs, in turn: ours: 1, 1.25 s." in text
    assert text.count("not measured") == len(page.SPEED) - 1 and page.NO_GPU in text
    assert "half" in page.buys_page(found)


def test_a_time_longer_than_each_of_its_runs_is_called_extrapolated(tmp_path):
    plain = ENTRY | {"name": "structured-search", "unit": "s", "ours": 1.1, "peer": 40.0}
    plain["runs"] = {"ours": {"wall": [1.0, 1.1]}, "peer": {"wall": [2.0, 2.5]}}
    whole = plain | {"name": "magnitude-search-time", "peer": 2.2}
    text = page.benchmarks_page(page.read(write(tmp_path / "r.json", plain, whole)))
    assert "| 1.1 | 40 | s, peer extrapolated |" in text and "| 1.1 | 2.2 | s |" in text
    assert text.count("extrapolated: 2, 2.5 s") == 1


def test_pages_of_nothing_say_so(tmp_path):
    found = page.read(tmp_path / "none.json")
    assert found == {} and "Not measured yet." in page.benchmarks_page(found) and page.buys_page(found)


@pytest.mark.parametrize("change", [{"ratio": None}, {"ours": float("nan")}, {"versions": "2"}, {"commit": None}])
def test_a_malformed_entry_is_refused(tmp_path, change):
    with pytest.raises(ValueError, match=f"entry 1 .*: {next(iter(change))} is"):
        page.read(write(tmp_path / "r.json", ENTRY, ENTRY | change))


def test_a_benchmark_prints_both_sides_and_appends_one_entry(tmp_path):
    results = tmp_path / "r.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "growth.py"), "--tiny", "--only", "cells", "--threads", "1"]
    done = subprocess.run([*command, "--results", str(results)], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert "growth-cells-schedule" in done.stdout and "peer" in done.stdout
    found = page.read(results)
    assert list(found) == [f"growth-cells-{name}" for name in ("plan", "addresses", "schedule", "status", "verify")]
    assert "cells: the order of work" in page.benchmarks_page(found)


def test_searches_are_compared_with_the_plain_procedure_as_it_is_now(tmp_path):
    """The benchmark stops where the masks differ: it had gone stale with the rule of the norms."""
    results = tmp_path / "r.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "structured_search.py"), "--tiny", "--threads", "1"]
    done = subprocess.run([*command, "--results", str(results)], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    found = page.read(results)
    assert list(found) == ["structured-search", "structured-search-exact"]
    row = found["structured-search"]["rows"][0]
    assert row["ratio"] == pytest.approx(row["padding alone"] * row["the rest"])


def test_without_a_gpu_the_gpu_benchmark_says_so_in_a_line(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--results", str(tmp_path / "r.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("skipped: there is no CUDA device")
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize(
    ("late", "seconds", "fine"), [(1, None, True), (1, 4000, True), (3600, None, False), (1, 5, False)]
)
def test_the_report_s_profile_refuses_a_book_made_again_later(tmp_path, monkeypatch, late, seconds, fine):
    import report_profile

    from lottery_utils.experiment.store import Store

    index = tmp_path / "book" / "_build" / "html" / "index.html"
    index.parent.mkdir(parents=True)
    index.write_text("")
    os.utime(index, (1000.0 + late + 20, 1000.0 + late + 20))
    cell = {"stage": "finetune", "method": "", "subnetwork": "full", "seed": 1}
    day = "1970-01-01T00:16:{:02d}+00:00"
    record = {"cell": cell, "started": day.format(0), "ended": day.format(40), "stages_seconds": {}, "seconds": 40.0}
    monkeypatch.setattr(Store, "records", lambda self: [record])
    monkeypatch.setattr(report_profile, "chapter_times", lambda out: [("01_a", 1000.0 + late, 1010.0 + late)])
    if fine:
        total, rows, facts = report_profile.profile(tmp_path, tmp_path, seconds)
        assert (
            facts["cells"] == 1 and total == (seconds or 1000 + late + 20 - 960) and rows[-1]["part"] == "chapter 01_a"
        )
    else:
        with pytest.raises(SystemExit, match="made again"):
            report_profile.profile(tmp_path, tmp_path, seconds)
