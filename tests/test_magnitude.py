"""Magnitude masks against torch's own pruning, and the search on a trained model."""

import contextlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model
from torch.nn.utils import prune
from toy import replaced, trained

from lottery_utils.models.anatomy import anatomy
from lottery_utils.pruning.magnitude import component_shares, magnitude_search, pruned_counts
from lottery_utils.pruning.masks import Levels, model_sizes
from lottery_utils.switch import plain
from lottery_utils.training.evaluate import predict


def test_masks_equal_repeated_global_unstructured():
    model = tiny_model(layers=2)
    parameters = anatomy(model).prunable_parameters()
    counts = pruned_counts(sum(p.numel() for p in parameters.values()), 0.1, 5)
    levels = Levels(parameters, counts)
    places = [(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in parameters]
    for number in range(1, len(counts)):
        prune.global_unstructured(places, pruning_method=prune.L1Unstructured, amount=0.1)
        mask = levels.mask(number)
        for (module, name), (full_name, kept) in zip(places, mask.weights.items()):
            assert torch.equal(getattr(module, name + "_mask").bool(), kept), full_name


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    st.data(),
)
def test_masks_have_the_exact_size_are_nested_and_cut_ties_in_model_order(first, second, data):
    values = {"a": torch.tensor(first, dtype=torch.float32), "b": torch.tensor(second, dtype=torch.float32)}
    for largest in (False, True):
        total = len(first) + len(second)
        fewer = data.draw(st.integers(0, total))
        more = data.draw(st.integers(fewer, total))
        levels = Levels(values, [fewer, more], largest_first=largest)
        large, small = levels.mask(0), levels.mask(1)
        assert small.size == total - more and large.size == total - fewer and small <= large
        flat = [abs(v) * (-1 if largest else 1) for v in first + second]
        gone = set(sorted(range(len(flat)), key=lambda i: (flat[i], i))[:more])
        kept = torch.cat(list(small.weights.values()))
        assert [i in gone for i in range(len(flat))] == (~kept).tolist()


@pytest.mark.parametrize("way", [contextlib.nullcontext, plain])
def test_many_ties_and_levels_equal_a_stable_sort(way):
    """Values of eight kinds, zeros of both signs among them: every mask is a cut of the stable order of |w|."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([0.0, -0.0, 1e-42, -1e-42, 0.5, -0.5, 0.5000001, 3e38])
    values = {str(i): kinds[torch.randint(8, (n,), generator=generator)] for i, n in enumerate((5000, 1, 3000))}
    flat = torch.cat([v.abs() for v in values.values()])
    counts = pruned_counts(len(flat), 0.1, 30)
    for largest in (False, True):
        with way():
            levels = Levels(values, counts, largest_first=largest)
        order = (-flat if largest else flat).sort(stable=True).indices
        for number, pruned in enumerate(counts):
            expected = torch.ones(len(flat), dtype=torch.bool)
            expected[order[:pruned]] = False
            found = levels.mask(number)
            assert torch.equal(torch.cat(list(found.weights.values())), expected)


def test_torch_prune_agrees_up_to_the_choice_among_equal_weights():
    """torch leaves open which of several equal weights go; the numbers agree, and all others do."""
    generator = torch.Generator().manual_seed(1)
    layer = torch.nn.Linear(64, 64, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randint(-20, 21, (64, 64), generator=generator) / 8)
    weight = layer.weight.detach().clone()
    pruned = 1500
    mine = Levels({"weight": weight}, [pruned]).mask(0).weights["weight"]
    prune.global_unstructured([(layer, "weight")], pruning_method=prune.L1Unstructured, amount=pruned)
    theirs = layer.weight_mask.bool()
    edge = weight.abs().flatten().sort().values[pruned - 1]
    assert mine.sum() == theirs.sum()
    assert (weight.abs()[mine != theirs] == edge).all()


@pytest.mark.parametrize("counts", [[2, 1], [-1], [7]])
def test_counts_must_rise_within_the_weights(counts):
    with pytest.raises(ValueError, match="counts must rise"):
        Levels({"a": torch.ones(6)}, counts)


def test_ten_percent_of_the_rest_compounds():
    assert pruned_counts(1000, 0.1, 3) == [0, 100, 190, 271]


@pytest.fixture(scope="module")
def found():
    model, dev, task, preset = trained(layers=2)
    return model, dev, task, preset, magnitude_search(model, dev, task, preset, 0.5)


def test_search_keeps_the_last_mask_that_passes(found):
    model, dev, task, preset, search = found
    course = search.trajectory
    full = float((predict(model, dev).argmax(1) == dev.labels).mean())
    assert course["score"][0] == pytest.approx(full) and full > 0.75
    assert np.array_equal(course["passed"][1:], course["score"][1:] >= 0.9 * full)
    last = int(np.flatnonzero(course["passed"])[-1])
    assert search.mask.size == course["kept"][last] and (np.diff(course["kept"]) < 0).all()
    originals = {name: p.detach().clone() for name, p in model.named_parameters()}
    search.mask.apply_(model)
    assert float((predict(model, dev).argmax(1) == dev.labels).mean()) == pytest.approx(course["score"][last])
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(originals[name])


def test_cap_is_noted(found):
    model, dev, task, preset, _ = found
    short = magnitude_search(model, dev, task, replaced(preset, magnitude_max_steps=1), 0.5)
    assert "cap of 1" in short.notes[0] and len(short.trajectory["score"]) == 2


def test_component_shares_add_up_to_the_masks_size(found):
    model, *_, search = found
    heads, mlps = component_shares(anatomy(model), search.mask)
    sizes = model_sizes(model)
    weights = search.mask.weights
    bias = sum(int(weights[n].sum()) for n in weights if n.endswith("attention.output.dense.bias"))
    assert heads.sum() * sizes.per_head + mlps.sum() * sizes.per_mlp + bias == pytest.approx(search.mask.size, rel=1e-5)
