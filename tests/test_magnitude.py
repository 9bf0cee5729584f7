"""Magnitude masks against torch's own pruning, and the search on a trained model."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model
from toy import replaced, trained
from torch.nn.utils import prune

from lottery_utils.models.anatomy import anatomy
from lottery_utils.pruning.magnitude import Ranking, component_shares, magnitude_search, pruned_counts
from lottery_utils.training.evaluate import predict


def test_masks_equal_repeated_global_unstructured():
    model = tiny_model(layers=2)
    parameters = anatomy(model).prunable_parameters()
    ranking, counts = Ranking(parameters), pruned_counts(sum(p.numel() for p in parameters.values()), 0.1, 5)
    places = [(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in parameters]
    for pruned in counts[1:]:
        prune.global_unstructured(places, pruning_method=prune.L1Unstructured, amount=0.1)
        mask = ranking.mask(pruned)
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
        ranking = Ranking(values, largest_first=largest)
        fewer = data.draw(st.integers(0, ranking.total))
        more = data.draw(st.integers(fewer, ranking.total))
        small, large = ranking.mask(more), ranking.mask(fewer)
        assert small.size == ranking.total - more and small <= large
        flat = [abs(v) * (-1 if largest else 1) for v in first + second]
        gone = set(sorted(range(len(flat)), key=lambda i: (flat[i], i))[:more])
        kept = torch.cat(list(small.weights.values()))
        assert [i in gone for i in range(len(flat))] == (~kept).tolist()


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
    view = anatomy(model)
    heads, mlps = component_shares(view, search.mask)
    per_head, per_mlp, prunable = view.structured_parameters()
    bias = sum(int(search.mask.weights[n].sum()) for n in search.mask.weights if n.endswith("attention.output.dense.bias"))
    assert heads.sum() * per_head + mlps.sum() * per_mlp + bias == pytest.approx(search.mask.size, rel=1e-5)
