"""Chapter 13: where curves break, paired standings, figures and tables for any outcome."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lottery_book.method_comparison.results import (
    CURVES,
    FIELDS,
    by_method,
    by_seed,
    compared,
    curves,
    mean_curves,
    means,
    methods_table,
    norm_effects,
    standings,
    standings_table,
    view_of_demo,
    written_weights,
)
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.methods import CURVE_SIZES, METHODS
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
                same |= {"full": FULL, "majority": LEAST}
                lead = (score - LEAST) / (FULL - LEAST)
                parts.append(pd.DataFrame({**same, "size": SIZES, "share": SIZES, "score": score, "lead": lead}))
    return pd.concat(parts, ignore_index=True)[list(CURVES)]


def test_a_curve_breaks_where_it_first_falls_and_where_half_of_the_lead_is_gone():
    found = by_seed(frame(("rte",), (2,), ("gate",))).iloc[0]
    # 0.81 is under the line from 0.4: 0.5 + s <= 0.81 at s < 0.31, the midpoint 0.7 at s < 0.2
    assert found["target"] == 0.3 and found["middle"] == 0.15
    bumpy = frame(("rte",), (2,), ("gate",))
    bumpy.loc[bumpy["size"] == 0.7, "score"] = 0.6
    assert by_seed(bumpy).iloc[0][["target", "middle"]].tolist() == [0.7, 0.7], "the first fall counts"
    flat = frame(("rte",), (2,), ("gate",)).assign(score=FULL)
    assert by_seed(flat).iloc[0][["target", "middle"]].tolist() == [0, 0]


def test_near_the_majority_score_the_targets_rule_is_the_searches():
    near = frame(("rte",), (2,), ("gate",)).assign(full=0.555)
    near["score"] = np.where(near["size"] > 0.5, 0.555, 0.505)  # 0.9 x 0.555 is below the majority score 0.5
    assert by_seed(near).iloc[0]["target"] == 0.5


def test_standings_are_paired_differences_with_an_interval_over_tasks():
    rows = frame()
    values = by_seed(rows)
    found, kept = standings(values), means(values)
    assert not any(name == "gate" for _, name, _ in found), "the paper's way is not compared with itself"
    area = rows[rows["size"] < 1].groupby(["name", "task", "seed"])["lead"].mean()
    assert kept["lead"]["structured", "gate"] == pytest.approx(area["gate"].groupby("task").mean().mean())
    by_task = (100 * (area["random"] - area["gate"])).groupby("task").mean()
    lead = found["structured", "random", "lead"]
    assert lead.mean == pytest.approx(by_task.mean()) and (lead.wins, lead.tasks, lead.pairs) == (0, 3, 6)
    half = 4.302653 * by_task.std(ddof=1) / np.sqrt(3)  # Student's t, two degrees of freedom
    assert (lead.low, lead.high) == pytest.approx((by_task.mean() - half, by_task.mean() + half), rel=1e-5)
    assert found["structured", "taylor", "lead"].wins == 3 and found["structured", "taylor", "lead"].low > 0
    paper, taylor, random = (kept["target"]["structured", name] for name in ("gate", "taylor", "random"))
    assert taylor < paper < random
    later = found["structured", "taylor", "target"]
    assert later.mean == pytest.approx(100 * (paper - taylor)), "later is above 0"
    over = 100 * (area["taylor"] - area["random"]).groupby("task").mean().mean()
    assert found["structured", "taylor", "lead above random"].mean == pytest.approx(over)
    assert ("structured", "random", "lead above random") not in found


def test_all_differences_of_a_kind_of_pruning_are_corrected_together():
    both = pd.concat([frame(), frame(ways=("global", "snip", "random"), method="magnitude")], ignore_index=True)
    found, alone = standings(by_seed(both)), standings(by_seed(frame()))
    least = min(each.p for each in alone.values())
    assert min(each.corrected for each in alone.values()) == pytest.approx(min(1, least * len(alone)))
    assert [found[key].corrected for key in alone] == [each.corrected for each in alone.values()]


def test_what_the_norm_does_is_of_s_pruning_alone_and_paired():
    both = pd.concat([frame(), frame(ways=("global",), method="magnitude")], ignore_index=True)
    values = by_seed(both)
    found = norm_effects(values, values.assign(lead=values["lead"] - 0.1).drop(index="random", level="name"))
    assert set(found) == {"gate", "taylor"} and found["gate"].mean == pytest.approx(10) and found["gate"].pairs == 6


def test_a_task_that_lacks_a_seed_of_one_way_is_in_no_average():
    rows = frame()
    rows = rows[~((rows["task"] == "qqp") & (rows["seed"] == 2) & (rows["name"] == "random"))]
    assert list(dict.fromkeys(compared(rows)["task"])) == ["rte", "mrpc"]
    assert {each.tasks for each in standings(by_seed(rows)).values()} == {2}


def test_a_task_whose_full_model_is_hardly_above_the_majority_is_not_averaged():
    rows = frame()
    rows.loc[(rows["task"] == "rte") & (rows["seed"] == 2), "full"] = LEAST + 0.04
    assert {each.tasks for each in standings(by_seed(rows)).values()} == {2}
    assert "2 tasks" in mean_curves(rows).axes[0].get_title()


def test_every_way_is_a_study_whose_curves_have_their_own_addresses(tmp_path):
    study = open_study("demo", ["rte"], [42], None, tmp_path)
    studies = by_method(study)
    assert list(studies) == [(method, name) for method, kind in FIELDS.items() for name in METHODS[kind]]
    addresses = {one.address(f"rte/42/curve/{method}/nested") for (method, _), one in studies.items()}
    assert len(addresses) == len(studies)
    assert curves(study).empty and len(study.cells(["curve"], ["structured"])) == 2


def test_one_task_and_nothing_are_shown_too():
    one = standings_table(standings(by_seed(frame(("rte",), (1,))))).to_html()
    assert "nan" not in one and "gate" not in one
    empty = frame().iloc[:0]
    assert standings(by_seed(empty)) == {} and means(by_seed(empty)).empty
    assert "Nothing to show" in mean_curves(empty).axes[0].texts[0].get_text()


def test_a_ranking_of_one_s_own_sees_the_whole_demo_model():
    view = view_of_demo()
    heads, mlps = written_weights(view)
    assert heads.shape == view.mask.heads.shape and mlps.shape == view.mask.mlps.shape and view.mask.heads.all()
    assert mlps[0] == pytest.approx(float(view.body.mlp_out(0).weight.detach().square().sum()))
    assert heads[0].sum() == pytest.approx(float(view.body.attention_out(0).weight.detach().square().sum()))


def test_every_way_is_drawn_once_in_every_panel():
    rows = pd.concat([frame(), frame(ways=("global", "snip"), method="magnitude")])
    mean = mean_curves(rows)
    assert [ax.get_title() for ax in mean.axes] == [f"{name}-pruning (3 tasks)" for name in "sm"]
    drawn = [sum(len(line.get_xdata()) == len(SIZES) for line in ax.lines) for ax in mean.axes]
    assert drawn == [3, 2]


def test_tables_have_a_row_for_each_way_and_the_whole_registry():
    html = methods_table().to_html()
    assert all(f"{kind}={name}" in html for kind, known in METHODS.items() for name in known)
    shown = standings_table(standings(by_seed(frame()))).to_html()
    assert shown.count("s-pruning") == 7 and "0.000" not in shown


ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not (ROOT / "records" / "methods" / "demo").is_dir(), reason="no records of chapter 13")
def test_the_committed_records_hold_nested_masks_of_equal_sizes():
    folder = ROOT / "records" / "methods" / "demo"
    study = Study(open_study("demo", ["rte"], [42], None, folder).preset, folder, stored=True)
    rows = curves(study)
    assert set(rows["name"]) == {name for known in METHODS.values() for name in known}
    assert (rows.groupby(["method", "size"])["share"].agg(np.ptp) < 1e-12).all()
    for (method, _), one in by_method(study).items():
        if method == "structured":
            heads = one.trajectory("rte/42/curve/structured/nested")["heads"]
            assert not (heads[1:] & ~heads[:-1]).any()
