"""Encrypted models: equal logits, exact decryption, and a reason for every model that is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from blindsight.errors import CorruptDataError, IncompatibleModelError, ParameterError, WrongKeyError  # noqa: E402
from blindsight.nets.keyed_embedding import KeyedConv2d  # noqa: E402
from blindsight.owner.keys import SecretKey  # noqa: E402
from blindsight.owner.model_cipher import (  # noqa: E402
    absorb,
    absorb_orthogonal,
    decrypt_model,
    encrypt_model,
    fold_normalisation,
)
from blindsight.owner.orthogonal import OrthogonalBlocks  # noqa: E402
from model_cipher_helpers import (  # noqa: E402
    GATED,
    KEY,
    OTHER,
    TINY,
    encrypted,
    family,
    logits,
    pictures,
    profile_of,
    tiny_vit,
)

SCHEMES = [
    ("etc", 1, {}), ("etc", 2, {}), ("shf", 1, {}), ("shf", 1, {"negation": False}), ("np", 1, {}), ("np", 2, {}),
    ("np", 1, {"per": "block"}), ("pe", 2, {}), ("bps", 1, {}), ("bps", 1, {"scramble": True}), ("rrp", 1, {}),
]  # fmt: skip
TOKENS = [{}, {"class_token": True, "global_pool": "token"}, {"reg_tokens": 2}, {"class_token": True, "reg_tokens": 3}]
HALF, IMAGENET = ((0.5,), (0.5,)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def same(a: Any, b: Any) -> bool:
    return list(a.state_dict()) == list(b.state_dict()) and all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(SCHEMES), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3]),
    st.sampled_from(TOKENS), st.sampled_from(["half", "imagenet", "unit"]), st.booleans(),
    st.binary(min_size=32, max_size=32),
)  # fmt: skip
def test_encrypted_queries_get_the_plain_logits(scheme, patch, rows, cols, channels, tokens, scale, learned, secret):
    (name, times, parameters), key = scheme, SecretKey(secret)
    size = (rows * patch * times, cols * patch * times)
    profile = profile_of(name, patch * times, size, channels, key, **parameters)
    mean, std = {"half": (0.5, 0.5), "unit": (0.0, 1.0), "imagenet": IMAGENET}[scale]
    if channels == 1 and scale == "imagenet":
        mean, std = 0.456, 0.224
    tokens = {**tokens, **({} if learned else {"pos_embed": "none"})}
    model = tiny_vit(size, patch_size=patch, in_chans=channels, depth=1, **tokens)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    hidden = encrypt_model(model, profile, key, mean=mean, std=std)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    pixels = pictures(size, channels)
    wanted = logits(model.double(), pixels, mean, std)
    got = logits(hidden, encrypted(pixels, profile, key))
    assert np.abs(got - wanted).max() <= 2e-5 * np.abs(wanted).max()
    if scale == "half":
        assert np.abs(got - wanted).max() <= 1e-12 * np.abs(wanted).max()


@pytest.mark.parametrize(("scheme", "block"), [("shf", 4), ("etc", 4), ("etc", 8), ("bps", 4), ("pe", 4)])
def test_decryption_gives_the_same_weights_bit_for_bit(scheme, block):
    model, profile = tiny_vit(), profile_of(scheme, block, (16, 24))
    hidden = encrypt_model(model, profile, KEY)
    assert not torch.equal(hidden.patch_embed.proj.weight, model.patch_embed.proj.weight)
    assert same(decrypt_model(hidden, profile, KEY), model)
    assert not same(decrypt_model(hidden, profile_of("np", 4, (16, 24)), KEY), model) if scheme == "shf" else True


def test_one_state_stays_an_ordinary_layer_and_several_share_one_weight():
    model = tiny_vit()
    shf = absorb(model, profile_of("shf", 4, (16, 24)), KEY)
    assert type(shf.model.patch_embed.proj) is torch.nn.Conv2d
    assert (shf.variants, shf.moved) == (1, True)
    assert shf.difference < 1e-5
    etc = absorb(model, profile_of("etc", 4, (16, 24)), KEY)
    assert type(etc.model.patch_embed.proj) is KeyedConv2d
    assert 1 < etc.variants <= 24
    assert etc.moved
    count = sum(p.numel() for p in model.parameters())
    assert sum(p.numel() for p in etc.model.parameters()) == count
    bps = absorb(model, profile_of("bps", 4, (16, 24)), KEY)
    assert (bps.variants, bps.moved) == (24, False)
    # The rest of the model finds what it asks a patch embedding for.
    embed = etc.model.patch_embed
    assert (embed.grid_size, embed.patch_size, embed.num_patches) == ((4, 6), (4, 4), 24)


def test_class_and_register_tokens_keep_their_embeddings():
    model = tiny_vit(name="deit_tiny_distilled_patch16_224", patch_size=4)
    hidden = encrypt_model(model, profile_of("shf", 4, (16, 24)), KEY)
    assert torch.equal(hidden.pos_embed[:, :2], model.pos_embed[:, :2])
    assert not torch.equal(hidden.pos_embed[:, 2:], model.pos_embed[:, 2:])
    rows = {tuple(row) for row in model.pos_embed[0, 2:].tolist()}
    assert {tuple(row) for row in hidden.pos_embed[0, 2:].tolist()} == rows


VIT = {**TINY, "patch_size": 8}
S = (16, 24)
WIDTHS = (8, 16, 16, 16)
STAGES = {"embed_dims": WIDTHS, "num_heads": (1, 2, 2, 2), "depths": (1,) * 4}
MIXER = {"img_size": 32, "patch_size": 8, "num_blocks": 1, "embed_dim": 16}
#: name, size, block, arguments; what scheme shf and scheme bps give: None is equal logits, else why it is refused.
FAMILIES: list[tuple[str, tuple[int, int], int, dict[str, Any], str | None, str | None]] = [
    ("vit_tiny_patch16_224", S, 8, VIT, None, None),
    ("vit_medium_patch16_reg4_gap_256", S, 8, VIT, None, None),
    ("vit_base_patch16_siglip_224", S, 8, VIT, None, None),
    ("flexivit_small", S, 8, VIT, None, None),
    ("deit_tiny_distilled_patch16_224", S, 8, VIT, None, None),
    ("deit3_small_patch16_224", S, 8, VIT, None, None),
    ("vit_base_patch16_clip_224", S, 8, VIT, None, None),
    ("cait_xxs24_224", S, 8, VIT, None, None),
    ("vit_intern300m_patch14_448", S, 8, VIT, None, None),
    ("aimv2_large_patch14_224", S, 8, VIT, None, None),
    ("beit_base_patch16_224", S, 8, VIT, "relative or rotary positions .*relative_position_bias_table", None),
    ("beitv2_base_patch16_224", S, 8, VIT, "relative or rotary positions .*relative_position_bias_table", None),
    (
        "samvit_base_patch16_224", (32, 32), 8, {**VIT, "global_attn_indexes": (1,), "window_size": 2},
        "relative or rotary positions .*rel_pos", None,
    ),
    ("vit_base_patch16_rope_224", S, 8, VIT, r"relative or rotary positions \(rope\)", None),
    ("vit_base_patch16_rope_ape_224", S, 8, VIT, r"relative or rotary positions \(rope\)", None),
    ("eva02_tiny_patch14_224", S, 8, VIT, r"relative or rotary positions \(rope\)", None),
    ("vit_relpos_small_patch16_224", S, 8, VIT, r"relative or rotary positions .*rel_pos", None),
    ("convmixer_128_4_patch4_32", S, 4, {}, "looks at neighbouring patches .*kernel of 9x9.*choose a ViT", None),
    ("convit_tiny", (16, 16), 8, {**VIT, "local_up_to_layer": 1}, "ConVit depends on positions in a way", None),
    (
        "swin_tiny_patch4_window7_224", (28, 28), 4, {"embed_dim": 16, "depths": (1,), "num_heads": (2,)},
        "relative or rotary positions", None,
    ),
    ("gmlp_ti16_224", (32, 32), 8, {**MIXER, **GATED}, "MlpMixer depends on positions in a way", None),
    ("mixer_s16_224", (32, 32), 8, MIXER, "MlpMixer depends on positions in a way", None),
    ("convnext_atto", (32, 32), 4, {"depths": (1,) * 4, "dims": (8,) * 4}, "neighbouring patches .*of 7x7", None),
    ("resmlp_12_224", (32, 32), 16, {}, "MlpMixer depends on positions in a way", None),
    (
        "sequencer2d_s", (28, 28), 7, {"layers": (1,) * 4, "embed_dims": WIDTHS, "hidden_sizes": (4,) * 4},
        "looks at neighbouring patches", None,
    ),
    ("twins_svt_small", (32, 32), 4, STAGES, "looks at neighbouring patches", None),
    ("edgenext_xx_small", (32, 32), 4, {"dims": WIDTHS, "depths": (1,) * 4}, "looks at neighbouring patches", None),
    ("mambaout_femto", (32, 32), 4, {"dims": WIDTHS, "depths": (1,) * 4}, "windows that over", "windows that over"),
    ("crossvit_tiny_240", (32, 32), 4, {}, "no single layer that takes the image", "no single layer"),
    ("resnet10t", (32, 32), 4, {}, "windows that overlap", "windows that overlap or reach over the border"),
    ("xcit_nano_12_p16_224", (32, 32), 16, {**TINY}, "windows that overlap", "windows that overlap"),
    ("convmixer_48_16_s2d4_32", S, 4, {"depth": 1}, "no single layer that takes the image .*names none", "no single"),
    ("naflexvit_base_patch16_gap", (32, 32), 16, TINY, "embeds.proj, is a Linear", "is a Linear, not a plain conv"),
    ("vit_tiny_r_s16_p8_224", (32, 32), 8, TINY, "is a StdConv2dSame", "is a StdConv2dSame, not a plain convolution"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "size", "block", "arguments", "shf", "bps"), FAMILIES, ids=[f[0] for f in FAMILIES])
def test_families(name, size, block, arguments, shf, bps):
    """The table of docs/encrypted-model.md: equal logits, or refused with the reason."""
    model = family(name, size, arguments)
    cfg = model.pretrained_cfg
    for scheme, reason in (("shf", shf), ("bps", bps)):
        profile = profile_of(scheme, block, size)
        if reason is not None:
            with pytest.raises(IncompatibleModelError, match=reason):
                encrypt_model(model, profile, KEY, mean=cfg["mean"], std=cfg["std"])
            continue
        hidden = encrypt_model(model, profile, KEY, mean=cfg["mean"], std=cfg["std"])
        pixels = pictures(size, count=2)
        wanted = logits(model.double(), pixels, cfg["mean"], cfg["std"])
        model.float()
        got = logits(hidden, encrypted(pixels, profile))
        assert np.abs(got - wanted).max() <= 1e-4 * np.abs(wanted).max() + 1e-12
        again = encrypt_model(decrypt_model(hidden.float(), profile, KEY), profile, KEY)
        assert same(again, hidden)


def test_a_first_layer_without_a_bias_gets_one_where_the_mean_needs_it():
    model = tiny_vit(name="vit_base_patch16_clip_224", patch_size=4)
    assert model.patch_embed.proj.bias is None
    profile = profile_of("shf", 4, (16, 24))
    tied = encrypt_model(model, profile, KEY)
    assert type(tied.patch_embed.proj) is torch.nn.Conv2d
    shifted = encrypt_model(model, profile, KEY, mean=0.4, std=0.25)
    assert shifted.patch_embed.proj.shape.arguments() == {
        "keyed_variants": 1, "keyed_rows": 4, "keyed_cols": 6, "keyed_bias": True,
    }  # fmt: skip
    pixels = pictures((16, 24))
    wanted = logits(model, pixels, 0.4, 0.25)
    assert np.allclose(logits(shifted, encrypted(pixels, profile)), wanted, rtol=1e-4, atol=1e-5)
    # std alone scales the weights and needs none.
    assert type(encrypt_model(model, profile, KEY, std=0.25).patch_embed.proj) is torch.nn.Conv2d
    with pytest.raises(IncompatibleModelError, match="has no bias, and another mean needs one"):
        fold_normalisation(model, 0.4, 0.25)


def test_folding_changes_the_scale_of_the_images_alone():
    model = tiny_vit()
    folded = fold_normalisation(model, *IMAGENET)
    pixels = pictures((16, 24))
    wanted = logits(model, pixels, *IMAGENET)
    assert np.allclose(logits(folded, pixels), wanted, rtol=1e-5, atol=1e-5)
    assert same(fold_normalisation(model, 0.5, 0.5), model)
    for mean, std, message in ((0.5, 0.0, "std must be"), ((0.1, 0.2), 0.5, "mean must be 3 finite numbers")):
        with pytest.raises(ParameterError, match=message):
            fold_normalisation(model, mean, std)


def test_a_random_orthogonal_matrix_is_taken_up():
    pixels = pictures((16, 24))
    for block in (2, 4):
        model, transform = tiny_vit(), OrthogonalBlocks.from_key(KEY, block)
        hidden = absorb_orthogonal(model, transform).double()
        floats = pixels / 127.5 - 1
        turned = torch.from_numpy(np.ascontiguousarray(transform.apply(floats).transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            got = hidden(turned).numpy()
        assert np.abs(got - logits(model, pixels)).max() < 1e-5
    with pytest.raises(IncompatibleModelError, match="not made of blocks of 8x8"):
        absorb_orthogonal(model, OrthogonalBlocks.from_key(KEY, 8))


def test_wrong_keys_and_scopes_are_refused():
    model, profile = tiny_vit(), profile_of("etc", 4, (16, 24))
    with pytest.raises(WrongKeyError, match="the profile names key"):
        encrypt_model(model, profile, OTHER)
    hidden = encrypt_model(model, profile, KEY)
    with pytest.raises(WrongKeyError):
        decrypt_model(hidden, profile, OTHER)
    with pytest.raises(CorruptDataError, match="not the one that its profile and this key give"):
        decrypt_model(hidden, profile_of("etc", 4, (16, 24), key=OTHER), OTHER)
    with pytest.raises(IncompatibleModelError, match="encrypted already; change its key with rotate-model"):
        encrypt_model(hidden, profile, KEY)
    with pytest.raises(IncompatibleModelError, match=r"one embedding for blocks in \d+ states .*no model of plain"):
        decrypt_model(model, profile, KEY)
    for scope in ("image", "pool:8"):
        with pytest.raises(ParameterError, match=f"key scope '{scope}' gives images different keys"):
            encrypt_model(model, profile.model_copy(update={"key_scope": scope}), KEY)
    with pytest.raises(ParameterError, match="states no image size"):
        encrypt_model(model, profile.model_copy(update={"size": None}), KEY)
    with pytest.raises(IncompatibleModelError, match="takes 3 channels and the profile says 1"):
        encrypt_model(model, profile_of("np", 4, (16, 24), 1), KEY)
    with pytest.raises(IncompatibleModelError, match=r"gives no logits for images of 8x8"):
        encrypt_model(model, profile_of("np", 4, (8, 8)), KEY)


def test_a_fresh_network_that_is_next_to_blind_for_positions_is_not_taken_for_one_without():
    """A fresh mixer's classifier is all zeros, so its logits would agree; the architecture is judged by a copy."""
    model = family("mixer_s16_224", (32, 32), MIXER)
    assert not model.head.weight.any()
    with pytest.raises(IncompatibleModelError, match="depends on positions"):
        encrypt_model(model, profile_of("shf", 8, (32, 32)), KEY)
