"""The networks of the attacks that learn: what they begin as, and how far they see."""

import numpy as np
import pytest

from blindsight.algebra import BlockGrid
from blindsight.algebra.permutation import Sample

torch = pytest.importorskip("torch")
from blindsight.audit.attacks._learning import reconstruct, to_features  # noqa: E402
from blindsight.audit.attacks._networks import BlockTransformer, Discriminator, PositionGenerator  # noqa: E402

GRID = BlockGrid(8, 12, 3, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), np.uint8)


@pytest.mark.parametrize("sample", ["byte", "nibble"])
def test_an_untrained_generator_gives_back_what_it_sees(sample: Sample) -> None:
    network = BlockTransformer(GRID, 3 if sample == "byte" else 6, 32, 1, mean=None)
    assert np.array_equal(reconstruct(network, IMAGES, sample), IMAGES)


@pytest.mark.parametrize("sample", ["byte", "nibble"])
def test_an_untrained_position_generator_gives_back_about_what_it_sees(sample: Sample) -> None:
    torch.manual_seed(0)
    network = PositionGenerator(GRID, 3 if sample == "byte" else 6, moves=False, width=8)
    assert np.abs(reconstruct(network, IMAGES, sample).astype(int) - IMAGES).mean() < 16


def test_an_inverse_network_begins_near_the_mean() -> None:
    torch.manual_seed(0)
    mean = torch.full((3, 8, 12), 0.5)
    assert np.abs(reconstruct(BlockTransformer(GRID, 3, 32, 1, mean), IMAGES, "byte").astype(int) - 191).mean() < 40


@pytest.mark.parametrize("kind", ["transformer", "positions"])
def test_every_output_block_sees_every_input_block(kind: str) -> None:
    torch.manual_seed(0)
    mean = torch.zeros(3, 8, 12)
    network = BlockTransformer(GRID, 3, 32, 1, mean) if kind == "transformer" else PositionGenerator(GRID, 3, True, 8)
    seen = to_features(IMAGES[:1], "byte").cpu().requires_grad_()
    for top in (0, 4):
        for left in (0, 4, 8):
            made = network(seen)[:, :, top : top + 4, left : left + 4].square().sum()
            (slope,) = torch.autograd.grad(made, seen)
            each = slope[0].reshape(3, 2, 4, 3, 4).abs().amax(dim=(0, 2, 4))
            assert bool((each > 0).all())


@pytest.mark.parametrize("size", [(4, 4), (8, 12), (16, 16)])
@pytest.mark.parametrize("spectral", [True, False])
def test_a_discriminator_gives_one_number_an_image(size: tuple[int, int], spectral: bool) -> None:
    assert Discriminator(size, 3, 8, spectral)(torch.zeros(2, 3, *size)).shape == (2,)
