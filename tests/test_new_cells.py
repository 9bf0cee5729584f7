"""Baselines over words, pruned random initialisation, longer fine-tuning, super-survivors: cells end to end."""

from __future__ import annotations

import dataclasses
import math
import types

import numpy as np
import pytest
import small_world
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lottery_utils.errors import CellFailed, UserError
from lottery_utils.experiment import stages
from lottery_utils.experiment.cells import Cell, mask_source, parse_cell, plan, upstream
from lottery_utils.experiment.identity import EARLIER, address, inputs
from lottery_utils.experiment.schedule import expected_costs
from lottery_utils.experiment.stage_table import BASELINES, STAGES, TRANSFORMERS, USUAL_BASELINES
from lottery_utils.experiment.study import open_study
from lottery_utils.experiment.tables import status_lines
from lottery_utils.presets import get_preset
from lottery_utils.tasks.glue import get_task
from lottery_utils.training import baselines
from lottery_utils.training.baselines import encode_words, vocabulary, word_model_logits

MODEL, DATA = "a" * 64, "b" * 16
PAPER = get_preset("paper")
PINNED = {
    "mrpc/42/baseline/cbow": "mrpc-cbow-baseline-42-8b64e791f8",
    "mrpc/42/baseline/bilstm": "mrpc-bilstm-baseline-42-e40a428d0b",
    "mrpc/42/baseline/random_init": "mrpc-random_init-baseline-42-208170e18b",
    "mrpc/42/baseline/random_init_pruned": "mrpc-random_init_pruned-baseline-42-202454f451",
    "mrpc/42/retrain_longer/structured/bad": "mrpc-structured-bad-retrain_longer-42-19867bf24c",
    "mrpc/42/retrain_longer/magnitude/bad": "mrpc-magnitude-bad-retrain_longer-42-b292280d94",
    "mrpc/42/score/structured/super": "mrpc-structured-super-score-42-bce1928903",
    "mrpc/42/retrain/structured/super_random": "mrpc-structured-super_random-retrain-42-56ec4a1678",
    "mrpc/42/retrain/structured/super_bad": "mrpc-structured-super_bad-retrain-42-b593c83449",
}
PINNED_EARLIER = {
    "mrpc/42/baseline/cbow": "mrpc-cbow-baseline-42-8b64e791f8",
    "mrpc/42/baseline/bilstm": "mrpc-bilstm-baseline-42-e40a428d0b",
    "mrpc/42/baseline/random_init": "mrpc-random_init-baseline-42-fe8700af8c",
    "mrpc/42/baseline/random_init_pruned": "mrpc-random_init_pruned-baseline-42-3b74cd459a",
    "mrpc/42/retrain_longer/structured/bad": "mrpc-structured-bad-retrain_longer-42-2ba40f67d8",
    "mrpc/42/retrain_longer/magnitude/bad": "mrpc-magnitude-bad-retrain_longer-42-69aa59ff0a",
    "mrpc/42/score/structured/super": "mrpc-structured-super-score-42-5f5b0ce141",
    "mrpc/42/retrain/structured/super_random": "mrpc-structured-super_random-retrain-42-c72b3200ae",
    "mrpc/42/retrain/structured/super_bad": "mrpc-structured-super_bad-retrain-42-447aabe886",
}
SUPERS = ("super", "super_random", "super_bad")


def test_addresses_of_new_kinds_are_pinned():
    assert {name: address(parse_cell(name), PAPER, MODEL, DATA) for name in PINNED} == PINNED
    assert {n: address(parse_cell(n), PAPER, MODEL, DATA, EARLIER[0]) for n in PINNED_EARLIER} == PINNED_EARLIER


def test_longer_matters_to_longer_training_only():
    other = get_preset("paper", {"longer": 3})
    for name in PINNED:
        same = address(parse_cell(name), other, MODEL, DATA) == PINNED[name]
        assert same == ("retrain_longer" not in name)
    with pytest.raises(UserError, match="longer must be greater than 0"):
        get_preset("paper", {"longer": 0})


def test_word_models_depend_on_no_model_and_random_weights_on_theirs():
    for name in BASELINES:
        content = inputs(Cell("mrpc", 42, "baseline", "", name), PAPER, MODEL, DATA)
        assert ("model" in content) == (name in TRANSFORMERS)


def test_new_kinds_are_planned_where_they_are_named():
    small = dataclasses.replace(PAPER, tasks=("mrpc",), seeds=(1, 2))
    usual = plan(small)
    assert {c.subnetwork for c in usual if c.stage == "baseline"} == set(USUAL_BASELINES)
    assert "retrain_longer" not in {c.stage for c in usual}
    named = plan(small, ["baseline"], None, ["cbow", "random_init_pruned"])
    assert {c.subnetwork for c in named if c.stage == "baseline"} == {"cbow", "random_init_pruned"}
    assert {c.seed for c in named if c.subnetwork == "cbow"} == {1, 2}
    pruned = Cell("mrpc", 1, "baseline", "", "random_init_pruned")
    assert mask_source(pruned) == Cell("mrpc", 1, "control", "structured", "random") == upstream(pruned, (1, 2))[0]
    longer = plan(small, ["retrain_longer"], None, ["good", "bad"])
    assert {(c.method, c.subnetwork) for c in longer if c.stage == "retrain_longer"} == {
        ("structured", "bad"), ("magnitude", "bad"),
    }  # fmt: skip
    for wrong in ("mrpc/1/retrain_longer/structured/good", "mrpc/1/baseline/structured/random_init_pruned"):
        with pytest.raises(UserError):
            parse_cell(wrong)


def test_every_kind_has_a_cost_of_its_own():
    cost = expected_costs([], "paper")
    everything = plan(PAPER, STAGES, None, (*SUPERS, "good", "bad", *BASELINES))
    assert all(cost(cell) > 0 for cell in everything)
    assert cost(parse_cell("rte/1/baseline/cbow")) < cost(parse_cell("rte/1/baseline/random_init_pruned"))
    record = {"preset": "paper", "seconds": 7.0, "cell": parse_cell("rte/1/baseline/bilstm").as_dict()}
    seen = expected_costs([record], "paper")
    assert seen(parse_cell("mrpc/2/baseline/bilstm")) == 7.0 != seen(parse_cell("mrpc/2/baseline/cbow"))


# models over words


def data_of(task: str, texts, labels, dev: int):
    """Texts and labels as `TaskData` has them, the last `dev` for the dev set."""
    labels = np.asarray(labels)
    train = types.SimpleNamespace(texts=texts[:-dev], labels=labels[:-dev])
    return types.SimpleNamespace(
        task=get_task(task), train=train, dev=types.SimpleNamespace(texts=texts[-dev:], labels=labels[-dev:])
    )


def easy(count: int = 400) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """Sentences whose label one word decides."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    return [(small_world._sentence(rng, int(y)),) for y in labels], labels


@pytest.mark.parametrize("kind", ["cbow", "bilstm"])
def test_word_models_learn_an_easy_task_and_are_deterministic(kind):
    texts, labels = easy()
    data, cpu = data_of("sst2", texts, labels, 100), torch.device("cpu")
    before = torch.random.get_rng_state()
    logits, losses = word_model_logits(kind, data, ("sst2", 1), cpu)
    assert logits.shape == (100, 2) and losses[-1] < losses[0] / 2
    assert (logits.argmax(1) == data.dev.labels).mean() > 0.9
    assert torch.equal(torch.random.get_rng_state(), before), "the caller's randomness is untouched"
    again, other = (word_model_logits(kind, data, ("sst2", seed), cpu)[0] for seed in (1, 2))
    assert np.array_equal(again, logits) and not np.array_equal(other, logits)


@pytest.mark.parametrize("kind", ["cbow", "bilstm"])
def test_word_models_read_pairs_and_predict_scores(kind):
    """The target counts the words two sentences share, so neither side alone gives it."""
    rng = np.random.default_rng(0)
    words = np.array(small_world.FILLERS)
    texts, scores = [], []
    for _ in range(600):
        first = rng.choice(words, 4, replace=False)
        rest = [w for w in words if w not in first]
        shared = int(rng.integers(5))
        second = rng.permutation([*first[:shared], *rng.choice(rest, 4 - shared, replace=False)])
        texts.append((" ".join(first), " ".join(second)))
        scores.append(1.25 * shared)
    data = data_of("stsb", texts, np.array(scores, np.float32), 150)
    logits, _ = word_model_logits(kind, data, ("stsb", 1), torch.device("cpu"))
    assert logits.shape == (150, 1)
    assert np.corrcoef(logits[:, 0], data.dev.labels)[0, 1] > 0.5


def test_words_are_padded_cut_and_never_missing():
    words = vocabulary([("The cat, the dog", "a cat")])
    assert words["cat"] == 2 and words["the"] == 3 and "," in words  # twice each, then in alphabetical order
    ids, lengths = encode_words([("The bird", ""), ("cat " * 500, "a")], words)
    assert ids.shape == (2, 2, baselines.MAX_LENGTH) and lengths.tolist() == [[2, 1], [baselines.MAX_LENGTH, 1]]
    assert ids[0, 0, :3].tolist() == [3, baselines.UNKNOWN, baselines.PAD]
    assert ids[0, 1, 0] == baselines.UNKNOWN


def test_a_bilstm_does_not_see_padding():
    model = baselines.WordModel("bilstm", 20, 1, 2).eval()
    short = torch.tensor([[[3, 4, 5]]])
    long = torch.tensor([[[3, 4, 5, 0, 0]], [[3, 4, 5, 6, 7]]])
    with torch.inference_mode():
        alone = model(short, torch.tensor([[3]]))
        among = model(long, torch.tensor([[3], [5]]))
    torch.testing.assert_close(among[:1], alone)
    assert not torch.allclose(among[1:], alone)


def test_a_bilstm_is_torchs_on_packed_sequences():
    model = baselines.WordModel("bilstm", 20, 1, 2).eval()
    ids, lengths = torch.randint(2, 20, (5, 9)), torch.tensor([9, 1, 4, 9, 7])
    ids[torch.arange(9) >= lengths[:, None]] = baselines.PAD
    both = torch.nn.LSTM(64, 64, bidirectional=True, batch_first=True)
    for suffix, lstm in zip(("", "_reverse"), model.lstms):
        for name, value in lstm.named_parameters():
            getattr(both, name + suffix).data = value.data
    with torch.inference_mode():
        packed = pack_padded_sequence(model.embed(ids), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(both(packed)[0], batch_first=True, padding_value=-math.inf)
        torch.testing.assert_close(model.encode(ids, lengths), states.amax(1))


def test_a_loss_that_is_not_finite_stops_a_word_model(monkeypatch):
    texts, labels = easy(80)
    nan = torch.tensor(float("nan"), requires_grad=True)
    monkeypatch.setattr(baselines, "batch_loss", lambda *a: nan)
    data = data_of("sst2", texts, labels, 20)
    with pytest.raises(CellFailed, match="loss is nan at step 1"):
        word_model_logits("cbow", data, ("sst2", 1), torch.device("cpu"))


# a small study with all of them


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two seeds of an easy task with super-survivors, every baseline, and longer training."""
    root = tmp_path_factory.mktemp("new")
    small_world.make_model(root / "model")
    small_world.make_task(root / "glue")
    overrides = {"model": str(root / "model"), "data": str(root / "glue"), **small_world.SETTINGS}
    found = open_study("laptop", ["sst2"], [1, 2], overrides, root / "results")
    cells = found.cells(["baseline", "score", "retrain", "retrain_longer"], None, ["good", "bad", *SUPERS, *BASELINES])
    summary = found.run_cells(cells, engine="serial", progress=False)
    assert summary.ok, summary.failed
    return found


def test_super_masks_relate_as_they_should(study):
    good = [study.mask(f"sst2/{seed}/search/structured/good") for seed in (1, 2)]
    always_pruned = ~good[0] & ~good[1]
    for seed in (1, 2):
        masks = {name: study.mask(f"sst2/{seed}/control/structured/{name}") for name in SUPERS}
        survivors, bad, rest = (masks[name] for name in ("super", "super_bad", "super_random"))
        assert survivors == good[0] & good[1]
        assert survivors.size == bad.size == rest.size
        for part in ("heads", "mlps"):
            best, worst, middle = (getattr(m, part) for m in (survivors, bad, rest))
            others = int((~best).sum())
            room = best.sum() <= others
            assert not (best & worst).any() or not room, "super bad holds no super-survivor where others are enough"
            pruned = getattr(always_pruned, part)
            assert (worst & pruned).sum() == min(pruned.sum(), best.sum()) or not room
            assert (worst & middle).sum() == max(0, 2 * int(best.sum()) - others) or not room
        for stage in ("score", "retrain"):
            for name in SUPERS:
                record = study.record(f"sst2/{seed}/{stage}/structured/{name}")
                kept = survivors.size if name == "super" else masks[name].size
                assert (record["counts"]["heads"], record["counts"]["mlps"]) == kept and record["score"] is not None


def test_super_survivors_are_the_same_for_all_seeds(study):
    one, two = (study.mask(f"sst2/{seed}/retrain/structured/super") for seed in (1, 2))
    assert one == two


def test_pruned_random_weights_have_the_random_controls_mask(study):
    for seed in (1, 2):
        record = study.record(f"sst2/{seed}/baseline/random_init_pruned")
        control = study.record(f"sst2/{seed}/control/structured/random")
        assert record["counts"] == control["counts"] and record["shares"] == control["shares"]
        assert list(record["upstream"]) == [f"sst2/{seed}/control/structured/random"]
        assert study.mask(f"sst2/{seed}/baseline/random_init_pruned") == study.mask(control["name"])
        whole = study.record(f"sst2/{seed}/baseline/random_init")
        assert whole["shares"]["all"] == 1.0 > record["shares"]["all"] or record["shares"]["all"] == 1.0


def test_pruned_random_weights_are_the_random_weights(study, monkeypatch):
    """Both baselines of a seed begin with the same weights: the pruned one with what its mask leaves of them."""
    from lottery_utils.experiment import stage
    from lottery_utils.experiment.work import Result, Work

    seen = []

    def stopped(model, *a, **k):
        seen.append({name: p.detach().clone() for name, p in model.named_parameters()})
        raise CellFailed("seen enough")

    monkeypatch.setattr(stage, "finetune", stopped)
    for name in TRANSFORMERS:
        cell = parse_cell(f"sst2/1/baseline/{name}")
        work = Work(cell, study.key, study.store, torch.device("cpu"))
        with pytest.raises(CellFailed, match="seen enough"):
            stages.run_baseline(work, Result())
    whole, pruned = seen
    common = [name for name in pruned if pruned[name].shape == whole[name].shape]
    assert common and all(torch.equal(whole[name], pruned[name]) for name in common)
    counts = study.record("sst2/1/baseline/random_init_pruned")["counts"]
    assert sum(p.numel() for p in pruned.values()) == counts["parameters"]


def test_longer_training_takes_that_many_times_the_steps_under_the_same_mask(study):
    for method in ("structured", "magnitude"):
        usual, longer = (f"sst2/1/{stage}/{method}/bad" for stage in ("retrain", "retrain_longer"))
        assert len(study.trajectory(longer)["loss"]) == 2 * len(study.trajectory(usual)["loss"])
        assert study.trajectory(longer)["epochs"] == 2 * study.trajectory(usual)["epochs"]
        assert study.mask(longer) == study.mask(usual)
        assert study.record(longer)["counts"] == study.record(usual)["counts"]


def test_the_factor_is_the_presets(study, monkeypatch):
    from lottery_utils.experiment.work import Result, Work

    asked = []
    monkeypatch.setattr(stages, "train", lambda work, result, model, data, mask, longer=1: asked.append(longer))
    key = dataclasses.replace(study.key, preset=dataclasses.replace(study.preset, longer=5))
    for stage in ("retrain", "retrain_longer"):
        cell = parse_cell(f"sst2/1/{stage}/structured/bad")
        work = Work(cell, key, study.store, torch.device("cpu"))
        stages.run_retrain(work, Result())
    assert asked == [1, 5]


def test_baselines_beat_majority_on_the_easy_task(study):
    table = study.table(["baseline"])
    assert set(table["subnetwork"]) == set(BASELINES)
    for name in ("cbow", "bilstm", "bag_of_words"):
        rows = table[table["subnetwork"] == name]
        assert (rows["score"] > 0.8).all() and (rows["majority"] == 0.5).all(), name
    words = study.record("sst2/1/baseline/cbow")
    assert words["shares"] == {} and words["counts"] == {} and "loss" in study.trajectory("sst2/1/baseline/cbow")


def test_status_and_table_show_what_is_there_beyond_the_plan(study):
    states = study.states()
    there = {(s["stage"], s["subnetwork"]) for s in states}
    assert {("retrain_longer", "bad"), ("retrain", "super"), ("baseline", "cbow")} <= there
    lines = status_lines(states)
    assert "s-retrain_longer" in lines[0] and "m-retrain_longer" in lines[0]
    assert len(study.table()) == sum(s["state"] == "done" for s in states)
    assert not any(s["stage"] == "retrain_longer" for s in study.states(subnetworks=["good"]))
