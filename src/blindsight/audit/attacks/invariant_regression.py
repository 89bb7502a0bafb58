"""From what no key changes straight to the picture: kernel regression, learned from public images.

A key an image leaves its blocks' statistics alone (:mod:`.invariants`), and they say what kind of picture it is: how
bright, how busy, sky above or not. Anybody can protect public images with keys of their own, exactly as the profile
says, reductions and all, and learn the way back. No block has to be placed, so that this attack is left where jigsaws
have no edges to fit; what it gives back is a blurred guess.
"""

from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blindsight.algebra import BlockGrid
from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._likeliest_state import cell_means
from blindsight.audit.attacks._own_keys import own_publisher
from blindsight.audit.attacks.invariants import descriptor, freedom_of
from blindsight.audit.global_states import State, global_states, in_state
from blindsight.audit.metrics import ssim
from blindsight.audit.threat import LabelledSet, Observation
from blindsight.errors import ParameterError
from blindsight.profile import Scalar

__all__ = ["InvariantRegression"]

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

#: Public images that are learned from, at most: time grows with their cube.
MOST_PUBLIC = 2000
#: Cells that move are compared as sorted lists; longer ones are thinned out to so many.
RANKS = 32
#: Weights of the ridge, and of a common class, as shares of an image's likeness to itself; the best is kept.
RIDGES, CLASSES = (0.3, 1.0, 3.0), (0.0, 0.2, 0.6)
#: Spreads below this are rounding errors, which scaling must not make features of.
FLAT = 0.01
#: How much stronger contrasts are made than the regression says, and over how many pixels guesses are blurred; the
#: best is kept.
GAINS, BLURS = (1.0, 1.5, 2.0), (0.0, 1.0, 2.0)
#: Rounds of turning public pictures to how the others predict them; images that gain and blur are chosen on.
ROUNDS, JURY = 8, 60
#: Side of the thumbnails by which pictures are turned and fits compared, about.
THUMBNAIL = 8


@register_attack
class InvariantRegression(Attack):
    """Kernel ridge regression from the invariants of a scheme to pixels."""

    name: ClassVar[str] = "invariant-regression"
    title: ClassVar[str] = "regression from what no key changes to the picture"
    reference: ClassVar[str] = (
        "ours: kernel ridge regression with a Laplacian kernel; states that the key may have put the whole picture in "
        "are found in turns with it, as in generalised Procrustes analysis (Gower, 1975)"
    )
    observes: ClassVar[type[Observation]] = Observation
    needs_public: ClassVar[bool] = True

    def why_not(self, observation: Observation) -> str | None:
        try:
            freedom_of(observation.profile)
        except ParameterError as error:
            return str(error)
        if observation.public is not None and len(observation.public) < 3:
            return f"learns from public images and is given {len(observation.public)}; 3 are the least"
        return super().why_not(observation)

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        """Where classes are known of public images, too, those of one class count as more alike."""
        assert observation.public is not None  # why_not refuses the rest
        chosen = budget.rng(0).permutation(len(observation.public))[:MOST_PUBLIC]
        public = observation.public[chosen]
        budget.tell(0.0, "protecting public images")
        published = own_publisher(observation.profile, budget.rng(1))(public)
        budget.tell(0.3, "comparing what no key changes")
        own, asked = (_invariants(images, observation) for images in (published, observation.images))
        mean, deviation = own.mean(axis=0), np.maximum(own.std(axis=0), np.float32(FLAT))
        own, asked = (own - mean) / deviation, (asked - mean) / deviation
        apart = _squares(own, own)
        unit = max(float(np.median(apart)), FLAT)
        alike, like = np.exp(-np.sqrt(apart / unit)), np.exp(-np.sqrt(_squares(asked, own) / unit))
        same = None
        if isinstance(observation, LabelledSet) and observation.public_labels is not None:
            of = observation.public_labels[chosen]
            same = of[:, None] == of, observation.labels[:, None] == of
        ways = _ways(observation)
        budget.tell(0.5, "turning public pictures alike")
        fit = _Fit(alike, 1.0)
        turned = _turned(public, ways, fit, budget) if len(ways) > 1 else public
        targets = turned.reshape(len(turned), -1).astype(np.float32)
        # The thumbnails decide: they say the same at a fraction of the work.
        small = _thumbnails(turned)
        fits = [_Fit(alike, ridge) for ridge in RIDGES]
        weights = [0.0] * len(fits)
        if same is not None:
            extra = [weight for weight in CLASSES if weight]
            fits += [_Fit(alike + np.float32(weight) * same[0], 1.0) for weight in extra]
            weights += extra
        best = int(np.argmin([np.square(fit.left_out(small) - small).mean() for fit in fits]))
        fit, weight = fits[best], weights[best]
        if same is not None:
            like = like + np.float32(weight) * same[1]
        centre = targets.mean(axis=0)
        guess = like @ (fit.inverse @ (targets - centre)) + centre
        gain, blur = _finish(fit.left_out(targets, JURY), turned[:JURY])
        budget.tell(1.0, "done")
        images = _pixels(guess.reshape(observation.images.shape), gain, blur)
        facts: dict[str, Scalar] = {
            "public": len(public),
            "ridge": fit.ridge,
            "class_weight": weight,
            "gain": gain,
            "blur": blur,
        }
        return Reconstruction(images, symmetric=len(ways) > 1, facts=facts)


class _Fit:
    """Kernel ridge regression.

    Args:
        kernel: float32 (P, P), how alike the examples are.
        ridge: what is added to its diagonal.
    """

    def __init__(self, kernel: Values, ridge: float) -> None:
        self.ridge = ridge
        inverse = np.linalg.inv(kernel + np.float32(ridge) * np.eye(len(kernel), dtype=np.float32))
        self.inverse = inverse.astype(np.float32, copy=False)

    def left_out(self, targets: Values, first: int | None = None) -> Values:
        """Each of the first targets (P, D) as the others predict it; all of them where None."""
        away = targets - targets.mean(axis=0)
        residual: Values = (self.inverse[:first] @ away) / np.diag(self.inverse)[:first, None]
        predicted: Values = targets[:first] - residual
        return predicted


def _invariants(images: Pixels, observation: Observation) -> Values:
    profile = observation.profile
    found = descriptor(images, profile)
    freedom = freedom_of(profile)
    if freedom.moves:
        height, width, channels = images.shape[1:]
        cells = BlockGrid(height, width, channels, profile.block_size or 1).blocks
        if cells > RANKS:
            ranks = np.linspace(0, cells - 1, RANKS).round().astype(int)
            found = found.reshape(len(images), cells, -1)[:, ranks].reshape(len(images), -1)
    return found


def _squares(a: Values, b: Values) -> Values:
    """Mean squared differences of all rows of one with all rows of the other."""
    found: Values = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    found /= np.float32(a.shape[1])
    return np.maximum(found, 0, out=found)


def _ways(observation: Observation) -> list[State]:
    """The states of the whole picture that the invariants do not tell apart; the first changes nothing."""
    freedom = freedom_of(observation.profile)
    return global_states(
        observation.images.shape,
        oriented=freedom.moves,
        negated=freedom.folded or freedom.inside == "turns",
        colored=freedom.inside != "nothing",
    )


def _turned(public: Pixels, ways: list[State], fit: _Fit, budget: Budget) -> Pixels:
    """Public pictures, each in the state that is most like what the others predict."""
    # (states, P, D), about mid-grey: the most like of pictures of one size is that of the largest product.
    every = np.stack([_thumbnails(in_state(public, way)) for way in ways])
    chosen, rows = np.zeros(len(public), np.int64), np.arange(len(public))
    for number in range(ROUNDS):
        predicted = fit.left_out(every[chosen, rows])
        better = np.einsum("spd,pd->ps", every, predicted).argmax(axis=1)
        moved = float((better != chosen).mean())
        chosen = better
        budget.tell(0.5 + 0.04 * number, f"{100 * moved:.0f} % of public pictures turned")
        if moved < 0.01 or budget.over():
            break
    turned = public.copy()
    for number, way in enumerate(ways):
        mine = chosen == number
        turned[mine] = in_state(public[mine], way)
    return turned


def _thumbnails(images: Pixels) -> Values:
    """Means over cells about mid-grey: float32 (N, D)."""
    height, width = images.shape[1:3]
    small = cell_means(images, min(height, THUMBNAIL), min(width, THUMBNAIL))
    return small.reshape(len(images), -1) - np.float32(127.5)


def _finish(guesses: Values, wanted: Pixels) -> tuple[float, float]:
    """The gain and blur that make guesses most like what they are of."""

    def likeness(finish: tuple[float, float]) -> float:
        made = _pixels(guesses.reshape(wanted.shape), *finish)
        return sum(ssim(a, b) for a, b in zip(made, wanted, strict=True))

    return max(product(GAINS, BLURS), key=likeness)


def _pixels(guess: Values, gain: float, blur: float) -> Pixels:
    """Guesses (N, H, W, C) blurred, with their contrast raised about each channel's mean."""
    smooth = gaussian_filter(guess, (0, blur, blur, 0)) if blur else guess
    mean = smooth.mean(axis=(1, 2), keepdims=True)
    made: Pixels = np.clip(np.rint(mean + np.float32(gain) * (smooth - mean)), 0, 255).astype(np.uint8)
    return made
