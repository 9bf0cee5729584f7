"""bf16 on a CPU: the written-out halves and the linear passes against float32, and what the trainer keeps in it."""

import numpy as np
import pytest
import torch
from tiny import FAMILIES, tiny_model
from toy import replaced, toy_data, toy_preset, trained

from lottery_utils.fast import packed
from lottery_utils.fast.packed import pack
from lottery_utils.fast.packed_model import PackedModel
from lottery_utils.fast.training import Flat, adamw, trained_parts
from lottery_utils.models.compact import compact
from lottery_utils.pruning.importance import open_passes
from lottery_utils.pruning.masks import StructuredMask
from lottery_utils.pruning.structured import structured_search
from lottery_utils.training import device
from lottery_utils.training.evaluate import batch_loss, predict
from lottery_utils.training.finetune import finetune

CPU = torch.device("cpu")


def some_mask(layers=3):
    heads = np.ones((layers, 4), bool)
    heads[0, 1:3], heads[1] = False, False
    return StructuredMask(heads, np.array([True, False, True][:layers]))


def gradients(model, data, precision):
    """Gradient by parameter name, and the loss."""
    rows, names = np.arange(len(data)), {id(p): name for name, p in model.named_parameters()}
    with trained_parts(model, data, 0.0, precision) as run, Flat([p.values for p in run.parts], run.low) as flat:
        logits, order = run.forward(rows)
        loss = batch_loss(logits, torch.from_numpy(data.labels[order]))
        flat.gradient(loss)
        by_name = {}
        for part, place in zip(run.parts, flat.places):
            pieces = place.reshape(-1).split([p.numel() for p in part.stands_for])
            by_name |= {names.get(id(p), "words in use"): piece.clone() for p, piece in zip(part.stands_for, pieces)}
    return by_name, float(loss.detach())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("whole", [True, False])
def test_logits_and_gradients_are_those_of_float32_but_for_rounding(family, whole):
    model, data = tiny_model(family, num_labels=2).train(), toy_data(24, 3)
    if not whole:
        model = compact(model, some_mask().heads, some_mask().mlps).train()
    exact, low = (gradients(model, data, precision) for precision in ("fp32", "bf16"))
    assert low[1] == pytest.approx(exact[1], abs=5e-3) and low[1] != exact[1]
    assert exact[0].keys() == low[0].keys()
    largest = max(float(g.norm()) for g in exact[0].values())
    for name, wanted in exact[0].items():
        # keys' biases shift all scores of a query alike: their gradients are zero, and rounding is all there is
        assert float((low[0][name] - wanted).norm()) < 0.1 * float(wanted.norm()) + 0.004 * largest, name


def test_tokens_that_round_a_batch_up_change_nothing(monkeypatch):
    model, data = tiny_model("mpnet", num_labels=2), toy_data(21, 0)
    found = {}
    for step in (1, 64):
        monkeypatch.setattr(packed, "ROUND", step)
        batch, order = pack(data, np.arange(21), CPU, low=True)
        assert len(batch.ids) % step == 0
        with torch.no_grad():
            found[step] = PackedModel(model, "bf16")(batch)
        found[-step] = gradients(model.train(), data, "bf16")[0]
        model.eval()
    assert torch.equal(found[1], found[64])
    for name, wanted in found[-1].items():
        torch.testing.assert_close(found[-64][name], wanted, atol=2e-4, rtol=0.05)


def test_the_trainers_copies_follow_every_step():
    model, data = tiny_model("bert", num_labels=2).train(), toy_data(24, 3)
    preset = toy_preset()
    with trained_parts(model, data, 0.0, "bf16") as run, Flat([p.values for p in run.parts], run.low) as flat:
        assert run.low == 4 * 3  # stacked query, key and value, projection, and the MLP's two, of three layers
        optimiser = adamw(flat, preset, 1e-2)
        before = [p.low_copy.clone() for p in flat.low]
        logits, order = run.forward(np.arange(24))
        flat.gradient(batch_loss(logits, torch.from_numpy(data.labels[order])))
        optimiser.step()
        flat.refresh()
        for p, old in zip(flat.low, before):
            assert torch.equal(p.low_copy, p.detach().bfloat16()) and not torch.equal(p.low_copy, old)
    assert not any(hasattr(p, "low_copy") for p in model.parameters())


def test_a_model_trained_and_searched_in_bf16_is_as_good():
    model, dev, task, preset = trained(precision="bf16", threshold=0.9)
    search = structured_search(model, dev, task, preset, 0.5)
    good = compact(model, search.mask.heads, search.mask.mlps)
    full, kept = ((predict(m, dev, "bf16").argmax(1) == dev.labels).mean() for m in (model, good))
    assert full > 0.9 and 0.9 * full <= kept and search.mask.size[0] < 16
    exact = structured_search(model, dev, task, replaced(preset, precision="fp32"), 0.5)
    first = [s.trajectory["head_importance"][0] for s in (search, exact)]
    np.testing.assert_allclose(*first, atol=0.03)


def test_gradients_of_gates_are_those_of_float32_but_for_rounding():
    model, data = tiny_model("mpnet", num_labels=2), toy_data(40, 0)
    found = {}
    for precision in ("fp32", "bf16"):
        with open_passes(model, data, precision, heads="gated", mlps="gated") as passes:
            found[precision] = passes.measure(passes.run(some_mask()))
    for exact, low in zip(found["fp32"], found["bf16"]):
        assert np.isfinite(low).all()
        np.testing.assert_allclose(low, exact, atol=0.03 * np.abs(exact).max())


def test_weight_decay_spares_biases_and_layer_norms():
    model, data = tiny_model("bert", num_labels=2), toy_data(64, 3)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.requires_grad_(True)
    ends = {}
    for decay in (0.0, 0.5):
        for name, p in model.named_parameters():
            p.data.copy_(start[name])
        finetune(model, data, toy_preset(weight_decay=decay, epochs=1, clip=0.0), ("decay", 0))
        ends[decay] = {name: p.detach().clone() for name, p in model.named_parameters()}
    weight, norm = "bert.encoder.layer.0.output.dense.weight", "bert.encoder.layer.0.output.LayerNorm.weight"
    assert float(ends[0.5][weight].norm()) < 0.999 * float(ends[0.0][weight].norm())
    assert float((ends[0.5][norm] - ends[0.0][norm]).abs().max()) < 1e-3  # 4 steps of decay .5 would take away .004


def test_auto_is_bf16_for_wide_models_on_processors_that_have_it(monkeypatch):
    wide, narrow = (tiny_model("bert", hidden=hidden) for hidden in (768, 32))
    for has, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(device, "has_bf16", lambda _, has=has: has)
        assert device.precision_of(wide, "auto") == expected and device.precision_of(narrow, "auto") == "fp32"
        assert device.precision_of(wide, "fp32") == "fp32" and device.precision_of(narrow, "bf16") == "bf16"
