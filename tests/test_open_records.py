"""Chapters 17 and 18: what they say is in their records, computed again from the files by other code."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from committed import committed
from safetensors.numpy import load
from scipy.stats import spearmanr, ttest_1samp

from lottery_book import hans, selection
from lottery_book.importance_rules import results as sums
from lottery_utils.errors import UserError
from lottery_utils.experiment.study import open_study
from lottery_utils.show import effects
from lottery_utils.show.compute import stored_study
from lottery_utils.show.stats import Effect
from lottery_utils.tasks.load import halves

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"demo": None, "laptop": {"precision": "bf16", "tasks": ["cola", "mrpc", "stsb"]}}
REGRESSION, CORRELATION = "stsb", "cola"  # their scores are no shares of right answers


@lru_cache
def study(question: str, preset: str = "demo"):
    return stored_study(preset, ROOT / "records" / question / preset, SETTINGS[preset])


@lru_cache
def raw(question: str, preset: str = "demo") -> list[tuple[dict, dict[str, bytes]]]:
    """Every record of a question as parsed JSON, and the files of its cell."""
    return committed(f"{question}/{preset}")


@lru_cache
def halved() -> pd.DataFrame:
    return selection.half_scores(study("selection"))


@lru_cache
def chosen() -> pd.DataFrame:
    return selection.chosen(study("selection"))


@lru_cache
def selection_effects() -> dict:
    return selection.effects(study("selection"))


@lru_cache
def sum_effects(preset: str = "demo") -> dict:
    return sums.effects(study("importance", preset))


def interval(differences: dict[tuple[str, int], float]) -> tuple[float, float, float]:
    """Mean over tasks of means over seeds, and Student's interval, in points."""
    means = [np.mean([v for (t, _), v in differences.items() if t == task]) for task in {t for t, _ in differences}]
    found = ttest_1samp(100 * np.array(means), 0).confidence_interval(0.95)
    return 100 * float(np.mean(means)), found.low, found.high


def same(effect: Effect, wanted: tuple[float, float, float]) -> None:
    np.testing.assert_allclose((effect.mean, effect.low, effect.high), wanted, atol=1e-9)


@pytest.mark.parametrize("preset", ["demo", "laptop"])
def test_correlations_with_the_exact_order(preset):
    found, wanted = sums.full_model(study("importance", preset)), {}
    for record, files in raw("importance", preset):
        if record["cell"]["stage"] == "importance":
            arrays = load(files["trajectory.safetensors"])
            place = arrays["batches"].tolist().index(64)
            vectors = [arrays["exact_heads"].astype(float), arrays["running_heads"][place, 0].astype(float)]
            flat = [np.concatenate([layer / np.sqrt((layer**2).sum()) for layer in one]) for one in vectors]
            first = [set(np.argsort(one)[: int(0.1 * one.size)]) for one in flat]
            shared = len(first[0] & first[1]) / len(first[0])
            wanted[record["cell"]["task"], record["cell"]["seed"]] = (spearmanr(*flat)[0], shared)
    rows = found[(found["rule"] == "running") & (found["batch"] == 64)]
    rows = rows[rows["order"] == 0].set_index(["task", "seed"])
    assert len(wanted) == len(rows) >= 6
    for key, (correlation, shared) in wanted.items():
        assert rows.loc[key, "correlation"] == pytest.approx(correlation) and rows.loc[key, "shared"] == shared


def test_batches_of_one_are_exact_in_the_records():
    for record, files in raw("importance"):
        if record["cell"]["stage"] == "importance":
            arrays = load(files["trajectory.safetensors"])
            np.testing.assert_allclose(arrays["batched_heads"][0, 3], arrays["exact_heads"], rtol=1e-5)
            np.testing.assert_allclose(arrays["running_heads"][-1, 2], arrays["batched_heads"][-1, 0], rtol=1e-5)


@pytest.mark.parametrize("preset", ["demo", "laptop"])
def test_sizes_and_masks_of_the_rules(preset):
    shares, masks = {}, {}
    for record, files in raw("importance", preset):
        if record["cell"]["stage"] == "search" and not record["degenerate"]:
            key = (json.dumps(record["inputs"]["settings"]), record["cell"]["task"], record["cell"]["seed"])
            shares[key] = record["shares"]["prunable"]
            course = load(files["trajectory.safetensors"])
            masks[key] = course["heads"][np.flatnonzero(course["passed"])[-1]].astype(bool)
    exact, running = json.dumps({}), json.dumps({"importance": "running"})
    pairs = [key[1:] for key in shares if key[0] == running and (exact, *key[1:]) in shares]
    difference = {pair: shares[(running, *pair)] - shares[(exact, *pair)] for pair in pairs}
    same(sum_effects(preset)["running 64", "weights"], interval(difference))
    alike = {pair: [masks[(name, *pair)] for name in (exact, running)] for pair in pairs}
    jaccard = pd.Series({pair: (a & b).sum() / (a | b).sum() for pair, (a, b) in alike.items()})
    assert sums.likeness(study("importance", preset))[0] == pytest.approx(jaccard.groupby(level=0).mean().mean())


def test_retrained_scores_with_the_real_bert():
    """By upstream addresses: which search a score goes back to, not which settings it has."""
    records = {record["address"]: record for record, _ in raw("importance", "laptop")}
    rule_of = {
        address: json.dumps(record["inputs"]["settings"])
        for address, record in records.items()
        if record["cell"]["stage"] == "search"
    }
    full = {
        (record["cell"]["task"], record["cell"]["seed"]): record["score"]
        for record in records.values()
        if record["cell"]["stage"] == "finetune"
    }
    scores = {}
    for record in records.values():
        cell, above = record["cell"], record
        if (cell["stage"], cell["subnetwork"]) != ("retrain", "good"):
            continue
        while above["address"] not in rule_of:
            (above,) = [records[a] for a in above["upstream"].values() if "-finetune-" not in a]
        key = cell["task"], cell["seed"]
        scores[rule_of[above["address"]], key] = record["score"] / full[key]
    exact, running = json.dumps({}), json.dumps({"importance": "running"})
    keys = [key for rule, key in scores if rule == running]
    assert len(keys) == 6
    difference = {key: scores[running, key] - scores[exact, key] for key in keys}
    same(sum_effects("laptop")["running 64", "retrained"], interval(difference))


def test_scores_at_equal_size_are_over_the_steps_that_both_searches_took():
    courses = {}
    for record, files in raw("importance", "laptop"):
        if record["cell"]["stage"] == "search" and not record["degenerate"]:
            course = load(files["trajectory.safetensors"])
            key = json.dumps(record["inputs"]["settings"]), record["cell"]["task"], record["cell"]["seed"]
            courses[key] = (course["score"] / course["score"][0])[course["phase"] == 1]
    exact, running = json.dumps({}), json.dumps({"importance": "running"})
    difference = {}
    for rule, *key in courses:
        pair = [courses.get((name, *key), ()) for name in (running, exact)]
        if rule == running and (steps := min(map(len, pair))):
            difference[tuple(key)] = np.mean(pair[0][:steps] - pair[1][:steps])
    same(sum_effects("laptop")["running 64", "size"], interval(difference))


def test_scores_on_the_half_that_chose_and_on_the_other():
    found = halved()
    full, seen, unseen = {}, {}, {}
    for record, files in raw("selection"):
        cell = record["cell"]
        chooser = record["inputs"]["settings"].get("selection")
        key = (cell["task"], cell["seed"])
        if key[0] in (REGRESSION, CORRELATION):
            continue
        if cell["stage"] == "finetune" and "held_out" not in record["inputs"]["settings"]:
            arrays = load(files["predictions.safetensors"])
            right = arrays["predictions"] == arrays["labels"]
            full[key] = [right[rows].mean() for rows in halves(key[0], len(right))]
        elif cell["stage"] == "search" and chooser in ("half", "other_half") and cell["method"] == "structured":
            seen[(*key, chooser)] = (record["search_score"], record["address"], record["degenerate"])
        elif cell["stage"] == "score" and cell["method"] == "structured":
            for address in record["upstream"].values():
                unseen[address] = record["score"]
    rows = found.set_index(["task", "seed"])
    checked = 0
    for key, own in rows.iterrows():
        if key in full:
            pairs = [seen[(*key, name)] for name in ("half", "other_half")]
            wanted = np.mean([score / full[key][i] for i, (score, _, _) in enumerate(pairs)])
            other = np.mean([unseen[address] / full[key][1 - i] for i, (_, address, _) in enumerate(pairs)])
            assert (own["seen"], own["unseen"]) == (pytest.approx(wanted), pytest.approx(other))
            checked += 1
    assert checked >= 10
    difference = {key: own["seen"] - own["unseen"] for key, own in rows.iterrows()}
    same(selection_effects()["seen"], interval(difference))


def test_full_models_trained_on_less():
    found, wanted = selection.full_scores(study("selection")).set_index(["task", "seed"]), {}
    for record, _ in raw("selection"):
        if record["cell"]["stage"] == "finetune":
            less = "held_out" in record["inputs"]["settings"]
            wanted[record["cell"]["task"], record["cell"]["seed"], less] = record["score"]
    assert len(found) >= 10
    for (task, seed), own in found.iterrows():
        assert own["all"] == wanted[task, seed, False] and own["less"] == wanted[task, seed, True]


def test_masks_chosen_on_dev_and_held_out():
    shares = {"dev": {}, "held_out": {}}
    for record, _ in raw("selection"):
        settings, kind = record["inputs"]["settings"], (record["cell"]["stage"], record["cell"]["method"])
        if kind == ("search", "structured") and not record["degenerate"]:
            held = any("held_out" in note or "held out" in note for note in record["data_notes"])
            if held and settings.get("selection", "dev") in shares:
                key = (record["cell"]["task"], record["cell"]["seed"])
                shares[settings.get("selection", "dev")][key] = record["shares"]["prunable"]
    both = {key: shares["dev"][key] - shares["held_out"][key] for key in shares["dev"] if key in shares["held_out"]}
    assert len(both) >= 10
    same(selection_effects()["weights"], interval(both))


def test_every_comparison_has_several_tasks_and_seeds():
    for key, effect in sum_effects().items():
        assert effect.tasks >= 3 and (effect.values.groupby("task").size() >= 2).all(), key
    for frame in (halved(), chosen()):
        assert frame["task"].nunique() >= 3 and (frame.groupby("task")["seed"].nunique() >= 2).all()


def test_numbers_and_figures_stand_with_little_or_nothing(tmp_path):
    nothing = open_study("demo", ["rte"], [42], None, tmp_path)
    assert np.isnan(sums.mean_of(sums.full_model(nothing), "shared")) and np.isnan(sums.shared_by_orders(nothing))
    assert np.isnan(sums.seeds_correlation(nothing, "exact"))
    assert effects.told(Effect()) == "not run" and "on 1 task, too few" in effects.told(Effect(1.0, tasks=1, pairs=2))
    assert {effects.told(effect) for effect in selection.effects(nothing).values()} == {"not run"}
    assert np.isnan(selection.halves_alike(nothing)).all()
    assert hans.table(pd.DataFrame(columns=list(hans.SCORES))) is None
    for figure in (sums.batch_lines({}), selection.seen_pairs({}, 0.9)):
        assert figure.axes[0].texts[0].get_text().startswith("Nothing to show")
    with pytest.raises(UserError, match="no records"):
        stored_study("demo", "records/nowhere")


def test_picks_are_the_lowest_and_ranks_are_within_layers():
    scores = np.array([[3.0, 4.0], [0.6, 0.8]])
    np.testing.assert_allclose(sums.ranked(scores), [0.6, 0.8, 0.6, 0.8])
    assert sums.picks(np.array([3.0, 1.0, 2.0, 9.0]), 0.5) == {1, 2} and sums.picks(np.array([3.0, 1.0]), 0.1) == {1}
    grid = np.stack([np.stack([scores, 2 * scores])] * 2)
    assert sums.ranked(grid).shape == (2, 2, 4)


def test_agreement_of_seeds_in_the_full_model():
    vectors: dict[str, list] = {}
    for record, files in raw("importance"):
        if record["cell"]["stage"] == "importance":
            heads = load(files["trajectory.safetensors"])["exact_heads"].astype(float)
            heads = (heads / np.linalg.norm(heads, axis=1, keepdims=True)).ravel()
            vectors.setdefault(record["cell"]["task"], []).append(heads)
    wanted = {t: np.mean([spearmanr(*pair)[0] for pair in combinations(own, 2)]) for t, own in vectors.items()}
    assert sums.seeds_correlation(study("importance"), "exact") == pytest.approx(np.mean([*wanted.values()]))
