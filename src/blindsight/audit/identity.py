"""Is a person recognised in another photograph? Descriptors that protection leaves alone, and who is nearest in them.

:mod:`.reidentification` asks for the same photograph; here gallery and probe are different photographs of one person.
Nothing is decrypted. Under one key for all images distances are kept (:func:`distances_kept`), under keys per image the
invariants of :mod:`.attacks.invariants` are. A floor: no face recogniser is involved, only distances or one linear
classifier.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.permutation import split_nibbles
from blindsight.audit.estimates import Estimate, estimate
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.profile import Profile

__all__ = ["CLASSIFIERS", "Identification", "distances_kept", "identify"]

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Classifier = Literal["nearest", "linear"]

CLASSIFIERS: tuple[Classifier, ...] = ("nearest", "linear")
#: Ridge of the linear classifier, as a share of the mean squared norm of a standardised photograph.
RIDGE = 0.1


@dataclass(frozen=True)
class Identification:
    """How often the right person is named.

    Attributes:
        top1: share of probes, a mean over people of means over splits; its interval resamples people, for photographs
            of one person are not independent.
        chance: what naming anybody gives, 1 / people.
        gallery: photographs of each person that the attacker has.
        splits: random divisions into gallery and probes.
    """

    top1: Estimate
    chance: float
    gallery: int
    splits: int


def distances_kept(images: Pixels, profile: Profile) -> Values:
    """Images as vectors whose distances one key for the data set does not change: bytes, or halves of them.

    Args:
        images: uint8 (N, H, W, C), all plain or all protected with one key.
        profile: of the protected ones.

    Returns:
        float32 (N, D).
    """
    flat = images.reshape(len(images), -1)
    return (split_nibbles(flat) if profile.scheme in ("le", "ele") else flat).astype(np.float32)


def identify(
    gallery: Values,
    probes: Values,
    people: NDArray[np.int64],
    *,
    photographs: int = 5,
    splits: int = 8,
    classifier: Classifier = "nearest",
    seed: int = 0,
) -> Identification:
    """Names the person on each probe from labelled photographs of everybody, none of them the probe itself.

    Args:
        gallery: float32 (N, D), descriptors of N photographs as the attacker has them labelled; or (T, N, D), of each
            T versions: who knows what the owner draws at random, such as crops, draws it anew.
        probes: float32 (N, D), descriptors of the same N photographs as they are published. The same array where the
            labelled ones are protected, too.
        people: int64 (N,), who is on each.
        photographs: of each person in the gallery; the others are probes.
        splits: how often gallery and probes are drawn anew.
        classifier: ``nearest`` photograph, or ``linear``: ridge regression to one-hot people.
        seed: of the splits.

    Raises:
        ParameterError: arrays that do not go together, or a person with too few photographs.
        UnknownNameError: no such classifier.
    """
    if classifier not in CLASSIFIERS:
        raise UnknownNameError.of("classifier", classifier, list(CLASSIFIERS))
    versions = gallery if gallery.ndim == 3 else gallery[None]
    if versions.shape[1:] != probes.shape or probes.ndim != 2 or not versions.size or people.shape != (len(probes),):
        raise ParameterError(
            f"probes are (N, D), the gallery (N, D) or (T, N, D), people (N,); "
            f"got {probes.shape}, {gallery.shape} and {people.shape}"
        )
    names, of = np.unique(people, return_inverse=True)
    least = int(np.bincount(of).min())
    if len(names) < 2 or splits < 1 or not 1 <= photographs < least:
        raise ParameterError(
            f"{photographs} photographs of each of {len(names)} people and {splits} splits: expected 2 people or more, "
            f"1 split or more, and a gallery of 1 to {least - 1}, for the person with fewest has {least}"
        )
    rng = np.random.default_rng(seed)
    right = np.zeros((len(names), 2))
    for _ in range(splits):
        order = rng.permutation(len(of))
        order = order[np.argsort(of[order], kind="stable")]
        rank = np.arange(len(of)) - np.searchsorted(of[order], of[order])
        known, asked = order[rank < photographs], order[rank >= photographs]
        shown, who = versions[:, known].reshape(-1, probes.shape[1]), np.tile(of[known], len(versions))
        said = _CLASSIFY[classifier](shown, who, probes[asked], len(names))
        np.add.at(right, of[asked], np.stack([said == of[asked], np.ones(len(asked))], axis=1))
    found = estimate((right[:, 0] / right[:, 1]).tolist(), seed=seed)
    assert found is not None
    return Identification(found, 1 / len(names), photographs, splits)


def _nearest(known: Values, people: NDArray[np.int64], asked: Values, count: int) -> NDArray[np.int64]:  # noqa: ARG001
    a, b = asked.astype(np.float64), known.astype(np.float64)
    distances = (b**2).sum(axis=1) - 2 * a @ b.T
    found: NDArray[np.int64] = people[distances.argmin(axis=1)]
    return found


def _linear(known: Values, people: NDArray[np.int64], asked: Values, count: int) -> NDArray[np.int64]:
    a, b = asked.astype(np.float64), known.astype(np.float64)
    mean, deviation = b.mean(axis=0), b.std(axis=0) + 1e-6
    a, b = (a - mean) / deviation, (b - mean) / deviation
    target = np.eye(count)[people] - 1 / count
    kernel = b @ b.T
    ridge = RIDGE * np.trace(kernel) / len(b)
    weights = np.linalg.solve(kernel + ridge * np.eye(len(b)), target)
    found: NDArray[np.int64] = (a @ b.T @ weights).argmax(axis=1)
    return found


_CLASSIFY = {"nearest": _nearest, "linear": _linear}
