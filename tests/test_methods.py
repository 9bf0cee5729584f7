"""Other scores and other unstructured methods: each against a plain reading of its definition, and as studies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import small_world
import torch
import torch.nn.functional as F
from tiny import FAMILIES, PLAIN_FAMILIES, tiny_model
from torch.nn.utils import prune
from toy import replaced, toy_data, toy_preset, trained

from lottery_book.method_comparison import stage
from lottery_utils import methods
from lottery_utils.errors import CellFailed, UserError
from lottery_utils.experiment.identity import inputs
from lottery_utils.experiment.study import open_study
from lottery_utils.models.anatomy import anatomy, component_sums
from lottery_utils.models.compact import compact
from lottery_utils.presets import Preset, get_preset
from lottery_utils.pruning import magnitude, scores
from lottery_utils.pruning.importance import importance
from lottery_utils.pruning.magnitude import WeightView, magnitude_search, weight_scores
from lottery_utils.pruning.masks import Levels, StructuredMask, model_sizes
from lottery_utils.pruning.structured import structured_search
from lottery_utils.training.batches import take
from lottery_utils.training.evaluate import predict

LAYERS, HEADS = 3, 4
OWN = """
import numpy as np

def width(view):
    heads = np.arange(view.mask.heads.size, dtype=float).reshape(view.mask.heads.shape)
    return heads, np.arange(len(view.mask.mlps), dtype=float)

def first(view):
    return {name: p.new_full(p.shape, float(i)) for i, (name, p) in enumerate(view.parameters.items())}

def wrong(view):
    return np.zeros(3), np.zeros(1)
"""


@pytest.fixture(scope="module")
def model():
    return tiny_model(layers=LAYERS, heads=HEADS, num_labels=2)


@pytest.fixture(scope="module")
def data():
    return toy_data(24, 0)


def some_mask(seed=0):
    rng = np.random.default_rng(seed)
    return StructuredMask(rng.random((LAYERS, HEADS)) < 0.7, np.array([True, False, True]))


def rows_of(data):
    return [torch.tensor(data.ids[a:b].astype(np.int64))[None] for a, b in zip(data.starts, data.starts[1:])]


def mean_loss(model, data):
    parts = [model(input_ids=row).logits for row in rows_of(data)]
    return F.cross_entropy(torch.cat(parts), torch.from_numpy(data.labels))


def kept(found, mask):
    return found[0][mask.heads], found[1][mask.mlps]


def same(found, expected, mask, **tolerance):
    for one, other in zip(kept(found, mask), kept(expected, mask)):
        np.testing.assert_allclose(one, other, **{"rtol": 1e-3, "atol": 1e-7, **tolerance})


# the registry


def test_every_method_of_the_registry_has_a_line_and_a_function():
    for kind, known in methods.METHODS.items():
        assert getattr(Preset, kind) == next(iter(known))
        for name, method in known.items():
            assert callable(methods.function_of(kind, name)) and "\n" not in method.about


@pytest.mark.parametrize("kind", methods.METHODS)
def test_an_unknown_name_is_one_line_that_lists_the_valid_ones(kind):
    with pytest.raises(UserError) as caught:
        get_preset("demo", {kind: "best"})
    assert str(caught.value).count("\n") == 0
    assert f"valid: {', '.join(methods.METHODS[kind])}, or FILE.py:FUNCTION" in str(caught.value)


def test_a_way_to_sum_gradients_does_not_go_with_other_scores():
    with pytest.raises(UserError, match="importance released is a way to sum score gate, not 'taylor'"):
        get_preset("demo", {"score": "taylor", "importance": "released"})


def test_own_methods_are_known_by_their_content(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    name = f"{file}:width"
    before = methods.own_print(name)
    assert before != methods.own_print(f"{file}:first") and str(tmp_path) not in before
    file.write_text(OWN + "\n")
    assert methods.own_print(name) != before
    wrong_ones = {f"{file}:nothing": "has no function", f"{tmp_path}/no.py:f": "cannot be imported .FileNotFoundError"}
    for wrong, text in wrong_ones.items():
        with pytest.raises(UserError, match=text):
            methods.function_of("score", wrong)
    file.write_text("import nowhere_to_be_found")
    with pytest.raises(UserError, match="cannot be imported"):
        methods.function_of("score", name)


# scores of components


@pytest.mark.parametrize("whole", [True, False])
def test_taylor_is_the_sum_of_squares_of_weight_times_gradient(model, data, whole):
    mask = StructuredMask.full(LAYERS, HEADS) if whole else some_mask()
    found = scores.taylor(scores.View(model, mask, data))
    small = compact(model, mask.heads, mask.mlps)
    mean_loss(small, data).backward()
    expected = np.zeros((LAYERS, HEADS)), np.zeros(LAYERS)
    for i, layer in enumerate(small.bert.encoder.layer):
        attention = layer.attention.self
        for place, h in enumerate(np.flatnonzero(mask.heads[i])):
            rows = slice(8 * place, 8 * place + 8)
            for linear in (attention.query, attention.key, attention.value):
                for p in (linear.weight, linear.bias):
                    expected[0][i, h] += float((p.detach() * p.grad)[rows].square().sum())
            out = layer.attention.output.dense.weight.detach()
            grad = layer.attention.output.dense.weight.grad
            expected[0][i, h] += float((out * grad)[:, rows].square().sum())
        if mask.mlps[i]:
            linears = (layer.intermediate.dense, layer.output.dense)
            expected[1][i] = sum(float((p.detach() * p.grad).square().sum()) for m in linears for p in m.parameters())
    same(found, expected, mask)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("whole", [True, False])
def test_output_is_the_mean_norm_of_what_a_component_adds(model, data, whole):
    mask = StructuredMask.full(LAYERS, HEADS) if whole else some_mask()
    found = scores.output(scores.View(model, mask, data))
    small = compact(model, mask.heads, mask.mlps)
    heads, mlps, taken = np.zeros((LAYERS, HEADS)), np.zeros(LAYERS), {}
    for i, layer in enumerate(small.bert.encoder.layer):
        keep = lambda m, args, added, i=i: taken.__setitem__(("head", i), args[0][0])  # noqa: E731
        layer.attention.output.dense.register_forward_hook(keep)
        layer.output.dense.register_forward_hook(lambda m, a, added, i=i: taken.__setitem__(("mlp", i), added[0]))
    for row in rows_of(data):
        with torch.no_grad():
            small(input_ids=row)
        for i, layer in enumerate(small.bert.encoder.layer):
            for place, h in enumerate(np.flatnonzero(mask.heads[i])):
                part = slice(8 * place, 8 * place + 8)
                added = taken["head", i][:, part] @ layer.attention.output.dense.weight.detach()[:, part].T
                heads[i, h] += float(added.norm(dim=1).mean()) / len(data)
            mlps[i] += float(taken["mlp", i].norm(dim=1).mean()) / len(data)
    same(found, (heads, mlps), mask)


@pytest.mark.parametrize("whole", [True, False])
def test_entropy_is_that_of_the_attention_transformers_returns(data, whole):
    model = tiny_model(layers=LAYERS, heads=HEADS, num_labels=2, attention="eager")
    mask = StructuredMask.full(LAYERS, HEADS) if whole else some_mask()
    found = scores.entropy(scores.View(model, mask, data))
    small = compact(model, mask.heads, mask.mlps)
    focus = np.zeros((LAYERS, HEADS))
    for row in rows_of(data):
        with torch.no_grad():
            maps = small(input_ids=row, output_attentions=True).attentions
        for i, attention in enumerate(maps):
            for place, h in enumerate(np.flatnonzero(mask.heads[i])):
                shares = attention[0, place].double().numpy()
                spread = -(shares * np.log(shares)).sum(1).mean()
                focus[i, h] += (1 - spread / np.log(row.shape[1])) / len(data)
    same(found, (focus, scores.output(scores.View(model, mask, data))[1]), mask)
    assert (found[0][mask.heads] > 0).all() and (found[0] < 1).all()


def test_gate_is_the_searches_own_and_random_is_one_order_for_all_masks(model, data):
    mask = some_mask()
    own = importance(model, data, mask)
    same(scores.gate(scores.View(model, mask, data)), (own.heads, own.mlps), mask)
    first, second, other = (
        scores.random(scores.View(model, m, data, seed=s)) for m, s in ((mask, 1), (some_mask(3), 1), (mask, 2))
    )
    assert np.array_equal(first[0], second[0]) and not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("family", [*FAMILIES, *PLAIN_FAMILIES])
def test_scores_are_defined_for_every_family_or_say_why_not(family):
    model, data = tiny_model(family, layers=2, num_labels=2), toy_data(6, 1)
    mask = StructuredMask(np.array([[1, 1, 0, 1], [1, 0, 1, 1]], bool), np.array([True, True]))
    undefined = {("modernbert", "entropy")}  # rotated queries and keys
    for name in methods.METHODS["score"]:
        scorer = scores.Scorer(name, model, data)
        if (family, name) in undefined:
            with pytest.raises(UserError, match=f"score {name}: .*; take gate"):
                scorer(mask)
        else:
            heads, mlps = scorer(mask)
            assert np.array_equal(np.isnan(heads), ~mask.heads) and (mlps > 0).all()


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_component_sums_count_each_weight_of_a_head_once(family):
    """The gradient of a head's output reaches only its own rows and columns: those are what is summed."""
    body = anatomy(tiny_model(family, layers=2))
    for i, h in ((0, 1), (1, 3)):
        mask = StructuredMask.full(2, 4)
        mask.heads[i, h] = False
        small = anatomy(compact(body.model, mask.heads, mask.mlps))
        ones = {name: torch.ones_like(p) for name, p in body.prunable_parameters().items()}
        left = sum(p.numel() for p in small.prunable_parameters().values())
        assert component_sums(body, ones)[0][i, h] == sum(v.numel() for v in ones.values()) - left
    marked = {name: torch.zeros_like(p) for name, p in body.prunable_parameters().items()}
    stacked = next(name for name in marked if "Wqkv" in name or "query.weight" in name)
    marked[stacked][8:16] = 1  # head 1's queries
    heads, mlps = component_sums(body, marked)
    assert heads[0, 1] == marked[stacked].sum() and heads.sum() == heads[0, 1] and not mlps.any()


# scores of single weights


def test_layer_takes_the_same_share_of_each_matrix_its_smallest_as_torch_prune_does(model):
    parameters = anatomy(model).prunable_parameters()
    total = sum(p.numel() for p in parameters.values())
    levels = Levels(weight_scores("layer", WeightView(model)), [round(0.3 * total), round(0.7 * total)])
    small, smaller = levels.mask(0), levels.mask(1)
    assert small.size == total - round(0.3 * total) and smaller <= small
    for name, p in parameters.items():
        gone = int((~small.weights[name]).sum())
        assert abs(gone - 0.3 * p.numel()) <= 1
        holder = torch.nn.Module()
        holder.weight = torch.nn.Parameter(p.detach().clone())
        prune.l1_unstructured(holder, "weight", amount=gone)
        assert torch.equal(holder.weight_mask.bool(), small.weights[name])
        assert set(p.abs().flatten().topk(p.numel() - gone).indices.tolist()) == set(
            small.weights[name].flatten().nonzero().flatten().tolist()
        )


def test_snip_is_the_size_of_weight_times_plain_gradient(model, data):
    found = weight_scores("snip", WeightView(model, data))
    plain = tiny_model(layers=LAYERS, heads=HEADS, num_labels=2)
    mean_loss(plain, data).backward()
    for name, p in plain.named_parameters():
        if name in found:
            np.testing.assert_allclose(found[name].numpy(), (p * p.grad).abs().detach().numpy(), rtol=2e-3, atol=1e-8)
    few = weight_scores("snip", WeightView(model, toy_data(magnitude.EXAMPLES + 50, 4)))
    assert few.keys() == found.keys()
    with pytest.raises(ValueError, match="training examples"):
        weight_scores("snip", WeightView(model))


def test_global_are_the_weights_themselves_and_random_depends_on_the_seed_only(model):
    found = weight_scores("global", WeightView(model))
    assert all(torch.equal(value, p) for value, p in zip(found.values(), anatomy(model).prunable_parameters().values()))
    first, second, other = (weight_scores("random", WeightView(model, seed=s)) for s in (1, 1, 2))
    name = next(iter(first))
    assert torch.equal(first[name], second[name]) and not torch.equal(first[name], other[name])


# curves


@pytest.fixture(scope="module")
def learned():
    model, dev, task, preset = trained(layers=3, epochs=4)
    return model, take(dev, np.arange(48)), task, preset


def test_sizes_go_down_together():
    counts = stage.component_counts(12, 12)
    assert counts[0] == (137, 11) and counts[9] == (72, 6) and counts[-1] == (7, 1)
    assert all(a[0] >= b[0] and a[1] >= b[1] for a, b in zip(counts, counts[1:]))


@pytest.mark.parametrize("name", ["gate", "random"])
def test_structured_curves_are_nested_equally_large_and_start_at_the_full_score(learned, name):
    model, dev, task, preset = learned
    curve = stage.structured_curve(model, dev, task, replaced(preset, score=name), 0.5)
    masks = list(map(StructuredMask, curve.arrays["heads"], curve.arrays["mlps"]))
    assert curve.arrays["score"][0] == float((predict(model, dev).argmax(1) == dev.labels).mean())
    assert all(b <= a for a, b in zip(masks, masks[1:]))
    assert [m.size for m in masks] == [(12, 3), *stage.component_counts(3, 4)]
    sizes = model_sizes(model)
    assert curve.arrays["share"] == pytest.approx([m.shares(sizes)["prunable"] for m in masks])
    at = 10  # half of it
    pruned = compact(model, masks[at].heads, masks[at].mlps)
    assert curve.arrays["score"][at] == float((predict(pruned, dev).argmax(1) == dev.labels).mean())
    if name == "gate":  # the first step of a curve ranks as the first step of a search does
        course = structured_search(model, dev, task, preset, 0.5).trajectory
        lowest = np.argsort(course["head_importance"][0], axis=None)[:1]
        assert set(lowest) == set(np.flatnonzero(~masks[1].heads))


@pytest.mark.parametrize("name", methods.METHODS["unstructured"])
def test_curves_of_weights_are_nested_and_of_the_exact_size(learned, name, monkeypatch):
    model, dev, task, preset = learned
    before = [p.clone() for p in model.parameters()]
    train, masks = toy_data(200, 0), []
    shares_of = stage.component_shares
    monkeypatch.setattr(stage, "component_shares", lambda body, mask: masks.append(mask) or shares_of(body, mask))
    curve = stage.magnitude_curve(model, dev, task, replaced(preset, unstructured=name), 0.5, train=train)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before))
    assert all(b <= a for a, b in zip(masks, masks[1:]))
    for size, mask in zip(curve.arrays["size"], masks, strict=True):
        assert mask.size == mask.total - round((1 - size) * mask.total)
    assert curve.arrays["score"][0] == float((predict(model, dev).argmax(1) == dev.labels).mean())
    if name == "global":
        search = magnitude_search(model, dev, task, replaced(preset, magnitude_step=0.05, magnitude_max_steps=1), 0.5)
        assert curve.arrays["score"][1] == search.trajectory["score"][1]


def test_a_model_that_does_not_beat_the_majority_is_not_pruned(learned):
    model, dev, task, preset = learned
    for curve in (
        stage.structured_curve(model, dev, task, preset, 1.0),
        stage.magnitude_curve(model, dev, task, preset, 1.0),
    ):
        assert not curve.searchable and curve.arrays["size"].tolist() == [1.0]


def test_a_search_ranks_by_the_score_it_is_given(learned, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    model, dev, task, preset = learned
    own = replaced(preset, score=f"{tmp_path}/mine.py:width", unstructured=f"{tmp_path}/mine.py:first", threshold=0.5)
    course = structured_search(model, dev, task, own, 0.0).trajectory
    assert np.flatnonzero(~course["heads"][1]).tolist() == [0], "the lowest, by the file's own order"
    found = magnitude_search(model, dev, task, own, 0.0)
    names = list(anatomy(model).prunable_parameters())
    gone = [name for name in names if not found.mask.weights[name].all()]
    assert gone == names[: len(gone)]
    with pytest.raises(CellFailed, match=r"expected shape \(3, 4\), got \(3,\)"):
        scores.Scorer(f"{tmp_path}/mine.py:wrong", model, dev)(StructuredMask.full(3, 4))


# studies


def test_addresses_stay_at_the_defaults_and_follow_the_settings(tmp_path):
    plain = get_preset("paper", {"tasks": ["rte"], "seeds": [1]})
    (tmp_path / "mine.py").write_text(OWN)
    from lottery_utils.experiment.cells import parse_cell

    def content(name, **settings):
        return inputs(parse_cell(name), dataclasses.replace(plain, **settings), "a" * 64, "b" * 16)

    for name, field, value in (
        ("rte/1/search/structured/good", "score", "output"),
        ("rte/1/curve/structured/nested", "score", "output"),
        ("rte/1/search/magnitude/good", "unstructured", "layer"),
        ("rte/1/curve/magnitude/nested", "unstructured", "layer"),
    ):
        assert content(name)["settings"] == {} and content(name, **{field: value})["settings"] == {field: value}
    assert content("rte/1/search/structured/good", unstructured="snip")["settings"] == {}
    own = content("rte/1/search/structured/good", score=f"{tmp_path}/mine.py:width")["settings"]["score"]
    assert own.startswith("width ") and str(tmp_path) not in own


@pytest.mark.slow
def test_a_study_with_other_methods_from_search_to_export(tmp_path, capsys):
    """Curves on request only; search, retraining and export under another score and another unstructured method."""
    from lottery_utils.cli import main

    small_world.make_model(tmp_path / "model")
    small_world.make_task(tmp_path / "data", "sst2", train=96, dev=40)
    given = {**small_world.SETTINGS, "model": str(tmp_path / "model"), "data": str(tmp_path / "data")}
    given |= {"score": "taylor", "unstructured": "snip"}
    study = open_study("paper", ["sst2"], [1], given, tmp_path / "results")
    assert "curve" not in {cell.stage for cell in study.cells()}
    assert study.run(stages=["score", "retrain", "curve"], subnetworks=["good"], engine="serial", progress=False).ok
    for method in ("structured", "magnitude"):
        curve = study.trajectory(f"sst2/1/curve/{method}/nested")
        full = study.record("sst2/1/finetune/full")
        record = study.record(f"sst2/1/curve/{method}/nested")
        assert curve["score"][0] == full["score"] == record["search_score"] and record["score"] is None
        assert len(curve["size"]) == 20 or record["degenerate"]
    settings = [f"{key}={value}" for key, value in given.items()]
    for method in ("structured", "magnitude"):
        name, folder = f"sst2/1/retrain/{method}/good", tmp_path / method
        where = ["--preset", "paper", "--tasks", "sst2", "--seeds", "1", "--results", str(tmp_path / "results")]
        assert main(["export", name, str(folder), *where, "--set", *settings]) == 0, capsys.readouterr().err
    preset = toy_preset()
    assert preset.score == "gate" and preset.unstructured == "global"
