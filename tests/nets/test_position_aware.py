"""Patch embeddings that know positions: equal to the tied one where they should be, and what they give away."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from timm.optim import create_optimizer_v2  # noqa: E402
from torch import nn  # noqa: E402

from blindsight.algebra import BlockGrid, BlockPermutation  # noqa: E402
from blindsight.algebra.states import (  # noqa: E402
    COLOR_COMPOSE,
    COLOR_INVERSE,
    ORIENTATION_COMPOSE,
    ORIENTATION_INVERSE,
)
from blindsight.errors import IncompatibleModelError, ParameterError, UnknownNameError  # noqa: E402
from blindsight.nets import create_model  # noqa: E402
from blindsight.nets.factory import built_for, patch_size, takes_img_size  # noqa: E402
from blindsight.nets.position_aware import (  # noqa: E402
    EMBEDDINGS,
    LikelyStates,
    PositionAware,
    StatesEmbedding,
    likely_states,
    position_aware,
)
from blindsight.nets.runs import load_run, save_run  # noqa: E402
from blindsight.profile import Profile  # noqa: E402

AWARE = EMBEDDINGS[1:]
SMALL_VIT = {"embed_dim": 24, "depth": 1, "num_heads": 2}
SMALL = {
    "vit_micro_patch4_32": SMALL_VIT,
    "convmixer_128_4_patch4_32": {"dim": 24, "depth": 1},
    "convmixer_128_4_patch4_32_apm": {"dim": 24, "depth": 1},
}


def tied(patch: int = 4, channels: int = 3, width: int = 10, seed: int = 0) -> nn.Conv2d:
    torch.manual_seed(seed)
    return nn.Conv2d(channels, width, patch, patch)


def images(count: int, side: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def given_to_a_network(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, C) -> float64 (N, C, H, W), -1 to 1; exact for 255 - x too."""
    return torch.from_numpy(pixels.astype(np.float64) / 127.5 - 1).permute(0, 3, 1, 2)


def drawn_states(grid: BlockGrid, seed: int) -> BlockPermutation:
    rng = np.random.default_rng(seed)
    n, colours = grid.blocks, 6 if grid.channels == 3 else 1
    return BlockPermutation(grid, None, rng.integers(0, 8, n), rng.integers(0, 2, n), rng.integers(0, colours, n))


def select(embedding: nn.Module, key: BlockPermutation) -> None:
    """Sets a ``states`` embedding to one state a position, with all the weight that a float can hold."""
    assert isinstance(embedding, StatesEmbedding)
    colours = 6 if embedding.in_channels == 3 else 1
    code = (key.orientation.astype(int) * colours + key.color) * 2 + key.negative
    with torch.no_grad():
        embedding.logits.zero_()
        embedding.logits[torch.arange(len(code)), torch.from_numpy(code)] = 1e4 * embedding.temperature


@pytest.mark.parametrize("kind", ["per_position", "low_rank"])
@pytest.mark.parametrize("channels", [1, 3])
def test_positions_begin_as_the_tied_embedding(kind: str, channels: int) -> None:
    conv = tied(channels=channels).double()
    x = given_to_a_network(images(3, channels=channels))
    torch.testing.assert_close(position_aware(conv, kind, (4, 4)).double()(x), conv(x), rtol=0, atol=1e-12)


def test_the_tied_embedding_is_the_convolution_itself() -> None:
    conv = tied()
    assert position_aware(conv, "tied", (4, 4)) is conv


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), patch=st.sampled_from([1, 2, 4, 8]), channels=st.sampled_from([1, 3]))
def test_the_right_states_read_encrypted_blocks_as_the_tied_embedding_reads_plain_ones(
    seed: int, patch: int, channels: int
) -> None:
    conv = tied(patch, channels, seed=seed % 100).double()
    plain = images(2, channels=channels, seed=seed)
    key = drawn_states(BlockGrid(16, 16, channels, patch), seed)
    embedding = position_aware(conv, "states", (16 // patch, 16 // patch)).double()
    select(embedding, key)
    encrypted = np.stack([key.apply(image) for image in plain])
    assert not np.array_equal(encrypted, plain) or key.orientation.size < 3
    got, wanted = embedding(given_to_a_network(encrypted)), conv(given_to_a_network(plain))
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)


def test_no_preference_is_no_embedding() -> None:
    # A block and its negative cancel: what is left is the bias.
    conv = tied()
    embedding = position_aware(conv, "states", (4, 4))
    assert isinstance(embedding, StatesEmbedding)
    with torch.no_grad():
        embedding.logits.zero_()
    assert float(embedding.effective().detach().abs().max()) < 1e-6


def test_what_is_selected_can_be_read_off() -> None:
    key = drawn_states(BlockGrid(16, 16, 3, 4), 5)
    model = nn.Sequential(position_aware(tied(), "states", (4, 4)))
    select(model[0], key)
    found = likely_states(model)
    assert np.array_equal(found.orientation, key.orientation)
    assert np.array_equal(found.negative, key.negative)
    assert np.array_equal(found.color, key.color)
    assert found.probability.tolist() == [1.0] * 16


def agreement(found: LikelyStates, key: BlockPermutation) -> int:
    """Positions whose state is the key's up to the one common state that suits most of them."""
    orientation = ORIENTATION_COMPOSE[ORIENTATION_INVERSE[key.orientation], found.orientation].astype(int)
    colour = COLOR_COMPOSE[COLOR_INVERSE[key.color], found.color]
    return int(np.bincount((orientation * 6 + colour) * 2 + (key.negative ^ found.negative)).max())


def test_learning_to_read_encrypted_blocks_recovers_the_key() -> None:
    """The task is one number of each plain block; what has to be learned for it is how each position is encrypted."""
    torch.manual_seed(0)
    key = drawn_states(BlockGrid(8, 8, 3, 4), 1)
    embedding = position_aware(tied(width=8), "states", (2, 2), temperature=0.02)
    truth = tied(width=8, seed=9)
    optimiser = torch.optim.Adam(embedding.parameters(), lr=0.01)
    for step in range(400):
        plain = images(64, side=8, seed=step)
        encrypted = np.stack([key.apply(image) for image in plain])
        with torch.no_grad():
            wanted = truth(given_to_a_network(plain).float())
        loss = (embedding(given_to_a_network(encrypted).float()) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert agreement(likely_states(embedding), key) == 4


@pytest.mark.parametrize("kind", AWARE)
@pytest.mark.parametrize("name", list(SMALL))
def test_presets_take_the_embedding_through_a_run_folder(tmp_path: Path, name: str, kind: str) -> None:
    arguments: dict[str, Any] = {**SMALL[name], "embedding": kind}
    torch.manual_seed(1)
    model = create_model(name, num_classes=3, img_size=(8, 12), **arguments).eval()
    assert sum(isinstance(m, PositionAware) for m in model.modules()) == 1
    assert (patch_size(model), built_for(model)) == ((4, 4), (8, 12))
    assert takes_img_size(name, arguments)
    profile = Profile(kind="plain", size=(8, 12), classes=("a", "b", "c"))
    save_run(tmp_path, model, profile, architecture=name, size=(8, 12), model_args={**arguments, "img_size": [8, 12]})
    run = load_run(tmp_path)
    x = torch.rand(2, 3, 8, 12)
    assert torch.equal(run.model(x), model(x))
    assert model(x).shape == (2, 3)


@pytest.mark.parametrize("name", list(SMALL))
def test_an_equal_start(name: str) -> None:
    """The same seed gives the same network but for the embedding, so kinds can be compared pair by pair."""
    outputs = []
    for kind in ("tied", "per_position", "low_rank"):
        torch.manual_seed(3)
        model = create_model(name, num_classes=3, img_size=(8, 8), embedding=kind, **SMALL[name]).eval()
        outputs.append(model(torch.ones(1, 3, 8, 8) * torch.linspace(-1, 1, 8)))
    for other in outputs[1:]:
        torch.testing.assert_close(other, outputs[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(SMALL))
def test_logits_and_biases_do_not_decay(name: str) -> None:
    for kind in AWARE:
        model = create_model(name, num_classes=3, img_size=(8, 8), embedding=kind, **SMALL[name])
        names = {id(p): n for n, p in model.named_parameters()}
        groups = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05).param_groups
        decay = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
        prefix = "patch_embed.proj" if name.startswith("vit") else "stem.0"
        mine = {n.removeprefix(prefix + "."): value > 0 for n, value in decay.items() if n.startswith(prefix + ".")}
        assert (
            mine
            == {
                "per_position": {"weights": True, "bias": False},
                "low_rank": {"weight": True, "bias": False, "up": True, "down": True},
                "states": {"weight": True, "bias": False, "logits": False},
            }[kind]
        )
        if name.startswith("vit"):
            assert decay["pos_embed"] == 0
        if name.endswith("_apm"):
            assert decay["stem.3.permutation.weight"] == 0


@pytest.mark.parametrize("kind", AWARE)
def test_another_size_is_refused_in_words(kind: str) -> None:
    embedding = position_aware(tied(), kind, (2, 2))
    with pytest.raises(IncompatibleModelError, match=r"made for images of 8x8 .* got 12x8"):
        embedding(torch.zeros(1, 3, 12, 8))


def test_what_cannot_be_made() -> None:
    for name in ("vit_micro_patch4_32", "convmixer_128_4_patch4_32"):
        with pytest.raises(UnknownNameError, match="unknown embedding 'state'; did you mean states"):
            create_model(name, num_classes=2, embedding="state")
    with pytest.raises(ParameterError, match="embedding_rank must be from 1 to 24"):
        create_model("vit_micro_patch4_32", num_classes=2, embedding="low_rank", embedding_rank=25, **SMALL_VIT)
    with pytest.raises(ParameterError, match="embedding_temperature must be above 0, got 0"):
        create_model("vit_micro_patch4_32", num_classes=2, embedding="states", embedding_temperature=0.0)
    with pytest.raises(IncompatibleModelError, match="1 or 3 channels, got 2"):
        create_model("vit_micro_patch4_32", num_classes=2, in_chans=2, embedding="states")
    with pytest.raises(IncompatibleModelError, match=r"needs the images' size.* got img_size None"):
        create_model("convmixer_128_4_patch4_32", num_classes=2, embedding="states")
    with pytest.raises(IncompatibleModelError, match=r"patches of 4x4 must tile; got img_size \(10, 8\)"):
        create_model("convmixer_128_4_patch4_32", num_classes=2, img_size=(10, 8), embedding="per_position")
    with pytest.raises(IncompatibleModelError, match="space-to-depth step cannot be made embedding 'states'"):
        create_model("convmixer_48_16_s2d4_32", num_classes=2, img_size=(32, 32), embedding="states")
    with pytest.raises(IncompatibleModelError, match="no 'states' embedding to read"):
        likely_states(create_model("vit_micro_patch4_32", num_classes=2, **SMALL_VIT))


def test_convmixers_take_another_width_and_depth() -> None:
    model = create_model("convmixer_256_8_patch4_32", num_classes=2, dim=16, depth=2, kernel_size=5)
    assert (model.num_features, len(model.blocks)) == (16, 2)
    assert model.blocks[0][0].fn[0].kernel_size == (5, 5)
