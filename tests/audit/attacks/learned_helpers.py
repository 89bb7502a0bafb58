"""Small synthetic images for the attacks that learn."""

import numpy as np

from blindsight.audit.metrics import ssim

KEYLESS = {"blocks": 1e-6, "samples": 0.0}  # of the scheme rrp: this small a share of the blocks is none


def smooth_images(count, side, seed):
    """uint8 (count, side, side, 3): a few slow waves in colour over a bright ground, no two alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side
    frequency = rng.uniform(-1.2, 1.2, (count, 3, 2, 1, 1))
    waves = np.cos(2 * np.pi * (frequency[:, :, 0] * y + frequency[:, :, 1] * x + rng.random((count, 3, 1, 1))))
    images = 165 + np.einsum("nkyx,nkc->nyxc", waves, rng.normal(0, 28, (count, 3, 3)))
    return images.clip(0, 255).astype(np.uint8)


def mean_ssim(found, truth):
    """Of images (N, H, W, C)."""
    return float(np.mean([ssim(a, b) for a, b in zip(found, truth, strict=True)]))
