"""Networks of the attacks that learn. Importing this brings torch; attacks import it when they run.

Images are float (N, C, H, W) in -1 to 1. Outputs have no squashing function: one would hold them off the ends of the
range, where a third of a photograph's samples may lie; what exceeds the range is cut off when images are written.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from blindsight.algebra import BlockGrid
from blindsight.audit.attacks._network_sizes import HEAD

__all__ = ["BlockMap", "BlockTransformer", "Discriminator", "PlainClassifier", "PositionGenerator"]

_SINKHORN_ROUNDS = 5
#: How large the weights of :class:`BlockMap` are at the beginning, and how fast those learn that positions do not
#: share: each learns from its own position alone, and at the full rate Adam would mostly add noise.
_BEGINNING, _OWN_PACE = 0.05, 0.2


class BlockTransformer(nn.Module):
    """Blocks in, blocks out, each output block made from all blocks of the image: its receptive field is the image.

    A block becomes a token by a linear map that all positions share, and one that each position has for itself
    (schemes with other keys at other positions); likewise back. Between the two stand, first, a linear map over
    positions, which is what a fixed scrambling of blocks is; then transformer layers, for what depends on the image.

    Args:
        grid: of the output images.
        features: channels of the input.
        width: of a token, a multiple of :data:`HEAD`.
        depth: transformer layers.
        mean: (C, H, W), what the output is relative to: the untrained network gives about this back.
    """

    mean: Tensor

    def __init__(self, grid: BlockGrid, features: int, width: int, depth: int, mean: Tensor) -> None:
        super().__init__()
        self.grid = grid
        entering, leaving = features * grid.block**2, grid.block_samples
        self.enter = _ByPosition(grid.blocks, entering, width)
        self.position = nn.Parameter(torch.randn(grid.blocks, width) * 0.5)
        self.move = nn.Linear(grid.blocks, grid.blocks, bias=False)
        nn.init.normal_(self.move.weight, std=grid.blocks**-0.5)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(depth))
        self.leave = _ByPosition(grid.blocks, width, leaving, scale=0.1)
        self.register_buffer("mean", mean)

    def forward(self, images: Tensor) -> Tensor:
        """(N, features, H, W) -> (N, C, H, W)."""
        blocks = _to_blocks(images, self.grid.block)
        tokens = self.enter(blocks)
        tokens = tokens + self.move(tokens.transpose(1, 2)).transpose(1, 2)
        hidden = tokens + self.position
        for layer in self.layers:
            hidden = layer(hidden)
        return _from_blocks(self.leave(hidden), self.grid) + self.mean


class _ByPosition(nn.Module):
    """A linear map of tokens: one that positions share, plus one of each position's own."""

    def __init__(self, positions: int, entering: int, leaving: int, scale: float = 1.0) -> None:
        super().__init__()
        self.shared = nn.Linear(entering, leaving)
        self.own = nn.Parameter(torch.randn(positions, entering, leaving) * 0.5 * scale * entering**-0.5)
        with torch.no_grad():
            self.shared.weight.mul_(scale)
            self.shared.bias.mul_(scale)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, positions, entering) -> (N, positions, leaving)."""
        return self.shared(tokens) + torch.einsum("npe,pel->npl", tokens, self.own)


class BlockMap(nn.Module):
    """A linear map of the image: over positions, then of each block, by weights that positions share and weights of
    each position's own.

    A fixed signed permutation of blocks, pixels or halves of bytes is such a map, so all that is to be learned is in
    its reach. Shared weights begin random and small, own ones at 0, and blocks in their places: the untrained map gives
    about mid-grey, and nothing of what it sees. Large weights would settle at the start what the training must find,
    such as whether the result is a negative.

    Args:
        grid: of the images.
        features: channels of the input.
        moves: whether the map is over positions, too.
    """

    def __init__(self, grid: BlockGrid, features: int, moves: bool = True) -> None:
        super().__init__()
        self.grid = grid
        entering = features * grid.block**2
        self.shared = nn.Linear(entering, grid.block_samples)
        nn.init.orthogonal_(self.shared.weight, gain=_BEGINNING)
        nn.init.zeros_(self.shared.bias)
        self.own = nn.Parameter(torch.zeros(grid.blocks, entering, grid.block_samples))
        self.bias = nn.Parameter(torch.zeros(grid.blocks, grid.block_samples))
        self.order = nn.Parameter(torch.eye(grid.blocks)) if moves else None

    def forward(self, images: Tensor) -> Tensor:
        """(N, features, H, W) -> (N, C, H, W)."""
        return _from_blocks(self.of_blocks(_to_blocks(images, self.grid.block)), self.grid)

    def of_blocks(self, blocks: Tensor) -> Tensor:
        """(N, positions, features * side * side) -> (N, positions, C * side * side)."""
        if self.order is not None:
            blocks = torch.einsum("pq,nqe->npe", self.order, blocks)
        made: Tensor = self.shared(blocks) + torch.einsum("npe,pel->npl", blocks, self.own) + self.bias
        return made

    def paces(self, rate: float) -> list[dict[str, Any]]:
        """Weights and their learning rates, as optimisers take them."""
        own = [weights for weights in (self.own, self.bias, self.order) if weights is not None]
        return [{"params": self.shared.parameters(), "lr": rate}, {"params": own, "lr": rate * _OWN_PACE}]


class _Layer(nn.Module):
    """Attention and a two-layer perceptron, each after a norm and around a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.norms = nn.ModuleList((nn.LayerNorm(width), nn.LayerNorm(width)))
        self.attend, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        n, positions, width = tokens.shape
        parts = self.attend(self.norms[0](tokens)).view(n, positions, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        tokens = tokens + self.join(seen.transpose(1, 2).reshape(n, positions, width))
        return tokens + self.think(self.norms[1](tokens))


class PositionGenerator(nn.Module):
    """The generator of SIA-GAN (Madono et al., IEEE Access 9, 2021): a convolution of each block position's own, as
    large as the block, then pixel shuffling, then residual blocks with spectral norm.

    Around all of it goes a linear map, by weights that positions share and weights of each one's own, all near 0 at
    the beginning. For schemes that move blocks a soft permutation of positions, learned through Sinkhorn's
    normalisation, stands before it all; the authors have a second program for that.

    Args:
        grid: of the images.
        features: channels of the input.
        moves: whether the scheme moves blocks.
        width: channels between pixel shuffling and output.
        residuals: residual blocks.
    """

    def __init__(self, grid: BlockGrid, features: int, moves: bool, width: int = 32, residuals: int = 3) -> None:
        super().__init__()
        self.grid = grid
        entering, leaving = features * grid.block**2, width * grid.block**2
        # Each position begins with about half of its own block, and something of all others.
        self.order = nn.Parameter(math.log(grid.blocks) * torch.eye(grid.blocks)) if moves else None
        self.straight = BlockMap(grid, features, moves=False)
        self.enter = nn.Parameter(torch.randn(grid.blocks, entering, leaving) * entering**-0.5)
        self.residuals = nn.ModuleList(_Residual(width) for _ in range(residuals))
        self.leave = nn.Conv2d(width, grid.channels, 3, padding=1)
        nn.init.normal_(self.leave.weight, std=1e-2)

    def forward(self, images: Tensor) -> Tensor:
        """(N, features, H, W) -> (N, C, H, W)."""
        blocks = _to_blocks(images, self.grid.block)
        if self.order is not None:
            blocks = torch.einsum("pq,nqs->nps", _sinkhorn(self.order), blocks)
        hidden = _from_blocks(torch.einsum("npe,pel->npl", blocks, self.enter), self.grid)
        for residual in self.residuals:
            hidden = residual(hidden)
        made: Tensor = self.leave(F.leaky_relu(hidden, 0.2))
        return made + _from_blocks(self.straight.of_blocks(blocks), self.grid)

    def paces(self, rate: float) -> list[dict[str, Any]]:
        """Weights and their learning rates: the linear map's shared weights go ahead, all else follows slowly."""
        straight = {id(weights) for weights in self.straight.parameters()}
        rest = [weights for weights in self.parameters() if id(weights) not in straight]
        return [*self.straight.paces(rate), {"params": rest, "lr": rate * _OWN_PACE}]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(width, width, 3, padding=1))
        self.second = spectral_norm(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.second(F.leaky_relu(self.first(F.leaky_relu(hidden, 0.2)), 0.2))


class Discriminator(nn.Module):
    """Plain or made: strided convolutions down to a few pixels, then one number for the image.

    Args:
        size: (H, W) of the images, each at least 4.
        channels: 1 or 3.
        width: channels of the first layer, doubled with each up to eight times as many.
        spectral: whether each layer has a spectral norm.
    """

    def __init__(self, size: tuple[int, int], channels: int, width: int, spectral: bool) -> None:
        super().__init__()
        norm = spectral_norm if spectral else nn.Identity()
        layers: list[nn.Module] = []
        entering, leaving, (height, breadth) = channels, width, size
        while not layers or min(height, breadth) >= 8:
            layers += [norm(nn.Conv2d(entering, leaving, 4, 2, 1)), nn.LeakyReLU(0.2)]
            entering, leaving = leaving, min(2 * leaving, 8 * width)
            height, breadth = height // 2, breadth // 2
        self.layers = nn.Sequential(*layers)
        self.judge = norm(nn.Linear(entering * height * breadth, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N,); larger is more likely plain."""
        scores: Tensor = self.judge(self.layers(images).flatten(1))[:, 0]
        return scores


class PlainClassifier(nn.Module):
    """A small convolutional classifier of plain images.

    Args:
        channels: 1 or 3.
        classes: how many.
        width: channels of the first layer.
    """

    def __init__(self, channels: int, classes: int, width: int = 32) -> None:
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for entering, leaving in pairwise(widths):
            layers += [nn.Conv2d(entering, leaving, 3, 2, 1), nn.GroupNorm(8, leaving), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.judge = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, classes)."""
        logits: Tensor = self.judge(self.layers(images).mean(dim=(2, 3)))
        return logits


def _to_blocks(images: Tensor, side: int) -> Tensor:
    """(N, C, H, W) -> (N, blocks, C * side * side)."""
    return F.unfold(images, side, stride=side).transpose(1, 2)


def _from_blocks(blocks: Tensor, grid: BlockGrid) -> Tensor:
    """(N, blocks, C * side * side) -> (N, C, H, W): what PixelShuffle does to blocks that stand in their places."""
    return F.fold(blocks.transpose(1, 2), (grid.height, grid.width), grid.block, stride=grid.block)


def _sinkhorn(logits: Tensor) -> Tensor:
    """A matrix whose rows and columns nearly sum to 1: a soft permutation."""
    for _ in range(_SINKHORN_ROUNDS):
        logits = logits - logits.logsumexp(1, keepdim=True)
        logits = logits - logits.logsumexp(0, keepdim=True)
    return logits.exp()
