"""What a network adds to the loss itself: penalties on its own weights and features.

A module may have a method ``regularisation() -> Tensor``: a penalty, already weighted, of its part of the training pass
that has just been made. Whoever trains a network adds :func:`regularisation` of the whole of it to the loss.
"""

import torch
from torch import Tensor, nn

__all__ = ["l1_minus_l2", "regularisation", "smoothness"]


def regularisation(model: nn.Module) -> Tensor | None:
    """Sum of the penalties of a network's modules, a scalar; None where no module has one."""
    penalties = [module.regularisation() for module in model.modules() if hasattr(module, "regularisation")]
    return torch.stack(penalties).sum() if penalties else None


def l1_minus_l2(matrix: Tensor) -> Tensor:
    """How far the rows and columns of a matrix (N, N) are from having one entry other than zero each; a scalar.

    The sum of (L1 norm - L2 norm) over all rows and all columns, divided by N**2. It is 0 exactly where no row and no
    column has two such entries, as in a permutation matrix. Lyu et al. (arXiv 1901.08624) have the penalty for matrices
    that are doubly stochastic besides; Madono et al. (arXiv 2001.07761, equation 7) use it alone, and then a matrix of
    zeros has the least penalty too: the classification loss is what keeps it from there.
    """
    matrix = matrix.float()
    parts = [matrix.abs().sum(d) - torch.linalg.vector_norm(matrix, dim=d) for d in (0, 1)]
    return torch.cat(parts).sum() / matrix.numel()


def smoothness(features: Tensor, channels: int) -> Tensor:
    """Mean square of the differences between neighbouring positions; a scalar.

    Madono et al. (arXiv 2001.07761, equation 8), as their program computes it: both differences on the grid without
    its last row and column, of the first ``channels`` channels only, divided by N, by all C channels and by (H - 1) W.

    Args:
        features: (N, C, H, W).
        channels: of the C channels, how many count.
    """
    count, depth, height, width = features.shape
    x = features[:, :channels].float()
    corner = x[..., :-1, :-1]
    differences = (corner - x[..., 1:, :-1]).square() + (corner - x[..., :-1, 1:]).square()
    return differences.sum() / (count * depth * max(1, height - 1) * width)
