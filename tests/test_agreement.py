"""Agreement between seeds and overlap between tasks: hand-computed answers, exact chance levels, honest tests."""

from __future__ import annotations

import math
import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lottery_book.agreement import coefficients as ag
from lottery_book.agreement import overlap

# 4 kept by both, 3 by the first only, 1 by the second only, 2 by none
PAIR = np.array([[1] * 4 + [1] * 3 + [0] + [0] * 2, [1] * 4 + [0] * 3 + [1] + [0] * 2], bool)
MASKS = arrays(bool, st.tuples(st.integers(2, 5), st.integers(2, 12)))
ALL = (
    ag.cochran_p,
    ag.share_pairs_not_rejected,
    ag.fleiss_kappa,
    ag.krippendorff_alpha,
    ag.mean_pair_jaccard,
    ag.chance_pair_jaccard,
)


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def draw(rng, sizes, total: int) -> np.ndarray:
    """Random masks of given sizes, one a seed."""
    return np.stack([rng.permutation(np.arange(total) < size) for size in sizes])


def test_two_masks_by_hand():
    # Cochran's Q of two seeds is McNemar's (3 - 1)^2 / (3 + 1) = 1, chi-squared with 1 degree of freedom
    assert ag.cochran_p(PAIR) == pytest.approx(math.erfc(math.sqrt(1 / 2)))
    assert ag.share_pairs_not_rejected(PAIR) == 1
    # they agree on 6 of 10; 12 of 20 votes are for keeping, so chance agrees on 0.6^2 + 0.4^2 = 0.52
    assert ag.fleiss_kappa(PAIR) == pytest.approx((0.6 - 0.52) / 0.48)
    # 1 - (votes - 1) x disagreements / (votes for x votes against)
    assert ag.krippendorff_alpha(PAIR) == pytest.approx(1 - 19 * 4 / (12 * 8))
    assert ag.mean_pair_jaccard(PAIR) == 4 / 8
    assert ag.mean_pair_jaccard(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1]], bool)) == pytest.approx(0.5 / 3)


def test_cochran_compares_counts_and_not_identity():
    disjoint = np.repeat(np.eye(3, dtype=bool), 4, axis=1)
    nested = np.arange(40) < np.array([[10], [20], [30]])
    assert ag.cochran_p(disjoint) == 1 and ag.share_pairs_not_rejected(disjoint) == 1
    assert ag.mean_pair_jaccard(disjoint) == 0 and ag.fleiss_kappa(disjoint) == pytest.approx(-0.5)
    assert ag.cochran_p(nested) < 1e-6 and ag.mean_pair_jaccard(nested) > ag.chance_pair_jaccard(nested)


@pytest.mark.parametrize("value", [0, 1])
def test_all_or_nothing_kept_is_undefined(value):
    votes = np.full((3, 8), value, bool)
    assert np.isnan([ag.cochran_p(votes), ag.fleiss_kappa(votes), ag.krippendorff_alpha(votes)]).all()
    assert ag.share_pairs_not_rejected(votes) == 0, "an undefined p counts as rejected"
    found = [ag.mean_pair_jaccard(votes), ag.chance_pair_jaccard(votes)]
    assert found == pytest.approx([1, 1] if value else [np.nan] * 2, nan_ok=True)
    assert math.isnan(ag.jaccard_permutation(votes, np.random.default_rng(0), 99))


def test_one_seed_is_undefined():
    votes = PAIR[:1]
    assert all(math.isnan(statistic(votes)) for statistic in ALL)
    assert math.isnan(ag.jaccard_permutation(votes, np.random.default_rng(0), 99))


def test_identical_masks_agree_fully_and_cochran_cannot_say_so():
    votes = np.tile(PAIR[0], (4, 1))
    assert math.isnan(ag.cochran_p(votes)) and ag.share_pairs_not_rejected(votes) == 0
    assert [f(votes) for f in ALL[2:5]] == pytest.approx([1, 1, 1])


def test_an_empty_mask_among_others():
    """The authors' WNLI: some seeds keep nothing, one keeps everything."""
    votes = np.array([[0] * 6, [0] * 6, [1] * 6], bool)
    assert ag.mean_pair_jaccard(votes) == 0 == ag.chance_pair_jaccard(votes)
    assert ag.cochran_p(votes) < 0.01 and ag.fleiss_kappa(votes) < 0


def test_chance_level_is_exact():
    first = [set(s) for s in combinations(range(5), 2)]
    second = [set(s) for s in combinations(range(5), 3)]
    expected = np.mean([len(a & b) / len(a | b) for a in first for b in second])
    assert ag.chance_pair_jaccard(np.arange(5) < np.array([[2], [3]])) == pytest.approx(expected)


def test_chance_level_matches_random_draws():
    rng, sizes = np.random.default_rng(3), (100, 93, 60, 120, 144)
    found = [ag.mean_pair_jaccard(draw(rng, sizes, 144)) for _ in range(300)]
    error = 4 * np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - ag.chance_pair_jaccard(draw(rng, sizes, 144))) < error


@settings(max_examples=60, deadline=None)
@given(MASKS, st.randoms(use_true_random=False))
def test_order_of_seeds_and_components_does_not_matter(votes, random):
    other = votes[random.sample(range(len(votes)), len(votes))]
    other = other[:, random.sample(range(votes.shape[1]), votes.shape[1])]
    for statistic in ALL:
        assert statistic(other) == pytest.approx(statistic(votes), nan_ok=True, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_ranges_and_full_agreement(votes):
    same = bool((votes == votes[0]).all())
    assert math.isnan(ag.cochran_p(votes)) == same
    kappa, alpha, jaccard = ag.fleiss_kappa(votes), ag.krippendorff_alpha(votes), ag.mean_pair_jaccard(votes)
    for value in (kappa, alpha):
        assert math.isnan(value) == (votes.all() or not votes.any())
        assert math.isnan(value) or (value <= 1 + 1e-12 and (value > 1 - 1e-9) == same)
    assert math.isnan(jaccard) == (not votes.any())
    if votes.any(axis=1).all():
        assert 0 <= jaccard <= 1 and (jaccard == 1) == same
    if len(set(votes.sum(axis=1))) == 1 and not same:
        assert ag.cochran_p(votes) == pytest.approx(1), "equal sizes are never rejected"


def test_permutation_test_is_calibrated_on_random_masks():
    rng, sizes = np.random.default_rng(11), (60, 80, 100, 70)
    p = np.array([ag.jaccard_permutation(draw(rng, sizes, 144), rng, 199) for _ in range(300)])
    assert abs(p.mean() - 0.5) < 0.07
    for level in (0.05, 0.2):
        spread = math.sqrt(level * (1 - level) / len(p))
        assert abs((p <= level).mean() - level) < 4 * spread


def test_permutation_test_is_powerful_and_counts_the_observed_masks():
    votes = np.tile(np.arange(40) < 20, (3, 1))
    p = ag.jaccard_permutation(votes, np.random.default_rng(0), 499)
    assert p == 1 / 500
    assert ag.jaccard_permutation(votes, np.random.default_rng(0), 499) == p, "the same generator gives the same p"


def test_permutation_test_agrees_with_all_permutations():
    """Two masks of 2 in 6: 1 of 15 draws of the second shares both, 8 share one."""
    votes = np.array([[1, 1, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0]], bool)
    p = ag.jaccard_permutation(votes, np.random.default_rng(5), 9999)
    assert p == pytest.approx(9 / 15, abs=0.02)


# tables from survival


def frame(masks: dict[tuple[str, int], tuple[list[int], list[int]]]) -> pd.DataFrame:
    """Survival of two layers of heads and two MLPs from (task, seed) to head votes and MLP votes."""
    rows = []
    for (task, seed), (heads, mlps) in masks.items():
        width = len(heads) // 2
        same = {"task": task, "title": task.upper(), "seed": seed}
        rows += [
            {**same, "component": "head", "layer": i // width, "head": float(i % width), "kept": k}
            for i, k in enumerate(heads)
        ]
        rows += [{**same, "component": "mlp", "layer": i, "head": np.nan, "kept": k} for i, k in enumerate(mlps)]
    return pd.DataFrame(rows)


TWO = frame(
    {
        ("a", 1): ([1, 1, 1, 0], [1, 0]),
        ("a", 2): ([1, 1, 0, 0], [1, 0]),
        ("b", 2): ([1, 0, 0, 1], [1, 1]),
        ("b", 1): ([1, 1, 0, 1], [0, 1]),
    }
)


def test_overlap_compares_the_same_seed_and_knows_chance():
    table = overlap.task_overlap(TWO).set_index(["component", "task_a", "task_b"])
    assert len(table) == 8
    pair = table.loc[("head", "a", "b")]
    assert pair["mean_shared"] == 1.5 and pair["chance_mean"] == (3 * 3 / 4 + 2 * 2 / 4) / 2
    assert table.loc[("head", "b", "a"), "mean_shared"] == 1.5
    diagonal = table.loc[("head", "a", "a")]
    assert diagonal["mean_shared"] == 2.5 and math.isnan(diagonal["chance_mean"])
    assert table.loc[("mlp", "a", "b"), "mean_shared"] == 0.5


def test_tasks_without_a_common_seed_have_no_row():
    none = overlap.task_overlap(TWO[(TWO["task"] == "a") == (TWO["seed"] == 1)])
    assert set(zip(none["task_a"], none["task_b"])) == {("a", "a"), ("b", "b")}
    assert overlap.task_overlap(TWO.iloc[:0]).empty


def test_super_survivors_survive_in_every_seed():
    table = overlap.super_survivors(TWO)
    assert [mask.tolist() for mask in ag.masks_of(table, "head")["a"].values()] == [[True, True, False, False]]
    assert [mask.tolist() for mask in ag.masks_of(table, "mlp")["b"].values()] == [[False, True]]
    shared = overlap.task_overlap(table).set_index(["component", "task_a", "task_b"])
    assert shared.loc[("head", "a", "b"), "mean_shared"] == 1
    assert overlap.super_survivors(TWO[TWO["seed"] == 1]).empty, "one seed has no super-survivors"


def test_overlap_test_finds_shared_components_and_not_chance():
    rng = np.random.default_rng(2)
    common = [1] * 30 + [0] * 30
    alike = frame({(task, seed): (common, [1, 0]) for task in "abc" for seed in (1, 2)})
    test = overlap.overlap_test(alike, "head", 199)
    assert test.p == 1 / 200 and test.observed == 30
    apart = frame({(task, 1): (rng.permutation(common).tolist(), [1, 0]) for task in "abc"})
    assert overlap.overlap_test(apart, "head", 199).p > 0.05
    assert math.isnan(overlap.overlap_test(alike[alike["task"] == "a"], "head", 9).p)


def alike_seeds(rng, tasks: int = 8, seeds: int = 3, total: int = 144) -> dict[str, dict[int, np.ndarray]]:
    """Masks of tasks that have nothing to do with each other, while the seeds of a task largely agree."""
    taste, noise = rng.standard_normal((tasks, 1, total)), rng.standard_normal((tasks, seeds, total))
    ranks = (np.sqrt(0.8) * taste + np.sqrt(0.2) * noise).argsort(axis=2).argsort(axis=2)
    votes = ranks < rng.integers(60, 110, (tasks, seeds, 1))
    return {f"task {t}": dict(enumerate(votes[t])) for t in range(tasks)}


def test_shared_components_are_called_shared_by_chance_five_times_in_a_hundred():
    """400 sets of masks of unrelated tasks whose seeds agree, at the shape of BERT-base with 8 tasks and 3 seeds.

    A t-test over tasks is wrong in more than 13 % of them, permutations of each seed alone in about 10 %.
    """
    rng = np.random.default_rng(7)
    tests = [overlap.sharing_test(alike_seeds(rng), rng, 199) for _ in range(400)]
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(tests))
    assert 0.02 < np.mean([test.p <= 0.05 for test in tests]) < limit
    assert 0.02 < np.mean([test.p_fewer <= 0.05 for test in tests]) < limit
    assert np.mean([test.excess[1] > 0 or test.excess[2] < 0 for test in tests]) < limit, "as the interval says"


def test_sharing_by_hand():
    """Of two components each, with one kept: placed anew, two tasks share it in half of the cases."""
    first, second = np.array([True, False]), np.array([False, True])
    apart = {"a": {1: first, 2: first}, "b": {1: second, 2: second}, "c": {3: first}}
    test = overlap.sharing_test(apart, np.random.default_rng(0), 999)
    assert (test.observed, test.chance, test.low, test.high, test.tasks) == (0, 0.5, 0, 1, 2)
    assert test.p == 1 and test.p_fewer == pytest.approx(0.5, abs=0.05), "both seeds move together"
    assert test.excess == (-1, -3 + 1, 0)
    nothing = overlap.sharing_test({"a": {1: first & second}, "b": {1: first}}, np.random.default_rng(0), 9)
    assert nothing.p == 1 and np.isnan(nothing.excess).all()
    assert overlap.sharing_test({}, np.random.default_rng(0), 9).tasks == 0


def test_agreement_table_has_every_statistic_and_depends_on_no_order():
    table = ag.agreement(TWO, permutations=49)
    assert list(table.columns) == list(ag.AGREEMENT) and len(table) == 4
    heads = table.query("task == 'a' and component == 'head'").iloc[0]
    votes = np.stack(list(ag.masks_of(TWO, "head")["a"].values()))
    assert heads["mean_pair_jaccard"] == 2 / 3 and heads["cochran_p"] == ag.cochran_p(votes)
    other = ag.agreement(TWO[TWO["task"] == "b"], permutations=49)
    pd.testing.assert_frame_equal(other, table[table["task"] == "b"].reset_index(drop=True))
    assert ag.agreement(TWO.iloc[:0]).empty


def test_two_ways_to_prune_are_compared_seed_by_seed():
    found = overlap.jaccard_between(TWO, TWO[TWO["seed"] == 1])
    assert (found["jaccard"] == 1).all() and len(found) == 4
    heads = overlap.jaccard_between(TWO, TWO[TWO["component"] == "head"])
    assert set(heads["component"]) == {"head"}
