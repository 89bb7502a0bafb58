"""The networks of the attacks that learn: what they begin as, and how far they see."""

import numpy as np
import pytest

from blindsight.algebra import BlockGrid
from blindsight.algebra.permutation import Sample

torch = pytest.importorskip("torch")
from blindsight.audit.attacks._learning import MovingAverage, reconstruct, to_features  # noqa: E402
from blindsight.audit.attacks._networks import BlockMap, BlockTransformer, Discriminator, PositionGenerator  # noqa: E402

GRID = BlockGrid(8, 12, 3, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), np.uint8)


@pytest.mark.parametrize("sample", ["byte", "nibble"])
@pytest.mark.parametrize("kind", ["map", "positions"])
def test_an_untrained_generator_shows_nothing_of_what_it_sees(kind: str, sample: Sample) -> None:
    """What a generator gives back of images that needed no change, it has learned."""
    torch.manual_seed(0)
    features = 3 if sample == "byte" else 6
    network = BlockMap(GRID, features) if kind == "map" else PositionGenerator(GRID, features, moves=False, width=8)
    made = reconstruct(network, IMAGES, sample).astype(float)
    assert np.abs(made - 127.5).mean() < 16
    assert abs(np.corrcoef(made.ravel(), IMAGES.ravel())[0, 1]) < 0.2


def test_an_average_forgets_where_it_began() -> None:
    network = torch.nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(0.0)
    average = MovingAverage(network)
    with torch.no_grad():
        network.weight.fill_(1.0)
    average.take()
    assert average.network.weight.item() == pytest.approx(0.9)
    for _ in range(50):
        average.take()
    assert average.network.weight.item() == pytest.approx(1.0, abs=1e-4)
    assert network.weight.item() == 1.0


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


def test_a_block_map_can_move_blocks_and_negate_some() -> None:
    """What fixed keys do is in its reach, the halves of bytes too."""
    network = BlockMap(GRID, 6)
    halves = torch.tensor([[1 / 17, 16 / 17]])
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        network.shared.weight.copy_(torch.kron(torch.kron(torch.eye(3), halves), torch.eye(16)))
        network.order.copy_(torch.eye(6)[order])
        network.own[2] = -2 * network.shared.weight.T
    made = reconstruct(network, IMAGES, "nibble")
    blocks = IMAGES.reshape(3, 2, 4, 3, 4, 3).swapaxes(2, 3).reshape(3, 6, 4, 4, 3)[:, order.numpy()].copy()
    blocks[:, 2] = 255 - blocks[:, 2]
    assert np.array_equal(made, blocks.reshape(3, 2, 3, 4, 4, 3).swapaxes(2, 3).reshape(3, 8, 12, 3))


@pytest.mark.parametrize("size", [(4, 4), (8, 12), (16, 16)])
@pytest.mark.parametrize("spectral", [True, False])
def test_a_discriminator_gives_one_number_an_image(size: tuple[int, int], spectral: bool) -> None:
    assert Discriminator(size, 3, 8, spectral)(torch.zeros(2, 3, *size)).shape == (2,)
