"""Embeddings that cannot tell states apart: one image and all its encryptions have the same logits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from blindsight.errors import IncompatibleModelError, UnknownNameError  # noqa: E402
from blindsight.nets import create_model  # noqa: E402
from blindsight.nets.invariant import INVARIANT, CanonicalEmbedding, invariant  # noqa: E402
from blindsight.nets.position_aware import position_aware  # noqa: E402
from blindsight.nets.runs import load_run, save_run  # noqa: E402
from blindsight.owner.ciphers import create_cipher  # noqa: E402
from blindsight.owner.keys import SecretKey  # noqa: E402
from blindsight.profile import Profile  # noqa: E402

SMALL = {"embed_dim": 24, "depth": 2, "num_heads": 2, "pos_embed": "none"}
#: What no embedding of the kind can see.
BLIND = {
    "canonical": [("etc", {})],
    "pooled": [("etc", {})],
    "sorted": [("bps", {"scramble": True}), ("shf", {"negation": False})],
    "folded": [("bps", {"scramble": True}), ("shf", {"negation": True}), ("etc", {}), ("pe", {}), ("np", {})],
}
CASES = [(kind, scheme, parameters) for kind, of in BLIND.items() for scheme, parameters in of]


def tied(patch: int = 4, channels: int = 3, width: int = 12, seed: int = 0) -> nn.Conv2d:
    torch.manual_seed(seed)
    return nn.Conv2d(channels, width, patch, patch)


def given_to_a_network(pixels: np.ndarray) -> "torch.Tensor":
    """uint8 (N, H, W, C) -> float32 (N, C, H, W), -1 to 1, as training does it."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().sub_(127.5).div_(127.5)


def pictures(count: int, side: int, channels: int, seed: int) -> np.ndarray:
    """Half noise, half images with flat, symmetric and repeated blocks, which have ties."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (count, side, side, channels), np.uint8)
    coarse = rng.integers(0, 3, (count, side // 4, side // 4, channels)).astype(np.uint8) * np.uint8(85)
    noise[count // 2 :] = coarse[count // 2 :].repeat(4, 1).repeat(4, 2)
    noise[-1, :, ::2] = noise[-1, :, 1::2]
    return noise


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 2**31), channels=st.sampled_from([1, 3]))
def test_an_image_and_its_encryptions_have_the_same_logits(
    case: tuple[str, str, dict[str, Any]], seed: int, channels: int
) -> None:
    kind, scheme, parameters = case
    torch.manual_seed(seed % 1000)
    arguments = {**SMALL, "embedding": kind}
    model = create_model("vit_micro_patch4_32", num_classes=5, in_chans=channels, img_size=(16, 16), **arguments)
    model.eval().double()
    plain = pictures(4, 16, channels, seed)
    cipher, key = create_cipher(scheme, 4, channels, **parameters), SecretKey(seed.to_bytes(32, "big"))
    hidden = np.stack([cipher.compile(key, 16, 16, str(k)).apply(image) for k, image in enumerate(plain)])
    with torch.no_grad():
        wanted, got = (model(given_to_a_network(x).double()) for x in (plain, hidden))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-9)
    assert float(wanted[:2].diff(dim=0).abs().max()) > 1e-6  # other images have other logits


@pytest.mark.parametrize("kind", INVARIANT)
def test_patches_that_divide_the_blocks_are_blind_too(kind: str) -> None:
    scheme, parameters = BLIND[kind][0] if kind != "sorted" else ("bps", {"scramble": False})
    side = 8 if kind in ("canonical", "pooled") else 4  # a shuffle inside 8 pixels moves samples between patches of 4
    model = create_model("vit_micro_patch4_32", num_classes=5, img_size=(16, 16), **SMALL, embedding=kind).eval()
    plain = pictures(2, 16, 3, 1)
    cipher = create_cipher(scheme, side, 3, **parameters)
    hidden = np.stack([cipher.compile(SecretKey(bytes(32)), 16, 16, str(k)).apply(x) for k, x in enumerate(plain)])
    with torch.no_grad():
        wanted, got = model(given_to_a_network(plain)), model(given_to_a_network(hidden))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", INVARIANT)
def test_with_position_embeddings_order_is_seen(kind: str) -> None:
    arguments = {**SMALL, "pos_embed": "learn", "embedding": kind}
    model = create_model("vit_micro_patch4_32", num_classes=5, img_size=(16, 16), **arguments).eval().double()
    plain = pictures(1, 16, 3, 1)
    moved = np.ascontiguousarray(np.roll(plain, 4, axis=2))
    with torch.no_grad():
        one, other = (model(given_to_a_network(x).double()) for x in (plain, moved))
    assert float((one - other).abs().max()) > 1e-6  # without them: 1e-9 at most, see above


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), patch=st.sampled_from([1, 2, 4, 8]), channels=st.sampled_from([1, 3]))
def test_canonical_patches_are_the_patches_in_one_of_their_states(seed: int, patch: int, channels: int) -> None:
    embedding = invariant(tied(patch, channels), "canonical")
    assert isinstance(embedding, CanonicalEmbedding)
    samples = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (2, 3, channels * patch**2), np.uint8))
    patches = samples.float().sub_(127.5).div_(127.5)
    found = embedding.canonical(patches)
    states = torch.cat([patches[..., embedding.moves], -patches[..., embedding.moves]], 2)
    assert (states == found[:, :, None]).all(3).any(2).all()
    # Bringing it there once more changes nothing.
    assert torch.equal(embedding.canonical(found), found)


@pytest.mark.parametrize("autocast", [False, True])
def test_the_state_is_taken_to_the_bit_in_low_precision_too(autocast: bool) -> None:
    embedding = invariant(tied(), "canonical")
    assert isinstance(embedding, CanonicalEmbedding)
    patches = (torch.from_numpy(pictures(4, 16, 3, 0)).float().sub_(127.5).div_(127.5)).reshape(4, 16, 48)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        first = embedding.canonical(patches)
        for moves in embedding.moves[::7]:
            assert torch.equal(embedding.canonical(-patches[..., moves]), first)


def test_canonical_begins_with_the_tied_embeddings_values() -> None:
    conv = tied()
    embedding = invariant(conv, "canonical")
    assert isinstance(embedding, CanonicalEmbedding)
    patches = torch.randn(2, 3, 48)
    straight = embedding.canonical(patches)
    pixels = straight.reshape(6, 3, 4, 4)
    torch.testing.assert_close(embedding.embed(patches).reshape(6, -1), conv(pixels).flatten(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", INVARIANT)
def test_everything_of_it_is_trained(kind: str) -> None:
    embedding = invariant(tied(), kind)
    embedding(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().sum()) > 0 for p in embedding.parameters())


@pytest.mark.parametrize("kind", INVARIANT)
def test_a_run_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    arguments = {**SMALL, "embedding": kind}
    model = create_model("vit_micro_patch4_32", num_classes=2, img_size=(8, 8), **arguments).eval()
    profile = Profile(kind="plain", size=(8, 8), fit="resize", classes=("a", "b"))
    save_run(
        tmp_path / "run",
        model,
        profile,
        architecture="vit_micro_patch4_32",
        size=(8, 8),
        model_args={**arguments, "img_size": [8, 8]},
    )
    again = load_run(tmp_path / "run").model.eval()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(model(x), again(x))


def test_a_convmixer_takes_them_too() -> None:
    # BPS without scrambling: places are known, and nothing inside them.
    model = create_model(
        "convmixer_128_4_patch4_32", num_classes=3, img_size=(16, 16), dim=16, depth=1, embedding="sorted"
    ).eval()
    plain = pictures(2, 16, 3, 3)
    hidden = np.stack([create_cipher("bps", 4).compile(SecretKey(bytes(32)), 16, 16).apply(x) for x in plain])
    with torch.no_grad():
        wanted, got = model(given_to_a_network(plain)), model(given_to_a_network(hidden))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-5)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"embedding 'canonica'.*canonical"):
        position_aware(tied(), "canonica", (4, 4))
    with pytest.raises(UnknownNameError):
        invariant(tied(), "tied")
    for kind in ("canonical", "pooled"):
        with pytest.raises(IncompatibleModelError, match="'sorted'"):
            invariant(tied(channels=2), kind)
    assert invariant(tied(channels=2), "sorted")(torch.zeros(1, 2, 8, 8)).shape == (1, 12, 2, 2)
