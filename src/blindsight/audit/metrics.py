"""How alike two images are: measures from the literature, each between uint8 images (H, W, C) of one size.

They answer different questions. SSIM, MS-SSIM and PSNR compare pixels where they are, correlation compares light and
dark over the whole image, the perceptual hash compares the coarse picture as a person would glance at it. Low
similarity in all of them is no proof of privacy: none knows what a face is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d
from skimage.metrics import structural_similarity

from blindsight.errors import ParameterError

__all__ = [
    "MEASURES",
    "MS_SSIM_SIDE",
    "PSNR_CEILING",
    "Measure",
    "correlation",
    "ms_ssim",
    "phash_distance",
    "psnr",
    "reconstruction_measures",
    "ssim",
]

Pixels = NDArray[np.uint8]

#: What an equal pair counts as where PSNRs are averaged, in dB. A single sample off by one in 192 x 192 x 3 gives 98.6.
PSNR_CEILING = 100.0
SSIM_WINDOW = 7
#: The shortest side that MS-SSIM is defined for: halved four times it still holds the window of 11.
MS_SSIM_SIDE = 161
#: How much each scale counts, the finest first: Wang, Simoncelli and Bovik 2003.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MS_SSIM_WINDOW, MS_SSIM_SIGMA = 11, 1.5


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity, the mean over all windows and channels.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing 13(4), 2004; scikit-image's ``structural_similarity`` with a uniform window of
    7 x 7, or the largest odd window that fits where a side is shorter than 7.

    Args:
        a: uint8 (H, W, C), H and W at least 3.
        b: the same shape.

    Returns:
        -1 to 1; 1 for equal images. Two unrelated photographs are near 0, but two flat or like-framed ones (faces from
        one camera) are well above it: compare with the chance level of the same set.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    side = min(a.shape[:2])
    if side < 3:
        raise ParameterError(f"SSIM needs images of at least 3x3 pixels, got {a.shape[0]}x{a.shape[1]}")
    window = min(SSIM_WINDOW, side if side % 2 else side - 1)
    return float(structural_similarity(a, b, win_size=window, channel_axis=2, data_range=255))


def ms_ssim(a: Pixels, b: Pixels) -> float:
    """Multi-scale structural similarity: contrast and structure at five scales, luminance at the coarsest.

    Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003: Gaussian
    window of 11 pixels and sigma 1.5, the paper's weights, each scale the 2 x 2 means of the one before. A scale on
    which the images are anticorrelated counts as 0, as in other software: its power is not defined.

    Args:
        a: uint8 (H, W, C), H and W at least :data:`MS_SSIM_SIDE`.
        b: the same shape.

    Returns:
        0 to 1; 1 for equal images.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    if min(a.shape[:2]) < MS_SSIM_SIDE:
        raise ParameterError(
            f"MS-SSIM needs images of at least {MS_SSIM_SIDE}x{MS_SSIM_SIDE} pixels, got {a.shape[0]}x{a.shape[1]}; "
            "take SSIM"
        )
    x, y = a.astype(np.float64), b.astype(np.float64)
    found = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        luminance, structure = _components(x, y)
        last = scale == len(MS_SSIM_WEIGHTS) - 1
        found *= max(0.0, float((luminance * structure if last else structure).mean())) ** weight
        x, y = _halved(x), _halved(y)
    return found


def _components(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Luminance, and contrast times structure, at every window that lies inside: two float64 (H - 10, W - 10, C)."""
    half = MS_SSIM_WINDOW // 2
    kernel = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * MS_SSIM_SIGMA**2))
    kernel /= kernel.sum()

    def mean(z: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth: NDArray[np.float64] = correlate1d(correlate1d(z, kernel, axis=0), kernel, axis=1)
        return smooth[half:-half, half:-half]

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return (2 * mx * my + c1) / (mx * mx + my * my + c1), (2 * vxy + c2) / (vx + vy + c2)


def _halved(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 x 2 means; the last row or column of an odd side is doubled."""
    x = np.pad(x, ((0, x.shape[0] % 2), (0, x.shape[1] % 2), (0, 0)), mode="edge")
    halved: NDArray[np.float64] = (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4
    return halved


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio: 10 log10(255² / mean squared error), in decibels.

    Args:
        a: uint8 (H, W, C).
        b: the same shape.

    Returns:
        0 (black against white) to infinity (equal). Unrelated photographs are at about 8 to 12 dB. In averages an equal
        pair counts as :data:`PSNR_CEILING`.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def correlation(a: Pixels, b: Pixels) -> float:
    """Pearson's correlation over all samples of all channels.

    Args:
        a: uint8 (H, W, C).
        b: the same shape.

    Returns:
        -1 to 1; unrelated images scatter about 0, like-framed ones above it. A constant image has no variance: with an
        equal image it counts as 1, with any other as 0.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    x, y = (image.astype(np.float64).ravel() - image.mean(dtype=np.float64) for image in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if scale == 0:
        return float(np.array_equal(a, b))
    return float(np.clip(x @ y / scale, -1, 1))


def phash_distance(a: Pixels, b: Pixels) -> float:
    """Hamming distance between 64-bit perceptual hashes: which of the lowest DCT frequencies are above their median.

    Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010; ImageHash's ``phash`` (grey,
    32 x 32, the 8 x 8 lowest frequencies).

    Args:
        a: uint8 (H, W, C).
        b: the same shape.

    Returns:
        0 to 64; 0 for images that look the same at a glance, about 32 for unrelated ones. Services that look for known
        pictures take distances up to about 10 for a match.

    Raises:
        ParameterError: not two such images.
    """
    _check(a, b)
    return float(_phash(a) - _phash(b))


def _phash(pixels: Pixels) -> imagehash.ImageHash:
    return imagehash.phash(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def _check(a: Pixels, b: Pixels) -> None:
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not image.size:
            raise ParameterError(
                f"an image is {image.dtype} {image.shape}, expected uint8 (H, W, 3) or (H, W, 1); convert it first"
            )
    if a.shape != b.shape:
        raise ParameterError(f"images have shapes {a.shape} and {b.shape}; bring them to one size first")


@dataclass(frozen=True)
class Measure:
    """A measure as the report shows it.

    Attributes:
        name: key in report.json.
        title: for people, with the unit.
        of: the function.
        more_is_alike: larger values mean more alike.
        digits: decimals worth printing.
    """

    name: str
    title: str
    of: Callable[[Pixels, Pixels], float]
    more_is_alike: bool
    digits: int


MEASURES = (
    Measure("ssim", "SSIM", ssim, True, 3),
    Measure("psnr", "PSNR (dB)", psnr, True, 1),
    Measure("correlation", "correlation", correlation, True, 3),
    Measure("phash_distance", "perceptual-hash distance (bits)", phash_distance, False, 1),
)


def reconstruction_measures(
    shape: tuple[int, ...], lpips: Callable[[Pixels, Pixels], float] | None = None
) -> tuple[Measure, ...]:
    """What reconstructions are scored by: SSIM, MS-SSIM where the images are large enough, PSNR, correlation, LPIPS.

    Args:
        shape: (H, W, C) of the images.
        lpips: an :class:`~blindsight.audit.perceptual.Lpips`; None leaves LPIPS out.
    """
    by_name = {measure.name: measure for measure in MEASURES}
    found = [by_name["ssim"]]
    if min(shape[:2]) >= MS_SSIM_SIDE:
        found.append(Measure("ms_ssim", "MS-SSIM", ms_ssim, True, 3))
    found += [by_name["psnr"], by_name["correlation"]]
    if lpips is not None:
        found.append(Measure("lpips", "LPIPS", lpips, False, 3))
    return tuple(found)
