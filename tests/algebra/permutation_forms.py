"""Drawing permutations in every form, and slow references that say what they mean."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation, TilePermutation

#: The machine may be busy, and the first call of a kernel compiles it.
laws = settings(deadline=None, max_examples=60)

BYTE_FORMS = ("blocks", "tiles", "shared-tiles", "shared-index", "shared-mask", "flat")
NIBBLE_FORMS = ("nibble-tiles", "shared-nibble-tiles", "flat-nibbles")
FORMS = BYTE_FORMS + NIBBLE_FORMS

seeds = st.integers(0, 2**32 - 1)
forms = st.sampled_from(FORMS)


@st.composite
def grids(draw: st.DrawFn, max_block: int = 5, max_side: int = 4) -> BlockGrid:
    """Single blocks, single pixels, flat and tall ones, gray and colour."""
    block = draw(st.integers(1, max_block))
    rows, cols = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    return BlockGrid(rows * block, cols * block, draw(st.sampled_from([1, 3])), block)


def make(form: str, grid: BlockGrid, seed: int) -> SignedPermutation:
    """A random permutation of that form."""
    rng = np.random.default_rng(seed)
    n, size = grid.blocks, grid.block_samples
    source = rng.permutation(n)
    if form == "blocks":
        color = rng.integers(0, 6, n) if grid.channels == 3 else None
        return BlockPermutation(grid, source, rng.integers(0, 8, n), rng.integers(0, 2, n), color)
    sample = "nibble" if "nibble" in form else "byte"
    size *= 2 if sample == "nibble" else 1
    limit = 16 if sample == "nibble" else 256
    if form.startswith("flat"):
        return SignedPermutation(grid.shape, rng.permutation(n * size), rng.integers(0, limit, n * size), sample=sample)
    rows_of_index = 1 if form in ("shared-tiles", "shared-index", "shared-nibble-tiles") else n
    rows_of_mask = 1 if form in ("shared-tiles", "shared-mask", "shared-nibble-tiles") else n
    index = np.stack([rng.permutation(size) for _ in range(rows_of_index)])
    return TilePermutation(grid, source, index, rng.integers(0, limit, (rows_of_mask, size)), sample=sample)


def images(grid: BlockGrid, seed: int, *leading: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*leading, *grid.shape), np.uint8)


def apply_slowly(permutation: SignedPermutation, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The definition, sample by sample: y[i] = x[index[i]] XOR mask[i]."""
    data = image.reshape(-1).tolist()
    if permutation.sample == "nibble":
        data = [half for byte in data for half in (byte & 15, byte >> 4)]
    pairs = zip(permutation.index.tolist(), permutation.mask.tolist(), strict=True)
    moved = [data[place] ^ mask for place, mask in pairs]
    if permutation.sample == "nibble":
        moved = [low | high << 4 for low, high in zip(moved[::2], moved[1::2], strict=True)]
    return np.array(moved, np.uint8).reshape(image.shape)


def tables_slowly(permutation: SignedPermutation, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the tables of a table form say, block by block."""
    if not isinstance(permutation, BlockPermutation | TilePermutation):
        return apply_slowly(permutation, image)
    grid, out = permutation.grid, np.empty_like(image)
    m = grid.block
    for i in range(grid.blocks):
        s = int(permutation.source[i])
        block = image[s // grid.cols * m :][:m, s % grid.cols * m :][:, :m]
        if isinstance(permutation, BlockPermutation):
            block = block_slowly(permutation, i, block)
        else:
            block = tile_slowly(permutation, i, block)
        out[i // grid.cols * m :][:m, i % grid.cols * m :][:, :m] = block
    return out


def block_slowly(permutation: BlockPermutation, i: int, block: NDArray[np.uint8]) -> NDArray[np.uint8]:
    code = int(permutation.orientation[i])
    if code & 4:
        block = np.swapaxes(block, 0, 1)
    if code & 2:
        block = np.flip(block, 0)
    if code & 1:
        block = np.flip(block, 1)
    if permutation.negative[i]:
        block = 255 - block
    if permutation.grid.channels == 3:
        names = ("RGB", "RBG", "GRB", "GBR", "BRG", "BGR")[permutation.color[i]]
        block = np.stack([block[..., "RGB".index(name)] for name in names], axis=-1)
    return block


def tile_slowly(permutation: TilePermutation, i: int, block: NDArray[np.uint8]) -> NDArray[np.uint8]:
    one = SignedPermutation(
        block.shape,
        permutation.tile_index[i % len(permutation.tile_index)],
        permutation.tile_mask[i % len(permutation.tile_mask)],
        sample=permutation.sample,
    )
    return apply_slowly(one, block)
