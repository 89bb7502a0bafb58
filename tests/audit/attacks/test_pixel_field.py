"""The random field of pixels: keys compose, likely pictures have little energy, and doubtful pixels are mended."""

import numpy as np
import pytest

from blindsight.audit import Budget
from blindsight.audit.attacks._pixel_field import Keys, NeighbourModel, PixelField

RNG = np.random.default_rng


@pytest.mark.parametrize(
    ("channels", "shuffles", "negates", "count"),
    [(3, True, True, 48), (3, False, True, 8), (3, True, False, 6), (1, False, True, 2), (1, True, True, 2)],
)
def test_keys_compose(channels: int, shuffles: bool, negates: bool, count: int) -> None:
    keys = Keys.of(channels, shuffles=shuffles, negates=negates)
    assert len(keys.order) == count
    pixel = RNG(0).normal(size=channels)
    for state in range(count):
        for key in range(count):
            decoded = pixel[keys.order[key]] * keys.sign[key]
            both = keys.then[state, key]
            wanted = decoded[keys.order[state]] * keys.sign[state]
            assert np.array_equal(pixel[keys.order[both]] * keys.sign[both], wanted)


def test_every_key_is_its_own_nearest() -> None:
    keys = Keys.of(3, shuffles=True, negates=True)
    assert np.array_equal(keys.nearest(keys.order.reshape(6, 8, 3), keys.sign.reshape(6, 8, 3)), np.arange(48))


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_true_keys_are_likely_and_wrong_pixels_are_mended(
    crops: np.ndarray, public: np.ndarray, channels: int, learned: bool
) -> None:
    images = 2 * crops[:8, :12, :12, :channels].astype(np.int16) - 255
    keys = Keys.of(channels, shuffles=True, negates=True)
    model = NeighbourModel(public[..., :channels] if learned else None, channels, RNG(0))
    field = PixelField(images, keys, model)  # nothing encrypted: key 0 is right everywhere
    truth = np.zeros(144, np.int64)
    wrong = truth.copy()
    some = RNG(1).permutation(144)[:12]
    wrong[some] = RNG(2).integers(1, len(keys.order), 12)
    assert field.energy(truth) < field.energy(wrong)
    assert np.mean(field.likelier(wrong, Budget()) == 0) > 0.97
    odd = keys.then[1][truth]  # the last colour negated in the whole image
    found = field.in_likeliest_state(odd)
    assert len(set(found.tolist())) == 1  # one state for all
    assert field.energy(found) <= field.energy(truth) + 1e-3


def test_what_is_found_is_never_less_likely(crops: np.ndarray) -> None:
    images = 2 * crops[:1, :8, :8].astype(np.int16) - 255
    keys = Keys.of(3, shuffles=True, negates=True)
    field = PixelField(images, keys, NeighbourModel(None, 3, RNG(0)))
    start = RNG(3).integers(48, size=64)
    assert field.energy(field.likelier(start, Budget())) <= field.energy(start)
