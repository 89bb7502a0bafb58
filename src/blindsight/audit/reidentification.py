"""Is the original found again? Simple attacks by somebody who holds candidate originals.

They are a floor: an attacker with a face recogniser does better, and one who knows the people needs no candidates.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.estimates import Estimate, estimate

__all__ = ["Reidentification", "by_blocks", "by_folded_pixels", "by_pixels", "top1"]

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float64]
Scores = NDArray[np.float64]
#: Images compared at once, as float64: 28 MiB of 192x192.
CHUNK = 32


@dataclass(frozen=True)
class Reidentification:
    """How often an attack names the target.

    Attributes:
        top1: share of mixed images whose best candidate is their target; ties are shared among the tied.
        chance: what naming one at random gives, 1 / candidates.
        candidates: originals compared with, the targets among them.
    """

    top1: Estimate
    chance: float
    candidates: int

    @property
    def shows_ties(self) -> bool:
        """True where ties make the share one that no whole number of images gives, such as 99.2 % of 60."""
        right = self.top1.mean * self.top1.n
        return abs(right - round(right)) > 1e-6


def by_pixels(published: Sequence[Pixels], candidates: Sequence[Pixels]) -> Scores:
    """Score = minus the squared Euclidean distance over all samples.

    Args:
        published: uint8 (H, W, C) each.
        candidates: the same shape.

    Returns:
        (published, candidates), exact whole numbers; larger is more alike.
    """
    return _minus_distances(published, candidates, lambda x: x - 128)


def by_folded_pixels(published: Sequence[Pixels], candidates: Sequence[Pixels]) -> Scores:
    """As :func:`by_pixels` on |2v - 255|, which negating a sample does not change.

    It is the first step of the attack that broke InstaHide (Carlini et al., arXiv 2011.05315), which goes much further.
    """
    return _minus_distances(published, candidates, lambda x: np.abs(2 * x - 255))


def _minus_distances(
    published: Sequence[Pixels], candidates: Sequence[Pixels], prepared: Callable[[Vectors], Vectors]
) -> Scores:
    scores = np.empty((len(published), len(candidates)))
    for rows, queries in _chunks(published):
        a = prepared(queries)
        for columns, others in _chunks(candidates):
            b = prepared(others)
            # Whole numbers below 2^53 for images of less than 10^11 samples, so equal images tie exactly.
            scores[rows, columns] = 2 * (a @ b.T) - _squares(a)[:, None] - _squares(b)
    return scores


def _squares(x: Vectors) -> Vectors:
    found: Vectors = np.einsum("ij,ij->i", x, x)  # no second array of the size of x
    return found


def _chunks(images: Sequence[Pixels]) -> Iterator[tuple[slice, Vectors]]:
    for start in range(0, len(images), CHUNK):
        part = np.stack(images[start : start + CHUNK])
        yield slice(start, start + CHUNK), part.reshape(len(part), -1).astype(np.float64)


def by_blocks(published: Sequence[Pixels], candidates: Sequence[Pixels], block: tuple[int, int]) -> Scores:
    """Score = how many blocks equal the same block of the candidate exactly. For lossless sets.

    Args:
        published: uint8 (H, W, C) each.
        candidates: the same shape.
        block: (height, width) in pixels; it divides the size.

    Returns:
        float64 (published, candidates), 0 to N_b.
    """
    theirs = np.stack([_block_digests(image, block) for image in candidates])
    return np.stack([(_block_digests(image, block) == theirs).sum(axis=1) for image in published]).astype(np.float64)


def _block_digests(image: Pixels, block: tuple[int, int]) -> NDArray[np.uint64]:
    height, width, channels = image.shape
    rows, columns = height // block[0], width // block[1]
    blocks = image.reshape(rows, block[0], columns, block[1], channels).swapaxes(1, 2).reshape(rows * columns, -1)
    digests = b"".join(blake2b(row.tobytes(), digest_size=8).digest() for row in blocks)
    return np.frombuffer(digests, np.uint64)


def top1(scores: Scores, truth: Sequence[int], seed: int = 0) -> Reidentification:
    """How often the best candidate is the target.

    Args:
        scores: (published, candidates), larger is more alike.
        truth: the target's column for each row.
        seed: of the interval.
    """
    best = scores.max(axis=1, keepdims=True)
    tied = scores == best
    right = [float(row[column]) / int(row.sum()) for row, column in zip(tied, truth, strict=True)]
    found = estimate(right, seed=seed)
    assert found is not None
    return Reidentification(found, 1 / scores.shape[1], scores.shape[1])
