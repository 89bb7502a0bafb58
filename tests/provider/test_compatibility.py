"""Patches against blocks: what fits, what is warned of, what is refused."""

import pytest
from provider_helpers import cipher_profile

from blindsight.errors import IncompatibleModelError, ParameterError
from blindsight.nets import create_model
from blindsight.profile import Profile
from blindsight.provider.compatibility import check_compatible


def check(name: str, profile: Profile, size: tuple[int, int], **more: float) -> list[str]:
    model = create_model(name, num_classes=3, img_size=size)
    return check_compatible(model, profile, size, name=name, **more)


def of(block: int, side: int) -> Profile:
    return cipher_profile(block_size=block, size=(side, side))


@pytest.mark.parametrize("name", ["vit_micro_patch4_32", "convmixer_128_4_patch4_32", "convmixer_48_16_s2d4_32"])
def test_patch_equal_to_block_is_silent(name: str) -> None:
    assert check(name, of(4, 32), (32, 32)) == []


def test_smaller_patch_is_pointed_out() -> None:
    (warning,) = check("vit_micro_patch4_32", of(8, 32), (32, 32))
    assert "patches of 4x4" in warning
    assert "smaller than the encrypted blocks of 8x8" in warning
    assert "fitting presets: " in warning


def test_larger_patch_is_warned_of() -> None:
    (warning,) = check("vit_micro_patch8_64", of(4, 32), (32, 32))
    assert "hold several encrypted blocks of 4x4" in warning
    assert "vit_micro_patch4_32" in warning


def test_straddling_patch_is_refused() -> None:
    with pytest.raises(IncompatibleModelError, match=r"straddle the encrypted blocks of 6x6; choose .* divides 6"):
        check("vit_micro_patch4_32", of(6, 24), (24, 24))


def test_patch_that_does_not_tile_the_image_is_refused() -> None:
    with pytest.raises(IncompatibleModelError, match="do not tile images of 12x12"):
        check("vit_micro_patch8_64", of(4, 12), (12, 12))


def test_network_without_patches() -> None:
    (warning,) = check("resnet18", of(4, 32), (32, 32))
    assert "does not cut its input into patches" in warning


def test_plain_images_fit_any_network_that_tiles_them() -> None:
    plain = Profile(kind="plain", size=(32, 32), classes=("a", "b", "c"))
    assert check("vit_micro_patch8_64", plain, (32, 32), pretrained=True) == []


def test_pretrained_normalisation_is_pointed_out() -> None:
    (warning,) = check("convmixer_1024_20_ks9_p14", of(14, 28), (28, 28), pretrained=True)
    assert "expect mean 0.485/0.456/0.406" in warning
    assert check("vit_micro_patch4_32", of(4, 32), (32, 32), pretrained=True) == []


@pytest.mark.parametrize("name", ["vit_micro_patch8_64", "convmixer_256_8_patch8_64", "resnet_micro", "vgg_micro"])
@pytest.mark.parametrize("size", [(64, 64), (96, 96)])
def test_mixed_images_are_images_like_any_other(name: str, size: tuple[int, int]) -> None:
    """Nothing of encrypted blocks, whatever blocks the images were mixed of, and no size that they cannot take."""
    mixed = Profile(
        kind="mix", scheme="pbm", parameters={"block": "96x24"}, block_size=None, size=(96, 96), classes=("a", "b", "c")
    )
    assert check(name, mixed, size, pretrained=True, mean=0.0, std=1.0) == []
    with_blocks = mixed.model_copy(update={"block_size": 5})
    assert check(name, with_blocks, size) == []


def test_patches_must_tile_mixed_images_too() -> None:
    mixed = Profile(kind="mix", scheme="pbm", size=(12, 12), classes=("a", "b", "c"))
    with pytest.raises(IncompatibleModelError, match=r"do not tile images of 12x12; choose .* divides both sides$"):
        check("vit_micro_patch8_64", mixed, (12, 12))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.25), (0.485, 0.5)])
def test_enciphered_images_are_normalised_by_halves(mean: float, std: float) -> None:
    with pytest.raises(ParameterError, match=rf"mean {mean:g} and std {std:g} .* sign changed .* leave --mean and"):
        check("vit_micro_patch4_32", of(4, 32), (32, 32), mean=mean, std=std)


def test_other_sizes_are_refused() -> None:
    model = create_model("vit_micro_patch4_32", num_classes=3, img_size=(32, 32))
    with pytest.raises(IncompatibleModelError, match="the images are 64x64 and the model would take 32x32"):
        check_compatible(model, of(4, 64), (32, 32))
    with pytest.raises(IncompatibleModelError, match="is built for 32x32 and the images are 64x64"):
        check_compatible(model, of(4, 64), (64, 64))


PYRAMID = {"backbone": "pyramidnet_micro_shakedrop", "depth": 8, "alpha": 6}
VIT = {"backbone": "vit_micro_patch8_64", "embed_dim": 32, "depth": 1, "num_heads": 2}


def adapted(name: str, profile: Profile, size: tuple[int, int], **arguments: object) -> list[str]:
    model = create_model(name, num_classes=3, img_size=size, **{**PYRAMID, **arguments})
    return check_compatible(model, profile, size, name=name)


@pytest.mark.parametrize("name", ["ele_adaptnet", "le_adaptnet", "le_adaptnet_madono"])
def test_adaptation_networks_are_made_for_blocks(name: str) -> None:
    """No word of patches or isotropic networks: a CNN, or patches of another size, behind one is as it should be."""
    assert adapted(name, of(4, 16), (16, 16)) == []
    assert adapted(name, of(8, 16), (16, 16), block_size=8) == []
    vit = create_model(name, num_classes=3, img_size=(16, 16), **VIT)
    assert check_compatible(vit, of(4, 16), (16, 16)) == []
    assert adapted(name, Profile(kind="plain", size=(16, 16), classes=("a", "b", "c")), (16, 16)) == []


@pytest.mark.parametrize("block", [2, 8])
def test_adaptation_to_other_blocks_is_warned_of(block: int) -> None:
    (warning,) = adapted("le_adaptnet", of(block, 16), (16, 16))
    assert warning == (
        f"le_adaptnet adapts blocks of 4x4 and the encrypted blocks are {block}x{block}; it is made for equal ones: "
        f"give it block_size {block} (model_args)"
    )


def test_adaptation_that_straddles_blocks_is_refused() -> None:
    with pytest.raises(
        IncompatibleModelError, match=r"4x4, which straddle the encrypted blocks of 6x6; .* block_size 6"
    ):
        adapted("ele_adaptnet", of(6, 24), (24, 24))


def test_adaptation_of_pixels() -> None:
    pe = cipher_profile(scheme="pe", block_size=4, size=(16, 16))
    assert adapted("pe_adaptnet", pe, (16, 16)) == []
    (warning,) = adapted("pe_adaptnet", of(4, 16), (16, 16))
    assert "pe_adaptnet adapts single pixels, and etc works on blocks of 4x4" in warning


@pytest.mark.parametrize("name", ["le_adaptnet", "convmixer_128_4_patch4_32_apm"])
def test_networks_for_one_size_refuse_another(name: str) -> None:
    model = create_model(name, num_classes=3, img_size=(16, 16), **(PYRAMID if name == "le_adaptnet" else {"dim": 8}))
    with pytest.raises(IncompatibleModelError, match="is built for 16x16 and the images are 32x32"):
        check_compatible(model, of(4, 32), (32, 32))


def test_the_permuted_convmixer_fits_as_a_convmixer_does() -> None:
    assert check("convmixer_128_4_patch4_32_apm", of(4, 32), (32, 32)) == []
    (warning,) = check("convmixer_128_4_patch4_32_apm", of(8, 32), (32, 32))
    assert "smaller than the encrypted blocks of 8x8" in warning
