"""Adaptation networks in front of any backbone: layers, shapes, learning, saving, and what cannot fit."""

import copy
import inspect
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import timm  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from blindsight.errors import IncompatibleModelError, ParameterError, UnknownNameError  # noqa: E402
from blindsight.nets import create_model, list_presets  # noqa: E402
from blindsight.nets.adaptation import AdaptedNet  # noqa: E402
from blindsight.nets.adapters import BlockAdaptation, ELEAdaptation, ThinBlockAdaptation  # noqa: E402
from blindsight.nets.factory import built_for, patch_size  # noqa: E402
from blindsight.nets.regularisation import l1_minus_l2, regularisation, smoothness  # noqa: E402
from blindsight.nets.runs import load_run, save_run  # noqa: E402
from blindsight.profile import Profile  # noqa: E402

NAMES = ["ele_adaptnet", "le_adaptnet", "le_adaptnet_madono", "pe_adaptnet"]
APM = "convmixer_128_4_patch4_32_apm"
PYRAMID = {"backbone": "pyramidnet_micro_shakedrop", "depth": 8, "alpha": 6}
VIT = {"backbone": "vit_micro_patch4_32", "embed_dim": 32, "depth": 1, "num_heads": 2}
MIXER = {"backbone": "convmixer_48_16_s2d4_32", "depth": 1, "features": 2}
# As (name, arguments): every adaptation network on one backbone, one on every kind of backbone, and the ConvMixer.
NETWORKS: list[tuple[str, dict[str, Any]]] = [
    *[(name, PYRAMID) for name in NAMES],
    ("le_adaptnet", VIT),
    ("ele_adaptnet", {"backbone": "test_resnet"}),
    ("pe_adaptnet", MIXER),
    (APM, {"dim": 8, "depth": 1}),
]
networks = pytest.mark.parametrize(("name", "arguments"), NETWORKS, ids=lambda v: v if isinstance(v, str) else "")


def make(name: str, arguments: dict[str, Any], size: tuple[int, int] = (16, 16), classes: int = 3, **more: Any) -> Any:
    torch.manual_seed(0)
    return create_model(name, num_classes=classes, img_size=size, **arguments, **more)


@networks
@pytest.mark.parametrize("size", [(32, 32), (16, 24)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(name: str, arguments: dict[str, Any], size: tuple[int, int], channels: int) -> None:
    model = make(name, arguments, size, in_chans=channels).eval()
    x = torch.randn(2, channels, *size)
    y = model(x)
    assert y.shape == (2, 3)
    torch.testing.assert_close(model.forward_head(model.forward_features(x)), y)
    assert built_for(model) == size
    assert patch_size(model) == ((1, 1) if name == "pe_adaptnet" else (4, 4))
    if name in NAMES:
        assert model.adaptation(x).shape == (2, model.adaptation.features, *size)
        model.reset_classifier(5)
        assert model(x).shape == (2, 5)
        assert model.get_classifier().out_features == 5


@networks
def test_learning_lowers_the_loss(name: str, arguments: dict[str, Any]) -> None:
    model = make(name, arguments).train()
    x, labels = torch.randn(6, 3, 16, 16), torch.arange(6) % 3
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(8):
        torch.manual_seed(1)  # the same noise of ShakeDrop in every step
        loss = F.cross_entropy(model(x), labels)
        penalty = regularisation(model)
        assert (penalty is not None) == (name in ("ele_adaptnet", APM))
        total = loss if penalty is None else loss + penalty
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(float(total.detach()))
    assert all(p.grad is not None for p in model.parameters())
    assert losses[-1] < losses[0] - 0.05


@networks
@pytest.mark.parametrize("channels", [1, 3])
def test_a_run_gives_the_same_logits_to_us_and_to_timm(
    name: str, arguments: dict[str, Any], channels: int, tmp_path: Path
) -> None:
    model = make(name, arguments, (16, 24), in_chans=channels)
    model.train()(torch.randn(4, channels, 16, 24))  # moves statistics and singular vectors from where they began
    model.eval()
    profile = Profile(
        kind="cipher",
        scheme="etc",
        block_size=4,
        size=(16, 24),
        channels=channels,
        key_scope="dataset",
        key_id="bsk1-" + "a" * 16,
        classes=("a", "b", "c"),
    )
    stored = {**arguments, "img_size": [16, 24]}
    save_run(tmp_path, model, profile, architecture=name, size=(16, 24), model_args=stored)
    x = torch.randn(2, channels, 16, 24)
    assert torch.equal(load_run(tmp_path).model(x), model(x))
    other = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert torch.equal(other(x), model(x))


@networks
def test_a_copy_made_in_the_middle_of_a_training_is_the_same(name: str, arguments: dict[str, Any]) -> None:
    """As moving averages and checkpoints copy it: a penalty may be pending."""
    model = make(name, arguments).train()
    x = torch.randn(3, 3, 16, 16)
    model(x)
    torch.testing.assert_close(copy.deepcopy(model).eval()(x), model.eval()(x))


def test_layers_of_tanakas_network() -> None:
    layers = BlockAdaptation(3, (8, 8), 4)
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == [
        *("BatchNorm2d", "Conv2d", "ReLU", "BatchNorm2d", "Conv2d", "ReLU", "BatchNorm2d", "Conv2d", "PixelShuffle")
    ]
    shapes = [tuple(m.weight.shape) for m in layers if isinstance(m, nn.Conv2d)]
    assert shapes == [(48, 3, 4, 4), (48, 48, 1, 1), (512, 48, 1, 1)]
    thin = ThinBlockAdaptation(3, (8, 8), 4)
    assert [type(layer).__name__ for layer in thin] == ["Conv2d", "BatchNorm2d", "LeakyReLU", "PixelShuffle"]
    assert thin[0].weight.shape == (256, 3, 4, 4)


def test_parameters_on_cifar() -> None:
    """By hand, for 3 channels, 32x32 pixels and blocks of 4."""
    count = {cls: sum(p.numel() for p in cls(3, (8, 8), 4).parameters()) for cls in (BlockAdaptation, ELEAdaptation)}
    assert count[BlockAdaptation] == 6 + (48 * 48 + 48) + 96 + (48 * 48 + 48) + 96 + (48 * 512 + 512)
    assert count[ELEAdaptation] == 64 * (48 * 256 + 2 * 256) + 64 * 64


@pytest.mark.parametrize("cls", [BlockAdaptation, ThinBlockAdaptation])
def test_le_adapts_every_block_alike_and_by_itself(cls: Any) -> None:
    network = cls(3, (2, 3), 4).eval()
    x = torch.randn(1, 3, 8, 12)
    swapped = torch.cat([x[..., 8:], x[..., 4:8], x[..., :4]], dim=-1)
    y = network(x)
    torch.testing.assert_close(network(swapped), torch.cat([y[..., 8:], y[..., 4:8], y[..., :4]], dim=-1))


def reference(network: ELEAdaptation, x: Tensor) -> Tensor:
    """Block by block, with torch's own layers, as the paper draws it."""
    side, (rows, columns) = network.block_size, network.grid
    parts = network.blocks
    width = parts.weight.shape[1]
    features = []
    for k in range(rows * columns):
        i, j = divmod(k, columns)
        block = x[:, :, i * side : (i + 1) * side, j * side : (j + 1) * side]
        weight = parts.weight[k].detach()
        weight = weight / torch.linalg.matrix_norm(weight, 2)
        one = F.conv2d(block, weight.view(width, x.shape[1], side, side)).flatten(1)
        here = slice(k * width, (k + 1) * width)
        one = F.batch_norm(
            one, parts.norm.running_mean[here], parts.norm.running_var[here], parts.norm.weight[here], None
        )
        features.append(F.leaky_relu(one, 0.2))
    ordered = torch.stack(features, 2) @ network.permutation.weight
    return F.pixel_shuffle(ordered.view(len(x), width, rows, columns), side)


@pytest.mark.parametrize("channels", [1, 3])
def test_ele_is_a_network_for_each_block(channels: int) -> None:
    torch.manual_seed(0)
    network = ELEAdaptation(channels, (2, 3), 4, features=2)
    for _ in range(300):
        network.blocks._iterate(1)  # to the largest singular value itself
    x = torch.randn(5, channels, 8, 12)
    torch.testing.assert_close(network.eval()(x), reference(network, x), atol=1e-4, rtol=1e-3)


def test_spectral_norm_follows_the_weights() -> None:
    torch.manual_seed(0)
    blocks = ELEAdaptation(3, (2, 2), 4, features=1).blocks
    with torch.no_grad():
        blocks.weight.mul_(torch.tensor([0.1, 1.0, 5.0, 30.0])[:, None, None])
    blocks.train()
    for _ in range(200):
        weight = blocks.normalised_weight()
    torch.testing.assert_close(torch.linalg.matrix_norm(weight, 2), torch.ones(4), atol=1e-2, rtol=0)
    before = blocks.u.clone()
    blocks.eval().normalised_weight()
    assert torch.equal(blocks.u, before)


def test_the_matrix_can_undo_a_block_permutation() -> None:
    network = ELEAdaptation(3, (2, 2), 4, features=1).eval()
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        network.blocks.weight.copy_(network.blocks.weight[:1].expand_as(network.blocks.weight))
        network.blocks._iterate(300)  # equal weights, so equal singular values
        network.permutation.weight.copy_(torch.eye(4))
        x = torch.randn(2, 3, 8, 8)
        plain = network(x)
        tiles = F.pixel_unshuffle(x, 4).flatten(2)[..., order].unflatten(2, (2, 2))
        network.permutation.weight.copy_(torch.eye(4)[torch.argsort(order)].T)
        torch.testing.assert_close(network(F.pixel_shuffle(tiles, 4)), plain)


def test_what_ele_adds_to_the_loss() -> None:
    network = ELEAdaptation(3, (2, 2), 4, permutation_weight=0.25, smoothness_weight=2.0, smooth_channels=5)
    x = torch.randn(3, 3, 8, 8)
    features = network.train()(x)
    expected = 0.25 * l1_minus_l2(network.permutation.weight) + 2.0 * smoothness(features, 5)
    found = regularisation(network)
    assert found is not None
    torch.testing.assert_close(found, expected)
    # Once a pass: the second time only the weights are left.
    again = regularisation(network)
    torch.testing.assert_close(again, 0.25 * l1_minus_l2(network.permutation.weight))
    network.eval()(x)
    torch.testing.assert_close(regularisation(network), again)


def test_the_papers_weights_are_the_defaults() -> None:
    network = make("ele_adaptnet", PYRAMID).adaptation
    assert (network.permutation.penalty, network.smoothness_weight, network.features) == (0.001, 0.1, 16)


def test_the_permuted_convmixer_begins_as_the_one_without_a_matrix() -> None:
    permuted = make(APM, {}, (32, 32)).eval()
    plain = create_model("convmixer_128_4_patch4_32", num_classes=3).eval()
    plain.load_state_dict({k: v for k, v in permuted.state_dict().items() if "permutation" not in k})
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(permuted(x), plain(x))
    order = torch.randperm(64)
    with torch.no_grad():
        permuted.stem[-1].permutation.weight.copy_(torch.eye(64)[torch.argsort(order)].T)
    moved = F.pixel_shuffle(F.pixel_unshuffle(x, 4).flatten(2)[..., order].unflatten(2, (8, 8)), 4)
    torch.testing.assert_close(permuted(moved), plain(x))


def test_the_matrix_does_not_decay() -> None:
    from timm.optim import param_groups_weight_decay

    model = make(APM, {"dim": 8, "depth": 1})
    free, decaying = param_groups_weight_decay(model, 0.1, no_weight_decay_list=model.no_weight_decay())
    assert any(p is model.stem[-1].permutation.weight for p in free["params"])
    assert not any(p is model.stem[-1].permutation.weight for p in decaying["params"])
    assert make("le_adaptnet", VIT).no_weight_decay() >= {"backbone.pos_embed"}


def test_the_papers_backbone_is_the_default() -> None:
    assert inspect.signature(AdaptedNet).parameters["backbone"].default == "pyramidnet110_a270_shakedrop"
    assert {*NAMES, APM, "pyramidnet110_a270_shakedrop"} <= set(list_presets())


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        (
            "le_adaptnet",
            {**PYRAMID, "block_size": 5},
            IncompatibleModelError,
            "blocks of 5x5 do not tile images of 16x",
        ),
        ("ele_adaptnet", {**PYRAMID, "block_size": 3}, IncompatibleModelError, "choose a block_size that divides both"),
        ("le_adaptnet", {**PYRAMID, "block_size": 0}, ParameterError, "block_size is 0; give a larger number"),
        ("ele_adaptnet", {**PYRAMID, "features": 0}, ParameterError, "features is 0"),
        ("ele_adaptnet", {**PYRAMID, "smoothness_weight": -0.1}, ParameterError, "smoothness_weight is -0.1"),
        ("le_adaptnet", {"backbone": "resnet_18"}, UnknownNameError, r"unknown model 'resnet_18'; did you mean"),
        ("le_adaptnet", {**PYRAMID, "feathers": 3}, ParameterError, "pyramidnet_micro_shakedrop does not take .*feath"),
        ("pe_adaptnet", {"backbone": "convmixer_256_8_patch4_32", "patch_size": 7}, IncompatibleModelError, "of 7x7"),
        (APM, {"patch_size": 5}, IncompatibleModelError, "patches of 5x5 do not tile images of 16x16; choose a patch_"),
    ],
)
def test_what_cannot_fit_is_said(name: str, arguments: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make(name, arguments)
