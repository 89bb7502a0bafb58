"""Random re-encryption: members of the owner's own group, one an image, and a training that learns from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_helpers import TINY, cipher_profile

from blindsight.algebra import BlockPermutation, SignedPermutation, TilePermutation
from blindsight.errors import BlindsightError, ParameterError, UnknownNameError
from blindsight.nets.runs import load_run
from blindsight.owner.ciphers import create_cipher
from blindsight.owner.keys import SecretKey
from blindsight.provider.recipe import TrainConfig
from blindsight.provider.reencrypt import GROUPS, Reencryption
from blindsight.provider.training import train

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("etc", {}),
    ("shf", {"negation": True}),
    ("shf", {"negation": False}),
    ("bps", {"scramble": False}),
    ("bps", {"scramble": True}),
    ("pe", {"color_shuffle": True}),
    ("pe", {"color_shuffle": False}),
    ("np", {"per": "pixel"}),
    ("np", {"per": "block"}),
    ("le", {"paper": False}),
    ("ele", {"paper": False}),
]


def structure(permutation: SignedPermutation) -> tuple[object, ...]:
    """What a form can move: which of its tables are at rest, and which are shared by all blocks."""
    if isinstance(permutation, BlockPermutation):
        still = [not getattr(permutation, name).any() for name in ("orientation", "negative", "color")]
        permutation = permutation.as_tiles()
        return ("blocks", _in_order(permutation.source), *still)
    assert isinstance(permutation, TilePermutation)
    index, mask = permutation.tile_index, permutation.tile_mask
    rows = np.broadcast_to(np.arange(index.shape[1]), index.shape)
    return (
        permutation.sample,
        _in_order(permutation.source),
        "still" if np.array_equal(index, rows) else len(index),
        "none" if not mask.any() else len(mask),
    )


def _in_order(source: np.ndarray) -> bool:
    return np.array_equal(source, np.arange(len(source)))


@pytest.mark.parametrize(("scheme", "parameters"), KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_drawn_is_built_as_the_owners_own(scheme: str, parameters: dict[str, Any], channels: int) -> None:
    cipher = create_cipher(scheme, 4, channels, **parameters)
    owners = cipher.compile(SecretKey(bytes(32)), 16, 16)
    profile = cipher_profile(scheme=scheme, parameters=cipher.parameters, channels=channels)
    drawn = Reencryption(scheme, profile).draw(16, 16, channels, np.random.default_rng(0))
    assert structure(drawn) == structure(owners)
    # And so is one after the other: re-encrypting leads to an image under another key of the scheme.
    assert structure(drawn @ owners) == structure(owners)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), kind=st.sampled_from(KINDS), channels=st.sampled_from([1, 3]))
def test_every_image_goes_through_a_draw_of_its_own(seed: int, kind: tuple[str, dict[str, Any]], channels: int) -> None:
    scheme, parameters = kind
    again = Reencryption(scheme, cipher_profile(scheme=scheme, parameters=parameters, channels=channels))
    images = np.random.default_rng(seed).integers(0, 256, (3, channels, 12, 8), np.uint8)
    before = images.copy()
    given_back = again(torch.from_numpy(images), np.random.default_rng(seed)).numpy()
    rng = np.random.default_rng(seed)
    for image, found in zip(images, given_back, strict=True):
        drawn = again.draw(12, 8, channels, rng)
        back = drawn.inverse().apply(np.ascontiguousarray(found.transpose(1, 2, 0)))
        assert np.array_equal(np.asarray(back).transpose(2, 0, 1), image)
    assert np.array_equal(images, before)


def test_equal_images_come_out_different() -> None:
    again = Reencryption("etc", cipher_profile())
    one = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8), np.uint8)
    out = again(torch.from_numpy(one.repeat(4, 0)), np.random.default_rng(1))
    assert len({image.numpy().tobytes() for image in out}) == 4


def test_all_states_and_places_are_drawn_alike() -> None:
    again, rng, draws = Reencryption("etc", cipher_profile()), np.random.default_rng(0), 3000
    states, places = np.zeros((8, 2, 6)), np.zeros((4, 4))
    for _ in range(draws):
        drawn = again.draw(8, 8, 3, rng)
        assert isinstance(drawn, BlockPermutation)
        np.add.at(states, (drawn.orientation, drawn.negative, drawn.color), 1)
        places[np.arange(4), drawn.source] += 1
    for counts in (states, places):
        expected = counts.sum() / counts.size
        chi2 = ((counts - expected) ** 2 / expected).sum()
        assert chi2 < counts.size + 5 * (2 * counts.size) ** 0.5


def test_another_scheme_than_the_images_own_has_its_defaults() -> None:
    profile = cipher_profile(scheme="np", parameters={"per": "block", "negation": False})
    drawn = Reencryption("shf", profile).draw(8, 8, 3, np.random.default_rng(0))
    assert isinstance(drawn, TilePermutation)
    assert drawn.tile_mask.any()


def test_what_has_no_group_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="rrp"):
        Reencryption("rrp", cipher_profile())
    with pytest.raises(ParameterError, match="these are plain"):
        Reencryption("etc", cipher_profile(kind="plain", scheme=None, key_id=None, key_scope=None, block_size=None))
    with pytest.raises(ParameterError, match="paper=true"):
        Reencryption("le", cipher_profile(scheme="le", parameters={"paper": True}))
    assert "rrp" not in GROUPS


# --- training -----------------------------------------------------------------------------------------------------


def config(**fields: Any) -> TrainConfig:
    common = {"model_args": TINY, "epochs": 3, "batch_size": 8, "lr": 3e-3, "threads": 1, "accelerator": "cpu"}
    return TrainConfig.make({**common, **fields})


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_run(run).model.state_dict()


def same(a: Path, b: Path) -> bool:
    one, two = weights(a), weights(b)
    return all(torch.equal(one[name], two[name]) for name in one)


class StopAfter:
    """A listener that presses Ctrl-C in the epoch after the first."""

    def reading(self, *_: object) -> None: ...
    def note(self, _: str) -> None: ...
    def step(self, *_: object) -> None: ...
    def epoch(self, row: dict[str, Any]) -> None:
        if row["epoch"] > 1:
            raise KeyboardInterrupt


def test_a_resumed_training_meets_the_same_copies(protected: Path, tmp_path: Path) -> None:
    recipe = config(reencrypt="etc", mixup=0.2, ema=0.9)
    train(protected, tmp_path / "whole", recipe)
    with pytest.raises(BlindsightError, match="interrupted"):
        train(protected, tmp_path / "broken", recipe, progress=StopAfter())  # type: ignore[arg-type]
    train(protected, tmp_path / "broken", recipe, resume=True)
    assert same(tmp_path / "whole", tmp_path / "broken")


def test_training_sees_other_images_with_it_than_without(protected: Path, tmp_path: Path) -> None:
    train(protected, tmp_path / "with", config(reencrypt="etc", epochs=1))
    train(protected, tmp_path / "without", config(epochs=1))
    assert not same(tmp_path / "with", tmp_path / "without")


def test_a_scheme_without_a_group_ends_a_training_before_it_begins(protected: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="re-encryption"):
        train(protected, tmp_path / "run", config(reencrypt="rot13"))
    assert not (tmp_path / "run").exists()
