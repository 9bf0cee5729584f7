"""Published numbers that come with the package: equal to their sources, and what the authors' chapter draws of them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lottery_book import published
from lottery_book.authors import findings
from lottery_book.authors.masks import restated
from lottery_utils.presets import GLUE_TASKS

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="module")
def recomputed():
    if not (SHARED / "authors_release" / "masks").is_dir():
        pytest.skip("the authors' release is not at hand: no folder shared/authors_release beside the repository")
    return restated(SHARED / "authors_release")


def test_every_table_is_there_has_a_source_and_goes_into_the_wheel():
    assert sorted(p.stem for p in published.FOLDER.glob("*.csv")) == sorted(published.SOURCE)
    assert all(source and len(published.table(name)) for name, source in published.SOURCE.items())
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "published/*.csv" in packed["lottery_book"]


def test_restated_tables_are_those_of_the_release(recomputed):
    for name, table in recomputed.items():
        stored = published._read(name)
        assert list(stored.columns) == list(table.columns)
        pd.testing.assert_frame_equal(stored, table, check_dtype=False, rtol=1e-8, atol=1e-8)


def test_tables_can_be_recomputed_instead(recomputed):
    here, there = published.seed_agreement(), published.seed_agreement(recomputed)
    pd.testing.assert_frame_equal(here, there, rtol=1e-8)


def test_results_are_those_of_the_papers_table():
    path = SHARED / "published" / "results_table_wide.csv"
    if not path.is_file():
        pytest.skip("the published results table is not at hand: no folder shared/published beside the repository")
    wide, found = pd.read_csv(path).set_index("setting"), published.results()
    assert len(found) == 20 * 9 and set(found["task"]) == set(GLUE_TASKS)
    for row in found.itertuples():
        assert row.mean == pytest.approx(wide.loc[row.setting, f"{row.title}_mean"], abs=6e-5)
        if row.count > 1:
            assert row.std == pytest.approx(wide.loc[row.setting, f"{row.title}_std_ddof1"], abs=6e-5)


def test_every_table_gives_tasks_by_both_names():
    for name in published.SOURCE:
        found = published.table(name)
        if "task" in found:
            assert set(found["task"]) - set(GLUE_TASKS) <= {"HANS", "HANS_MNLI", "MNLI_TWO", "MNLI_TWO_HALF"}
    assert published.text_numbers()["pattern_f1_raw"] == 0.81


def test_reading_them_needs_no_torch():
    code = "import sys; from lottery_book import published as p; p.results(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_the_bar_of_random_retrained_is_the_good_ones():
    bars = findings.plotted_bars(published.results()).set_index("task")
    results = published.results().set_index(["setting", "task"])["mean"]
    for task in GLUE_TASKS:
        assert bars.loc[task, "plotted"] == results["head_mlp_retrained", task]
        assert bars.loc[task, "random"] == results["head_mlp_random_retrained", task]
    assert 100 * bars.loc["mrpc", "gap"] == pytest.approx(9.36, abs=0.01)


def test_only_steps_of_five_per_cent_give_all_stored_shares():
    levels = published.table("magnitude_levels")
    worst = findings.step_errors(levels).groupby("step")["error"].max()
    assert list(worst.index[worst < findings.EXACT]) == [5] and worst.drop(5).min() > 20 * worst[5]
    np.testing.assert_allclose(levels["share"], 0.95 ** levels["steps"], atol=1e-8)
    by_task = levels.groupby("title")
    np.testing.assert_allclose(by_task["share"].mean(), by_task["task_mean"].first(), atol=1e-7)


def test_column_slices_of_the_projection_sum_to_the_output_and_row_slices_do_not():
    errors = findings.slice_errors()
    columns, rows = (errors[errors["slices"] == kind]["error"] for kind in ("columns", "rows"))
    assert columns.max() < 1e-12 and rows.min() > 0.5 and len(columns) == len(rows) == 6


def test_super_bad_is_one_mask_and_super_random_is_not():
    assert findings.of_super(published.table("masks_of_seeds")) == {"super_bad": "1", "super_random": "5"}


def test_cochran_accepts_what_is_no_more_alike_than_chance():
    said = findings.of_cochran(published.seed_agreement())
    assert (said["cochran_task"], said["cochran_p"], said["cochran_pairs"]) == ("QNLI", "0.98", "100 %")
    row = published.seed_agreement().query("family == 'heads_mlps' and title == 'QNLI' and component == 'mlp'").iloc[0]
    assert row["krippendorff_alpha"] == pytest.approx(0.16, abs=0.005) and row["permutation_p"] > 0.05


def test_good_ones_lie_at_the_threshold_and_vary_less_than_retrained_ones():
    said, results = findings.of_selection(published.results()), published.results().set_index(["setting", "task"])
    means = {setting: results.loc[setting, "mean"].drop("wnli") for setting in ("head_mlp", "no_mask")}
    kept = means["head_mlp"] / means["no_mask"]
    assert said["selection_kept"] == f"{100 * kept.min():.0f} % to {100 * kept.max():.0f} %"
    assert float(said["selection_pruned"]) < float(said["selection_retrained"])


def importances(values, seed=1):
    heads = [{"task": "rte", "title": "RTE", "seed": seed, "component": "head", "layer": 0, "head": float(h), "kept": v}
             for h, v in enumerate(values)]  # fmt: skip
    return pd.DataFrame(heads, columns=["task", "title", "seed", "component", "layer", "head", "kept"])


def test_importances_are_compared_by_rank_and_by_what_goes_first():
    up, down = importances(np.arange(20.0)), importances(np.arange(20.0)[::-1])
    same, turned = findings.compare_importances(up, up), findings.compare_importances(up, down)
    assert same.iloc[0][["spearman", "lowest", "common"]].tolist() == [1, 2, 2]
    assert turned.iloc[0][["spearman", "lowest", "common"]].tolist() == [-1, 2, 0]
    between = pd.DataFrame(columns=["component", "jaccard", "chance"])
    alike = pd.DataFrame({"component": ["head"], "jaccard": [0.5], "chance": [0.25]})
    said = findings.of_importance(same, alike)
    assert said["importance_common"] == "2.0 of 2" and said["importance_jaccard"] == "0.50, by chance 0.25"
    nothing = findings.compare_importances(up.iloc[:0], up)
    assert set(findings.of_importance(nothing, between).values()) == {findings.NOT_STORED}
