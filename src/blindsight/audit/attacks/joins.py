"""How likely two blocks were neighbours in one image, learned from the protected blocks themselves.

The inside of a block holds true joins without end: columns that lie side by side there did so in the original. Blocks
of different images give false ones. A small classifier between the two is calibrated for the very images at hand, and
needs neither originals nor public images.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from blindsight.errors import ParameterError

__all__ = ["JoinModel"]

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

#: Joins of each kind that the classifier learns from.
TRAINING = 10_000
#: Pairs that are judged at once.
CHUNK = 200_000


class JoinModel:
    """Likelihood ratios of joins between a block and the one to the right of it.

    Args:
        blocks: uint8 (K, h, w, C), blocks of many images; w at least 2.
        neighbours: int (J, 2): pairs of block numbers that are *not* neighbours in one image: the right one could lie
            to the right of the left one, but for being of another image.
        seed: of the classifier and of the sample that it learns from.
        most: the largest ratio, and one over it the smallest, whatever the classifier says.

    Raises:
        ParameterError: blocks too narrow to hold a join.
    """

    def __init__(self, blocks: Pixels, neighbours: NDArray[np.int64], seed: int = 0, most: float = 200.0) -> None:
        width = blocks.shape[2]
        if width < 2:
            raise ParameterError(f"a block of width {width} holds no join; 2 pixels are the least")
        self.depth, self._most = min(2, width // 2), np.log(most)
        rng = np.random.default_rng(seed)
        chosen = rng.integers(0, len(blocks), TRAINING)
        cut = rng.integers(self.depth, width - self.depth + 1, TRAINING)
        columns = cut[:, None] + np.arange(-self.depth, self.depth)
        inside = blocks[chosen[:, None], :, columns].swapaxes(1, 2)  # (J, h, 2 depth, C)
        true = _features(*np.split(inside, 2, axis=2))
        pairs = neighbours[rng.integers(0, len(neighbours), TRAINING)]
        false = _features(self.right_edges(blocks)[pairs[:, 0]], self.left_edges(blocks)[pairs[:, 1]])
        self._classifier: Any = HistGradientBoostingClassifier(
            max_iter=100, max_leaf_nodes=15, early_stopping=False, random_state=seed
        )
        self._classifier.fit(np.concatenate([true, false]), np.repeat([1, 0], [len(true), len(false)]))

    def right_edges(self, blocks: Pixels) -> Pixels:
        """The last columns: (K, h, depth, C)."""
        return blocks[:, :, -self.depth :]

    def left_edges(self, blocks: Pixels) -> Pixels:
        """The first columns: (K, h, depth, C)."""
        return blocks[:, :, : self.depth]

    def ratios(self, left: Pixels, right: Pixels) -> Values:
        """P(join | neighbours) / P(join | not), of every block of one set with every block of another.

        Args:
            left: uint8 (A, h, w, C).
            right: uint8 (B, h, w, C).

        Returns:
            float32 (A, B).
        """
        a, b = self.right_edges(left), self.left_edges(right)
        found = np.empty(len(a) * len(b), np.float32)
        for start in range(0, len(found), CHUNK):
            here = np.arange(start, min(start + CHUNK, len(found)))
            odds = self._classifier.decision_function(_features(a[here // len(b)], b[here % len(b)]))
            found[here] = np.exp(np.clip(odds, -self._most, self._most))
        return found.reshape(len(a), len(b))


def _features(left: Pixels, right: Pixels) -> Values:
    """Features of joins: (J, h, depth, C) each, the join between the last column of one and the first of the other."""
    a, b = left.astype(np.float32), right.astype(np.float32)
    near, far = a[:, :, -1], b[:, :, 0]
    step, inner_a, inner_b = near - far, near - a[:, :, 0], b[:, :, -1] - far
    # Half a step beyond each edge the two should meet.
    meet = step + 0.5 * inner_a + 0.5 * inner_b
    shifted = np.minimum(_size(near[:, 1:] - far[:, :-1]), _size(near[:, :-1] - far[:, 1:])) if a.shape[1] > 1 else None
    p, q = (x - x.mean(axis=1, keepdims=True) for x in (near, far))
    alike = (p * q).sum(axis=(1, 2)) / np.sqrt((p**2).sum(axis=(1, 2)) * (q**2).sum(axis=(1, 2)) + 1.0)
    means = np.abs(step.mean(axis=1))
    parts = [
        np.log1p(_size(step)),
        np.log1p(_size(meet)),
        np.log1p(_size(inner_a)),
        np.log1p(_size(inner_b)),
        np.log1p(means.max(axis=1)),
        np.log1p(_size(step - step.mean(axis=1, keepdims=True))),
        np.log1p(np.abs(step).max(axis=(1, 2))),
        np.log1p(_size(p) + _size(q)),
        alike,
    ]
    if shifted is not None:
        parts.append(np.log1p(shifted))
    return np.stack(parts, axis=1).astype(np.float32)


def _size(x: Values) -> Values:
    """Root mean square of each row of a batch."""
    found: Values = np.sqrt(np.mean(x.reshape(len(x), -1) ** 2, axis=1))
    return found
