"""Which number format a training runs in, and what has to be so for it to pay."""

from typing import Any

import torch
from torch import nn

from blindsight.nets._matrices import MAX_POSITIONS
from blindsight.nets.convmixer import ConvMixer
from blindsight.nets.factory import patch_size
from blindsight.provider.machine import has_bfloat16_units
from blindsight.provider.recipe import TrainConfig

__all__ = ["choose_precision", "on_gpu", "use_plain_attention"]


def on_gpu(config: TrainConfig) -> bool:
    """True where the training will run on a CUDA device."""
    return config.accelerator in ("auto", "gpu") and torch.cuda.is_available()


def choose_precision(config: TrainConfig, network: nn.Module, size: tuple[int, int]) -> Any:
    """Lightning's name of the precision: the one asked for, or for ``auto`` bfloat16 where it is faster."""
    if config.precision != "auto":
        return config.precision
    if on_gpu(config):
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    fast = config.accelerator in ("auto", "cpu") and has_bfloat16_units() and _is_matrix_products(network, size)
    return "bf16-mixed" if fast else "32-true"


def _is_matrix_products(network: nn.Module, size: tuple[int, int]) -> bool:
    """Whether a CPU runs the network as matrix products: bfloat16 convolutions have gradients slower than float32's."""
    if isinstance(network, ConvMixer):
        patch = patch_size(network) or (1, 1)
        return (size[0] // patch[0]) * (size[1] // patch[1]) <= MAX_POSITIONS
    return sum(isinstance(m, nn.Conv2d) for m in network.modules()) <= 1


def use_plain_attention(network: nn.Module) -> None:
    """Has timm's attention layers multiply matrices: the gradient of torch's fused CPU kernel is slow in bfloat16.

    What bfloat16 gains with it: results/training.md.
    """
    for layer in network.modules():
        if hasattr(layer, "fused_attn"):
            layer.fused_attn = False
