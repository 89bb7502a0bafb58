"""Penalties: the laws of each, and their way to whoever trains."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from blindsight.nets.regularisation import l1_minus_l2, regularisation, smoothness  # noqa: E402


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_l1_minus_l2_is_zero_for_permutations_and_only_for_their_like(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    signed = torch.eye(size)[torch.from_numpy(rng.permutation(size))] * torch.from_numpy(
        rng.normal(0, 2, (size, 1)).astype(np.float32)
    )
    assert float(l1_minus_l2(signed)) == pytest.approx(0, abs=1e-6)
    if size > 1:
        matrix = torch.from_numpy(rng.normal(0, 1, (size, size)).astype(np.float32))
        assert float(l1_minus_l2(matrix)) > 0
        torch.testing.assert_close(l1_minus_l2(matrix), l1_minus_l2(matrix.T))
        torch.testing.assert_close(l1_minus_l2(3 * matrix), 3 * l1_minus_l2(matrix))


def test_l1_minus_l2_by_hand() -> None:
    # Rows: 7 - 5 and 0; columns: 0 and 0; four entries.
    assert float(l1_minus_l2(torch.tensor([[3.0, -4.0], [0.0, 0.0]]))) == pytest.approx(0.5)


def test_l1_minus_l2_has_a_gradient_at_zero() -> None:
    matrix = torch.zeros(3, 3, requires_grad=True)
    l1_minus_l2(matrix).backward()
    assert matrix.grad is not None
    assert bool(torch.isfinite(matrix.grad).all())


def test_descending_it_makes_a_matrix_sparser() -> None:
    torch.manual_seed(0)
    matrix = (torch.eye(4) + 0.2 * torch.rand(4, 4)).requires_grad_()
    optimiser = torch.optim.SGD([matrix], lr=0.2)
    for _ in range(200):
        optimiser.zero_grad()
        l1_minus_l2(matrix).backward()
        optimiser.step()
    assert bool((matrix.detach().argmax(1) == torch.arange(4)).all())
    assert float(l1_minus_l2(matrix.detach())) < 0.05


def test_smoothness_by_hand() -> None:
    x = torch.zeros(2, 4, 3, 3)
    assert float(smoothness(x + 7, 4)) == 0
    x[0, 1, 1, 1] = 2.0
    # Its left and upper neighbours each differ from it by 2, and it from its right and lower ones.
    assert float(smoothness(x, 4)) == pytest.approx(4 * 4 / (2 * 4 * 2 * 3))
    assert float(smoothness(x, 1)) == 0


def test_smoothness_of_a_single_row_or_column_is_nothing() -> None:
    assert float(smoothness(torch.randn(2, 3, 1, 5), 3)) == 0


class Asking(nn.Linear):
    def regularisation(self) -> Tensor:
        return self.weight.square().sum()


def test_penalties_of_all_modules_are_added() -> None:
    assert regularisation(nn.Sequential(nn.Linear(2, 2), nn.ReLU())) is None
    one, two = Asking(2, 2), Asking(3, 1)
    found = regularisation(nn.Sequential(one, nn.Sequential(two, nn.ReLU())))
    assert found is not None
    torch.testing.assert_close(found, one.weight.square().sum() + two.weight.square().sum())
    found.backward()
    torch.testing.assert_close(one.weight.grad, 2 * one.weight.detach())
