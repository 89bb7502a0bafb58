"""The small CNNs: any size, one channel or three, their families' marks, and that they can learn."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from blindsight.nets import create_model, list_presets  # noqa: E402
from blindsight.nets.factory import patch_size  # noqa: E402

NAMES = ["densenet_micro", "inception_micro", "resnet_micro", "vgg_micro"]
# What the documentation says of them.
PARAMETERS = {"densenet_micro": 333_301, "inception_micro": 207_110, "resnet_micro": 701_978, "vgg_micro": 362_666}


def test_they_are_presets() -> None:
    assert set(NAMES) <= set(list_presets())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 32), (64, 96), (75, 81)])
def test_any_size_and_channels(name: str, channels: int, size: tuple[int, int]) -> None:
    model = create_model(name, num_classes=5, in_chans=channels, img_size=size).eval()
    assert model(torch.zeros(2, channels, *size)).shape == (2, 5)
    assert model.get_submodule(model.pretrained_cfg["first_conv"]).in_channels == channels
    assert patch_size(model) is None


@pytest.mark.parametrize("name", NAMES)
def test_number_of_parameters(name: str) -> None:
    model = create_model(name, num_classes=2)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_timms_protocol(name: str) -> None:
    model = create_model(name, num_classes=5).eval()
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model.forward_head(model.forward_features(x)), model(x))
    features = model.forward_head(model.forward_features(x), pre_logits=True)
    assert features.shape == (2, model.head_hidden_size)
    torch.testing.assert_close(model.get_classifier()(features), model(x))
    model.reset_classifier(7)
    assert model(x).shape == (2, 7)
    assert model.num_classes == 7


def test_marks_of_the_families() -> None:
    layers = {name: [type(m) for m in create_model(name, num_classes=2).modules()] for name in NAMES}
    for name in NAMES:
        assert (nn.BatchNorm2d in {base for t in layers[name] for base in t.__mro__}) == (name != "vgg_micro")
    vgg = create_model("vgg_micro", num_classes=2)
    assert sum(isinstance(m, nn.Conv2d) for m in vgg.features) == 13  # VGG-16 without its three linear layers
    kernels = {m.kernel_size for m in create_model("inception_micro", num_classes=2).modules() if hasattr(m, "groups")}
    assert {(1, 7), (7, 1), (1, 1), (3, 3)} == kernels


@pytest.mark.parametrize("name", NAMES)
def test_they_learn(name: str) -> None:
    """Left half brighter or right half brighter: no mean colour tells the two apart."""
    torch.manual_seed(0)
    model = create_model(name, num_classes=2)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0)
    before = [p.detach().clone() for p in model.parameters()]
    labels = torch.arange(64) % 2
    images = 0.5 * torch.randn(64, 3, 32, 32)
    images[labels == 0, :, :, :16] += 0.5
    images[labels == 1, :, :, 16:] += 0.5
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1, losses[::10]
    assert all(not torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_weights_from_a_local_file_but_for_the_classifier(name: str, tmp_path: Path) -> None:
    donor = create_model(name, num_classes=10)
    save_file({k: v.contiguous() for k, v in donor.state_dict().items()}, tmp_path / "w.safetensors")
    model = create_model(name, num_classes=3, checkpoint=tmp_path / "w.safetensors")
    classifier = model.pretrained_cfg["classifier"]
    state = model.state_dict()
    assert state[f"{classifier}.weight"].shape[0] == 3
    assert all(torch.equal(state[k], v) for k, v in donor.state_dict().items() if not k.startswith(f"{classifier}."))
