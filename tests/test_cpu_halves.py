"""Halves of a layer with written-out gradients: values, gradients and draws are those of the operations one by one."""

import pytest
import torch
from tiny import tiny_model
from toy import toy_data

from lottery_utils.fast import cpu_attention, packed_layer
from lottery_utils.fast.cpu_halves import is_exact_gelu
from lottery_utils.fast.packed import Group, attend, pack
from lottery_utils.fast.packed_model import PackedModel
from lottery_utils.fast.training import Flat
from lottery_utils.training.evaluate import batch_loss

CPU = torch.device("cpu")


def run(model, data, parameters):
    """Logits, and the gradient of each of `parameters`, with dropout drawn from seed 0."""
    batch, order = pack(data, torch.arange(len(data)).numpy(), CPU)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        logits = PackedModel(model)(batch)
    loss = batch_loss(logits, torch.from_numpy(data.labels[order]))
    return logits.detach(), torch.autograd.grad(loss, parameters, materialize_grads=True)


@pytest.fixture
def counted(monkeypatch):
    """How often a half was computed, by its name."""
    calls = {"attention": 0, "mlp": 0}
    for name in calls:
        half = getattr(packed_layer, f"{name}_half")

        def count(*args, half=half, name=name):
            calls[name] += 1
            return half(*args)

        monkeypatch.setattr(packed_layer, f"{name}_half", count)
    return calls


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_halves_are_the_operations_one_by_one(family, rate, counted, monkeypatch):
    model, data = tiny_model(family, num_labels=2, dropout=rate).train(), toy_data(23, 0)
    parameters = list(model.parameters())
    logits, grads = run(model, data, parameters)
    assert counted == {"attention": 3, "mlp": 3}
    monkeypatch.setattr(packed_layer, "is_written_out", lambda *_: False)
    expected, expected_grads = run(model, data, parameters)
    assert counted == {"attention": 3, "mlp": 3}
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    for one, other in zip(grads, expected_grads):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)


def test_frozen_weights_let_the_gradient_through(monkeypatch):
    model, data = tiny_model("bert", num_labels=2), toy_data(9, 0)
    words = model.base_model.embeddings.word_embeddings.weight
    for p in model.parameters():
        p.requires_grad_(p is words)
    logits, (grad,) = run(model, data, [words])
    monkeypatch.setattr(packed_layer, "is_written_out", lambda *_: False)
    expected, (expected_grad,) = run(model, data, [words])
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(grad, expected_grad, atol=1e-6, rtol=1e-3)
    assert expected_grad.abs().sum() > 0


@pytest.mark.parametrize("frozen", ["query.weight", "attention.output.dense", "intermediate.dense.weight", "LayerNorm"])
def test_weights_beside_frozen_ones_have_their_gradients(frozen, monkeypatch):
    model, data = tiny_model("bert", num_labels=2), toy_data(9, 0)
    for name, p in model.named_parameters():
        p.requires_grad_(frozen not in name)
    moving = [p for p in model.parameters() if p.requires_grad]
    _, grads = run(model, data, moving)
    monkeypatch.setattr(packed_layer, "is_written_out", lambda *_: False)
    for one, other in zip(grads, run(model, data, moving)[1]):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("activation", ["relu", "gelu_new"])
def test_another_activation_is_called_as_it_is(activation, counted):
    model, data = tiny_model("bert", num_labels=2), toy_data(9, 0)
    assert all(is_exact_gelu(layer.intermediate.intermediate_act_fn) for layer in model.base_model.encoder.layer)
    config = model.config
    config.hidden_act = activation
    other = type(model)(config).eval()
    batch, order = pack(data, torch.arange(9).numpy(), CPU)
    with torch.no_grad():
        found = PackedModel(other)(batch)
        one_by_one = [other(torch.from_numpy(data.ids[a:b]).long()[None]).logits for a, b in spans(data, order)]
    assert counted == {"attention": 3, "mlp": 0}
    torch.testing.assert_close(found, torch.cat(one_by_one), atol=1e-5, rtol=1e-4)


def spans(data, rows):
    """First and last token + 1 of each row."""
    return [(int(data.starts[row]), int(data.starts[row + 1])) for row in rows]


def test_half_precision_is_not_written_out(counted):
    model, data = tiny_model("bert", num_labels=2), toy_data(9, 0)
    batch, _ = pack(data, torch.arange(9).numpy(), CPU)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        PackedModel(model)(batch)
    assert counted == {"attention": 0, "mlp": 0}


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 40])
def test_softmax_and_its_gradient(length):
    scores = 20 * torch.randn(6, 3, length, generator=torch.Generator().manual_seed(length))
    grad = torch.randn(6, 3, length, generator=torch.Generator().manual_seed(1))
    wanted = scores.clone().requires_grad_()
    expected = wanted.softmax(-1)
    (slope,) = torch.autograd.grad(expected, wanted, grad)
    shares = cpu_attention._softmax(scores.clone())
    torch.testing.assert_close(shares, expected.detach())
    torch.testing.assert_close(cpu_attention._softmax_backward(grad.clone(), shares), slope, atol=1e-6, rtol=1e-5)


def test_first_tokens_attend_as_all_tokens_do():
    groups = (Group(0, 0, 2, 18), Group(36, 2, 3, 5))
    first = torch.tensor([0, 18, 36, 41, 46])
    qkv = torch.randn(51, 3 * 2 * 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    whole = attend((qkv,), groups, 2)[first]
    some = attend((qkv[first, :8], qkv[:, 8:]), groups, 2)
    torch.testing.assert_close(some, whole)
    wanted, found = (torch.autograd.grad((x * weight).sum(), qkv)[0] for x in (whole, some))
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


def test_gradients_in_their_places_are_those_made_anew():
    model, data = tiny_model("bert", num_labels=2), toy_data(23, 0)
    parameters = [p for p in model.parameters() if p.numel()]
    unused = torch.nn.Parameter(torch.ones(3))
    batch, order = pack(data, torch.arange(23).numpy(), CPU)
    labels = torch.from_numpy(data.labels[order])
    expected = torch.autograd.grad(batch_loss(PackedModel(model)(batch), labels), parameters)
    with Flat([*parameters, unused]) as flat:
        for _ in range(2):  # the second time over what the first one left
            flat.values.grad[-3:] = 7.0
            found = flat.gradient(batch_loss(PackedModel(model)(batch), labels))
        assert found is flat.values.grad and (found[-3:] == 0).all()
        assert parameters[-1].gradient_place.data_ptr() >= found.data_ptr()
    torch.testing.assert_close(found[:-3], torch.cat([g.reshape(-1) for g in expected]), atol=1e-7, rtol=1e-5)
    assert not any(hasattr(p, "gradient_place") for p in [*parameters, unused])
