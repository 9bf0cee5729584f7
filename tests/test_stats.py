"""The one effect: against scipy and plain loops, its words, its correction, its table and its forest."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from lottery_utils.show import stats
from lottery_utils.show.effects import difference, effect_table, forest, told
from lottery_utils.show.stats import Effect, corrected, effect, lead_kept

TASKS = ("cola", "sst2", "mrpc", "rte")


def series(of_tasks: dict[str, list[float]]) -> pd.Series:
    """Numbers by task and seed."""
    rows = {(task, seed): value for task, values in of_tasks.items() for seed, value in enumerate(values)}
    return pd.Series(rows).rename_axis(["task", "seed"])


VALUES = series({"cola": [1.0, 3.0], "sst2": [0.5], "mrpc": [2.0, np.nan, 3.0], "rte": [4.0, 2.0]})
MEANS = np.array([2.0, 0.5, 2.5, 3.0])


def test_mean_interval_and_p_are_those_of_a_t_test_over_the_tasks_means():
    found, wanted = effect(VALUES), ttest_1samp(MEANS, 0)
    ends = wanted.confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, ends.low, ends.high))
    assert found.p == pytest.approx(wanted.pvalue) and found.corrected == found.p and found.word == "above"
    assert (found.wins, found.tasks, found.pairs) == (4, 4, 7)
    assert found.by_task.to_dict() == dict(zip(TASKS, MEANS))
    assert effect(-VALUES).word == "below" and effect(-VALUES).wins == 0
    alone = effect(pd.Series(MEANS))
    assert (alone.mean, alone.low, alone.p, alone.pairs) == (found.mean, found.low, found.p, 4)


@pytest.mark.parametrize("region", [(1.0, np.inf), (-np.inf, 3.0), (1.5, 2.5), (2.5, 9.0)])
def test_a_region_is_tested_at_its_edges(region):
    low, high = region
    below = ttest_1samp(MEANS, low, alternative="greater").pvalue if np.isfinite(low) else 0
    above = ttest_1samp(MEANS, high, alternative="less").pvalue if np.isfinite(high) else 0
    edges = [p for p, edge in ((below, low), (above, high)) if np.isfinite(edge)]
    inside, outside = max(edges), len(edges) * min(1 - p for p in edges)
    found = effect(VALUES, region)
    assert found.p == pytest.approx(min(1, 2 * min(inside, outside)))
    assert found.side == ("inside" if inside < outside else "outside")
    assert (found.low, found.high) == (effect(VALUES).low, effect(VALUES).high)


def test_few_tasks_and_no_spread():
    two = effect(VALUES[:3])
    assert (two.mean, two.tasks, two.word) == (1.25, 2, "not testable") and np.isnan([two.low, two.p]).all()
    assert effect(VALUES[:0]) == Effect() and Effect().word == "not testable"
    same = effect(VALUES * 0)
    assert same.p == 1 and (same.low, same.high) == (0, 0) and same.word == "undecided"
    assert effect(VALUES * 0 + 1).word == "above"


def test_holm_by_hand_and_as_in_statsmodels():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([]) == []
    p = np.random.default_rng(0).uniform(0, 0.2, 40).round(2)
    assert stats.holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_correction_is_over_what_can_be_tested():
    """p of 0.03 is decided alone, and not among three."""
    weak = effect(pd.Series([0.0, 0.1, 0.2, 0.2, 0.15]))
    zero, two = effect(weak.values - weak.mean), effect(weak.values[1:3])
    assert weak.word == "above" and stats.settled({"weak": weak, "two": two}) == ["weak"]
    found = corrected({"weak": weak, "zero": zero, "again": zero, "two": two, "none": Effect()})
    assert found["weak"].corrected == pytest.approx(3 * weak.p) and found["weak"].word == "undecided"
    assert found["two"].word == found["none"].word == "not testable"


def test_runs_that_disagree_decide_nothing():
    index = pd.MultiIndex.from_product([TASKS, (1, 2), (42,)], names=["task", "run", "seed"])
    values = pd.Series([9.0, -1.0, 10.0, -1.0, 11.0, -1.0, 9.5, -0.5], index=index)
    found = effect(values)
    assert found.corrected < 0.01 and found.runs == pytest.approx((9.875, -0.875)) and found.word == "undecided"
    assert effect(values.clip(lower=1)).word == "above"


def test_pairs_are_of_one_task_and_seed():
    rows = [("a", 1, "x", 1.0), ("a", 2, "x", 3.0), ("a", 1, "y", 0.0), ("b", 1, "x", 9.0), ("b", 2, "y", 0.0)]
    frame = pd.DataFrame(rows, columns=["title", "seed", "network", "value"])
    assert stats.paired(frame, "value", "x", "y").by_task.to_dict() == {"a": 1.0}
    pairs = {"x - y": ("x", "y"), "x - z": ("x", "z")}
    assert list(stats.paired_effects(frame, "value", pairs)) == ["x - y"]


def test_lead_kept_is_0_for_a_constant_answer_and_1_for_the_full_model():
    scores = pd.Series([0.6, 0.8, 0.7, 0.5], index=list("abcd"))
    assert lead_kept(scores, 0.6, 0.8).to_dict() == pytest.approx({"a": 0, "b": 1, "c": 0.5, "d": -0.5})
    assert lead_kept(0.7, 0.6, 0.8) == pytest.approx(0.5)
    found = lead_kept(scores, pd.Series(0.6, scores.index), pd.Series([0.8, 0.6, 0.5, 0.7], scores.index))
    assert found.isna().tolist() == [False, True, True, False], "no lead, nothing to keep"


def test_an_effect_in_words():
    assert told(effect(VALUES)).endswith("; 4 tasks, 7 pairs of task and seed)")
    assert told(effect(VALUES), "", 2, pairs=False) == "+2.00 (95 % interval +0.28 to +3.72; 4 tasks)"
    assert told(effect(VALUES[:3])) == "+1.2 points on 2 tasks, too few for an interval" and told(Effect()) == "not run"
    assert difference({}, "x") == "not measured"


def test_the_table_and_the_forest_hold_every_effect():
    effects = corrected({"first": effect(VALUES + 2), "second": effect(VALUES - 2), "third": Effect()})
    table = effect_table(effects, "Made up.", "made-up").data
    assert table["difference"].tolist() == list(effects)
    assert table["verdict"].tolist() == ["above", "undecided", "not testable"]
    row = effect_table({("a", "b"): effects["first"]}, "Made up.", "made-up", ("x", "y")).data.iloc[0]
    assert row[["x", "y", "points", "95 % interval"]].tolist() == ["a", "b", "+4.0", "+2.3\u00a0to\u00a0+5.7"]
    assert row[["tasks above 0", "verdict"]].tolist() == ["4 of 4", "above"]
    ax = forest({"": effects}, "points").axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(effects)
    assert [text.get_text() for text in ax.texts] == ["4", "4", "gap"]
    rings = [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == len(MEANS)]
    assert rings == [(MEANS + 2).tolist(), (MEANS - 2).tolist()]
    assert forest({"": {"third": Effect()}}, "points").axes[0].texts[0].get_text().startswith("Nothing to show")
