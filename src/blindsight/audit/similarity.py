"""How alike mixed images are to the originals they were made of, and how many of their pixels are true."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.estimates import Estimate, estimate
from blindsight.audit.metrics import MEASURES, PSNR_CEILING, psnr
from blindsight.owner.sources import Item

__all__ = ["REFERENCES", "Case", "Likeness", "PixelShares", "likeness", "pixel_shares"]

Pixels = NDArray[np.uint8]
Read = Callable[[Item], Pixels]

#: What a mixed image is compared with, and how the page calls it. The last three are chance levels.
REFERENCES = {
    "target": "its own original",
    "nearest_donor": "the nearest of its donors",
    "nearest_other": "chance: the nearest of as many others",
    "same_class": "chance: another image of the class",
    "other_class": "chance: an image of another class",
}


@dataclass(frozen=True)
class Case:
    """A mixed image and what it is compared with.

    Attributes:
        published: what whoever gets the set sees, uint8 (H, W, C).
        mixed: the same before it was coded; equal to it in a lossless set.
        target: the image it stands for.
        donors: in the order drawn.
        weights: share of the target, then of each donor.
        choice: origin of each block, 0 for the target; None where the method has no blocks.
        others: images that could have been donors and gave nothing, at random: as many as it has donors, or fewer.
        classmate: an image of the target's class that gave nothing, or None.
        stranger: an image of another class that gave nothing, or None.
    """

    published: Pixels
    mixed: Pixels
    target: Item
    donors: tuple[Item, ...]
    weights: tuple[float, ...]
    choice: NDArray[np.int64] | None
    others: tuple[Item, ...]
    classmate: Item | None
    stranger: Item | None


#: measure -> reference -> estimate, None where no image of the sample has such a reference.
Likeness = dict[str, dict[str, Estimate | None]]


def likeness(cases: Sequence[Case], read: Read, seed: int = 0, progress: Callable[[], None] = lambda: None) -> Likeness:
    """Every measure between the published images and their references.

    "Nearest" is the one of smallest mean squared error, and every measure is taken to that one image. Choosing the
    nearest of several raises its likeness whatever the method; ``nearest_other`` is what that alone gives, and only
    cases with as many others as donors count for it.

    Args:
        cases: the sample.
        read: gives an original at the mixed size.
        seed: of the intervals.
        progress: called after each case.
    """
    values: dict[str, dict[str, list[float]]] = {m.name: {name: [] for name in REFERENCES} for m in MEASURES}
    for case in cases:
        for name, reference in _references(case, read).items():
            for measure in MEASURES:
                values[measure.name][name].append(measure.of(case.published, reference))
        progress()
    return {
        measure: {name: estimate(found, PSNR_CEILING, seed) for name, found in by_reference.items()}
        for measure, by_reference in values.items()
    }


def _references(case: Case, read: Read) -> dict[str, Pixels]:
    found = {"target": read(case.target)}
    # A target drawn among its own donors is no donor to compare with.
    donors = [item for item in case.donors if item != case.target]
    if donors:
        found["nearest_donor"] = _nearest(case.published, donors, read)
        if len(case.others) >= len(donors):
            found["nearest_other"] = _nearest(case.published, case.others[: len(donors)], read)
    if case.classmate is not None:
        found["same_class"] = read(case.classmate)
    if case.stranger is not None:
        found["other_class"] = read(case.stranger)
    return found


def _nearest(image: Pixels, items: Sequence[Item], read: Read) -> Pixels:
    return max((read(item) for item in items), key=lambda pixels: psnr(image, pixels))


@dataclass(frozen=True)
class PixelShares:
    """Shares of pixels (all channels of a place), found by comparing, before coding.

    Attributes:
        in_place: equal to the target's pixel at the same place.
        true_pixels: equal to the target's or some donor's pixel at the same place.
        true_by_chance: equal to a pixel of as many images that gave nothing; None where there are too few.
        target_weight: share of the target that the mixing drew, for comparison: of the area, or of the blend.
    """

    in_place: Estimate
    true_pixels: Estimate
    true_by_chance: Estimate | None
    target_weight: Estimate


def pixel_shares(cases: Sequence[Case], read: Read, seed: int = 0) -> PixelShares:
    """Compares every pixel of mixed images with the originals they were made of.

    Args:
        cases: the sample, at least one.
        read: gives an original at the mixed size.
        seed: of the intervals.
    """
    in_place, true, chance = [], [], []
    for case in cases:
        own = _equal(case.mixed, read(case.target))
        donated = [_equal(case.mixed, read(item)) for item in case.donors]
        in_place.append(float(own.mean()))
        true.append(float(np.logical_or.reduce([own, *donated]).mean()))
        if case.others and len(case.others) >= len(case.donors):
            others = [_equal(case.mixed, read(item)) for item in case.others]
            chance.append(float(np.logical_or.reduce(others).mean()))
    weights = [
        case.weights[0] + sum(w for item, w in zip(case.donors, case.weights[1:], strict=True) if item == case.target)
        for case in cases
    ]
    return PixelShares(
        _estimate(in_place, seed), _estimate(true, seed), estimate(chance, seed=seed), _estimate(weights, seed)
    )


def _estimate(values: list[float], seed: int) -> Estimate:
    found = estimate(values, seed=seed)
    assert found is not None
    return found


def _equal(a: Pixels, b: Pixels) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (a == b).all(axis=2)
    return found
