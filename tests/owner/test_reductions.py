"""Reductions: what is gone is gone, noise is what it says, and profiles say what was done."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindsight.errors import ParameterError, ProfileMismatchError, UnknownNameError
from blindsight.images import read_image
from blindsight.owner._laplace import discrete_laplace
from blindsight.owner.index import Index
from blindsight.owner.keys import SecretKey
from blindsight.owner.options import build_profile
from blindsight.owner.protect import ProtectOptions, encrypt_query, protect
from blindsight.owner.protection import Protection
from blindsight.owner.reductions import REDUCTIONS, Reduction, reduce_image
from blindsight.owner.reveal import reveal
from blindsight.owner.sources import open_source
from blindsight.owner.transforms import Encrypt
from blindsight.profile import Profile

KEY = SecretKey(bytes(range(32)))
EVERY = [
    "contrast",
    "crop",
    "jitter",
    "level",
    "noise:epsilon=40,cell=2,pixels=3",
    "pixelate:cell=2",
    "quantise:levels=3",
]


def image(seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 8, channels), np.uint8)


def cells(pixels: np.ndarray, side: int = 4) -> np.ndarray:
    h, w, c = pixels.shape
    return pixels.reshape(h // side, side, w // side, side, c).astype(float)


def reduced(pixels: np.ndarray, *reductions: str, image_id: str = "a") -> np.ndarray:
    return reduce_image(pixels, reductions, 4, KEY, image_id)


@pytest.mark.parametrize("text", EVERY)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_stays_an_image_and_the_input_alone(text: str, channels: int) -> None:
    plain = image(channels=channels)
    before = plain.copy()
    out = reduced(plain, text)
    assert (out.dtype, out.shape) == (np.uint8, plain.shape)
    assert out.flags.c_contiguous
    assert np.array_equal(plain, before)
    assert not np.array_equal(out, plain)
    assert np.array_equal(reduced(plain, text), out)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), shift=st.integers(-60, 60))
def test_level_forgets_the_brightness_of_blocks(seed: int, shift: int) -> None:
    plain = (image(seed) // 2 + 64).astype(np.uint8)
    moved = (plain.astype(int) + shift).clip(0, 255)
    if moved.min() > 0 and moved.max() < 255:
        assert np.array_equal(reduced(plain, "level"), reduced(moved.astype(np.uint8), "level"))
    means = cells(reduced(plain, "level")).mean((1, 3))
    assert np.abs(means - 128).max() < 1.5


def test_contrast_spreads_all_blocks_alike() -> None:
    faint = (image() // 16 + 100).astype(np.uint8)
    spread = cells(reduced(faint, "contrast:spread=20")).std((1, 3))
    assert np.abs(spread - 20).max() < 1
    flat = np.full((4, 4, 3), 90, np.uint8)
    assert np.array_equal(reduced(flat, "contrast"), flat)


@pytest.mark.parametrize("levels", [2, 3, 16, 256])
def test_quantise_leaves_so_many_levels(levels: int) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    out = reduced(ramp, f"quantise:levels={levels}").ravel().astype(int)
    assert len(set(out)) == levels
    assert (np.diff(out) >= 0).all()
    assert np.abs(out - np.arange(256)).max() <= 128 / levels + 1


def test_pixelate_leaves_means() -> None:
    plain = image()
    out = cells(reduced(plain, "pixelate:cell=4"))
    assert np.array_equal(out, np.broadcast_to(out[:, :1, :, :1], out.shape))
    assert np.abs(out[:, 0, :, 0] - cells(plain).mean((1, 3))).max() <= 0.5


@pytest.mark.parametrize("text", ["crop:area=0.5", "jitter:strength=1", "noise:epsilon=9"])
def test_what_is_drawn_is_drawn_for_each_image(text: str) -> None:
    plain = image()
    assert not np.array_equal(reduced(plain, text), reduced(plain, text, image_id="b"))
    with pytest.raises(ParameterError, match=f"'{text.partition(':')[0]}' draws from the image's id"):
        reduce_image(plain, (text,), 4, KEY, None)


def test_a_crop_of_everything_is_the_image_or_its_mirror() -> None:
    # Nothing smaller than the whole fits; where its shape does not fit either, it is taken as it is.
    plain = image()
    out = [reduced(plain, "crop:area=1", image_id=str(k)) for k in range(8)]
    assert any(np.array_equal(one, plain) for one in out) or any(np.array_equal(one, plain[:, ::-1]) for one in out)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_jitter_keeps_the_order_of_brightness(seed: int) -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    out = reduced(ramp, "jitter:strength=0.8", image_id=str(seed)).ravel().astype(int)
    assert (np.diff(out) >= 0).all()
    assert len(set(out)) > 20


# --- noise --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "part"), [(1, 1), (7, 2), (1, 3), (765, 4)])
def test_noise_is_discrete_laplace(scale: int, part: int) -> None:
    drawn = discrete_laplace(KEY.stream("test", str(scale)), 20_000, scale, part)
    q = math.exp(-part / scale)
    assert abs((drawn == 0).mean() - (1 - q) / (1 + q)) < 0.015
    variance = 2 * q / (1 - q) ** 2
    assert abs(drawn.mean()) < 5 * (variance / len(drawn)) ** 0.5
    assert drawn.var() == pytest.approx(variance, rel=0.1)
    for k in (1, 2, 3):
        if (expected := (1 - q) / (1 + q) * q**k) > 0.01:
            for sign in (-1, 1):
                assert abs((drawn == sign * k).mean() - expected) < 0.015


def test_noise_that_cannot_be_drawn() -> None:
    with pytest.raises(ParameterError, match="cannot be drawn"):
        discrete_laplace(KEY.stream("test"), 3, 1 << 33)


def test_every_image_key_and_setting_has_noise_of_its_own() -> None:
    plain = np.full((16, 16, 3), 128, np.uint8)
    text = "noise:epsilon=10,cell=4,pixels=1"
    first = reduced(plain, text)
    others = [
        reduced(plain, text, image_id="b"),
        reduced(plain, "noise:epsilon=11,cell=4,pixels=1"),
        reduce_image(plain, (text,), 4, SecretKey(bytes(32)), "a"),
    ]
    assert not any(np.array_equal(first, other) for other in others)
    assert np.array_equal(reduced(plain, "noise:epsilon=10"), first)
    with pytest.raises(ParameterError, match="give image_id"):
        reduce_image(plain, (text,), 4, KEY, None)


def test_noise_has_the_size_that_epsilon_asks_for() -> None:
    plain = np.full((128, 128, 1), 128, np.uint8)
    # Sums of 16 samples, one pixel of 255: scale 255 / 20 on sums, and a 16th of that on means.
    means = cells(reduced(plain, "noise:epsilon=20"))[:, 0, :, 0]
    assert means.std() == pytest.approx(2**0.5 * 255 / 20 / 16, rel=0.1)


# --- as text, in profiles, in folders -----------------------------------------------------------------------------


def test_text_and_back() -> None:
    for text in EVERY:
        whole = str(Reduction.parse(text))
        assert str(Reduction.parse(whole)) == whole
    assert str(Reduction.parse("noise:pixels=16")) == "noise:epsilon=1,cell=4,pixels=16"
    assert str(Reduction.parse("level")) == "level"
    assert set(REDUCTIONS) == {text.partition(":")[0] for text in EVERY}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("noise:budget=1", r"no parameter 'budget'; its parameters: epsilon, cell, pixels"),
        ("level:by=1", "its parameters: none"),
        ("noise:epsilon=0", "epsilon of reduction 'noise' is a number from 0.001"),
        ("noise:epsilon=nan", "epsilon"),
        ("quantise:levels=1", "a whole number from 2 to 256, got '1'"),
        ("quantise:levels=2.5", "whole"),
        ("pixelate:cell", "cell of reduction"),
        ("crop:area=1.5", "area of reduction 'crop' is a number from 0.001 to 1"),
    ],
)
def test_what_cannot_be(text: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        Reduction.parse(text)


def test_unknown_names_and_cells_that_do_not_tile() -> None:
    with pytest.raises(UnknownNameError, match="pixelat"):
        Reduction.parse("pixelat")
    with pytest.raises(ParameterError, match="cells of 3x3 pixels"):
        reduced(image(), "pixelate:cell=3")


def test_a_profile_without_reductions_is_as_it_was() -> None:
    profile = build_profile(ProtectOptions(block_size=4), KEY, ["a"])
    assert "reductions" not in profile.to_json()
    assert Profile.from_json(profile.to_json()) == profile
    noisy = build_profile(ProtectOptions(block_size=4, reductions=("noise", "level")), KEY, ["a"])
    assert noisy.reductions == ("noise:epsilon=1,cell=4,pixels=1", "level")
    assert Profile.from_json(noisy.to_json()) == noisy
    assert "reduced by noise:epsilon=1,cell=4,pixels=1 level" in noisy.summary()
    with pytest.raises(ProfileMismatchError, match="differ in reductions"):
        noisy.require_same_protection(profile, "the model", "the data set")


def test_a_folder_is_reduced_then_encrypted_and_comes_back_reduced(tmp_path: Path) -> None:
    from PIL import Image

    plain = image(3)
    (tmp_path / "photos" / "a").mkdir(parents=True)
    file = tmp_path / "photos" / "a" / "x.png"
    Image.fromarray(plain).save(file)
    options = ProtectOptions(block_size=4, key_scope="image", reductions=("level", "noise:epsilon=30"))
    report = protect(open_source(tmp_path / "photos"), tmp_path / "out", KEY, options)
    reveal(tmp_path / "out", tmp_path / "back", KEY)
    record = Index(report.index).images()[0]
    wanted = reduce_image(plain, report.profile.reductions, 4, KEY, record.id)
    back = next((tmp_path / "back").rglob("*.png"))
    assert np.array_equal(read_image(back, channels=3), wanted)
    asked = encrypt_query(file, report.profile, KEY)
    assert not np.array_equal(np.sort(asked.ravel()), np.sort(plain.ravel()))


def test_decrypting_undoes_the_encryption_alone() -> None:
    profile = build_profile(ProtectOptions(block_size=4, reductions=("quantise:levels=4",)), KEY, [])
    protection = Protection(profile, KEY)
    assert np.array_equal(protection.decrypt(protection.encrypt(image())), reduced(image(), "quantise:levels=4"))


def test_a_transform_refuses_what_it_would_not_do() -> None:
    profile = build_profile(ProtectOptions(block_size=4, reductions=("level",)), KEY, [])
    with pytest.raises(ParameterError, match="reduced by level first"):
        Encrypt(profile, KEY)
