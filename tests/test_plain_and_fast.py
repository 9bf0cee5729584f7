"""The fast way computes what the plain one does: training, predictions, importances, both searches; all families."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from tiny import FAMILIES, PLAIN_FAMILIES, tiny_model
from toy import replaced, toy_data, toy_preset, trained

from lottery_utils import switch
from lottery_utils.places import function_at
from lottery_utils.pruning.importance import GatedPasses, importance, loss_gradients, open_passes
from lottery_utils.pruning.magnitude import magnitude_search
from lottery_utils.pruning.masks import Levels, StructuredMask, global_threshold
from lottery_utils.pruning.structured import structured_search
from lottery_utils.switch import plain
from lottery_utils.training.evaluate import PlainForward, forward_of, predict
from lottery_utils.training.finetune import finetune


@pytest.fixture(scope="module")
def model():
    return trained(layers=4, heads=4)


def both(work):
    """What `work` gives the fast way, and the plain one."""
    fast = work()
    with plain():
        return fast, work()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_a_training_is_the_same(family, decay):
    data, preset = toy_data(70, 0), toy_preset(epochs=2, learning_rate=1e-3, weight_decay=decay)

    def work():
        small = tiny_model(family, num_labels=2)
        log = finetune(small, data, preset, ("mrpc", 1))
        assert all(p.grad is None for p in small.parameters())
        return log.losses, predict(small, data)

    (losses, logits), (plain_losses, plain_logits) = both(work)
    assert losses != plain_losses, "they are two ways"
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-3)
    np.testing.assert_allclose(logits, plain_logits, atol=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_importances_and_gradients_of_weights_are_the_same(family):
    small, data = tiny_model(family, num_labels=2), toy_data(40, 0)
    mask = StructuredMask(np.random.default_rng(0).random((3, 4)) < 0.7, np.array([True, False, True]))
    for fast, slow in zip(*both(lambda: [predict(small, data), *vars(importance(small, data, mask)).values()])):
        np.testing.assert_allclose(fast, slow, atol=1e-5 * np.abs(slow).max() + 1e-6, rtol=1e-3)
    fast, slow = both(lambda: loss_gradients(small, dict(small.named_parameters()), data))
    for name, gradient in fast.items():
        torch.testing.assert_close(gradient, slow[name], atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("protocol", ["exact", "released"])
def test_a_structured_search_takes_the_same_steps(model, protocol):
    trained_model, dev, task, preset = model
    preset = replaced(preset, importance=protocol)
    fast, slow = both(lambda: structured_search(trained_model, dev, task, preset, 0.5))
    assert fast.mask == slow.mask and fast.notes == slow.notes and len(fast.trajectory["score"]) > 5
    for name, values in fast.trajectory.items():
        exact = values.dtype == bool or name == "score"
        assert np.array_equal(values, slow.trajectory[name]) if exact else True
        np.testing.assert_allclose(values, slow.trajectory[name], rtol=1e-3, atol=1e-4)


def test_a_magnitude_search_takes_the_same_steps(model):
    trained_model, dev, task, preset = model
    fast, slow = both(lambda: magnitude_search(trained_model, dev, task, preset, 0.5))
    assert fast.mask == slow.mask and len(fast.trajectory["score"]) > 2
    assert all(np.array_equal(values, slow.trajectory[name]) for name, values in fast.trajectory.items())


@pytest.mark.parametrize("largest_first", [False, True])
def test_every_nested_mask_is_a_global_threshold(largest_first):
    weights = {str(i): torch.randn(n, generator=torch.Generator().manual_seed(i)) for i, n in enumerate((900, 40))}
    levels = Levels(weights, [0, 17, 500, 940], largest_first)
    for number, pruned in enumerate((0, 17, 500, 940)):
        assert levels.mask(number) == global_threshold(weights, pruned, largest_first)


@pytest.mark.parametrize("family", [*FAMILIES, *PLAIN_FAMILIES])
def test_where_the_switch_is_off_and_for_other_families_nothing_fast_is_asked(family):
    small, data = tiny_model(family, num_labels=2), toy_data(9, 0)

    def asked() -> list[bool]:
        """Whether forward passes, passes under masks and training are the plain ones."""
        with open_passes(small, data) as passes:
            is_plain = isinstance(passes, GatedPasses)
        forward = forward_of(small, data)
        return [is_plain, isinstance(forward, PlainForward), switch.faster("steps", small, data) is None]

    expected = [family in PLAIN_FAMILIES] * 3
    assert asked() == expected
    with plain():
        assert asked() == [True] * 3
    assert asked() == expected, "on again after the block"


def test_the_switch_names_functions_and_one_variable_turns_it_off():
    assert all(callable(function_at(place)) for place in switch.FAST.values())
    code = "from lottery_utils.switch import faster; print(faster('survivals', {}, [], False))"
    for value, text in (("1", "None"), ("0", "{}")):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(value))
        assert done.stdout.strip() == text, done.stderr


def environment(value: str) -> dict[str, str]:
    return {**os.environ, "LOTTERY_PLAIN": value}
