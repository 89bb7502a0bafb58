"""The published schemes written out pixel by pixel, from the papers' words and independent of the package's tables.

An image is a nested list: ``image[y][x]`` is a list of 8-bit components.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixel = list[int]
Image = list[list[Pixel]]

#: Codes of the code published with arXiv 2204.07707: output channel k is the input channel of the k-th letter.
PUBLISHED_COLORS = ("RBG", "GRB", "GBR", "BRG", "BGR", "RGB")


@dataclass
class EtcKeys:
    """K1 to K4 of EtC, one entry a destination block, in the published code's conventions."""

    scramble: list[int]
    rotation: list[int]
    inversion: list[int]
    negative: list[int]
    color: list[int]


def etc(array: NDArray[np.uint8], block: int, keys: EtcKeys) -> NDArray[np.uint8]:
    """The five steps of arXiv 2204.07707 (section III-A) on 8-bit pixels."""
    # 1. Block scrambling.
    blocks = scrambled(cut(array, block), keys.scramble)
    for i, piece in enumerate(blocks):
        # 2. Rotation, counter-clockwise.
        turned = np.rot90(np.array(piece), (1, 2, 3, 0)[keys.rotation[i]])
        # 3. Inversion: 0 turns it upside down, 1 swaps left and right, 2 both, 3 neither.
        if keys.inversion[i] in (0, 2):
            turned = np.flipud(turned)
        if keys.inversion[i] in (1, 2):
            turned = np.fliplr(turned)
        # 4. and 5. Negative-positive transformation, colour component shuffling.
        blocks[i] = recolored(turned.tolist(), keys.negative[i], PUBLISHED_COLORS[keys.color[i]])
    return joined(blocks, array.shape, block)


def cut(array: NDArray[np.uint8], block: int) -> list[Image]:
    """Blocks in raster order."""
    height, width = array.shape[:2]
    corners = [(y, x) for y in range(0, height, block) for x in range(0, width, block)]
    return [array[y : y + block, x : x + block].tolist() for y, x in corners]


def joined(blocks: list[Image], shape: tuple[int, ...], block: int) -> NDArray[np.uint8]:
    out = np.zeros(shape, np.uint8)
    cols = shape[1] // block
    for i, piece in enumerate(blocks):
        y, x = i // cols * block, i % cols * block
        out[y : y + block, x : x + block] = piece
    return out


def scrambled(blocks: list[Image], source: list[int]) -> list[Image]:
    return [blocks[source[i]] for i in range(len(blocks))]


def recolored(piece: Image, negative: int, letters: str) -> Image:
    out = []
    for line in piece:
        out.append([])
        for pixel in line:
            values = [255 - value if negative else value for value in pixel]
            out[-1].append([values["RGB".index(letter)] for letter in letters[: len(values)]])
    return out


def each_pixel(array: NDArray[np.uint8], block: int, change: Callable[[int, int, Pixel], Pixel]) -> NDArray[np.uint8]:
    """Replaces every pixel p of every block i by ``change(i, p, pixel)``."""
    blocks = cut(array, block)
    for i, piece in enumerate(blocks):
        for y, line in enumerate(piece):
            for x, pixel in enumerate(line):
                line[x] = change(i, y * block + x, pixel)
    return joined(blocks, array.shape, block)


def shuffled_inside(array: NDArray[np.uint8], block: int, orders: list[list[int]]) -> NDArray[np.uint8]:
    """Sample j of block i becomes its sample ``orders[i][j]``, samples counted along rows, pixels, components."""
    blocks = cut(array, block)
    for i, piece in enumerate(blocks):
        samples = [value for line in piece for pixel in line for value in pixel]
        moved = [samples[j] for j in orders[i]]
        blocks[i] = np.array(moved).reshape(block, block, -1).tolist()
    return joined(blocks, array.shape, block)


def tanaka(piece: Image, key: list[int], reverse: list[int]) -> Image:
    """One block under LE as Tanaka's code has it: take apart, reverse, shuffle, reverse again, put together."""
    samples = [value for line in piece for pixel in line for value in pixel]
    halves = [value % 16 for value in samples] + [value // 16 for value in samples]
    halves = [15 - v if turn else v for v, turn in zip(halves, reverse, strict=True)]
    halves = [halves[j] for j in key]
    halves = [15 - v if turn else v for v, turn in zip(halves, reverse, strict=True)]
    size = len(samples)
    merged = [halves[s] + 16 * halves[size + s] for s in range(size)]
    return np.array(merged).reshape(len(piece), len(piece), -1).tolist()


def le(array: NDArray[np.uint8], block: int, keys: list[list[int]], reverse: list[list[int]]) -> NDArray[np.uint8]:
    """LE with a key for each block where it lies (ICCE-TW 2018 has the same one everywhere)."""
    pieces = [tanaka(*each) for each in zip(cut(array, block), keys, reverse, strict=True)]
    return joined(pieces, array.shape, block)


def by_code(key: list[int]) -> list[int]:
    """The halves that the published code reverses."""
    return [int(k > len(key) / 2) for k in key]
