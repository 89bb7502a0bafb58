"""The demo's data: scikit-learn's handwritten digits in colour, and one of its photographs.

Digits: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998
(1,797 scans of 8 x 8 pixels). Photograph: ``china.jpg`` by danielbuechele, CC BY 2.0.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from blindsight.errors import MissingDependencyError

__all__ = ["PHOTO_CREDIT", "load_digits", "load_photo", "write_tree"]

PHOTO_CREDIT = "Photograph: china.jpg by danielbuechele, CC BY 2.0, as bundled with scikit-learn"
SIDE = 32
TEST_SHARE = 4  # every fourth scan is a test image


def load_digits(limit: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The digits as colour images: each scan in an ink and on a paper of its own, so that colour carries no label.

    Args:
        limit: keep the first so many; they are in random order already.

    Returns:
        uint8 (N, 32, 32, 3) and int64 (N,), labels 0..9.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingDependencyError.of("scikit-learn", "all", "the demo") from None
    scans, labels = datasets.load_digits(return_X_y=True)
    scans, labels = scans[:limit].reshape(-1, 8, 8), labels[:limit]
    random = np.random.default_rng(0)
    ink = random.uniform(0, 110, (len(scans), 1, 1, 3))
    paper = random.uniform(150, 255, (len(scans), 1, 1, 3))
    images = []
    for scan in scans:
        grey = Image.fromarray((scan * (255 / 16)).astype(np.uint8))
        images.append(np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
    strength = np.stack(images)[..., None] / 255
    return (paper + (ink - paper) * strength).round().astype(np.uint8), labels.astype(np.int64)


def load_photo() -> NDArray[np.uint8]:
    """``china.jpg``: uint8 (427, 640, 3).

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise MissingDependencyError.of("scikit-learn", "all", "the demo") from None
    photo: NDArray[np.uint8] = datasets.load_sample_image("china.jpg")
    return photo


def write_tree(images: NDArray[np.uint8], labels: NDArray[np.int64], folder: Path) -> None:
    """An ImageFolder tree, ``train|test/DIGIT/NUMBER.png``, as a user's own images would lie there."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        split = "test" if number % TEST_SHARE == 0 else "train"
        path = folder / split / str(label) / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
