"""What patch embeddings that know of block states share: where samples come from in each state."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from blindsight.algebra.states import COLOR_ORDERS, orient

__all__ = ["bias_of", "state_moves"]


def bias_of(conv: nn.Conv2d) -> Tensor:
    """A copy of a convolution's bias; zeros where it has none."""
    return torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().clone()


def state_moves(channels: int, side: int) -> NDArray[np.int64]:
    """Where sample j of a patch comes from in each unsigned state: (48 or 8, K), ordered (channel, row, column)."""
    places = np.arange(channels * side * side).reshape(channels, side, side).transpose(1, 2, 0)
    orders = COLOR_ORDERS if channels == 3 else np.zeros((1, 1), np.uint8)
    moved = [orient(places, code)[..., order] for code in range(8) for order in orders]
    return np.stack([state.transpose(2, 0, 1).reshape(-1) for state in moved])
