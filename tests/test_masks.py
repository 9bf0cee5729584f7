"""Masks: validated, bit-packed, compared; controls of exactly the good size."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny import tiny_model

from lottery_utils.errors import UserError
from lottery_utils.models.anatomy import anatomy
from lottery_utils.presets import SUBNETWORKS
from lottery_utils.pruning.controls import STRUCTURED, SUPER, magnitude_control, structured_control
from lottery_utils.pruning.masks import Levels, StructuredMask, WeightMask, load_mask, model_sizes

masks = st.tuples(st.integers(1, 6), st.integers(1, 9)).flatmap(
    lambda shape: st.builds(StructuredMask, arrays(bool, shape), arrays(bool, shape[0]))
)


@settings(max_examples=50, deadline=None)
@given(masks)
def test_structured_mask_round_trip(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("mask") / "mask.safetensors"
    mask.save(path, {"task": "mrpc"})
    assert load_mask(path) == mask


@settings(max_examples=30, deadline=None)
@given(st.lists(arrays(bool, st.tuples(st.integers(0, 5), st.integers(1, 7))), min_size=1, max_size=3))
def test_weight_mask_round_trip(tmp_path_factory, values):
    mask = WeightMask({f"layer.{i}": torch.from_numpy(v.copy()) for i, v in enumerate(values)})
    path = tmp_path_factory.mktemp("mask") / "mask.safetensors"
    mask.save(path)
    assert load_mask(path) == mask and load_mask(path).size == sum(v.sum() for v in values)


@settings(max_examples=100, deadline=None)
@given(masks, st.integers(0, 2**32), st.sampled_from(["random", "bottom_layers", "bad"]))
def test_structured_controls_have_exactly_the_good_size(good, seed, kind):
    control = structured_control(kind, good, np.random.default_rng(seed))
    assert control.size == good.size
    again = structured_control(kind, good, np.random.default_rng(seed))
    assert control == again
    if kind == "bad":
        for kept, best in ((control.heads, good.heads), (control.mlps, good.mlps)):
            shared, needed = (kept & best).sum(), max(0, 2 * best.sum() - best.size)
            assert shared == needed, "bad holds good components only where too few were pruned"


@settings(max_examples=60, deadline=None)
@given(masks, masks, st.integers(0, 2**32))
def test_super_survivors_and_their_controls(one, other, seed):
    if one.heads.shape != other.heads.shape:
        other = ~one
    rng = np.random.default_rng(seed)
    best = structured_control("super", one, rng, seeds=[one, other])
    assert best <= one and best <= other and best == one & other
    for kind in ("super_random", "super_bad"):
        control = structured_control(kind, one, np.random.default_rng(seed), seeds=[one, other])
        assert control.size == best.size
        for name in ("heads", "mlps"):
            kept, top = getattr(control, name), getattr(best, name)
            assert (kept & top).sum() == max(0, 2 * top.sum() - top.size)


def test_every_subnetwork_of_a_preset_is_good_or_a_control():
    assert {"good", *STRUCTURED, *SUPER} == set(SUBNETWORKS)


def test_inverted_is_exactly_what_good_prunes():
    good = StructuredMask(np.array([[True, False]]), np.array([True]))
    inverted = structured_control("inverted", good, np.random.default_rng(0))
    assert inverted.heads.tolist() == [[False, True]] and not inverted.mlps.any()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_magnitude_controls(share):
    parameters = anatomy(tiny_model()).prunable_parameters()
    total = sum(p.numel() for p in parameters.values())
    good = Levels(parameters, [int(share * total)]).mask(0)
    random = magnitude_control("random", good, parameters, torch.Generator().manual_seed(1))
    bad = magnitude_control("bad", good, parameters, torch.Generator().manual_seed(1))
    assert random.size == bad.size == good.size and random != good
    kept = torch.cat([parameters[name].detach().abs()[m] for name, m in bad.weights.items()])
    gone = torch.cat([parameters[name].detach().abs()[~m] for name, m in bad.weights.items()])
    assert kept.max() <= gone.min()


def test_sizes_and_shares_count_real_parameters():
    model = tiny_model(layers=3, heads=4, hidden=32, mlp=48)
    sizes = model_sizes(model)
    assert sizes.per_head == 3 * (8 * 32 + 8) + 32 * 8 and sizes.per_mlp == 32 * 48 + 48 + 48 * 32 + 32
    assert sizes.prunable == 3 * (4 * sizes.per_head + 32 + sizes.per_mlp)
    empty = ~StructuredMask.full(3, 4)
    assert empty.shares(sizes)["prunable"] == pytest.approx(3 * 32 / sizes.prunable)
    assert StructuredMask.full(3, 4).shares(sizes) == {"heads": 1, "mlps": 1, "prunable": 1, "all": 1}


@pytest.mark.parametrize(
    "heads, mlps, words",
    [
        (np.ones((2, 3)), np.ones(2, bool), "expected a bool array"),
        (np.ones((2, 3), bool), np.ones(3, bool), "2 layers but mlps 3"),
        (np.ones(3, bool), np.ones(3, bool), "2 dimension"),
    ],
)
def test_wrong_masks_fail_loudly(heads, mlps, words):
    with pytest.raises(UserError, match=words):
        StructuredMask(heads, mlps)


def test_damaged_or_foreign_mask_files(tmp_path):
    path = tmp_path / "mask.safetensors"
    with pytest.raises(UserError, match="no mask at"):
        load_mask(path)
    path.write_bytes(b"\x00" * 40)
    with pytest.raises(UserError, match="damaged"):
        load_mask(path)
    StructuredMask.full(2, 2).save(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged"):
        load_mask(path)


def test_weight_mask_of_another_model_is_refused():
    mask = WeightMask({"nowhere.weight": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(UserError, match="no such parameter"):
        mask.apply_(tiny_model())
