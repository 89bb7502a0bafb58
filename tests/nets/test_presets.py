"""Presets and the factory: any timm model, with or without weights."""

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import timm  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from blindsight.errors import BlindsightError, CorruptDataError, ParameterError, UnknownNameError  # noqa: E402
from blindsight.nets import create_model, list_presets  # noqa: E402
from blindsight.nets.convmixer import SpaceToDepth  # noqa: E402
from blindsight.nets.factory import patch_size, preset_for  # noqa: E402

CNNS = ["densenet_micro", "inception_micro", "resnet_micro", "vgg_micro"]
PATCH_4 = ["convmixer_128_4_patch4_32", "convmixer_256_8_patch4_32", "convmixer_48_16_s2d4_32", "vit_micro_patch4_32"]


# The papers' backbone is large; tests/nets/test_pyramidnet.py and test_adaptation.py look at its kind on a small scale.
LARGE = {"pyramidnet110_a270_shakedrop", "ele_adaptnet", "le_adaptnet", "le_adaptnet_madono", "pe_adaptnet"}


@pytest.mark.parametrize("name", list_presets())
def test_presets_are_whole(name: str) -> None:
    small = {"depth": 8} if name in LARGE else {}
    model = create_model(name, num_classes=7, **small).eval()
    cfg = model.pretrained_cfg
    assert tuple(cfg["mean"]) == tuple(cfg["std"]) == (0.5, 0.5, 0.5)
    side = cfg["input_size"][1]
    named = re.search(r"_(\d+)$", name.removesuffix("_apm"))
    assert named is None or side == int(named[1])
    assert isinstance(model.get_submodule(cfg["classifier"]), torch.nn.Linear)
    if cfg["first_conv"]:
        assert isinstance(model.get_submodule(cfg["first_conv"]), torch.nn.Conv2d)
    assert timm.is_model(name)
    if side <= 64:
        assert model(torch.zeros(2, 3, side, side)).shape == (2, 7)


def test_parameters_of_the_papers_models() -> None:
    names = ("convmixer_256_8_patch1_32", "vit_micro_patch4_32")
    count = {n: sum(p.numel() for p in create_model(n, num_classes=10).parameters()) for n in names}
    # ConvMixer-256/8 with kernel 9: stem, then 8 of (depthwise, pointwise, two norms), then the head.
    block = 256 * 81 + 256 + 2 * 256 + 256 * 256 + 256 + 2 * 256
    assert count["convmixer_256_8_patch1_32"] == 3 * 256 + 256 + 512 + 8 * block + 2570
    assert count["vit_micro_patch4_32"] == 1_205_642


def test_space_to_depth_is_a_rearrangement() -> None:
    x = torch.arange(2 * 3 * 8 * 8.0).reshape(2, 3, 8, 8)
    y = SpaceToDepth(4)(x)
    assert y.shape == (2, 48, 2, 2)
    assert torch.equal(y[1, :, 0, 1], x[1, :, :4, 4:].flatten())


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("vit_tiny_patch8_64", (8, 8)),
        ("convmixer_48_16_s2d4_32", (4, 4)),
        ("convmixer_256_8_patch1_32", (1, 1)),
        ("vit_tiny_patch16_224", (16, 16)),
        ("swin_tiny_patch4_window7_224", (4, 4)),
        ("convnext_atto", (4, 4)),
        ("resnet18", None),
    ],
)
def test_patch_size_is_found(name: str, patch: tuple[int, int] | None) -> None:
    assert patch_size(create_model(name, num_classes=2)) == patch


@pytest.mark.parametrize(
    "name", ["vit_micro_patch4_32", "vit_tiny_patch16_224", "convmixer_128_4_patch4_32", "resnet18"]
)
def test_other_sizes_and_channels(name: str) -> None:
    model = create_model(name, num_classes=2, in_chans=1, img_size=(32, 48)).eval()
    assert model(torch.zeros(1, 1, 32, 48)).shape == (1, 2)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*convmixer_256_8_patch4_32"):
        create_model("convmixer_256_8_patch4", num_classes=2)
    with pytest.raises(ParameterError, match="does not take these arguments"):
        create_model("vit_micro_patch4_32", num_classes=2, feathers=3)


def test_fitting_presets() -> None:
    assert preset_for(4, (32, 32)) == PATCH_4
    assert all("patch16_224" in name for name in preset_for(16, (224, 224))[:3])
    # A CNN has no patches, so it never fits blocks.
    offered = {name for block in (1, 2, 4, 8, 16, 32) for name in preset_for(block, (64, 64))}
    assert offered.isdisjoint(CNNS)
    # Networks that have to be told more than the image's size are not offered.
    assert not any("adaptnet" in n or "apm" in n or "pyramid" in n for n in preset_for(4, (32, 32)))
    assert preset_for(3, (33, 33)) == ["convmixer_256_8_patch1_32"]


@pytest.mark.parametrize("name", ["vit_micro_patch4_32", "convmixer_128_4_patch4_32"])
@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_weights_from_a_local_file(tmp_path: Path, name: str, kind: str) -> None:
    donor = create_model(name, num_classes=10)
    path = tmp_path / f"weights.{kind}"
    state = {k: v.contiguous() for k, v in donor.state_dict().items()}
    save_file(state, path) if kind == "safetensors" else torch.save(state, path)
    same = create_model(name, num_classes=10, checkpoint=path)
    assert all(torch.equal(v, state[k]) for k, v in same.state_dict().items())
    # Another number of classes takes everything but the classifier.
    other = create_model(name, num_classes=3, checkpoint=path).state_dict()
    assert other["head.weight"].shape[0] == 3
    assert all(torch.equal(v, state[k]) for k, v in other.items() if not k.startswith("head."))


def test_position_embeddings_are_fitted_to_another_size(tmp_path: Path) -> None:
    donor = create_model("vit_micro_patch4_32", num_classes=10)
    save_file(donor.state_dict(), tmp_path / "w.safetensors")
    model = create_model(
        "vit_micro_patch4_32", num_classes=10, img_size=(48, 48), checkpoint=tmp_path / "w.safetensors"
    )
    assert model.pos_embed.shape == (1, 144, 128)
    assert torch.equal(model.blocks[0].attn.qkv.weight, donor.blocks[0].attn.qkv.weight)


def test_weights_without_a_head(tmp_path: Path) -> None:
    donor = create_model("vit_micro_patch4_32", num_classes=10)
    state = {k: v for k, v in donor.state_dict().items() if not k.startswith("head.")}
    save_file(state, tmp_path / "w.safetensors")
    model = create_model("vit_micro_patch4_32", num_classes=5, checkpoint=tmp_path / "w.safetensors")
    assert torch.equal(model.pos_embed, donor.pos_embed)


def test_bad_weight_files(tmp_path: Path) -> None:
    with pytest.raises(CorruptDataError, match="there is no weights file"):
        create_model("vit_micro_patch4_32", num_classes=2, checkpoint=tmp_path / "none.safetensors")
    for name, content in (("a.safetensors", b"nonsense"), ("b.pth", b""), ("c.pth", b"import os")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CorruptDataError, match=name):
            create_model("vit_micro_patch4_32", num_classes=2, checkpoint=tmp_path / name)
    other = create_model("vit_tiny_patch4_32", num_classes=2)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(CorruptDataError, match=r"cannot start vit_micro_patch4_32 from .*other\.safetensors"):
        create_model("vit_micro_patch4_32", num_classes=2, checkpoint=tmp_path / "other.safetensors")


def test_presets_have_no_weights_to_fetch() -> None:
    with pytest.raises(BlindsightError, match=r"no pretrained weights for vit_micro_patch4_32 .*--checkpoint"):
        create_model("vit_micro_patch4_32", num_classes=2, pretrained=True)
