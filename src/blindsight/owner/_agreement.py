"""Do two models give the same logits, one for plain images and one for encrypted ones?

Asked twice: of a copy with random weights, in double precision, so that the answer is about the architecture (fresh
networks are often next to blind for positions); and of the model itself.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from blindsight.algebra import SignedPermutation
from blindsight.errors import IncompatibleModelError

__all__ = ["TOLERANCE", "normalised", "randomised", "require_agreement"]

#: Largest difference of two logits, as a part of the largest logit, that passes for rounding: of the model's own type,
#: and of the copy in double precision.
TOLERANCE, PROBE_TOLERANCE = 1e-3, 1e-8
#: Logits that differ by less from image to image, in the copy, would hide a difference.
BLIND = 1e-4
IMAGES = 3


def normalised(pixels: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> Any:
    """uint8 (N, H, W, C) -> float64 tensor (N, C, H, W), ``(x / 255 - mean) / std`` channel by channel."""
    import torch

    values = (pixels.astype(np.float64) - 255.0 * np.asarray(mean)) / (255.0 * np.asarray(std))
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))


def randomised(model: Any) -> Any:
    """A copy in double precision whose parameters are random, so that every part of it has something to say."""
    import torch

    twin = copy.deepcopy(model).double().eval()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            noise = torch.randn(parameter.shape, generator=random, dtype=torch.float64).to(parameter.device)
            if parameter.ndim > 1:
                # Position embeddings and the like are as large as what they are added to.
                added = parameter.shape[0] == 1
                parameter.copy_(noise if added else noise / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(noise * 0.1 + (0.0 if name.endswith("bias") else 1.0))
    return twin


def require_agreement(
    plain: Any,
    encrypt: Callable[[Any], Any],
    permutation: SignedPermutation,
    mean: Sequence[float],
    std: Sequence[float],
) -> tuple[Any, float]:
    """Encrypts a model, if what comes out agrees with it.

    Args:
        plain: takes plain images, normalised with ``mean`` and ``std``; in evaluation mode.
        encrypt: model -> its encrypted copy, which takes encrypted images, normalised with 0.5 and 0.5.
        permutation: what encrypts an image.
        mean: one number a channel.
        std: likewise.

    Returns:
        ``encrypt(plain)``, and the largest difference of two logits as a part of the largest.

    Raises:
        IncompatibleModelError: the logits differ by more than rounding, or cannot be had.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, *permutation.shape), np.uint8)
    hidden = np.asarray(permutation.apply(pixels))
    half = [0.5] * len(mean)
    twin = randomised(plain)
    pairs = ((twin, encrypt(twin), PROBE_TOLERANCE), (plain, encrypt(plain), TOLERANCE))
    part = 0.0
    for before, after, tolerance in pairs:
        wanted = _logits(before, normalised(pixels, mean, std))
        got = _logits(after, normalised(hidden, half, half))
        difference = float(np.abs(wanted - got).max())
        scale = float(np.abs(wanted).max())
        if before is twin and np.ptp(wanted, axis=0).max() <= BLIND * scale:
            raise IncompatibleModelError(
                f"{type(plain).__name__} gives all images next to the same logits, so it cannot be checked"
            )
        part = difference / scale if scale else difference
        if not part <= tolerance:
            raise IncompatibleModelError(
                f"{type(plain).__name__} depends on positions in a way that blindsight does not know: encrypted, its "
                f"logits differ by {part:.1g} of the largest; choose a ViT, or a scheme "
                f"that leaves the blocks in their places: np, pe or bps"
            )
    return pairs[1][1], part


def _logits(model: Any, images: Any) -> np.ndarray:
    import torch

    first = next(model.parameters())
    try:
        with torch.inference_mode():
            found = model(images.to(first.device, first.dtype))
            return np.asarray(found.double().cpu())
    except (RuntimeError, AssertionError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise IncompatibleModelError(
            f"{type(model).__name__} gives no logits for images of {images.shape[2]}x{images.shape[3]} "
            f"({reason}), so it cannot be checked"
        ) from None
