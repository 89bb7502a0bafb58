"""One small network for each block of the image, all of them computed as one batch of matrix products."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from blindsight.nets.regularisation import l1_minus_l2

__all__ = ["PseudoPermutation", "SubNetworks"]

# Power iterations before the first use, as torch's own spectral norm has.
WARM_UP = 15


class SubNetworks(nn.Module):
    """A convolution as large as the block, spectral norm, batch norm and LeakyReLU(0.2), with other weights per block.

    (N, C, H, W) -> (N, blocks, width), blocks in row-major order. The weights of all blocks are one tensor (blocks,
    width, C * side**2). Spectral norm (Miyato et al., arXiv 1802.05957) divides each block's matrix by its largest
    singular value, estimated by one power iteration a training pass.

    Args:
        in_chans: C.
        side: of the blocks, in pixels.
        blocks: (H / side) * (W / side).
        width: features of a block.
    """

    u: Tensor
    v: Tensor

    def __init__(self, in_chans: int, side: int, blocks: int, width: int) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(torch.randn(blocks, width, in_chans * side**2) * (2 / (side**2 * width)) ** 0.5)
        self.norm = nn.BatchNorm1d(blocks * width)
        self.register_buffer("u", F.normalize(torch.randn(blocks, width), dim=1))
        self.register_buffer("v", F.normalize(torch.randn(blocks, in_chans * side**2), dim=1))
        self._iterate(WARM_UP)

    @torch.no_grad()
    def _iterate(self, times: int) -> None:
        weight = self.weight.detach().float()
        u, v = self.u, self.v
        for _ in range(times):
            v = F.normalize(torch.einsum("bwi,bw->bi", weight, u), dim=1)
            u = F.normalize(torch.einsum("bwi,bi->bw", weight, v), dim=1)
        self.u.copy_(u)
        self.v.copy_(v)

    def normalised_weight(self) -> Tensor:
        """The weights (blocks, width, C * side**2), each block's with a largest singular value of about 1."""
        with torch.autocast(self.weight.device.type, enabled=False):
            if self.training:
                self._iterate(1)
            # A moving average of a network averages these vectors too, and then they are a little short.
            u, v = F.normalize(self.u, dim=1), F.normalize(self.v, dim=1)
            sigma = torch.einsum("bw,bwi,bi->b", u, self.weight.float(), v)
            return self.weight / sigma[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        pixels = F.pixel_unshuffle(x, self.side).flatten(2).permute(2, 0, 1)
        features = torch.bmm(pixels, self.normalised_weight().transpose(1, 2)).transpose(0, 1)
        return F.leaky_relu(self.norm(features.flatten(1)), 0.2).view(features.shape)


class PseudoPermutation(nn.Module):
    """A learnable matrix that mixes blocks, and can learn to bring them back into order.

    (..., blocks) -> (..., blocks), by ``x @ weight``.

    Args:
        blocks: rows and columns of the matrix.
        penalty: weight of :func:`~blindsight.nets.regularisation.l1_minus_l2` in the loss, which draws the matrix
            towards one entry a row and column.
        identity: begin with the identity, else with uniform numbers as ``nn.Linear`` does.
    """

    def __init__(self, blocks: int, penalty: float, identity: bool = False) -> None:
        super().__init__()
        self.penalty = penalty
        self.weight = nn.Parameter(torch.eye(blocks))
        if not identity:
            nn.init.uniform_(self.weight, -(blocks**-0.5), blocks**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight

    def regularisation(self) -> Tensor:
        """Its part of the loss, a scalar."""
        return self.penalty * l1_minus_l2(self.weight)
