"""What stands in front of the backbone: the adaptation networks themselves, from images to features of the same size.

All are made with (channels, grid of blocks, side of a block) and state how many ``features`` they give;
:mod:`blindsight.nets.adaptation` puts them before a backbone.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from blindsight.nets._sub_networks import PseudoPermutation, SubNetworks
from blindsight.nets.regularisation import smoothness

__all__ = ["BlockAdaptation", "ELEAdaptation", "ThinBlockAdaptation"]


class BlockAdaptation(nn.Sequential):
    """One sub-network, of three convolutions, for all blocks: (N, C, H, W) -> (N, features, H, W).

    Tanaka, "Learnable Image Encryption" (ICCE-TW 2018, arXiv 1804.00490), layer by layer as in the author's program:
    batch norm, a convolution as large as the block, ReLU, batch norm, 1x1 convolution, ReLU, batch norm, 1x1
    convolution, pixel shuffle.

    Args:
        in_chans: C.
        grid: (H, W) in blocks; any will do.
        block_size: side of the blocks, in pixels.
        features: channels out.
        hidden: width of the two layers between; 0 is as many as a block has samples.
    """

    def __init__(
        self, in_chans: int, grid: tuple[int, int], block_size: int, features: int = 32, hidden: int = 0
    ) -> None:
        del grid
        hidden = hidden or in_chans * block_size**2
        super().__init__(
            nn.BatchNorm2d(in_chans),
            nn.Conv2d(in_chans, hidden, block_size, stride=block_size),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, features * block_size**2, 1),
            nn.PixelShuffle(block_size),
        )
        _initialise(self)
        self.features = features


class ThinBlockAdaptation(nn.Sequential):
    """One sub-network, of one convolution, for all blocks: (N, C, H, W) -> (N, features, H, W).

    What Madono et al. (arXiv 2001.07761) call LE-AdaptNet: a convolution as large as the block, batch norm,
    LeakyReLU(0.1), pixel shuffle. Their program normalises block by block in training; this one takes the statistics
    of all blocks together, which is what it uses after training.

    Args: as for :class:`BlockAdaptation`.
    """

    def __init__(self, in_chans: int, grid: tuple[int, int], block_size: int, features: int = 16) -> None:
        del grid
        width = features * block_size**2
        super().__init__(
            nn.Conv2d(in_chans, width, block_size, stride=block_size, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1),
            nn.PixelShuffle(block_size),
        )
        _initialise(self)
        self.features = features


class ELEAdaptation(nn.Module):
    """Another sub-network for every block, and a matrix that brings the blocks back into order.

    (N, C, H, W) -> (N, features, H, W). Madono et al., "Block-wise Scrambled Image Recognition Using Adaptation
    Network" (AAAI-WS 2020, arXiv 2001.07761): :class:`SubNetworks`, then :class:`PseudoPermutation`, then a pixel
    shuffle. It adds to the loss (equation 5) ``permutation_weight`` times the penalty of the matrix (equation 7), and
    ``smoothness_weight`` times that of the features (equation 8).

    Parameters grow with the image and with the block: for 224 pixels and blocks of 16 there are 617 million.

    Args:
        in_chans: C.
        grid: (H, W) in blocks.
        block_size: side of the blocks, in pixels.
        features: channels out.
        permutation_weight: see above.
        smoothness_weight: see above.
        smooth_channels: how many of the channels out are to be smooth: 3 in the authors' program, all in equation 8.
    """

    def __init__(
        self,
        in_chans: int,
        grid: tuple[int, int],
        block_size: int,
        features: int = 16,
        permutation_weight: float = 0.001,
        smoothness_weight: float = 0.1,
        smooth_channels: int = 3,
    ) -> None:
        super().__init__()
        self.grid, self.block_size, self.features = grid, block_size, features
        self.smoothness_weight, self.smooth_channels = smoothness_weight, smooth_channels
        blocks = grid[0] * grid[1]
        self.blocks = SubNetworks(in_chans, block_size, blocks, features * block_size**2)
        self.permutation = PseudoPermutation(blocks, permutation_weight)
        self._penalty: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        ordered = self.permutation(self.blocks(x).transpose(1, 2)).unflatten(2, self.grid)
        features = F.pixel_shuffle(ordered, self.block_size)
        if self.training:
            self._penalty = self.smoothness_weight * smoothness(features, self.smooth_channels)
        return features

    def regularisation(self) -> Tensor:
        """The penalty of the features of the last training pass; 0 where it was asked for already."""
        penalty, self._penalty = self._penalty, None
        return self.permutation.weight.new_zeros(()) if penalty is None else penalty

    def __getstate__(self) -> dict[str, Any]:
        # A penalty nobody asked for hangs on the pass it came from, and cannot be copied.
        return {**self.__dict__, "_penalty": None}


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
