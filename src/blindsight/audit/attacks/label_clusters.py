"""Takes a set of pixel block mixing apart: which blocks of a class are of one original, and puts them together.

The mixed image as it is shows 1 - P of its original's blocks, but not which. Blocks of the original that it lost were
given to other images of its class, where they still lie at their own place.
"""

from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks.filling import fill_in
from blindsight.audit.attacks.joins import JoinModel
from blindsight.audit.attacks.owners import Mixing, Owners, find_owners
from blindsight.audit.threat import LabelledSet, Observation
from blindsight.profile import Scalar

__all__ = ["LabelClusters"]

Pixels = NDArray[np.uint8]

#: Images of a class that are taken apart together: time grows with the cube of it.
LARGEST_GROUP = 400
#: False joins that the edge model learns from.
FALSE_JOINS = 20_000


@register_attack
class LabelClusters(Attack):
    """De-mixes each class by itself: equal blocks, who shows them, and how they fit; see :mod:`.owners`.

    A position whose block is believed to be published nowhere is filled in from around it. ``kept`` and ``fetched`` are
    the shares of blocks that the attacker takes for the image's own where they are, and those it took from others;
    ``filled`` is the rest. Classes of more than 400 images are taken apart in random groups, which see less of each
    other.
    """

    name: ClassVar[str] = "label-clusters"
    title: ClassVar[str] = "mixed images of a class sorted back into originals"
    reference: ClassVar[str] = (
        "ours, on Xiang et al., arXiv 2105.08876; belief propagation after Kschischang, Frey & Loeliger, 2001"
    )
    observes: ClassVar[type[Observation]] = LabelledSet

    def why_not(self, observation: Observation) -> str | None:
        if (reason := super().why_not(observation)) is not None:
            return reason
        profile = observation.profile
        if profile.kind != "mix" or profile.scheme != "pbm":
            return "takes sets of pixel block mixing (pbm) apart, nothing else"
        if not profile.codec.lossless:
            return "finds equal blocks, which a lossy codec leaves unequal"
        if min(_block(observation)) < 2:
            return "blocks of one pixel's width have no edges to fit"
        return None

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        seen = cast(LabelledSet, observation)
        height, width = _block(seen)
        rows, columns = seen.images.shape[1] // height, seen.images.shape[2] // width
        blocks = _cut(seen.images, height, width)
        groups = _groups(seen.labels, budget.rng(0))
        right, down = _edge_models(blocks, groups, (rows, columns), budget)
        found, source = blocks.copy(), np.zeros(blocks.shape[:2], np.int64)
        parameters = seen.profile.parameters
        mixing = Mixing(float(parameters.get("probability", 0.5)), int(parameters.get("sources", 10)))
        links = 0.0
        for number, group in enumerate(groups):
            if budget.over():
                break
            budget.tell(number / len(groups), f"class group {number + 1} of {len(groups)}")
            shown, values = _distinct(blocks[group])

            def joins(p: int, q: int, values: Pixels = values) -> NDArray[np.float64]:
                beside = q == p + 1 and columns > 1
                a, b = (values[at] if beside else values[at].swapaxes(1, 2) for at in (p, q))
                return (right if beside else down).ratios(a, b).astype(np.float64)

            owners = find_owners(shown, (rows, columns), mixing, joins, budget)
            found[group], source[group] = _put_together(shown, values, owners)
            links += float((owners.donors > 0.5).sum())
        images = _joined(found, rows, columns)
        missing = np.kron((source == MISSING).reshape(-1, rows, columns), np.ones((1, height, width), bool)).astype(
            bool
        )
        facts: dict[str, Scalar] = {
            "groups": len(groups),
            "kept": float((source == KEPT).mean()),
            "fetched": float((source == FETCHED).mean()),
            "filled": float((source == MISSING).mean()),
            "donor_links": int(links),
        }
        return Reconstruction(fill_in(images, missing), facts=facts)


KEPT, FETCHED, MISSING = 0, 1, 2


def _block(observation: Observation) -> tuple[int, int]:
    height, width = str(observation.profile.parameters["block"]).split("x")
    return int(height), int(width)


def _cut(images: Pixels, height: int, width: int) -> Pixels:
    """(N, H, W, C) -> (N, n, h, w, C)."""
    count, tall, wide, channels = images.shape
    tiles = images.reshape(count, tall // height, height, wide // width, width, channels).swapaxes(2, 3)
    return tiles.reshape(count, -1, height, width, channels)


def _joined(blocks: Pixels, rows: int, columns: int) -> Pixels:
    count, _, height, width, channels = blocks.shape
    tiles = blocks.reshape(count, rows, columns, height, width, channels).swapaxes(2, 3)
    return tiles.reshape(count, rows * height, columns * width, channels)


def _groups(labels: NDArray[np.int64], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Images of one class each, at most LARGEST_GROUP."""
    groups = []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        groups += np.array_split(members, -(-len(members) // LARGEST_GROUP))
    return groups


def _edge_models(
    blocks: Pixels, groups: list[NDArray[np.int64]], grid: tuple[int, int], budget: Budget
) -> tuple[JoinModel, JoinModel]:
    """For the block to the right, and the same on transposed blocks for the one below."""
    rng, (count, places) = budget.rng(1), blocks.shape[:2]
    every = np.arange(places).reshape(grid)
    size, begins = (np.empty(count, np.int64) for _ in range(2))
    end = 0
    for group in groups:
        size[group], begins[group] = len(group), end
        end += len(group)
    together = np.concatenate(groups)
    models = []
    for number, (first, second) in enumerate(((every[:, :-1], every[:, 1:]), (every[:-1], every[1:]))):
        turned = blocks.swapaxes(2, 3) if number else blocks
        # A grid of one row or column has no such joins, and the model is never asked.
        pairs = np.stack([first.ravel(), second.ravel()], axis=1) if first.size else np.zeros((1, 2), np.int64)
        at = pairs[rng.integers(0, len(pairs), FALSE_JOINS)]
        image = rng.integers(0, count, FALSE_JOINS)
        other = together[begins[image] + rng.integers(0, size[image])]
        apart = image != other
        neighbours = np.stack([image * places + at[:, 0], other * places + at[:, 1]], axis=1)
        neighbours = neighbours[apart] if apart.any() else neighbours
        models.append(JoinModel(turned.reshape(-1, *turned.shape[2:]), neighbours, budget.seed + number))
    return models[0], models[1]


def _distinct(blocks: Pixels) -> tuple[NDArray[np.int64], Pixels]:
    """Which distinct block each image shows, (N, n), and the distinct blocks, (n, V, h, w, C); unused ones are 0."""
    count, places = blocks.shape[:2]
    shown, values = np.empty((count, places), np.int64), np.zeros((places, count, *blocks.shape[2:]), np.uint8)
    for place in range(places):
        flat = blocks[:, place].reshape(count, -1)
        distinct, number = np.unique(flat, axis=0, return_inverse=True)
        shown[:, place] = number.reshape(-1)
        values[place, : len(distinct)] = distinct.reshape(-1, *blocks.shape[2:])
    return shown, values[:, : int(shown.max()) + 1]


def _put_together(shown: NDArray[np.int64], values: Pixels, owners: Owners) -> tuple[Pixels, NDArray[np.int64]]:
    """The likeliest block of each image and position, and where it is from."""
    best = owners.belief.argmax(axis=2)
    none = best == values.shape[1]
    taken = np.where(none, shown, best)
    found = values[np.arange(len(values)), taken]
    return found, np.where(none, MISSING, np.where(best == shown, KEPT, FETCHED))
