"""PyramidNets: the published sizes, shapes, and what each part does."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from blindsight.errors import ParameterError  # noqa: E402
from blindsight.nets import create_model  # noqa: E402
from blindsight.nets.pyramidnet import PyramidBlock, PyramidNet  # noqa: E402
from blindsight.nets.shakedrop import ShakeDrop  # noqa: E402

MICRO = "pyramidnet_micro_shakedrop"


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def counted(depth: int, alpha: int, classes: int) -> int:
    """Parameters by the formulae of the paper, independently of the network."""
    blocks = (depth - 2) // 2
    widths = [16] + [16 + round(alpha * (k + 1) / blocks) for k in range(blocks)]
    total = 3 * 9 * 16 + 2 * 16
    for before, after in pairwise(widths):
        total += 9 * before * after + 9 * after * after + 2 * before + 2 * after + 2 * after
    return total + 2 * widths[-1] + (widths[-1] + 1) * classes


def test_parameters_of_the_papers_backbone() -> None:
    """28.5 M for depth 110, alpha 270 on ten classes (the papers round to 28.4 or 28.5)."""
    with torch.device("meta"):
        model = PyramidNet(10)
    assert parameters(model) == counted(110, 270, 10) == 28_485_477
    assert model.num_features == 286
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules()) == 110


@pytest.mark.parametrize(("depth", "alpha"), [(20, 48), (38, 84), (8, 7)])
def test_parameters_follow_the_formulae(depth: int, alpha: int) -> None:
    with torch.device("meta"):
        assert parameters(PyramidNet(7, depth=depth, alpha=alpha)) == counted(depth, alpha, 7)


def test_shakedrop_rises_linearly_to_the_last_block() -> None:
    with torch.device("meta"):
        shakes = [m.shake for m in PyramidNet(10).modules() if isinstance(m, ShakeDrop)]
        plain = PyramidNet(10, shake=0.0)
    assert shakes == pytest.approx([0.5 * (k + 1) / 54 for k in range(54)])
    assert not any(isinstance(m, ShakeDrop) for m in plain.modules())


def test_the_shortcut_is_the_image_with_zeros_in_the_new_channels() -> None:
    block = PyramidBlock(2, 5, 1, 0.5).eval()
    nn.init.zeros_(block.branch[-1].weight)
    x = torch.randn(3, 2, 4, 4)
    y = block(x)
    assert torch.equal(y[:, :2], x)
    assert not y[:, 2:].any()
    halved = PyramidBlock(2, 5, 2, 0.5).eval()
    nn.init.zeros_(halved.branch[-1].weight)
    torch.testing.assert_close(halved(x)[:, :2], nn.functional.avg_pool2d(x, 2))


@pytest.mark.parametrize("size", [(32, 32), (17, 24)])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(size: tuple[int, int], channels: int) -> None:
    model = create_model(MICRO, num_classes=4, in_chans=channels).eval()
    x = torch.randn(2, channels, *size)
    assert model(x).shape == (2, 4)
    assert model.forward_features(x).shape == (2, 64, -(-size[0] // 4), -(-size[1] // 4))
    assert model.forward_head(model.forward_features(x), pre_logits=True).shape == (2, model.num_features)
    model.reset_classifier(0)
    assert model(x).shape == (2, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 21}, r"depth is 21; .* 8, 14, 20, \.\.\. \(6 n \+ 2\)"),
        ({"depth": 2}, "depth is 2"),
        ({"shake": 1.5}, "shake is 1.5; it is the probability"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        create_model(MICRO, num_classes=2, **arguments)
