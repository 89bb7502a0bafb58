"""What a recipe says of the machine, and how the processor is used."""

import json
import os

import pytest
import torch

from blindsight.nets import create_model
from blindsight.provider import _precision
from blindsight.provider.machine import machine, share_processors, versions
from blindsight.provider.recipe import TrainConfig


def test_facts_are_json_and_impersonal() -> None:
    text = json.dumps([machine(), versions()])
    assert os.path.expanduser("~") not in text  # noqa: PTH111
    assert versions()["torch"]


def test_waiting_threads_sleep_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    share_processors()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    share_processors()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.mark.parametrize(
    ("name", "units", "chosen"),
    [
        ("vit_micro_patch4_32", True, "bf16-mixed"),
        ("convmixer_128_4_patch4_32", True, "bf16-mixed"),
        ("convmixer_48_16_s2d4_32", True, "bf16-mixed"),
        # 1,024 positions: computed by convolutions, whose bfloat16 gradients are slow.
        ("convmixer_256_8_patch1_32", True, "32-true"),
        ("resnet18", True, "32-true"),
        ("vit_micro_patch4_32", False, "32-true"),
    ],
)
def test_bfloat16_on_a_cpu_only_where_it_pays(
    name: str, units: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_precision, "has_bfloat16_units", lambda: units)
    network = create_model(name, num_classes=2)
    assert _precision.choose_precision(TrainConfig(accelerator="cpu"), network, (32, 32)) == chosen
    asked = TrainConfig(accelerator="cpu", precision="16-mixed")
    assert _precision.choose_precision(asked, network, (32, 32)) == "16-mixed"


def test_plain_attention_gives_the_same() -> None:
    network = create_model("vit_micro_patch4_32", num_classes=2).eval()
    x = torch.randn(2, 3, 32, 32)
    before = network(x)
    _precision.use_plain_attention(network)
    torch.testing.assert_close(network(x), before, atol=1e-5, rtol=1e-4)
