"""Chapters 06 and 07: the better bad subnetwork, leads, longer training, super-survivors; words for any outcome."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_world

from lottery_book import super_survivors
from lottery_book.bad_vs_baselines import figures
from lottery_book.bad_vs_baselines.frames import against, best_bad, leads
from lottery_utils.show.scores import RESULT
from lottery_utils.show.style import METHOD_NAMES
from lottery_utils.tasks.glue import TASKS

FULL, LEAST = 0.9, 0.5
BAD = {"rte": (0.7, 0.6), "mrpc": (0.55, 0.8), "qqp": (0.5, 0.5)}  # s-pruning, m-pruning


def results(tasks=("rte", "mrpc", "qqp"), seeds=(1, 2), longer: float | None = 0.02) -> pd.DataFrame:
    """Made-up scores: bag of words at 0.65, bad as in `BAD`, `longer` above that when trained longer."""
    rows = []

    def add(task, seed, method, subnetwork, treatment, score):
        rows.append((task, TASKS[task].title, "accuracy", seed, method, subnetwork, treatment, score))

    for task in tasks:
        add(task, 0, "", "majority", "baseline", LEAST)
        add(task, 0, "", "bag_of_words", "baseline", 0.65)
        for seed in seeds:
            add(task, seed, "", "full", "full", FULL)
            add(task, seed, "", "cbow", "baseline", 0.6)
            for method, score in zip(("structured", "magnitude"), BAD[task], strict=True):
                add(task, seed, method, "bad", "retrained", score + 0.01 * (seed - 1.5))
                if longer is not None:
                    add(task, seed, method, "bad", "retrained longer", score + longer + 0.01 * (seed - 1.5))
    return pd.DataFrame(rows, columns=RESULT)


def test_the_better_method_is_chosen_for_each_task():
    rows, best = best_bad(results())
    assert best["rte"] == "structured" and best["mrpc"] == "magnitude"
    assert set(rows["treatment"]) == {"retrained"} and set(rows["method"]) == {""}
    assert rows[rows["task"] == "mrpc"]["score"].mean() == pytest.approx(0.8)


def test_leads_are_differences_of_means():
    frame, _ = against(results())
    wide = leads(frame)
    assert list(wide.columns) == ["majority", "bag_of_words", "cbow"]
    assert wide.loc[("rte", "RTE"), "bag_of_words"] == pytest.approx(0.05)
    assert wide.loc[("mrpc", "MRPC"), "cbow"] == pytest.approx(0.2)
    said = figures.lead_sentence(frame)
    assert "on 2 of 3 tasks; not on QQP (bag of words leads by 0.150)" in said
    assert figures.word_model_sentence(frame) == "CBoW is above majority on 3 of 3 tasks."


def test_words_for_one_task_and_for_nothing():
    frame, _ = against(results(("rte",)))
    assert (
        figures.lead_sentence(frame)
        == "On RTE the bad subnetwork is above every baseline (majority, bag of words and CBoW)."
    )
    level = results(("rte", "qqp"))
    level.loc[level["subnetwork"].isin(["bag_of_words", "cbow"]), "score"] = 0.1
    assert "not on QQP (level with majority)" in figures.lead_sentence(against(level)[0])
    empty = results().iloc[:0]
    frame, best = against(empty)
    assert best == {} and figures.lead_sentence(frame).startswith("There is no")
    assert figures.longer_sentence(empty, "structured") == "s-pruning: not run."
    assert figures.word_model_sentence(frame).startswith("Neither")
    for figure in (
        figures.versus_bars(frame, best),
        figures.longer_lines(empty),
        super_survivors.super_bars(empty, pd.DataFrame()),
    ):
        assert "Nothing to show" in figure.axes[0].texts[0].get_text()
    assert "leads" in figures.lead_table(frame).to_html()


def test_longer_training_is_told_with_its_interval():
    assert (
        figures.longer_sentence(results(("rte",)), "structured")
        == "s-pruning: +2.2 points of the full score, mean over 1 task."
    )
    assert figures.longer_sentence(results(), "magnitude").endswith("longer training helps.")
    assert figures.longer_sentence(results(longer=-0.1), "magnitude").endswith("longer training hurts.")
    assert figures.longer_sentence(results(longer=None), "magnitude") == "m-pruning: not run."
    assert figures.times(2) == "twice" and figures.times(7) == "7 times"


def test_every_bar_and_line_is_drawn_once():
    frame, best = against(results())
    figure = figures.versus_bars(frame, best)
    third = f"QQP: bad by {METHOD_NAMES[best['qqp']]}"
    assert [ax.get_title() for ax in figure.axes] == ["RTE: bad by s-pruning", "MRPC: bad by m-pruning", third]
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == pytest.approx([LEAST, 0.65, 0.6, 0.7, FULL])
    lines = figures.longer_lines(results()).axes
    assert len(lines) == 3 and all(sum(line.get_alpha() == 0.8 for line in ax.lines) == 4 for ax in lines)


def test_published_bad_subnetworks_are_the_releases():
    html = figures.published_table().to_html()
    assert 'class="dataframe published"' in html and "0.845" in html and "better method" in html


# super-survivors


def table(tasks=("rte", "mrpc")) -> pd.DataFrame:
    """Searches of two seeds and super-survivors, as `Study.table` has them."""
    rows = []
    for task in tasks:
        same = {"task": task, "partial": False, "degenerate": False, "method": "structured"}
        for seed, heads in ((1, 20), (2, 24)):
            search = {"stage": "search", "subnetwork": "good", "heads": heads, "mlps": 4, "share_prunable": heads / 48}
            control = {"stage": "control", "subnetwork": "super", "heads": 11, "mlps": 1, "share_prunable": 0.2}
            rows += [{**same, "seed": seed, **search}, {**same, "seed": seed, **control}]
    return pd.DataFrame(rows)


def super_results(tasks=("rte", "mrpc")) -> pd.DataFrame:
    rows = [r for r in results(tasks, longer=None).itertuples(index=False) if r.subnetwork in ("majority", "full")]
    score = {"super": 0.8, "super_random": 0.6, "super_bad": 0.55}
    for task in tasks:
        for name, value in score.items():
            for treatment, less in (("pruned", 0.1), ("retrained", 0.0)):
                for seed in (1, 2):
                    rows.append(
                        (task, TASKS[task].title, "accuracy", seed, "structured", name, treatment, value - less)
                    )
    return pd.DataFrame(rows, columns=RESULT)


def test_super_sizes_stand_beside_the_good_ones():
    sizes = super_survivors.super_sizes(table())
    assert list(sizes["task"]) == ["rte", "mrpc"] and list(sizes["super_heads"]) == [11, 11]
    assert sizes["good_heads"].tolist() == [22, 22] and sizes["good_share_std"].iloc[0] == pytest.approx(
        np.std([20, 24], ddof=1) / 48
    )
    html = super_survivors.size_table(table()).to_html()
    assert "22.0" in html and "20 %" in html
    gone = table().assign(degenerate=True)
    assert super_survivors.super_sizes(gone).empty and "super-sizes" in super_survivors.size_table(gone).to_html()


def test_super_bars_and_words():
    figure = super_survivors.super_bars(super_results(), table())
    assert figure.axes[0].get_title() == "RTE: 11 heads, 1 MLP, 20 %"
    said = super_survivors.super_kept_sentence(super_results())
    assert "super-survivors 78 % pruned and 89 % retrained" in said
    assert super_survivors.super_kept_sentence(super_results().iloc[:0]).startswith("There are no")
    assert "mean over 8 tasks" in super_survivors.published_sentence()


def test_tasks_left_out_are_named():
    study = types.SimpleNamespace(preset=types.SimpleNamespace(tasks=("rte", "mrpc", "qqp", "wnli"), name="demo"))
    said = super_survivors.left_out_sentence(study, ["rte", "mrpc", "wnli"], super_results())
    assert said == "To save time it leaves out QQP; name tasks to run them. Gaps: WNLI."
    assert super_survivors.left_out_sentence(study, ["rte", "mrpc"], super_results()).count("Gaps") == 0
    assert figures.left_out_sentence(study, list(study.preset.tasks)) == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["05_super", "06_baselines"])
def test_chapters_run_alone_on_an_empty_store(name, tmp_path):
    import nbformat
    import papermill

    root = Path(__file__).resolve().parent.parent
    small_world.make_model(tmp_path / "model")
    small_world.make_task(tmp_path / "data", train=96, dev=40)
    sources = {"model": str(tmp_path / "model"), "data": str(tmp_path / "data")}
    parameters = {
        "preset": "laptop",
        "tasks": ["sst2"],
        "seeds": [1],
        "overrides": {**small_world.SETTINGS, "epochs": 4, **sources},
        "results_dir": str(tmp_path / "results"),
    }
    out = tmp_path / "out.ipynb"
    notebook = root / "notebooks" / f"{name}.ipynb"
    papermill.execute_notebook(str(notebook), str(out), parameters, progress_bar=False, cwd=str(root))
    outputs = [o for cell in nbformat.read(out, 4).cells for o in cell.get("outputs", [])]
    assert not any(o.output_type == "error" for o in outputs)
    assert sum("image/png" in o.get("data", {}) for o in outputs) == {"05_super": 1, "06_baselines": 2}[name]
    stages = {p.name.split("-")[-3] for p in (tmp_path / "results").iterdir() if p.name[0] != "."}
    assert ("retrain_longer" in stages) == (name == "06_baselines") and "attention" not in stages
