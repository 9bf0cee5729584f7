"""What was found since: each experiment against a plain reading of its definition, and as a study end to end."""

from __future__ import annotations

import copy
import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_world
import torch
import torch.nn.functional as F
from tiny import FAMILIES, tiny_model
from toy import toy_data

from lottery_book import sources
from lottery_book.later_work import one_look, pictures, sections, stage, works
from lottery_book.scorecard.claims import CITED, CLAIMS
from lottery_book.scorecard.judge import Verdict, judge
from lottery_utils.experiment.study import open_study
from lottery_utils.models.anatomy import anatomy
from lottery_utils.pruning.controls import structured_control
from lottery_utils.pruning.importance import importance
from lottery_utils.pruning.masks import Levels, StructuredMask
from lottery_utils.show.stats import effect
from lottery_utils.training.evaluate import predict

ROOT = Path(__file__).resolve().parent.parent
CELLS = {"outliers": "sst2/1/outliers/full", "origins": "sst2/1/origins/full"}
CELLS |= {"one_look": "sst2/1/one_look/structured/full"}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny BERT on a tiny task, with the three stages and what they need."""
    folder = tmp_path_factory.mktemp("since")
    small_world.make_model(folder / "model")
    small_world.make_task(folder / "data", "sst2", train=96, dev=40)
    given = {**small_world.SETTINGS, "model": str(folder / "model"), "data": str(folder / "data")}
    made = open_study("paper", ["sst2"], [1], given, folder / "results")
    stages, subnetworks = (*CELLS, "score", "retrain"), ("good", "random", "bottom_layers")
    assert made.run(stages, subnetworks=subnetworks, engine="serial", progress=False).ok
    return made


# outliers


def test_what_is_large_in_the_same_place_of_every_layer_comes_first():
    model = tiny_model("bert")
    norms = stage.output_norms(model)
    assert len(norms) == 3
    with torch.no_grad():
        for norm in norms:
            norm.weight[5], norm.bias[5] = 9.0, -4.0
        norms[0].weight[7] = 30.0  # in one layer only
    sizes = stage.sizes_of(norms)
    assert np.argsort(-sizes)[0] == 5 and sizes[7] < sizes[5]


def test_disabled_dimensions_say_nothing_to_the_layers_above_and_come_back():
    model, data = tiny_model("bert"), toy_data(8, 0)
    before, seen = predict(model, data), []
    norms = stage.output_norms(model)
    handles = [norm.register_forward_hook(lambda module, args, out: seen.append(out[..., [2, 6]])) for norm in norms]
    with stage.disabled(norms, np.array([2, 6])):
        changed = predict(model, data)
        model(input_ids=torch.tensor([[1, 2, 3]]))
    for handle in handles:
        handle.remove()
    assert seen and all(not part.any() for part in seen)
    assert not np.allclose(before, changed) and np.array_equal(before, predict(model, data))


def test_a_family_without_such_norms_has_none():
    assert stage.output_norms(tiny_model("modernbert")) == []


def test_outliers_of_a_study(study):
    record, found = study.record(CELLS["outliers"]), study.trajectory(CELLS["outliers"])
    full = study.record("sst2/1/finetune/full")
    assert found["full"][0] == record["search_score"] == full["score"]
    assert found["count"].tolist() == list(stage.COUNTS) and found["random"].shape == (5, stage.DRAWS)
    layers, hidden = 2, 32
    assert found["share"][0] == pytest.approx(2 * layers / full["counts"]["parameters_total"])
    assert found["dims"].tolist() == np.argsort(-found["size"], kind="stable")[:16].tolist()
    assert found["size"].shape == (hidden,)
    assert ((found["largest"] >= 0) & (found["largest"] <= 1)).all()


# origins


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_overlap_counts_what_a_plain_global_threshold_removes(family):
    first, second = tiny_model(family, seed=1), tiny_model(family, seed=2)
    views = anatomy(first), anatomy(second)
    weights = [{n: p.detach().abs() for n, p in view.prunable_parameters().items()} for view in views]
    total = sum(p.numel() for p in weights[0].values())
    gone = round(0.3 * total)
    masks = [Levels(parameters, [gone]).mask(0) for parameters in weights]
    found = stage.overlap(views[0], *masks)
    assert found.shape == (3, 6, 4) and found.sum((0, 1)).tolist()[:2] == [gone, gone]
    flat = [torch.cat([p.flatten() for p in parameters.values()]) for parameters in weights]
    below = [values < values.sort().values[gone] for values in flat]
    assert found[..., 2].sum() == (below[0] & below[1]).sum() and found[..., 3].sum() == total
    own = stage.overlap(views[0], masks[0], masks[0])
    assert np.array_equal(own[..., 0], own[..., 2]) and np.array_equal(own[..., 0], found[..., 0])


def test_origins_of_a_study(study):
    found, score = study.trajectory(CELLS["origins"]), study.record(CELLS["origins"])["search_score"]
    total = study.record("sst2/1/finetune/full")["counts"]["weights_total"]
    assert found["removed"].shape == (4, 2, 6, 4) and found["score"].shape == (2, 4) and found["full"][0] == score
    for kept, removed in zip(found["kept"], found["removed"], strict=True):
        assert removed[..., 0].sum() == removed[..., 1].sum() == round((1 - kept) * total)
        assert (removed[..., 2] <= removed[..., :2].min(-1)).all()


# one look


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_gates_are_those_of_the_search(family):
    model, data = tiny_model(family, num_labels=2), toy_data(12, 0)
    whole = StructuredMask.full(3, 4)
    found, parts = importance(model, data, whole, "exact"), one_look.gate_gradients(model, data)
    scores = one_look.summed(*parts)
    for own, theirs in zip(scores["exact"], (found.heads, found.mlps), strict=True):
        np.testing.assert_allclose(own, theirs, rtol=2e-3, atol=1e-6)
    batched = importance(model, data, whole, "batched", batch=32)
    np.testing.assert_allclose(np.sqrt(scores["fisher_32"][0]), batched.heads, rtol=2e-3, atol=1e-6)
    np.testing.assert_allclose(scores["fisher"][1], np.square(parts[1]).mean(0))
    assert not model.base_model._forward_hooks and (scores["tokens"][0] >= scores["exact"][0] - 1e-9).all()


def test_tokens_are_summed_after_their_absolute_values():
    """By hand for the last layer's MLP of one example: what the loss feels of each token of its output."""
    model, data = tiny_model("bert", num_labels=2), toy_data(1, 1)  # its tokens are of both signs
    ids = torch.tensor(data.ids.astype(np.int64))[None]
    seen = []
    handle = anatomy(model).mlp_out(1).register_forward_hook(lambda module, args, out: seen.append(out))
    loss = F.cross_entropy(model(input_ids=ids).logits, torch.from_numpy(data.labels))
    handle.remove()
    by_token = (torch.autograd.grad(loss, seen[0])[0] * seen[0].detach()).sum(-1)[0]
    *_, mlps = one_look.gate_gradients(model, data)
    assert mlps[0, 1] == pytest.approx(float(by_token.abs().sum()), rel=1e-3)
    assert mlps[0, 1] > 2 * abs(float(by_token.sum()))


def test_a_cut_leaves_the_numbers_asked_for_and_the_highest():
    heads = np.array([[3.0, 4.0, 0.0, 0.0], [0.3, 0.0, 0.4, 0.1]])
    mask = one_look.cut(heads, np.array([2.0, 1.0]), 4, 1)
    assert mask.size == (4, 1) and mask.mlps.tolist() == [True, False]
    assert mask.heads.tolist() == [[True, True, False, False], [True, False, True, False]], "by layer's norm"


def test_sinks_are_shares_of_attention():
    model, data = tiny_model("bert"), toy_data(6, 0)
    found = one_look.attention_sinks(model, data)
    assert found.shape == (2, 3, 4) and ((found >= 0) & (found <= 1)).all()
    blind = copy.deepcopy(model)
    with torch.no_grad():
        for i in range(3):
            for linear in anatomy(blind).qkv(i)[:2]:
                linear.weight.zero_(), linear.bias.zero_()
    shares = 1 / data.lengths
    assert np.allclose(one_look.attention_sinks(blind, data)[0], shares.mean()), "every token alike"


def test_one_look_of_a_study(study):
    found, good = study.trajectory(CELLS["one_look"]), study.mask("sst2/1/search/structured/good")
    assert found["good"].tolist() == list(good.size)
    assert found["same_size"].shape == (4,) and found["alone"].shape == (4, 3) and found["sinks"].shape == (2, 2, 4)
    course = study.trajectory("sst2/1/search/structured/good")
    exact = found["exact_heads"] / np.linalg.norm(found["exact_heads"], axis=1, keepdims=True)
    np.testing.assert_allclose(exact, course["head_importance"][0], rtol=1e-3, atol=1e-5)
    assert len(set(found) & {f"{name}_mlps" for name in (*one_look.SUMS, *one_look.LOOKS)}) == 7


# with training


def test_bottom_layers_keep_as_much_as_good_from_the_lowest_layer_up(study):
    good = StructuredMask(np.eye(3, 4, dtype=bool), np.array([False, True, True]))
    bottom = structured_control("bottom_layers", good, np.random.default_rng(0))
    assert bottom.heads.tolist() == [[True, True, True, False], [False] * 4, [False] * 4]
    assert bottom.mlps.tolist() == [True, True, False]
    kept = study.record("sst2/1/retrain/structured/bottom_layers")["counts"]
    assert kept["weights"] == study.record("sst2/1/retrain/structured/good")["counts"]["weights"]


def test_a_threshold_of_one_keeps_the_full_score(study):
    again = open_study("paper", ["sst2"], [1], _overrides(study, threshold=1.0), study.store.root)
    assert again.run(["search"], ["structured"], engine="serial", progress=False).ok
    course = again.trajectory("sst2/1/search/structured/good")
    assert (course["score"][course["passed"]] >= course["score"][0]).all()
    assert (
        again.mask("sst2/1/search/structured/good").heads.sum()
        >= study.mask("sst2/1/search/structured/good").heads.sum()
    )


def _overrides(study, **more):
    own = {name: getattr(study.preset, name) for name in small_world.SETTINGS}
    return own | {"model": study.preset.model, "data": study.preset.data} | more


# the chapter's numbers


@pytest.fixture(scope="module")
def source(study):
    return sources.run_source(study)


def test_points_are_hundredths_of_the_mean_lead_over_seeds(study):
    """Two seeds of one task with unlike leads: both shares are of the mean lead."""
    other = dataclasses.replace(study.preset, seeds=(1, 2))
    two = _Renamed(other, study)
    rows = [("sst2", seed, "way", "", score) for seed, score in ((1, 0.7), (2, 0.6))]
    frame = sections.tidy(two, lambda study: rows)
    assert frame["points"].tolist() == pytest.approx([100 * 0.2 / 0.3, 100 * 0.1 / 0.3])
    lost = sections.tidy(_Renamed(other, study, full=(0.4, 0.5)), lambda study: rows)
    assert lost["points"].isna().all(), "a full model that does not lead leaves nothing to keep"


class _Renamed:
    """A study whose full models score as told, majority 0.5."""

    def __init__(self, preset, study, full=(0.9, 0.7)):
        self.preset, self.full = preset, dict(zip(preset.seeds, full, strict=True))

    def record(self, cell):
        return {"partial": False, "score": self.full[cell.seed], "majority": 0.5}


def test_effects_of_a_study_are_the_differences_of_its_records(study):
    found = sections.sections(study, judge(sources.run_source(study)))
    full = study.record("sst2/1/finetune/full")
    lead = full["score"] - full["majority"]

    def score(name):
        return study.record(f"sst2/1/{name}")["score"]

    pair = found["f"]["bottom_layers", "random", "s-pruning, retrained"]
    expected = score("retrain/structured/bottom_layers") - score("retrain/structured/random")
    assert pair.mean == pytest.approx(100 * expected / lead) and pair.word == "not testable", "one task decides nothing"
    arrays = study.trajectory(CELLS["one_look"])
    expected = arrays["same_size"][one_look.SUMS.index("fisher")] - score("score/structured/good")
    assert found["e"]["fisher", sections.SEARCH, ""].mean == pytest.approx(100 * expected / lead)
    arrays = study.trajectory(CELLS["outliers"])
    expected = arrays["largest"][1] - arrays["random"][1].mean()
    assert found["b"][sections.LARGEST, sections.RANDOM, 2].mean == pytest.approx(100 * expected / lead)
    arrays = study.trajectory(CELLS["origins"])
    kept = float(arrays["kept"][1])
    assert found["c"]["pre-trained", "fine-tuned", kept].mean == pytest.approx(
        100 * (arrays["score"][1, 1] - arrays["score"][0, 1]) / lead
    )
    assert not found["a"] and not found["g"], "random by layer and light tickets were not run"


def test_what_the_scorecard_judges_is_its_own_and_not_tested_again():
    assert set(sections.JUDGED.values()) == set(CITED["19"])
    values = pd.Series([0.1, 0.2, 0.4], index=pd.Index(["cola", "rte", "mnli"], name="task"))
    verdicts = {claim.key: Verdict(claim) for claim in CLAIMS}
    verdicts["s_layer"] = dataclasses.replace(verdicts["s_layer"], effect=effect(values, (0, np.inf)))
    ((key, each),) = sections.judged(verdicts).items()
    assert sections.JUDGED[key] == "s_layer" and each.side == "above"
    assert each.corrected == verdicts["s_layer"].effect.corrected and each.by_task.tolist() == [10.0, 20.0, 40.0]
    rows = [(task, 1, way, key[2], at) for task in values.index for at, way in enumerate(key[:2])]
    frame = pd.DataFrame(rows, columns=["title", "seed", "way", "at", "points"])
    assert not sections.compared(frame, [key[:2]]) and sections.compared(frame.assign(at="else"), [key[:2]])


def test_pictures_draw_the_numbers_of_the_records(study, source):
    full, good = study.record("sst2/1/finetune/full"), study.record("sst2/1/score/structured/good")
    lead = full["score"] - full["majority"]
    figure = pictures.dimensions([source])
    of_good, *_ = [line for line in figure.axes[0].lines if line.get_markersize() == 7]
    assert float(of_good.get_xdata()[0]) == pytest.approx(1 - good["shares"]["all"])
    assert float(of_good.get_ydata()[0]) == pytest.approx((good["score"] - full["majority"]) / lead)
    arrays, frame = study.trajectory(CELLS["outliers"]), pictures.without_dimensions(study)
    largest = frame[frame["way"] == sections.LARGEST]
    assert largest["removed"].tolist() == arrays["share"].tolist()
    assert largest["lead"].tolist() == pytest.approx(((arrays["largest"] - full["majority"]) / lead).tolist())
    tuned, pretrained, both, _ = np.moveaxis(study.trajectory(CELLS["origins"])["removed"][2], -1, 0)
    np.testing.assert_allclose(pictures.jaccard_by_matrix(study), both / (tuned + pretrained - both))
    shared = pictures.jaccard_by_matrix(study)
    drawn = pictures.unshared_weights([source]).axes[0]
    assert [text.get_text() for text in drawn.texts] == [f"{100 * (1 - v):.1f}" for v in shared.ravel()]
    found = {source.kind: sections.sections(study, judge(source))}
    labels = [text.get_text() for text in pictures.section_forest([source], found, "d").axes[0].get_yticklabels()]
    assert len(labels) == len(found[source.kind]["d"]) and labels[0].endswith("of heads removed: 0.25")


def test_heads_that_go_and_where_heads_rest(study):
    cls, sep = study.trajectory(CELLS["one_look"])["sinks"]
    kept = study.mask("sst2/1/search/structured/good").heads
    assert sections.sinks(study).mean == pytest.approx(100 * (cls[~kept].mean() - cls[kept].mean()))
    assert sections.sinks(study, "SEP").mean == pytest.approx(100 * (sep[~kept].mean() - sep[kept].mean()))


def test_nothing_stored_is_gaps_and_no_error(source):
    nothing = dataclasses.replace(source, kind="real study", study=None)
    both = (nothing, source)
    found = {each.kind: sections.sections(each.study, judge(each)) for each in both}
    assert not any(found["real study"].values())
    for letter in found["this run"]:
        assert sources.NO_RECORD in works.section_table(both, found, letter, "at").to_html()
    real, run = works.headline(both, found).axes
    assert [text.get_text() for text in real.texts] == [sources.NO_RECORD] * len(works.HEADLINE)
    assert len(run.lines) > len(works.HEADLINE) - 2, "all but what was not run"
    forest = pictures.section_forest(both, found, "d")
    for figure in (pictures.dimensions(both), pictures.unshared_weights(both), forest):
        assert sources.NO_RECORD in [text.get_text() for text in figure.axes[0].texts]
    assert works.share_of(nothing, 4) == sources.NO_RECORD and works.share_of(source, 4).endswith("%")
    assert not sections.sinks(None).tasks and works.passes(nothing) == sources.NO_RECORD
    assert works.passes(source) == str(len(source.courses("structured")["sst2", 1]["score"]))
    html = works.works_table(both, found).to_html()
    assert "https://arxiv.org/abs/2105.12002" in html and works.lead_without(nothing, 2) == sources.NO_RECORD


def test_every_later_work_is_in_the_references_with_its_year_and_address():
    table = works.works()
    assert len(table) >= 12 and table["key"].is_unique
    bib = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    for work in table.itertuples():
        entry = bib.split(f"{{{work.key},", 1)[1].split("\n@")[0]
        assert re.search(r"year = \{(\d+)\}", entry)[1] in work.year and work.link.startswith("https://")
        surname = work.work.split()[0].removesuffix(",")
        assert f"author = {{{surname}" in entry
        assert work.number and work.checked in ("abstract", "from memory") and work.section in ("", *"abcdefg")
