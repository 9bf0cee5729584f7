"""Dropout from 16 bits a place: the rate, the scale, no order in the draws, and torch's generator alone decides."""

import pytest
import torch

from lottery_utils.fast.cpu_attention import STEPS, dropped, factors


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


@pytest.mark.parametrize("rate", [1 / STEPS, 0.1, 0.5, 0.9, 1 - 1 / STEPS])
def test_a_place_is_lost_with_the_rate_and_the_mean_stays(rate):
    found = factors(torch.empty(1000, 1001), rate)
    exact = round(rate * STEPS) / STEPS
    assert abs(exact - rate) <= 0.5 / STEPS
    assert set(found.unique().tolist()) <= {0.0, torch.tensor(1 / (1 - exact)).item()}
    lost, sigma = (found == 0).double().mean().item(), (exact * (1 - exact) / found.numel()) ** 0.5
    assert abs(lost - exact) < 4 * sigma and 0 < lost < 1


def test_draws_of_neighbours_rows_and_calls_are_independent():
    one, other = factors(torch.empty(999, 1003), 0.3), factors(torch.empty(999, 1003), 0.3)
    flat, pairs = one.flatten(), [(one, other), (one[1:], one[:-1])]
    pairs += [(flat[step:], flat[:-step]) for step in (1, 2, 3, 4, 5, 8)]  # four share a word
    for a, b in pairs:
        together = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()
        assert abs(together) < 4 / a.numel() ** 0.5


def test_the_generator_decides_and_the_number_of_threads_does_not():
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 2):
            torch.set_num_threads(number)
            torch.manual_seed(8)
            found.append(factors(torch.empty(300, 401), 0.2))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1]) and torch.equal(found[1], found[2])
    assert not torch.equal(found[0], factors(torch.empty(300, 401), 0.2))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3, 5), (0, 4)])
def test_any_shape(shape):
    x = torch.ones(shape)
    assert dropped(x, 0.5).shape == factors(x, 0.5).shape == shape


def test_gradient_rate_0_and_rate_1():
    x = torch.randn(40, 50, requires_grad=True)
    out = dropped(x, 0.4)
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(out, x * grad) and (grad == 0).any() and (grad > 1).any()
    assert dropped(x, 0.0) is x
    assert not dropped(x, 1.0).any() and not factors(x, 1.0).any()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_other_types_have_the_same_draws(kind):
    torch.manual_seed(1)
    found = dropped(torch.ones(64, 65, dtype=kind), 0.25)
    torch.manual_seed(1)
    same = factors(torch.empty(64, 65), 0.25)
    assert found.dtype == kind and torch.equal(found, same.to(kind))
    assert torch.equal(dropped(found, 1.0), torch.zeros_like(found))
