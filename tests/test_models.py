"""Anatomy and gates: each family's heads and MLPs are where we say, and a gate does what the paper's factor does."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny import FAMILIES, tiny_batch, tiny_model
from torch.utils._python_dispatch import TorchDispatchMode

from lottery_utils.errors import UserError
from lottery_utils.models.anatomy import anatomy
from lottery_utils.models.gates import Gates
from lottery_utils.pruning.masks import model_sizes

LAYERS, HEADS = 3, 4


def masks(*closed_heads, mlps=()):
    """Return open gates (L, H) and (L,) but for the named ones."""
    heads, nu = torch.ones(LAYERS, HEADS), torch.ones(LAYERS)
    for head in closed_heads:
        heads[head] = 0
    nu[list(mlps)] = 0
    return heads, nu


def logits(model, batch, heads=None, mlps=None):
    with Gates(model) as gates:
        return gates.set(heads, mlps).anatomy.model(**batch).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_every_zero_gate_changes_the_logits(family):
    model, batch = tiny_model(family), tiny_batch()
    with torch.no_grad():
        whole = model(**batch).logits
        for layer in range(LAYERS):
            for head in range(HEADS):
                assert (logits(model, batch, masks((layer, head))[0]) - whole).abs().max() > 1e-3
            assert (logits(model, batch, None, masks(mlps=[layer])[1]) - whole).abs().max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_ignores_head_mask_which_is_why_there_are_gates(family):
    model, batch = tiny_model(family), tiny_batch()
    closed = torch.zeros(LAYERS, HEADS)
    assert torch.equal(model(**batch, head_mask=closed).logits, model(**batch).logits)
    assert not torch.allclose(logits(model, batch, closed), model(**batch).logits, atol=1e-3)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_zero_gate_is_what_zeroed_weights_do(family, attention):
    model, batch = tiny_model(family, attention=attention), tiny_batch()
    by_hand = copy.deepcopy(model)
    body = anatomy(by_hand)
    with torch.no_grad():
        body.attention_out(1).weight[:, 2 * body.head_dim : 3 * body.head_dim] = 0
        body.mlp_out(2).weight.zero_()
        body.mlp_out(2).bias.zero_()
    gated = logits(model, batch, *masks((1, 2), mlps=[2]))
    torch.testing.assert_close(gated, by_hand(**batch).logits, atol=1e-6, rtol=0)


def test_a_head_gate_multiplies_the_attention_probabilities(monkeypatch):
    """The paper's definition, computed apart: the family's own eager attention with scaled probabilities."""
    from transformers.models.bert import modeling_bert

    model, batch = tiny_model("bert", attention="eager"), tiny_batch()
    heads = torch.rand(LAYERS, HEADS, generator=torch.Generator().manual_seed(1))
    gated = logits(model, batch, heads)
    original = modeling_bert.eager_attention_forward

    def scaled(module, query, key, value, *args, **kwargs):
        return original(module, query, key, value * heads[module.layer_idx].view(1, -1, 1, 1), *args, **kwargs)

    monkeypatch.setattr(modeling_bert, "eager_attention_forward", scaled)
    torch.testing.assert_close(gated, model(**batch).logits, atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_per_example_gates_equal_one_mask_a_row(family):
    model, batch = tiny_model(family), tiny_batch(batch=4)
    generator = torch.Generator().manual_seed(3)
    heads = torch.rand(LAYERS, 4, HEADS, generator=generator)
    mlps = torch.rand(LAYERS, 4, generator=generator)
    together = logits(model, batch, heads, mlps)
    for row in range(4):
        alone = logits(model, {k: v[row : row + 1] for k, v in batch.items()}, heads[:, row], mlps[:, row])
        torch.testing.assert_close(together[row], alone[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_per_example_gradients_equal_a_loop_over_examples(family):
    model, batch = tiny_model(family), tiny_batch(batch=4)
    labels = torch.tensor([0, 2, 1, 1])
    model.requires_grad_(False)

    def gradients(rows, heads, mlps):
        gates = (heads.requires_grad_(), mlps.requires_grad_())
        out = logits(model, {k: v[rows] for k, v in batch.items()}, *gates)
        return torch.autograd.grad(torch.nn.functional.cross_entropy(out, labels[rows], reduction="sum"), gates)

    heads, mlps = gradients(slice(None), torch.ones(LAYERS, 4, HEADS), torch.ones(LAYERS, 4))
    assert heads.abs().min() > 0 and mlps.abs().min() > 0
    for row in range(4):
        one = gradients(slice(row, row + 1), torch.ones(LAYERS, HEADS), torch.ones(LAYERS))
        torch.testing.assert_close(heads[:, row], one[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(mlps[:, row], one[1], atol=1e-5, rtol=1e-4)


def test_gates_work_under_bf16_autocast_and_gradients_stay_float32():
    model, batch = tiny_model(), tiny_batch()
    heads, mlps = (gate.requires_grad_() for gate in masks())
    with torch.autocast("cpu", torch.bfloat16):
        out = logits(model, batch, heads, mlps)
    gradients = torch.autograd.grad(out.float().sum(), (heads, mlps))
    assert all(g.dtype == torch.float32 and g.isfinite().all() and g.abs().min() > 0 for g in gradients)
    torch.testing.assert_close(out.float(), model(**batch).logits, atol=0.1, rtol=0)


class Operations(TorchDispatchMode):
    """Record the names of the tensor operations that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


def operations(model, batch):
    with torch.no_grad(), Operations() as seen:
        model(**batch)
    return seen.names


@pytest.mark.parametrize("family", FAMILIES)
def test_open_gates_cost_nothing_and_removed_gates_leave_no_trace(family):
    model, batch = tiny_model(family), tiny_batch()
    before, plain = model(**batch).logits, operations(model, batch)
    gates = Gates(model)
    assert operations(model, batch) == plain
    gates.set(*masks((0, 0), mlps=[1]))
    assert len(operations(model, batch)) > len(plain)
    gates.set(None)
    assert operations(model, batch) == plain
    gates.remove()
    assert torch.equal(model(**batch).logits, before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_gates_are_removed_when_an_error_passes():
    model = tiny_model()
    with pytest.raises(RuntimeError), Gates(model):
        raise RuntimeError
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_gates_refuse_wrong_shapes_and_take_boolean_arrays():
    model, batch = tiny_model(), tiny_batch()
    with Gates(model) as gates:
        with pytest.raises(ValueError, match=r"heads must have shape \(3, \[batch,\] 4\), got \(4, 3\)"):
            gates.set(torch.ones(4, 3))
        with pytest.raises(ValueError, match=r"mlps must have shape \(3\[, batch\]\), got \(2,\)"):
            gates.set(None, torch.ones(2))
        heads, mlps = masks((0, 1), mlps=[2])
        expected = gates.set(heads, mlps) and model(**batch).logits
        assert torch.equal(gates.set(heads.bool().numpy(), mlps.bool().numpy()) and model(**batch).logits, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_anatomy_knows_sizes_and_prunable_parameters(family):
    model = tiny_model(family)
    body = anatomy(model)
    assert (body.layers, body.heads, body.head_dim) == (3, 4, 8)
    assert all(body.attention_out(i).in_features == 32 and body.mlp_in(i).out_features == 48 for i in range(3))
    prunable = body.prunable_parameters()
    assert len(prunable) == 3 * 6 * 2  # weight and bias of q, k, v, attention output, MLP in and out
    assert not [name for name in prunable if "norm" in name.lower() or "embed" in name or "classifier" in name]
    assert list(prunable) == [name for name, _ in model.named_parameters() if name in prunable]
    sizes = model_sizes(model)
    per_head, per_mlp, total = sizes.per_head, sizes.per_mlp, sizes.prunable
    assert per_head == 3 * 8 * (32 + 1) + 8 * 32
    assert per_mlp == 48 * 32 + 48 + 32 * 48 + 32
    assert total == 3 * (4 * per_head + 32 + per_mlp) == sum(p.numel() for p in prunable.values())


def test_unknown_family_lists_the_known_ones():
    from transformers import GPT2Config, GPT2ForSequenceClassification

    model = GPT2ForSequenceClassification(GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=10, n_positions=8))
    with pytest.raises(UserError, match="unknown model family 'gpt2'; known families: bert, roberta, electra, disti"):
        anatomy(model)
