"""The fast form of ConvMixer is the same network."""

import pytest

torch = pytest.importorskip("torch")

from timm.models.convmixer import ConvMixer as TimmConvMixer  # noqa: E402
from torch import nn  # noqa: E402

from blindsight.nets import create_model  # noqa: E402
from blindsight.nets._matrices import depthwise, placement  # noqa: E402
from blindsight.nets.convmixer import ConvMixer  # noqa: E402


@pytest.mark.parametrize(("height", "width", "kernel"), [(8, 8, 9), (5, 3, 3), (1, 7, 5), (2, 2, 9)])
def test_depthwise_equals_the_convolution(height: int, width: int, kernel: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, kernel, groups=6, padding="same").double()
    x = torch.randn(4, 6, height, width, dtype=torch.double)
    found = depthwise(x.flatten(2).transpose(0, 1), conv, height, width)
    torch.testing.assert_close(found.transpose(0, 1).unflatten(2, (height, width)), conv(x))


def test_placement_holds_each_weight_at_most_once_a_pair() -> None:
    rows = placement(4, 4, 3, torch.float32).sum(1).view(4 * 4, 4 * 4)
    assert rows.max() == 1
    assert rows.sum() == 100  # pairs of positions at most one step apart: (4 + 2 * 3) ** 2


@pytest.mark.parametrize("training", [True, False])
def test_network_outputs_gradients_and_statistics_agree(training: bool) -> None:
    torch.manual_seed(0)
    fast = ConvMixer(16, 2, 9, patch_size=4, num_classes=5).double().train(training)
    slow = TimmConvMixer(16, 2, 9, patch_size=4, num_classes=5).double().train(training)
    slow.load_state_dict(fast.state_dict())
    x = torch.randn(40, 3, 32, 32, dtype=torch.double)
    outputs = []
    for model in (fast, slow):
        outputs.append(model(x))
        outputs[-1].square().sum().backward()
    torch.testing.assert_close(outputs[0], outputs[1])
    for (name, a), b in zip(fast.named_parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)
    for (name, a), b in zip(fast.named_buffers(), slow.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


def test_batch_size_does_not_matter() -> None:
    model = create_model("convmixer_48_16_s2d4_32", num_classes=4).eval()
    x = torch.randn(33, 3, 32, 32)
    torch.testing.assert_close(model(x)[:3], model(x[:3]), atol=1e-5, rtol=1e-4)


def test_bfloat16_is_near() -> None:
    torch.manual_seed(0)
    model = create_model("convmixer_128_4_patch4_32", num_classes=4).eval()
    x = torch.randn(40, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(x)
    torch.testing.assert_close(rough.float(), model(x), atol=0.05, rtol=0.05)


def test_a_prediction_before_a_training_in_one_process_does_not_break_it() -> None:
    placement.cache_clear()
    model = ConvMixer(8, 1, 3, patch_size=4, num_classes=2)
    x = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        model.eval()(x)
    model.train()(x).sum().backward()
