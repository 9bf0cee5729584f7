"""Importance scores against plain readings of the definitions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toy import toy_data, trained

from lottery_utils.models.gates import Gates
from lottery_utils.pruning.importance import importance, normalise_heads
from lottery_utils.pruning.masks import StructuredMask
from lottery_utils.training.evaluate import predict


@pytest.fixture(scope="module")
def model():
    return trained()[0]


def gradients(model, ids, labels, mask):
    """Plain gradients of the mean loss with respect to one gate a component, for one padded batch."""
    heads = torch.tensor(mask.heads, dtype=torch.float32, requires_grad=True)
    mlps = torch.tensor(mask.mlps, dtype=torch.float32, requires_grad=True)
    with Gates(model) as gates:
        gates.set(heads, mlps)
        width = max(len(row) for row in ids)
        padded = torch.tensor([list(row) + [0] * (width - len(row)) for row in ids])
        attention = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
        logits = model(input_ids=padded, attention_mask=attention).logits
        if labels.dtype == torch.float32:
            F.mse_loss(logits[:, 0], labels).backward()
        else:
            F.cross_entropy(logits, labels).backward()
    return heads.grad.numpy(), mlps.grad.numpy()


def rows_of(data):
    return [data.ids[a:b].tolist() for a, b in zip(data.starts, data.starts[1:])]


def some_mask(model, seed=0):
    rng = np.random.default_rng(seed)
    return StructuredMask(rng.random((4, 4)) < 0.7, rng.random(4) < 0.7)


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("whole", [True, False])
def test_exact_equals_a_loop_over_single_examples(regression, whole):
    model, data, _, _ = trained("stsb" if regression else "mrpc", epochs=1)
    mask = StructuredMask.full(4, 4) if whole else some_mask(model)
    found = importance(model, data, mask, "exact")
    parts = [
        gradients(model, [row], torch.tensor(data.labels[i : i + 1]), mask) for i, row in enumerate(rows_of(data))
    ]
    np.testing.assert_allclose(found.heads, np.mean([np.abs(h) for h, _ in parts], 0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.mlps, np.mean([np.abs(m) for _, m in parts], 0), rtol=1e-4, atol=1e-7)


def test_released_equals_running_sums_of_batch_means(model):
    data, mask = toy_data(150, 3), some_mask(model)
    found = importance(model, data, mask, "released")
    rows, heads, mlps = rows_of(data), 0.0, 0.0
    total_h, total_m = np.zeros((4, 4)), np.zeros(4)
    for begin in range(0, 150, 64):
        h, m = gradients(model, rows[begin : begin + 64], torch.tensor(data.labels[begin : begin + 64]), mask)
        heads, mlps = heads + h, mlps + m
        total_h, total_m = total_h + np.abs(heads), total_m + np.abs(mlps)
    np.testing.assert_allclose(found.heads, total_h, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.mlps, total_m, rtol=1e-3, atol=1e-6)


def test_the_two_protocols_differ_and_only_released_depends_on_order(model):
    data = toy_data(150, 3)
    order = np.random.default_rng(0).permutation(len(data))
    rows = rows_of(data)
    shuffled = type(data)(
        np.concatenate([rows[i] for i in order]).astype(np.int32),
        data.types,
        np.concatenate([[0], np.cumsum(data.lengths[order])]),
        data.labels[order],
        0,
    )
    full = StructuredMask.full(4, 4)
    exact, again = importance(model, data, full), importance(model, shuffled, full)
    np.testing.assert_allclose(exact.heads, again.heads, rtol=1e-4)
    released, moved = importance(model, data, full, "released"), importance(model, shuffled, full, "released")
    assert not np.allclose(released.heads, moved.heads, rtol=1e-2)


def test_one_pass_also_gives_the_masked_models_logits(model):
    data, mask = toy_data(50, 5), some_mask(model)
    found = importance(model, data, mask)
    with Gates(model) as gates:
        gates.set(torch.tensor(mask.heads), torch.tensor(mask.mlps))
        np.testing.assert_allclose(found.logits, predict(model, data), atol=1e-5)


def test_weights_and_modes_are_left_as_found(model):
    model.zero_grad(set_to_none=True)
    before = {name: p.clone() for name, p in model.named_parameters()}
    importance(model, toy_data(20, 0), StructuredMask.full(4, 4))
    assert all(torch.equal(p, before[name]) and p.requires_grad for name, p in model.named_parameters())
    assert all(p.grad is None for p in model.parameters())


def test_layer_norm_over_all_heads():
    scores = np.array([[3.0, 4.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(normalise_heads(scores), [[0.6, 0.8, 0.0], [1.0, 0.0, 0.0]])
