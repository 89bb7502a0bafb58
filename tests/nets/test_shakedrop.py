"""ShakeDrop: its three laws, each on its own."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from blindsight.nets.shakedrop import ShakeDrop  # noqa: E402


def passed(shake: ShakeDrop, seed: int, count: int = 5) -> tuple[Tensor, Tensor]:
    """The factors of each image, forwards and backwards."""
    torch.manual_seed(seed)
    x = torch.full((count, 2, 3, 3), 2.0, requires_grad=True)
    y = shake(x)
    y.sum().backward()
    assert x.grad is not None
    return (y / 2).detach(), x.grad


def test_an_undisturbed_branch_is_left_alone_both_ways() -> None:
    forwards, backwards = passed(ShakeDrop(0.0).train(), 0)
    assert torch.equal(forwards, torch.ones_like(forwards))
    assert torch.equal(backwards, torch.ones_like(backwards))


def test_a_disturbed_branch_has_alpha_forwards_and_beta_backwards() -> None:
    shake = ShakeDrop(1.0).train()
    forwards, backwards = passed(shake, 0, 2000)
    for factors, (low, high) in ((forwards, (-1, 1)), (backwards, (0, 1))):
        each = factors[:, 0, 0, 0]
        assert torch.equal(factors, each[:, None, None, None].expand_as(factors))  # one factor an image
        assert low <= each.min() < low + 0.02
        assert high - 0.02 < each.max() < high
        # Uniform: mean and variance within four standard errors.
        assert float(each.mean()) == pytest.approx((low + high) / 2, abs=4 * (high - low) / (12 * 2000) ** 0.5)
        assert float(each.var()) == pytest.approx((high - low) ** 2 / 12, rel=0.1)
    correlation = torch.corrcoef(torch.stack([forwards[:, 0, 0, 0], backwards[:, 0, 0, 0]]))[0, 1]
    assert abs(float(correlation)) < 4 / 2000**0.5


def test_a_batch_is_disturbed_or_not_as_a_whole_and_as_often_as_stated() -> None:
    shake = ShakeDrop(0.3).train()
    kept = 0
    for seed in range(600):
        forwards, backwards = passed(shake, seed, 2)
        whole = bool((forwards == 1).all())
        assert whole == bool((backwards == 1).all())
        assert whole or not bool((forwards == 1).any())
        kept += whole
    assert kept / 600 == pytest.approx(0.7, abs=4 * (0.3 * 0.7 / 600) ** 0.5)


@pytest.mark.parametrize(("shake", "alpha", "factor"), [(0.5, (-1.0, 1.0), 0.5), (0.2, (0.0, 1.0), 0.9)])
def test_at_test_time_the_branch_has_its_expected_value(
    shake: float, alpha: tuple[float, float], factor: float
) -> None:
    module = ShakeDrop(shake, alpha)
    x = torch.randn(3, 4)
    torch.testing.assert_close(module.eval()(x), factor * x)
    module.train()
    torch.manual_seed(0)
    mean = torch.stack([module(torch.ones(1, 1)) for _ in range(6000)]).mean()
    assert float(mean) == pytest.approx(factor, abs=0.04)


def test_draws_come_from_torchs_generator_and_are_always_as_many() -> None:
    first, again, other = (passed(ShakeDrop(0.9).train(), seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    ends = set()
    for shake in (0.0, 0.5, 1.0):
        passed(ShakeDrop(shake).train(), 3)
        ends.add(float(torch.rand(())))
    assert len(ends) == 1


def test_every_weight_before_it_has_a_gradient() -> None:
    """Distributed trainings wait for the gradient of each parameter."""
    layer = nn.Linear(3, 3)
    for seed in range(20):
        torch.manual_seed(seed)
        layer.zero_grad(set_to_none=True)
        ShakeDrop(0.5).train()(layer(torch.ones(2, 3))).sum().backward()
        assert layer.weight.grad is not None


def test_half_precision_stays_so() -> None:
    assert ShakeDrop(1.0).train()(torch.ones(2, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16
