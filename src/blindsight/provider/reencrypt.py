"""Random re-encryption: augmentation by the cipher itself, which a provider can do without the key.

The permutations that a scheme's keys stand for form a group. So a protected image that goes through a random member of
it is the same image under another key, drawn as uniformly as the owner's own: encryption by an unknown p, then by a
random g, is encryption by g p. A network that is trained on freshly re-encrypted copies learns what no key changes,
which is all that can be learned where every image has a key of its own (key scope ``image``).

Here are the groups of the schemes in this package, as random members of the algebra. Nothing in it is secret: these
permutations are known to whoever draws them, so they come from an ordinary generator.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation, TilePermutation
from blindsight.algebra.states import COLOR_ORDERS
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.profile import Profile, Scalar

__all__ = ["GROUPS", "Reencryption"]

Draw = Callable[[BlockGrid, np.random.Generator, dict[str, Scalar]], SignedPermutation]


class Reencryption:
    """Encrypts protected images once more, each by a random member of a scheme's group.

    Args:
        scheme: whose group, one of :data:`GROUPS`. Where it is the images' own, its parameters are theirs too;
            else they are the scheme's defaults.
        profile: the images' protection, of kind ``cipher``: gives the blocks.

    Raises:
        UnknownNameError: the scheme has no group here.
        ParameterError: the images are not enciphered, or the scheme's parameters leave no group.
    """

    def __init__(self, scheme: str, profile: Profile) -> None:
        if scheme not in GROUPS:
            raise UnknownNameError.of("re-encryption", scheme, list(GROUPS))
        if profile.kind != "cipher" or profile.block_size is None:
            raise ParameterError(
                f"reencrypt '{scheme}' is for enciphered images, whose blocks are known; these are {profile.kind}: "
                f"leave it out"
            )
        self.scheme, self.block = scheme, profile.block_size
        self.parameters = dict(profile.parameters) if profile.scheme == scheme else {}
        if self.parameters.get("paper"):
            raise ParameterError(
                f"reencrypt '{scheme}': with paper=true the reversals follow from the shuffle, and two such steps in a "
                f"row are none; protect without it, or leave reencrypt out"
            )

    def draw(self, height: int, width: int, channels: int, rng: np.random.Generator) -> SignedPermutation:
        """A random member of the group of (height, width, channels) images.

        Raises:
            ParameterError: a size that is no multiple of the block size.
        """
        return GROUPS[self.scheme](BlockGrid(height, width, channels, self.block), rng, self.parameters)

    def __call__(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Re-encrypts each image by a draw of its own.

        Args:
            images: uint8 (N, C, H, W), on any device; not changed. The work is done on the CPU.
            rng: drawn from image after image.

        Returns:
            uint8 (N, C, H, W), on the device of ``images``.
        """
        count, channels, height, width = images.shape
        pixels = images.detach().cpu().permute(0, 2, 3, 1).contiguous().numpy()
        again = np.empty_like(pixels)
        for k in range(count):
            again[k] = self.draw(height, width, channels, rng).apply(pixels[k])
        return torch.from_numpy(again).permute(0, 3, 1, 2).contiguous().to(images.device)


def _etc(grid: BlockGrid, rng: np.random.Generator, parameters: dict[str, Scalar]) -> SignedPermutation:  # noqa: ARG001
    n = grid.blocks
    colours = 6 if grid.channels == 3 else 1
    return BlockPermutation(
        grid, rng.permutation(n), rng.integers(0, 8, n), rng.integers(0, 2, n), rng.integers(0, colours, n)
    )


def _shf(grid: BlockGrid, rng: np.random.Generator, parameters: dict[str, Scalar]) -> SignedPermutation:
    source, index = rng.permutation(grid.blocks), _shuffles(1, grid.block_samples, rng)
    mask = _masks(1, grid.block_samples, rng) if parameters.get("negation", True) else None
    return TilePermutation(grid, source, index, mask)


def _bps(grid: BlockGrid, rng: np.random.Generator, parameters: dict[str, Scalar]) -> SignedPermutation:
    source = rng.permutation(grid.blocks) if parameters.get("scramble", False) else None
    return TilePermutation(grid, source, _shuffles(grid.blocks, grid.block_samples, rng))


def _pe(grid: BlockGrid, rng: np.random.Generator, parameters: dict[str, Scalar]) -> SignedPermutation:
    mask = _masks(grid.blocks, grid.block_samples, rng)
    if grid.channels == 1 or not parameters.get("color_shuffle", True):
        return TilePermutation(grid, None, None, mask)
    pixels = grid.block * grid.block
    orders = COLOR_ORDERS[rng.integers(0, 6, (grid.blocks, pixels))]
    index = 3 * np.arange(pixels)[:, None] + orders
    return TilePermutation(grid, None, index.reshape(grid.blocks, -1), mask)


def _np(grid: BlockGrid, rng: np.random.Generator, parameters: dict[str, Scalar]) -> SignedPermutation:
    if parameters.get("per", "pixel") == "block":
        return BlockPermutation(grid, negative=rng.integers(0, 2, grid.blocks))
    return TilePermutation(grid, None, None, _masks(1, grid.block_samples, rng))


def _le(grid: BlockGrid, rng: np.random.Generator, parameters: dict[str, Scalar]) -> SignedPermutation:  # noqa: ARG001
    halves = 2 * grid.block_samples
    return TilePermutation(grid, None, _shuffles(1, halves, rng), _masks(1, halves, rng, 15), sample="nibble")


def _ele(grid: BlockGrid, rng: np.random.Generator, parameters: dict[str, Scalar]) -> SignedPermutation:  # noqa: ARG001
    n, halves = grid.blocks, 2 * grid.block_samples
    index, mask = _shuffles(n, halves, rng), _masks(n, halves, rng, 15)
    return TilePermutation(grid, rng.permutation(n), index, mask, sample="nibble")


def _shuffles(rows: int, samples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.permuted(np.tile(np.arange(samples), (rows, 1)), axis=1)


def _masks(rows: int, samples: int, rng: np.random.Generator, all_ones: int = 255) -> NDArray[np.uint8]:
    return (rng.integers(0, 2, (rows, samples)) * all_ones).astype(np.uint8)


#: Scheme -> what draws a member of its group. RRP is not among them: two steps that leave different places alone move
#: more places than either.
GROUPS: dict[str, Draw] = {"bps": _bps, "ele": _ele, "etc": _etc, "le": _le, "np": _np, "pe": _pe, "shf": _shf}
