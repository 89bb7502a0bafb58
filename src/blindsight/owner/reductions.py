"""What the owner takes out of an image for good before it is encrypted.

A permutation hides where things are and keeps what there is: the sorted samples of each block survive any key, and
name people. Reductions take information away, so nobody, the key's holder included, gets it back. Each is written as
``NAME`` or ``NAME:PARAMETER=VALUE,...``; the profile lists them in order with all their parameters:

- ``level``: each block's mean becomes mid-grey, channel by channel: no thumbnail and no lighting is left.
- ``contrast``: each block's samples are spread alike about their mean, so that strong and faint edges look the same.
- ``quantise``: only so many ``levels`` of brightness are left.
- ``pixelate``: cells of ``cell`` x ``cell`` pixels take their mean.
- ``crop``: a random part of the image, of at least ``area`` of it, flipped or not, scaled to its size.
- ``jitter``: random brightness, contrast and gamma, each up to ``strength``.
- ``noise``: pixelates, with discrete Laplace noise on the sum of each cell and channel, drawn from the key. To
  whoever does not hold the key the result is ``epsilon``-differentially private for images that differ in up to
  ``pixels`` pixels, by any amount (Fan, "Image Pixelization with Differential Privacy", DBSec 2018). That is local
  privacy of small things in a picture. It is none of the whole picture, unless ``pixels`` is all of them; and every
  further copy of the same picture, a view or another protection, costs its epsilon again.

``crop`` and ``jitter`` draw from the key and the image's id, too. They leave much of a picture for people to see, and
are made to stand before a cipher with a key an image: what comes through it, statistics of blocks, then says as much of
the draws as of the person.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner._laplace import discrete_laplace
from blindsight.owner._secret import SecretKey
from blindsight.owner.keystream import KeyStream
from blindsight.owner.views import random_crop

__all__ = ["REDUCTIONS", "Reduction", "reduce_image"]

Pixels = NDArray[np.uint8]
#: Name -> its parameters and their defaults.
REDUCTIONS: dict[str, dict[str, int | float]] = {
    "contrast": {"spread": 40},
    "crop": {"area": 0.25},
    "jitter": {"strength": 0.5},
    "level": {},
    "noise": {"epsilon": 1.0, "cell": 4, "pixels": 1},
    "pixelate": {"cell": 4},
    "quantise": {"levels": 4},
}
#: The largest value of a parameter, where it is not a million.
LIMITS = {"area": 1, "levels": 256, "spread": 128, "strength": 4}
#: Least standard deviation that ``contrast`` spreads: below it a block is flat, and what is in it noise.
FLAT = 2.0


@dataclass(frozen=True)
class Reduction:
    """One reduction and its parameters.

    Attributes:
        name: of :data:`REDUCTIONS`.
        values: all its parameters.
    """

    name: str
    values: tuple[tuple[str, int | float], ...]

    @classmethod
    def parse(cls, text: str) -> "Reduction":
        """Reads ``NAME`` or ``NAME:PARAMETER=VALUE,...``.

        Raises:
            UnknownNameError: no such reduction.
            ParameterError: a parameter that it does not have or cannot take.
        """
        name, _, rest = text.partition(":")
        if name not in REDUCTIONS:
            raise UnknownNameError.of("reduction", name, list(REDUCTIONS))
        values = dict(REDUCTIONS[name])
        for setting in filter(None, rest.split(",")):
            parameter, _, value = setting.partition("=")
            if parameter not in values:
                known = ", ".join(values) or "none"
                raise ParameterError(f"reduction '{name}' has no parameter '{parameter}'; its parameters: {known}")
            values[parameter] = _number(name, parameter, value, values[parameter])
        return cls(name, tuple(values.items()))

    def __str__(self) -> str:
        values = ",".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in self.values
        )
        return f"{self.name}:{values}" if values else self.name

    def apply(self, pixels: Pixels, block: int, key: SecretKey, image_id: str | None) -> Pixels:
        """Reduces an image.

        Args:
            pixels: uint8 (H, W, C), H and W multiples of the block.
            block: side of the blocks that ``level`` and ``contrast`` work on, in pixels.
            key: what noise, crops and jitter are drawn from.
            image_id: tells one image's draws from another's.

        Raises:
            ParameterError: cells do not tile the image, or something is to be drawn and there is no id.
        """
        values = dict(self.values)
        if self.name in ("crop", "jitter", "noise"):
            if not image_id:
                raise ParameterError(f"reduction '{self.name}' draws from the image's id; give image_id")
            return self._drawn(pixels, values, key.stream("reduction", str(self), image_id))
        if self.name == "pixelate":
            return _pixelated(pixels, int(values["cell"]), lambda count: np.zeros(count, np.int64))
        if self.name == "quantise":
            levels = int(values["levels"])
            return ((2 * (pixels.astype(np.int64) * levels // 256) + 1) * 128 // levels).astype(np.uint8)
        cells = _cells(pixels, block, self.name)
        if self.name == "level":
            return _whole(cells - _mean(cells) + 128, pixels)
        mean, spread = cells.mean((1, 3), keepdims=True), cells.std((1, 3), keepdims=True)
        scaled = mean + (cells - mean) * (float(values["spread"]) / np.maximum(spread, FLAT))
        return _whole(np.rint(scaled), pixels)

    def _drawn(self, pixels: Pixels, values: dict[str, int | float], stream: KeyStream) -> Pixels:
        if self.name == "crop":
            return random_crop(pixels, (pixels.shape[0], pixels.shape[1]), stream, values["area"])
        if self.name == "jitter":
            gamma, contrast, shift = (values["strength"] * (2 * draw - 1) for draw in stream.uniform(3).tolist())
            bright = (pixels / 255.0) ** math.exp(gamma)
            return _whole(np.rint(255 * ((bright - 0.5) * math.exp(contrast) + 0.5 + shift / 2)), pixels)
        # One pixel moves each channel of one cell's sum by 255 at most.
        scale = Fraction(255 * pixels.shape[2] * int(values["pixels"])) / Fraction(str(values["epsilon"]))

        def noise(count: int) -> NDArray[np.int64]:
            return discrete_laplace(stream, count, scale.numerator, scale.denominator)

        return _pixelated(pixels, int(values["cell"]), noise)


def reduce_image(
    pixels: Pixels, reductions: tuple[str, ...], block: int, key: SecretKey, image_id: str | None
) -> Pixels:
    """Applies reductions, as a profile lists them, one after the other. Arguments as for :meth:`Reduction.apply`."""
    for text in reductions:
        pixels = Reduction.parse(text).apply(pixels, block, key, image_id)
    return pixels


def _number(name: str, parameter: str, text: str, default: float) -> int | float:
    try:
        value = float(text) if isinstance(default, float) else int(text)
    except ValueError:
        value = 0
    limit = LIMITS.get(parameter, 1 << 20)
    least = 2 if parameter == "levels" else 1 if isinstance(default, int) else 1e-3
    if not least <= value <= limit:
        kind = "whole " if isinstance(default, int) else ""
        raise ParameterError(
            f"{parameter} of reduction '{name}' is a {kind}number from {least:g} to {limit}, got {text!r}"
        )
    return value


def _cells(pixels: Pixels, side: int, name: str) -> NDArray[np.int64]:
    """(H, W, C) -> (rows, side, columns, side, C)."""
    height, width, channels = pixels.shape
    if height % side or width % side:
        raise ParameterError(
            f"reduction '{name}' works on cells of {side}x{side} pixels, which do not tile images of {height}x{width}"
        )
    return pixels.astype(np.int64).reshape(height // side, side, width // side, side, channels)


def _mean(cells: NDArray[np.int64], noise: Callable[[int], Any] | None = None) -> NDArray[np.int64]:
    """Means, rounded half up, (rows, 1, columns, 1, C), with noise on the sums."""
    sums = cells.sum((1, 3), keepdims=True)
    if noise is not None:
        sums = sums + noise(sums.size).reshape(sums.shape)
    count = cells.shape[1] * cells.shape[3]
    found: NDArray[np.int64] = (2 * sums + count) // (2 * count)
    return found


def _pixelated(pixels: Pixels, cell: int, noise: Callable[[int], NDArray[np.int64]]) -> Pixels:
    cells = _cells(pixels, cell, "pixelate")
    return _whole(np.broadcast_to(_mean(cells, noise), cells.shape), pixels)


def _whole(cells: NDArray[Any], like: Pixels) -> Pixels:
    return np.ascontiguousarray(np.clip(cells, 0, 255).astype(np.uint8).reshape(like.shape))
