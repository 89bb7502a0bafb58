"""Augmentation commutes with protection: laws first."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from blindsight.provider import augment
from blindsight.provider.classifier import normalise

BATCH = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (6, 3, 16, 24), np.uint8))


def blocks(images: torch.Tensor, block: int) -> torch.Tensor:
    """(N, C, H, W) -> (N, blocks, C * block * block)."""
    n, c, h, w = images.shape
    cut = images.reshape(n, c, h // block, block, w // block, block)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, c * block * block)


def signed_permutation(images: torch.Tensor, seed: int) -> torch.Tensor:
    """The same secret shuffle and sign changes of all samples, on the normalised scale."""
    rng = np.random.default_rng(seed)
    flat = images.flatten(1)
    order = torch.from_numpy(rng.permutation(flat.shape[1]))
    sign = torch.from_numpy(rng.choice([-1.0, 1.0], flat.shape[1])).to(flat.dtype)
    return (flat[:, order] * sign).reshape(images.shape)


@given(lam=st.floats(0, 1), seed=st.integers(0, 99))
def test_mixup_commutes_with_any_signed_permutation(lam: float, seed: int) -> None:
    images = normalise(BATCH)
    partner = torch.from_numpy(np.random.default_rng(seed).permutation(6))
    mixed_then_protected = signed_permutation(augment.mixup(images, partner, lam), seed)
    protected_then_mixed = augment.mixup(signed_permutation(images, seed), partner, lam)
    assert torch.equal(mixed_then_protected, protected_then_mixed)


def test_mixup_is_linear_and_leaves_its_input_alone() -> None:
    images = normalise(BATCH)
    before = images.clone()
    partner = torch.tensor([1, 0, 3, 2, 5, 4])
    mixed = augment.mixup(images, partner, 0.25)
    torch.testing.assert_close(mixed, 0.25 * images + 0.75 * images[partner])
    assert torch.equal(images, before)


@given(lam=st.floats(0, 1), block=st.sampled_from([1, 2, 4, 8]), seed=st.integers(0, 2**31))
def test_cutmix_takes_whole_blocks_of_one_image_or_the_other(lam: float, block: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    box, kept = augment.block_box(16, 24, block, lam, rng)
    partner = torch.from_numpy(rng.permutation(6))
    mixed = blocks(augment.cutmix(BATCH, partner, box), block)
    own = (mixed == blocks(BATCH, block)).all(2)
    other = (mixed == blocks(BATCH[partner], block)).all(2)
    assert bool((own | other).all())
    # The label's weight is the part of the image that is left, to the block.
    taken = (~own).float().mean(1)[partner != torch.arange(6)]
    if len(taken):
        torch.testing.assert_close(taken, torch.full_like(taken, 1 - kept), atol=1e-6, rtol=0)


def test_box_keeps_about_the_part_asked_for() -> None:
    rng = np.random.default_rng(3)
    for lam in (0.0, 0.3, 0.7, 1.0):
        _, kept = augment.block_box(224, 224, 16, lam, rng)
        assert kept == pytest.approx(lam, abs=0.06)


@given(block=st.sampled_from([1, 4, 8]), probability=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_erasing_takes_whole_blocks(block: int, probability: float, seed: int) -> None:
    images = normalise(BATCH)
    erased = blocks(augment.random_erase(images, block, probability, np.random.default_rng(seed)), block)
    kept = (erased == blocks(images, block)).all(2)
    assert bool((kept | (erased == 0).all(2)).all())


def test_erasing_happens_with_its_probability() -> None:
    images = torch.ones(2000, 1, 16, 16)
    erased = augment.random_erase(images, 4, 0.25, np.random.default_rng(0))
    assert (erased == 0).flatten(1).any(1).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert bool((images == 1).all())
    assert torch.equal(augment.random_erase(images, 4, 0.0, np.random.default_rng(0)), images)
