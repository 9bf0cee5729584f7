"""Fine-tuning: deterministic, masked weights stay zero, a broken loss stops the cell by name."""

import copy
import math

import numpy as np
import pytest
import torch
from tiny import tiny_model
from toy import replaced, toy_data, toy_preset, trained

from lottery_utils.errors import CellFailed
from lottery_utils.models.anatomy import anatomy
from lottery_utils.pruning.masks import Levels
from lottery_utils.training.batches import collate, eval_batches, train_batches
from lottery_utils.training.evaluate import predict
from lottery_utils.training.finetune import finetune, learning_rate_share, planned_epochs


def test_it_learns():
    model, dev, _, _ = trained()
    assert (predict(model, dev).argmax(1) == dev.labels).mean() > 0.75


def test_same_key_same_weights_other_key_other_order():
    data, preset = toy_data(64, 0), toy_preset(epochs=2)
    runs = []
    for key in (("mrpc", 1), ("mrpc", 1), ("mrpc", 2)):
        torch.manual_seed(len(runs))  # the caller's random state must not matter
        model = tiny_model(dropout=0.1)
        log = finetune(model, data, preset, key)
        runs.append((log.losses, [p.detach().clone() for p in model.parameters()]))
    assert runs[0][0] == runs[1][0] and all(torch.equal(a, b) for a, b in zip(runs[0][1], runs[1][1]))
    assert runs[0][0] != runs[2][0]


def test_callers_random_state_is_left_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    finetune(tiny_model(dropout=0.1), toy_data(32, 0), toy_preset(epochs=1), ("mrpc", 1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_masked_training_starts_from_mask_times_weights_and_pruned_weights_stay_zero():
    model = tiny_model(dropout=0.1)
    original = copy.deepcopy(dict(model.named_parameters()))
    parameters = anatomy(model).prunable_parameters()
    mask = Levels(parameters, [sum(p.numel() for p in parameters.values()) // 2]).mask(0)
    starts = {}

    def look(module, args, kwargs):
        if not starts:
            starts.update({name: p.detach().clone() for name, p in model.named_parameters()})

    handle = model.register_forward_pre_hook(look, with_kwargs=True)
    finetune(model, toy_data(64, 0), toy_preset(epochs=2, weight_decay=0.01), ("mrpc", 1), mask.weights)
    handle.remove()
    after = dict(model.named_parameters())
    for name, kept in mask.weights.items():
        assert torch.equal(starts[name], original[name] * kept), f"{name} must start as mask x pre-trained"
        assert (after[name][~kept] == 0).all(), f"{name}: pruned weights must stay zero"
        assert not torch.equal(after[name][kept], original[name][kept]), f"{name}: the rest must learn"


def test_non_finite_loss_stops_the_cell():
    model = tiny_model()
    with torch.no_grad():
        model.classifier.weight[0, 0] = math.nan
    with pytest.raises(CellFailed, match="loss is nan at step 1"):
        finetune(model, toy_data(32, 0), toy_preset(), ("mrpc", 1))


def test_schedule_rises_and_falls_linearly():
    shares = [learning_rate_share(step, 100, 0.1) for step in range(101)]
    assert shares[0] == 0 and shares[10] == 1 and shares[100] == 0 and shares[55] == pytest.approx(0.5)
    assert learning_rate_share(0, 100, 0.0) == 1


def test_small_sets_get_their_least_steps():
    preset = toy_preset(epochs=3, min_steps=100, batch_size=32)
    assert planned_epochs(3200, preset) == 3 and planned_epochs(64, preset) == 50


def test_every_example_once_an_epoch_and_batches_nearly_unpadded():
    data = toy_data(333, 0)
    batches = train_batches(data, 16, torch.Generator().manual_seed(0))
    assert sorted(np.concatenate(batches)) == list(range(333))
    assert sorted(np.concatenate(list(eval_batches(data, tokens=64)))) == list(range(333))
    real = data.lengths.sum()
    padded = sum(len(rows) * data.lengths[rows].max() for rows in batches)
    assert padded < 1.1 * real


def test_no_attention_mask_without_padding_and_logits_do_not_depend_on_batching():
    data, model = toy_data(40, 0), tiny_model()
    same = np.flatnonzero(data.lengths == data.lengths[0])
    assert "attention_mask" not in collate(data, same, torch.device("cpu")).inputs
    each = [collate(data, np.array([i]), torch.device("cpu")).inputs for i in range(40)]
    alone = np.concatenate([model(**inputs).logits.detach() for inputs in each])
    np.testing.assert_allclose(predict(model, data), alone, atol=1e-5)


def test_bf16_autocast_stays_close_to_fp32():
    model, data = tiny_model(), toy_data(40, 0)
    exact, low = predict(model, data), predict(model, data, "bf16")
    assert not np.array_equal(exact, low) and np.abs(exact - low).max() < 0.1 * np.abs(exact).max()


def test_clip_off_and_replaced_preset_run():
    log = finetune(tiny_model(), toy_data(32, 0), replaced(toy_preset(epochs=1), clip=0.0), ("mrpc", 1))
    assert log.steps == 2 and all(math.isfinite(x) for x in log.losses)
