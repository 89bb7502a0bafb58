"""What a reconstruction is worth: measured against the truth, which no attack sees, and beside its chance levels."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, BlockPermutation, SignedPermutation
from blindsight.audit.attack import Reconstruction
from blindsight.audit.estimates import Estimate, estimate
from blindsight.audit.global_states import best_states, in_state, state_permutation
from blindsight.audit.metrics import PSNR_CEILING, Measure, reconstruction_measures
from blindsight.audit.reidentification import by_pixels, top1
from blindsight.audit.scenario import Truth
from blindsight.audit.scores import REFERENCES, TURNED, KeyShare, Levels, Outcome, Scores
from blindsight.audit.threat import Observation
from blindsight.errors import ParameterError

__all__ = ["Yardstick", "chance_levels", "in_best_state", "key_share", "score"]

Pixels = NDArray[np.uint8]
#: uint8 (N, H, W, C) -> class indices, int64 (N,).
Classify = Callable[[Pixels], NDArray[np.int64]]
#: uint8 (N, H, W, C) -> one vector an image, (N, D).
Features = Callable[[Pixels], NDArray[np.floating]]

#: Originals that a reconstruction is traced among, at most.
CANDIDATES = 1000


@dataclass(frozen=True)
class Yardstick:
    """What is measured beside pixels, and the seed.

    Attributes:
        lpips: reports LPIPS; an :class:`~blindsight.audit.perceptual.Lpips`.
        classify: names the class of plain images, (N, H, W, C) -> int (N,); reports label accuracy where the truth has
            labels.
        features: of plain images, (N, H, W, C) -> (N, D); reports re-identification by their cosine.
        seed: of the intervals and of the random images.
    """

    lpips: Callable[[Pixels, Pixels], float] | None = None
    classify: Classify | None = None
    features: Features | None = None
    seed: int = 0

    def measures(self, shape: tuple[int, ...]) -> tuple[Measure, ...]:
        """For images (H, W, C) of this shape."""
        return reconstruction_measures(shape, self.lpips)


PLAIN_YARDSTICK = Yardstick()


def chance_levels(
    truth: Truth,
    observation: Observation,
    *,
    others: Pixels | None = None,
    one_state: bool | None = None,
    by: Yardstick = PLAIN_YARDSTICK,
) -> Levels:
    """What is had without an attack. The same for all attacks on one observation.

    Args:
        truth: of the scenario.
        observation: likewise.
        others: uint8 (G, H, W, C), originals of the same set that are not in ``truth``: further candidates.
        one_state: as of :func:`score`.
        by: what is measured.

    Raises:
        ParameterError: truth and observation of different scenarios.
    """
    if observation.images.shape != truth.images.shape:
        raise ParameterError(f"observed {observation.images.shape}, true {truth.images.shape}: not of one scenario")
    known = _candidates(truth, others)
    pictures = _references(truth.images, observation, known, by.seed)
    for name, turned in TURNED.items():
        if name in pictures:
            guess = Reconstruction(np.ascontiguousarray(pictures[name]))
            pictures[turned] = in_best_state(guess, truth, observation, one_state=one_state).images
    references = {
        name: {measure.name: _mean(measure, found, truth.images, by.seed) for measure in by.measures(found.shape[1:])}
        for name, found in sorted(pictures.items(), key=lambda entry: list(REFERENCES).index(entry[0]))
    }
    commonest = None
    if truth.labels is not None:
        commonest = float(np.unique(truth.labels, return_counts=True)[1].max() / len(truth.labels))
    protected = _outcome(observation.images, None, truth, known, by)
    return Levels(references, protected, _accuracy(truth.images, truth, by), commonest)


def score(
    reconstruction: Reconstruction,
    truth: Truth,
    observation: Observation,
    *,
    others: Pixels | None = None,
    one_state: bool | None = None,
    levels: Levels | None = None,
    by: Yardstick = PLAIN_YARDSTICK,
) -> Scores:
    """Measures reconstructions.

    Args:
        reconstruction: of an attack on ``observation``.
        truth: of the same scenario.
        observation: what the attacker saw.
        others: uint8 (G, H, W, C), originals of the same set that are not in ``truth``: further candidates.
        one_state: one global state for all images; default: where the profile says that all have one key.
        levels: of :func:`chance_levels`, where several attacks are scored; computed here where None.
        by: what is measured.

    Raises:
        ParameterError: reconstructions of another number, shape or dtype than the truth.
    """
    images = reconstruction.images
    if images.shape != truth.images.shape or images.dtype != np.uint8:
        raise ParameterError(
            f"reconstructions are {images.dtype} {images.shape}, the originals uint8 {truth.images.shape}; "
            "an attack gives one image for each that it saw, in their order"
        )
    if levels is None:
        levels = chance_levels(truth, observation, others=others, one_state=one_state, by=by)
    known = _candidates(truth, others)
    pick, best = _outcome(images, reconstruction.key, truth, known, by), None
    if reconstruction.symmetric:
        turned = in_best_state(reconstruction, truth, observation, one_state=one_state)
        best = _outcome(turned.images, turned.key, truth, known, by)
    return Scores(len(images), pick, best, levels)


def in_best_state(
    reconstruction: Reconstruction, truth: Truth, observation: Observation, *, one_state: bool | None = None
) -> Reconstruction:
    """The same reconstruction in the global state that is most like the truth; arguments as of :func:`score`."""
    images = reconstruction.images
    shared = observation.profile.key_scope == "dataset" if one_state is None else one_state
    height, width, channels = images.shape[1:]
    grid = BlockGrid(height, width, channels, observation.profile.block_size or 1)
    states = best_states(images, truth.images, shared=shared)
    turned = np.concatenate([in_state(image[None], state) for state, image in zip(states, images, strict=True)])
    key, moved = reconstruction.key, None
    if key is not None and key.shape == grid.shape and shared:
        # The pictures come back through state @ key^-1, so what encrypts is key @ state^-1.
        moved = key @ state_permutation(grid, states[0]).inverse()
    return replace(reconstruction, images=turned, key=moved)


def _candidates(truth: Truth, others: Pixels | None) -> Pixels:
    """Originals to be taken for one, the true ones first, so that they are among those kept."""
    known = truth.images if others is None else np.concatenate([truth.images, others])
    return known[: max(CANDIDATES, len(truth.images))]


def _references(originals: Pixels, observation: Observation, known: Pixels, seed: int) -> dict[str, Pixels]:
    """Reference -> what stands in for each original."""
    n = len(originals)
    found = {}
    if len(known) > 1:
        steps = np.random.default_rng(seed).integers(1, len(known), n)
        found["random_image"] = known[(np.arange(n) + steps) % len(known)]
    if observation.public is not None:
        mean = np.broadcast_to(observation.public.mean(axis=0), originals.shape)
    elif len(known) > 1:  # of the others: an original must not help to guess itself
        mean = (known.sum(axis=0, dtype=np.float64) - originals) / (len(known) - 1)
    else:
        mean = np.full(originals.shape, 127.5)
    found["mean_image"] = np.rint(mean).astype(np.uint8)
    colour = np.rint(originals.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    found["mean_colour"] = np.broadcast_to(colour, originals.shape)
    found["black"] = np.zeros_like(originals)
    found["protected"] = observation.images
    return found


def _outcome(found: Pixels, key: SignedPermutation | None, truth: Truth, known: Pixels, by: Yardstick) -> Outcome:
    exact = [float(np.array_equal(a, b)) for a, b in zip(found, truth.images, strict=True)]
    reidentified = {}
    if len(known) > 1:
        rows = range(len(found))
        reidentified["pixels"] = top1(by_pixels(list(found), list(known)), rows, by.seed)
        if by.features is not None:
            a, b = (_unit(by.features(images)) for images in (found, known))
            reidentified["features"] = top1(a @ b.T, rows, by.seed)
    return Outcome(
        {measure.name: _mean(measure, found, truth.images, by.seed) for measure in by.measures(found.shape[1:])},
        _estimate(exact, by.seed),
        reidentified,
        _accuracy(found, truth, by),
        None if key is None or truth.key is None else key_share(key, truth.key),
    )


def key_share(found: SignedPermutation, true: SignedPermutation) -> KeyShare | None:
    """How much of a key is right; None where it acts on images of another shape.

    Args:
        found: the recovered one.
        true: the one that encrypts.
    """
    if found.shape != true.shape:
        return None
    blocks = None
    if isinstance(found, BlockPermutation) and isinstance(true, BlockPermutation) and found.grid == true.grid:
        names = ("source", "orientation", "negative", "color")
        blocks = float(np.all([getattr(found, name) == getattr(true, name) for name in names], axis=0).mean())
    if found.sample != true.sample:
        found, true = found.as_nibbles(), true.as_nibbles()
    right = (found.index == true.index) & (found.mask == true.mask)
    return KeyShare(float(right.mean()), blocks)


def _accuracy(found: Pixels, truth: Truth, by: Yardstick) -> Estimate | None:
    if by.classify is None or truth.labels is None:
        return None
    return _estimate([float(right) for right in by.classify(found) == truth.labels], by.seed)


def _mean(measure: Measure, found: Pixels, wanted: Pixels, seed: int) -> Estimate:
    return _estimate([measure.of(a, b) for a, b in zip(found, wanted, strict=True)], seed)


def _estimate(values: list[float], seed: int) -> Estimate:
    found = estimate(values, PSNR_CEILING, seed)
    assert found is not None  # an observation has an image at least
    return found


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    x = vectors.reshape(len(vectors), -1).astype(np.float64)
    unit: NDArray[np.float64] = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return unit
