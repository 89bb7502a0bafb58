"""Whoever knows the plain weights reads the key of an encrypted model; training it a little does not help."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from blindsight.audit.weight_matching import match_columns, match_models  # noqa: E402
from blindsight.errors import ParameterError  # noqa: E402
from blindsight.owner.model_cipher import encrypt_model, fold_normalisation  # noqa: E402
from blindsight.owner.protection import Protection  # noqa: E402
from model_cipher_helpers import KEY, encrypted, pictures, profile_of, tiny_vit  # noqa: E402

SIZE = (32, 32)


@pytest.mark.parametrize(("scheme", "block"), [("shf", 4), ("etc", 4), ("etc", 8), ("bps", 4), ("np", 4)])
def test_the_whole_key_is_read_from_the_weights(scheme, block):
    profile = profile_of(scheme, block, SIZE)
    plain = fold_normalisation(tiny_vit(SIZE), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    hidden = encrypt_model(plain, profile, KEY)
    found = match_models(plain, hidden, SIZE)
    assert found.permutation == Protection(profile, KEY).permutation(*SIZE)
    assert found.columns.likeness.min() > 0.999
    assert found.columns.margin.min() > 0.05
    # So every query that the owner ever sends is open.
    pixels = pictures(SIZE, count=2)
    assert np.array_equal(found.permutation.inverse().apply(encrypted(pixels, profile)), pixels)


def test_other_weights_give_nothing():
    profile = profile_of("shf", 4, SIZE)
    hidden = encrypt_model(tiny_vit(SIZE), profile, KEY)
    found = match_models(tiny_vit(SIZE, seed=1), hidden, SIZE)
    right = Protection(profile, KEY).permutation(*SIZE)
    assert np.mean(found.permutation.index == right.index) < 0.02
    assert found.columns.likeness.max() < 0.95


@pytest.mark.parametrize("change", [0.1, 0.3])
def test_training_a_little_does_not_hide_the_key(change):
    """Weights that moved by a tenth, or a third, of their norm are matched all the same."""
    torch.manual_seed(3)
    profile = profile_of("etc", 4, SIZE)
    plain = tiny_vit(SIZE, embed_dim=128, num_heads=4)
    hidden = encrypt_model(plain, profile, KEY)
    with torch.no_grad():
        for tensor in (hidden.patch_embed.proj.weight, hidden.pos_embed):
            noise = torch.randn(tensor.shape)
            tensor.add_(noise * change * tensor.norm() / noise.norm())
    assert match_models(plain, hidden, SIZE).permutation == Protection(profile, KEY).permutation(*SIZE)


def test_columns():
    random = np.random.default_rng(0)
    plain, index, sign = random.normal(size=(16, 10)), random.permutation(10), random.choice([-1, 1], 10)
    found = match_columns(plain, plain[:, index] * sign)
    assert np.array_equal(found.index, index)
    assert np.array_equal(found.sign, sign)
    assert np.allclose(found.likeness, 1)
    assert (found.margin > 0).all()
    assert (match_columns(plain, -plain, signed=False).likeness < 1).all()
    twice = np.concatenate([plain, plain[:, :1]], axis=1)
    assert match_columns(twice, twice).margin[0] == pytest.approx(0)
    with pytest.raises(ParameterError, match=r"two matrices of one shape, got \(16, 10\) and \(10, 16\)"):
        match_columns(plain, plain.T)
