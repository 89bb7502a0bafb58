"""Depthwise convolution on a small grid as one matrix per channel: what makes ConvMixers train fast on a CPU.

On a grid of P positions a depthwise convolution with a k x k kernel is, channel by channel, a product with a P x P
matrix that holds the kernel's weights at every shift (a block Toeplitz matrix). For 8x8 positions and k = 9 that is
fewer multiplications than the convolution itself, and matrix products run at the processor's full speed, in bfloat16
too, where convolutions, and their gradients above all, do not.
"""

from functools import lru_cache

import torch
from torch import Tensor, nn

__all__ = ["MAX_POSITIONS", "depthwise", "placement"]

# Beyond 16x16 positions the matrices outgrow the kernels they are made of.
MAX_POSITIONS = 256


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)  # kept for later calls, which may train
def placement(height: int, width: int, kernel: int, dtype: torch.dtype) -> Tensor:
    """(P * P, k * k) of zeros and ones: which weight joins source position j to destination i, at row j * P + i."""
    radius = kernel // 2
    rows = torch.arange(height).repeat_interleave(width)
    columns = torch.arange(width).repeat(height)
    down = rows[:, None] - rows[None, :] + radius
    across = columns[:, None] - columns[None, :] + radius
    inside = (down >= 0) & (down < kernel) & (across >= 0) & (across < kernel)
    which = torch.where(inside, down * kernel + across, kernel * kernel).flatten()
    return nn.functional.one_hot(which, kernel * kernel + 1)[:, :-1].to(dtype)


def depthwise(x: Tensor, conv: nn.Conv2d, height: int, width: int) -> Tensor:
    """What ``conv`` (depthwise, odd square kernel, padding "same") gives, on another layout.

    Args:
        x: (C, N, P), channels first, P = height * width positions in row-major order.
        conv: its weights are read; it is not called.
        height: of the grid.
        width: of the grid.

    Returns:
        (C, N, P).
    """
    assert conv.bias is not None
    cast = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    spread = placement(height, width, conv.kernel_size[0], cast)
    positions = height * width
    matrices = nn.functional.linear(conv.weight.flatten(1), spread).view(-1, positions, positions)
    product = torch.bmm(x, matrices)
    return product + conv.bias[:, None, None].to(product.dtype)
