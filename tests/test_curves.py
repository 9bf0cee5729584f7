"""Chapter 16: where curves break, paired standings, words and figures for any outcome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lottery_utils.analysis.methods import CURVES, FIELDS, breaks, by_method, complete, curves, standings
from lottery_utils.experiment.study import open_study
from lottery_utils.methods import CURVE_SIZES, METHODS
from lottery_utils.report import curves as figures
from lottery_utils.report import curves_text
from lottery_utils.tasks.glue import TASKS

FULL, LEAST = 0.9, 0.5
SIZES = np.array((1.0, *CURVE_SIZES))
KNEES = {"gate": 0.4, "taylor": 0.3, "random": 0.8}  # from where the score falls, to the majority score at size 0


def frame(tasks=("rte", "mrpc", "qqp"), seeds=(1, 2), ways=("gate", "taylor", "random"), method="structured"):
    """Made-up curves: full down to a knee, then a straight line; knees differ a little by task and seed."""
    parts = []
    for task in tasks:
        for seed in seeds:
            for name in ways:
                knee = KNEES.get(name, KNEES["gate"]) + 0.02 * list(tasks).index(task) + 0.005 * (seed % 2)
                score = LEAST + (FULL - LEAST) * np.minimum(1, SIZES / knee)
                same = {"task": task, "title": TASKS[task].title, "seed": seed, "method": method, "name": name}
                same |= {"heads": 48 * SIZES, "mlps": 6 * SIZES, "full": FULL, "majority": LEAST}
                lead = (score - LEAST) / (FULL - LEAST)
                parts.append(pd.DataFrame({**same, "size": SIZES, "share": SIZES, "score": score, "lead": lead}))
    return pd.concat(parts, ignore_index=True)[list(CURVES)]


def test_a_curve_breaks_where_it_first_falls_and_where_half_of_the_lead_is_gone():
    found = breaks(frame(("rte",), (2,), ("gate",))).iloc[0]
    # 0.81 is under the line from 0.4: 0.5 + s <= 0.81 at s < 0.31, the midpoint 0.7 at s < 0.2
    assert found["target"] == 0.3 and found["middle"] == 0.15
    bumpy = frame(("rte",), (2,), ("gate",))
    bumpy.loc[bumpy["size"] == 0.7, "score"] = 0.6
    assert breaks(bumpy).iloc[0][["target", "middle"]].tolist() == [0.7, 0.7], "the first fall counts"
    flat = frame(("rte",), (2,), ("gate",)).assign(score=FULL)
    assert breaks(flat).iloc[0][["target", "middle"]].tolist() == [0, 0]


def test_near_the_majority_score_the_targets_rule_is_the_searches():
    near = frame(("rte",), (2,), ("gate",)).assign(full=0.54)
    near["score"] = np.where(near["size"] > 0.5, 0.54, 0.51)  # 0.9 x 0.54 is below the majority score 0.5
    assert breaks(near).iloc[0]["target"] == 0.5


def test_standings_are_paired_differences_with_an_interval_over_tasks():
    rows = frame()
    paper, taylor, random = standings(rows)
    assert (paper.name, paper.ahead) == ("gate", 0.0) and np.isnan(paper.low)
    area = rows[rows["size"] < 1].groupby(["name", "task", "seed"])["lead"].mean()
    by_task = (area["random"] - area["gate"]).groupby("task").mean()
    assert random.ahead == pytest.approx(by_task.mean()) and random.wins == 0
    half = 4.302653 * by_task.std(ddof=1) / np.sqrt(3)  # Student's t, two degrees of freedom
    assert (random.low, random.high) == pytest.approx((by_task.mean() - half, by_task.mean() + half), rel=1e-5)
    assert taylor.wins == 3 and taylor.low > 0 and taylor.target < paper.target < random.target


def test_a_task_that_lacks_a_seed_of_one_way_is_in_no_average():
    rows = frame()
    rows = rows[~((rows["task"] == "qqp") & (rows["seed"] == 2) & (rows["name"] == "random"))]
    assert list(dict.fromkeys(complete(rows)["task"])) == ["rte", "mrpc"]
    assert {one.tasks for one in standings(rows)} == {2}


def test_every_way_is_a_study_whose_curves_have_their_own_addresses(tmp_path):
    study = open_study("demo", ["rte"], [42], None, tmp_path)
    studies = by_method(study)
    assert list(studies) == [(method, name) for method, kind in FIELDS.items() for name in METHODS[kind]]
    addresses = {one.address(f"rte/42/curve/{method}/nested") for (method, _), one in studies.items()}
    assert len(addresses) == len(studies)
    assert curves(study).empty and len(study.cells(["curve"], ["structured"])) == 2


def test_words_for_several_tasks_for_one_and_for_nothing():
    found = standings(frame())
    said = curves_text.standing_sentence(found, "structured")
    assert "on average over 3 tasks. More: taylor (+" in said and "; less: random (-" in said
    assert said.count("95 % interval") == 2
    phases = curves_text.break_sentence(found, "structured")
    assert phases.startswith("In s-pruning the phase in which a way breaks is, mean over 3 tasks: taylor from 2")
    one = standings(frame(("rte",), (1,)))
    assert "on one task. The others: taylor" in curves_text.standing_sentence(one, "structured")
    assert "no interval" in curves_text.standing_sentence(one, "structured")
    assert "nan" not in curves_text.standings_table(one).to_html()
    empty = frame().iloc[:0]
    assert "one seed a task" in curves_text.seed_sentence(frame(seeds=(1,)))
    assert curves_text.seed_sentence(frame()) == "Curves are means over 2 seeds."
    assert standings(empty) == [] and curves_text.break_sentence([], "structured") == ""
    assert curves_text.standing_sentence([], "magnitude") == "There is no curve of m-pruning to compare."
    assert curves_text.size_sentence(empty).startswith("There is no curve")
    assert "50 % is 24 heads and 3 MLPs, 50.0 % of the weights" in curves_text.size_sentence(frame())
    for figure in (figures.mean_curves(empty), figures.break_phases(empty), figures.task_curves(empty, "structured")):
        assert "Nothing to show" in figure.axes[0].texts[0].get_text()


def test_gaps_are_named(tmp_path):
    study = open_study("demo", ["rte", "wnli"], [42], None, tmp_path)
    said = curves_text.gap_sentence(study)
    assert said.startswith("Gaps: s-pruning, seed 42: not every way to rank was run on any task. m-pruning, seed 42")


def test_every_way_is_drawn_once_in_every_panel():
    rows = pd.concat([frame(), frame(ways=("global", "snip"), method="magnitude")])
    mean = figures.mean_curves(rows)
    assert [ax.get_title() for ax in mean.axes] == [f"{name}-pruning (mean over 3 tasks)" for name in "sm"]
    drawn = [sum(len(line.get_xdata()) == len(SIZES) for line in ax.lines) for ax in mean.axes]
    assert drawn == [3, 2]
    panels = figures.task_curves(rows, "structured").axes
    assert [ax.get_title() for ax in panels] == ["RTE", "MRPC", "QQP"]
    bars = [[bar.get_width() for bar in ax.patches] for ax in figures.break_phases(rows).axes]
    own = {one.name: 100 * (one.target - one.middle) for one in standings(rows)}
    assert bars == [pytest.approx([own[n] for n in ("gate", "taylor", "random")]), pytest.approx([own["global"]] * 2)]


def test_tables_have_a_row_for_each_way_and_the_whole_registry():
    html = curves_text.methods_table().to_html()
    assert all(f"{kind}={name}" in html for kind, known in METHODS.items() for name in known)
    shown = curves_text.curves_table(frame()).to_html()
    assert shown.count("RTE") == 3 and "0.900" in shown


ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not (ROOT / "records" / "methods").is_dir(), reason="no records of chapter 16")
def test_the_committed_records_hold_nested_masks_of_equal_sizes():
    study = open_study("demo", ["rte"], [42], None, ROOT / "records" / "methods")
    rows = curves(study)
    assert set(rows["name"]) == {name for known in METHODS.values() for name in known}
    assert (rows.groupby(["method", "size"])["share"].agg(np.ptp) < 1e-12).all()
    for (method, _), one in by_method(study).items():
        if method == "structured":
            heads = one.trajectory("rte/42/curve/structured/nested")["heads"]
            assert not (heads[1:] & ~heads[:-1]).any()
