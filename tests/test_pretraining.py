"""Pre-training without language: the corpora differ in words alone, the budget in nothing, the statistics are right."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import papermill
import pytest
from committed import committed
from made_up_records import full_score, make_study
from scipy.stats import ttest_1samp

from demo_language import corpora
from demo_language.corpus import texts
from demo_language.lexicon import words
from demo_language.pretrain import pretrain
from demo_language.pretrain_data import Recipe, batches, mask, recipe
from lottery_book import pretraining as analysis
from lottery_utils.experiment.cells import full
from lottery_utils.experiment.study import Study, open_study
from lottery_utils.models.load import load_classifier, load_tokenizer

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ("language", "shuffled", "brackets", "zipf")
TASKS, SEEDS = ("cola", "mrpc", "rte", "sst2", "wnli"), (1337, 42)


@pytest.fixture(scope="module")
def drawn():
    return texts(Random("pre-training"), 1500, "late", masked_only=True)


def rewrite(drawn, corpus: str, seed: int = 0, phase: str = "late"):
    return corpora.rewritten(Random(seed), drawn, corpus, phase)


# the corpora


@pytest.mark.parametrize("corpus", TEXTS)
def test_a_corpus_keeps_the_lengths_and_depends_on_the_seed_alone(drawn, corpus):
    found = rewrite(drawn, corpus)
    lengths = [(len(t.first.split()), len(t.second.split()), t.follows, t.kind) for t in found]
    assert lengths == [(len(t.first.split()), len(t.second.split()), -1, t.kind) for t in drawn]
    assert found == rewrite(drawn, corpus)
    assert (found == rewrite(drawn, corpus, seed=1)) == (corpus == "language")
    assert {word for t in found for word in (t.first + " " + t.second).split()} <= set(words())


def test_shuffled_keeps_each_sentence_s_words_and_loses_their_order(drawn):
    found = rewrite(drawn, "shuffled")
    for one, other in zip(drawn, found):
        assert sorted(one.first.split()) == sorted(other.first.split())
        assert sorted(one.second.split()) == sorted(other.second.split())
    assert np.mean([one.first == other.first for one, other in zip(drawn, found)]) < 0.02


def balanced(line) -> bool:
    """Whether the words, without those that are no bracket, are a string of properly nested brackets."""
    types, rest = corpora.brackets()
    open_ones = []
    for word in line:
        if word in types:
            open_ones.append(word)
        elif word != rest and (not open_ones or types[open_ones.pop()] != word):
            return False
    return not open_ones


def test_brackets_are_balanced_over_the_whole_text_and_of_many_types(drawn):
    found = rewrite(drawn, "brackets")
    lines = [(t.first + " " + t.second).split() for t in found]
    assert all(balanced(line) for line in lines)
    assert all(balanced((t.first + " " + t.second).split()) for t in rewrite(drawn, "brackets", phase="short"))
    types, rest = corpora.brackets()
    assert len(types) == len(words()) // 2 and len({*types, *types.values(), rest}) == len(words())
    assert all((rest in line) == (len(line) % 2 == 1) for line in lines)
    assert len({word for line in lines for word in line if word in types}) > 100
    depths = [max(np.cumsum([1 if w in types else 0 if w == rest else -1 for w in line])) for line in lines]
    assert max(depths) > 5, "they nest"
    one, other = list(types.items())[:2]
    assert not balanced([one[0], other[0], one[1], other[1]]), "crossing is no nesting"
    assert not balanced([one[0]]) and not balanced([one[1]])


def test_noise_has_the_language_s_word_frequencies_and_nothing_else(drawn):
    many = rewrite(drawn * 8, "zipf")
    counts = pd.Series([w for t in many for w in (t.first + " " + t.second).split()]).value_counts()
    wanted = pd.Series(corpora.frequencies("late"))
    assert wanted.sum() == pytest.approx(1) and set(wanted.index) == set(words()) and (wanted > 0).all()
    got = (counts / counts.sum()).reindex(wanted.index).fillna(0)
    assert 0.5 * (got - wanted).abs().sum() < 0.03, "total variation"
    of_language = pd.Series([w for t in drawn for w in (t.first + " " + t.second).split()]).value_counts()
    assert wanted.corr(of_language / of_language.sum()) > 0.995
    rank = np.arange(1, len(wanted) + 1)
    slope = np.polyfit(np.log(rank), np.log(wanted), 1)[0]
    assert -1.4 < slope < -0.8, "frequency falls about as one over the rank"
    line = [w for t in many for w in t.first.split()]
    after = pd.Series([b for a, b in zip(line, line[1:]) if a == "by"]).value_counts(normalize=True)
    assert after.get("the", 0) == pytest.approx(wanted["the"], abs=0.05), "a word says nothing of the next"


def test_a_corpus_without_texts_is_named():
    with pytest.raises(ValueError, match="corpus 'none' has no texts; expected one of language, shuffled"):
        corpora.rewritten(Random(0), [], "none")


# the budget


def test_every_corpus_gets_the_same_batches_but_for_the_words():
    plans = {corpus: recipe(corpus, 3000, 64) for corpus in TEXTS}
    assert len({(p.chunk, p.short, p.late, p.warm_up) for p in plans.values()}) == 1
    plans = {corpus: replace(plan, chunk=800) for corpus, plan in plans.items()}
    made = {c: batches(1, 0, 64, "late", held_out=True, plan=plans[c]) for c in TEXTS}
    for rows in zip(*made.values(), strict=True):
        assert len({row["ids"].shape for row in rows}) == 1 and len({row["kinds"] for row in rows}) == 1
        assert all((row["types"] == rows[0]["types"]).all() and (row["follows"] == -1).all() for row in rows)
        import torch

        places = [mask(r["ids"], r["follows"] < 0, torch.Generator().manual_seed(3))[1] for r in rows]
        assert all((place == places[0]).all() for place in places), "the same places are masked"
    first = [made[c][0]["ids"].tolist() for c in TEXTS]
    assert all(one != other for i, one in enumerate(first) for other in first[:i])


def test_the_shipped_model_s_batches_are_what_they_were():
    found = batches(1, 0, 64, "late", held_out=True)
    said = repr([(b["ids"].tolist(), b["types"].tolist(), b["follows"].tolist(), b["kinds"]) for b in found])
    assert hashlib.sha256(said.encode()).hexdigest()[:16] == "836481d05ef5e287"
    assert recipe("", 15_700, 64) == Recipe("", 24_000, 5, 29, 480)


def test_pre_training_stores_a_model_that_can_be_fine_tuned(tmp_path, monkeypatch):
    monkeypatch.setattr("demo_language.pretrain.recipe", lambda corpus, *_: Recipe(corpus, 400, 1, 2, 1))
    logs = {c: pretrain(tmp_path / c, 1, 2, 16, 1e-3, 16, corpus=c) for c in ("none", "brackets")}
    assert logs["none"]["step"] == 0 and logs["brackets"]["step"] == 2
    assert logs["brackets"]["texts"] and logs["brackets"]["held_out"]["masked_words_loss"] > 3
    assert logs["brackets"]["command"].endswith("--steps 2 --corpus brackets")
    models = [load_classifier(str(tmp_path / c), 2, seed=7) for c in logs]
    weights = [{name: p.detach().numpy() for name, p in model.named_parameters()} for model in models]
    assert weights[0].keys() == weights[1].keys() and len(load_tokenizer(str(tmp_path / "none"))) == len(words()) + 5
    moved = [name for name in weights[0] if not np.allclose(weights[0][name], weights[1][name], atol=1e-4)]
    assert any("encoder" in name for name in moved) and not any("pooler" in name for name in moved)
    difference = np.abs(weights[0]["bert.embeddings.word_embeddings.weight"]
                        - weights[1]["bert.embeddings.word_embeddings.weight"])
    assert difference.max() < 0.01, "two steps from the same weights"
    assert not list(tmp_path.glob("*/state.*"))


# the statistics


def frame_of(scores: dict[tuple, float]) -> pd.DataFrame:
    """Keys (corpus, task, seed, subnetwork, treatment); seeds from 1000 on are of a second run of pre-training."""
    columns = ["corpus", "task", "seed", "subnetwork", "treatment"]
    frame = pd.DataFrame([{**dict(zip(columns, key)), "score": value} for key, value in scores.items()])
    return frame.assign(run=1 + (frame["seed"] >= 1000), seed=frame["seed"] % 1000)


def test_effects_are_paired_by_task_and_seed():
    rng = np.random.default_rng(0)
    hard = {(t, s): rng.normal(0, 0.3) for t in TASKS for s in SEEDS}
    gain = dict(zip(TASKS, (0.1, 0.2, 0.3, 0.2, 9.0)))
    scores = {("none", t, s, "full", "full"): hard[t, s] for t, s in hard}
    scores |= {("zipf", t, s, "full", "full"): hard[t, s] + gain[t] + (0.01 if s == 42 else -0.01) for t, s in hard}
    scores["zipf", "sst2", 1, "full", "full"] = 50.0  # a seed without a partner
    found = analysis.gains(frame_of(scores), ["zipf", "none"])
    one = found["zipf"]
    assert one.runs == pytest.approx((21, 19)), "each run of pre-training alone"
    wanted = ttest_1samp([10, 20, 30, 20], 0)
    interval = wanted.confidence_interval(0.95)
    assert list(found) == ["zipf"] and (one.tasks, one.pairs, one.wins) == (4, 8, 4), "WNLI does not count"
    assert [one.mean, one.low, one.high] == pytest.approx([20, interval.low, interval.high])
    assert one.p == pytest.approx(wanted.pvalue) and one.corrected == pytest.approx(one.p)
    assert one.word == "above"


def test_a_model_s_name_has_its_corpus_and_run():
    assert [analysis.parted(name) for name in ("zipf", "none-2", "zipf-x", "bert", "embedded")] == [
        ("zipf", 1), ("none", 2), None, None, None
    ]


def test_gaps_within_and_between_pre_trainings():
    conditions = {("good", "retrained"): 0.8, ("random", "retrained"): 0.7, ("bad", "retrained"): 0.6}
    conditions |= {("bad", "pruned"): 0.3, ("full", "full"): 0.9}
    scores = {}
    for at, corpus in enumerate(("language", "brackets")):
        for (name, how), score in conditions.items():
            for task in TASKS[:3]:
                scores[corpus, task, 42, name, how] = score - at * (0.2 if name == "bad" else 0.1)
    frame = frame_of(scores)
    lottery = analysis.within(frame, ["language", "brackets"])
    assert lottery["language", "good above bad"].mean == pytest.approx(20)
    assert lottery["brackets", "good above bad"].mean == pytest.approx(30)
    assert lottery["brackets", "bad retrained above bad pruned"].mean == pytest.approx(30)
    assert analysis.difference(frame, "language", "brackets").mean == pytest.approx(10)


# the page


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Two pre-trainings in one store; with "none" the search of CoLA is degenerate, and one seed is missing."""
    root = tmp_path_factory.mktemp("store")
    left = ("magnitude", "baseline")
    make_study(root, TASKS, SEEDS, degenerate=("wnli",), leave_out=left, model="language", fingerprint="c" * 16)
    make_study(root, TASKS, SEEDS[:1], degenerate=("wnli", "cola"), leave_out=left, model="none", fingerprint="d" * 16)
    return studies_of("paper", root, ["language", "none"], TASKS, SEEDS, {"data": "nowhere-data"})


def studies_of(preset, folder, models, tasks=None, seeds=None, overrides=None) -> dict[str, Study]:
    """The studies of the pre-trainings with a record in `folder`."""
    presets = [open_study(preset, tasks, seeds, {**(overrides or {}), "model": name}, folder).preset for name in models]
    return {name: Study(preset, folder, stored=True) for name, preset in zip(models, presets)}


def test_studies_are_those_of_their_models(stored):
    assert list(stored) == ["language", "none"] and all(s.preset.seeds == SEEDS for s in stored.values())
    frame = analysis.all_scores(stored)
    own = frame[(frame["corpus"] == "none") & (frame["treatment"] == "full") & (frame["task"] == "mrpc")]
    assert own["score"].tolist() == [full_score(full("mrpc", 1337))]
    assert analysis.reach(stored, "none") == (3, 4) and analysis.reach(stored, "none", ["cola"]) == (0, 1)
    assert analysis.reach(stored, "language") == (8, 8)
    lottery = analysis.within(frame, list(stored))
    assert lottery["language", "good above bad"].tasks == 4 and lottery["none", "good above bad"].tasks == 3
    assert lottery["language", "good above bad"].mean == pytest.approx(
        np.mean([18 * (full_score(full(t, 1337)) + full_score(full(t, 42))) / 2 for t in TASKS[:4]])
    )


@pytest.mark.parametrize("tasks", [TASKS, TASKS[1:2]])
def test_everything_on_the_page_stands_for_many_tasks_and_for_one(stored, tasks):
    from matplotlib.figure import Figure

    frame = analysis.all_scores(stored)
    frame = frame[frame["task"].isin(tasks)]
    corpus_names = list(stored)
    gained, lottery = analysis.gains(frame, corpus_names), analysis.within(frame, corpus_names)
    figures = [analysis.start_and_lottery(gained, {"structured": lottery}),
               analysis.start_and_lottery(analysis.gains(frame[:0], corpus_names), {})]
    assert all(isinstance(one, Figure) for one in figures) and len(figures[0].axes) == 2
    table = analysis.lottery_table({"structured": lottery}).to_html()
    assert ("not testable" in table) == (len(tasks) == 1) and "bad retrained above bad pruned" in table
    logs = {"language": {"held_out": {"masked_words": 0.5}}}
    assert analysis.guessed(logs, "language") == "50 %" and analysis.guessed(logs, "zipf") == "no number"
    assert "minutes on one thread" in analysis.provenance(stored.values())


def test_notebook_14_shows_the_stored_records_and_computes_nothing(tmp_path):
    if not (ROOT / "records" / "pretraining").is_dir():
        pytest.skip("no records of pre-trainings are here")
    before = sorted((ROOT / "records" / "pretraining").rglob("*"))
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(ROOT / "notebooks" / "14_pretraining.ipynb"), str(out), progress_bar=False, cwd=str(ROOT)
    )
    cells = json.loads(out.read_text())["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not any(output["output_type"] == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert sorted((ROOT / "records" / "pretraining").rglob("*")) == before


def test_what_the_page_says_follows_from_the_records_by_other_code():
    """Differences paired by task and seed from the JSON files, with scipy's t-test and Holm's steps done here."""
    cells = committed("pretraining")
    if not cells:
        pytest.skip("no records of pre-trainings are here")
    scores = {}
    for record, _ in cells:
        cell, how = record["cell"], {"finetune": "", "score": "pruned", "retrain": "retrained"}
        whole = cell["stage"] != "finetune" and record["shares"]["prunable"] == 1
        if cell["stage"] in how and not record["degenerate"] and not whole and cell["task"] != "wnli":
            corpus, _, run = record["source"]["model"].partition("-")
            for method in (cell["method"],) if cell["method"] else ("structured", "magnitude"):
                key = (method, corpus, cell["subnetwork"], how[cell["stage"]])
                scores.setdefault(key, {})[cell["task"], run, cell["seed"]] = 100 * record["score"]

    def tested(one: tuple, other: tuple, method: str = "structured") -> tuple:
        one, other = (method, *one), (method, *other)
        pairs = scores.get(one, {}).keys() & scores.get(other, {}).keys()
        gaps = {pair: scores[one][pair] - scores[other][pair] for pair in pairs}
        means = [np.mean([gaps[pair] for pair in pairs if pair[0] == task]) for task in {pair[0] for pair in pairs}]
        if len(means) < 3:
            return (np.mean(means) if means else np.nan, np.nan, np.nan, np.nan)
        found = ttest_1samp(means, 0)
        return (np.mean(means), *found.confidence_interval(0.95), found.pvalue)

    studies = studies_of("demo", ROOT / "records" / "pretraining", analysis.models_in(ROOT / analysis.WEIGHTS))
    frame = analysis.all_scores(studies)
    names = list(dict.fromkeys(frame["corpus"]))
    again = {c: tested((c, "full", ""), ("none", "full", "")) for c in names if c != "none"}
    same(analysis.gains(frame, names), again)
    pairs = {"good above random": ("good", "random", "retrained"), "good above bad": ("good", "bad", "retrained"),
             "bad retrained above bad pruned": ("bad", "bad", "pruned")}
    for method in ("structured", "magnitude"):
        same(analysis.within(analysis.all_scores(studies, method), names), {
            (c, name): tested((c, one, "retrained"), (c, other, how), method)
            for c in names for name, (one, other, how) in pairs.items()
        })


def same(effects: dict, wanted: dict) -> None:
    assert effects.keys() == wanted.keys()
    p = sorted((values[3], key) for key, values in wanted.items() if values[3] == values[3])
    largest, corrected = 0.0, {}
    for step, (value, key) in enumerate(p):
        largest = max(largest, min(1.0, (len(p) - step) * value))
        corrected[key] = largest
    for key, one in effects.items():
        got = (one.mean, one.low, one.high, one.p, one.corrected)
        np.testing.assert_allclose(got, (*wanted[key], corrected.get(key, np.nan)), atol=1e-9)


def test_the_shipped_models_had_one_budget():
    logs = analysis.pretraining_logs(ROOT / analysis.WEIGHTS)
    if not logs:
        pytest.skip("the weights are not here")
    for run in {analysis.parted(name)[1] for name in logs}:
        own = {corpus: logs[name] for name in logs for corpus, one in [analysis.parted(name)] if one == run}
        assert (run > 1 or set(own) == set(corpora.CORPORA)) and {log["seed"] for log in own.values()} == {run}
        trained = [log for corpus, log in own.items() if corpus != "none"]
        assert len({(log["steps"], log["texts"], log["tokens"], log["masked"]) for log in trained}) == 1
    assert all(log["step"] == log["steps"] for log in logs.values())
    assert {(ROOT / analysis.WEIGHTS / c / "model.safetensors").stat().st_size < 2e6 for c in logs} == {True}
