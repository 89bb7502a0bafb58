"""Minimum difference: pixels that stay in place are decoded one after another, each to look like a decoded neighbour.

The differences are invariant under one colour order and one sign for each colour that hold for the whole image. So
starting from each of the 48 guesses of the first pixel gives the same image in 48 states, and none is smoother than the
others. The state is chosen afterwards: colours of photographs go up and down together, and public images say the rest.
"""

import heapq
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import BlockGrid, SignedPermutation, TilePermutation
from blindsight.algebra.states import COLOR_ORDERS
from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._layout import layout_of
from blindsight.audit.attacks._likeliest_state import StateModel
from blindsight.audit.attacks._pixel_field import Keys, NeighbourModel, PixelField
from blindsight.audit.global_states import global_states, in_state
from blindsight.audit.threat import Observation

__all__ = ["MinimumDifference", "PooledMinimumDifference"]

#: Images that the pooled costs are taken from, and the random field's; more change nothing.
POOLED, IN_FIELD = 400, 32
#: Pixels of a random field at most: its table takes 18 KB for each.
MOST_PIXELS = 96 * 96
_PAPER = (
    "Chang & Case, 'Attacks on Image Encryption Schemes for Privacy-Preserving Deep Neural Networks', arXiv 2004.13263"
)

Halves = NDArray[np.int16]  # values doubled and moved to -255 to 255: negation is a change of sign


class _Pixelwise(Attack):
    """What both attacks share: where they apply."""

    def why_not(self, observation: Observation) -> str | None:
        layout = layout_of(observation)
        if layout is None or layout.moves or layout.sample == "nibble" or layout.shuffles == "all":
            return "pixels do not stay in their places under this scheme"
        return super().why_not(observation)


@register_attack
class MinimumDifference(_Pixelwise):
    """Each image alone, in raster order: the first row by the left neighbour, every other by the upper one."""

    name: ClassVar[str] = "minimum-difference"
    title: ClassVar[str] = "minimum difference to the decoded neighbour, each image alone"
    reference: ClassVar[str] = f"{_PAPER}: the advanced ciphertext-only attack; the first pixel is guessed, not given"
    observes: ClassVar[type[Observation]] = Observation

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        out = np.empty_like(observation.images)
        model = _state_model(observation, budget)
        for k, image in enumerate(observation.images):
            if budget.over():
                out[k:] = observation.images[k:]
                break
            seen = _centred(image[None])
            index, sign = _raster(seen)
            sign = _together(seen, index, sign)
            decoded, _, _ = _with_state(seen, index, sign, model)
            out[k] = decoded[0]
            budget.tell((k + 1) / len(out), f"image {k + 1} of {len(out)}")
        return Reconstruction(out, symmetric=True)


@register_attack
class PooledMinimumDifference(_Pixelwise):
    """All images of one key together: costs are sums over images, and the surest pixel goes first."""

    name: ClassVar[str] = "pooled-minimum-difference"
    title: ClassVar[str] = "minimum difference, pooled over the images of one key"
    reference: ClassVar[str] = (
        f"{_PAPER}: the advanced attack, its cost summed over images; pixels are decoded in the order of how sure they "
        "are, by all decoded neighbours, then once more until none changes, then as a random field by belief "
        "propagation (ours)"
    )
    observes: ClassVar[type[Observation]] = Observation

    def why_not(self, observation: Observation) -> str | None:
        if observation.profile.key_scope != "dataset" and len(observation.images) > 1:
            return "images have keys of their own; minimum-difference takes them one by one"
        return super().why_not(observation)

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        images = observation.images
        some = np.sort(budget.rng(0).permutation(len(images))[:POOLED])
        index, sign = _grown(_centred(images[some]), budget)
        index, sign = _mended(observation, some[:IN_FIELD], index, sign, budget)
        decoded, index, sign = _with_state(_centred(images), index, sign, _state_model(observation, budget))
        return Reconstruction(decoded, _key(images.shape[1:], index, sign), symmetric=True)


def _centred(images: NDArray[np.uint8]) -> Halves:
    return 2 * images.astype(np.int16) - 255


def _best(pixel: Halves, references: list[Halves]) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """The colour order and signs that bring a pixel nearest to decoded ones.

    Args:
        pixel: (N, C), as seen.
        references: decoded neighbours, (N, C) each.

    Returns:
        int (C,), which seen colour each decoded one is; int (C,), its sign; by how much, in L1, the next best state of
        another kind is worse.
    """
    channels = pixel.shape[1]
    cost = np.zeros((2, channels, channels))  # sign, decoded colour, seen colour
    for reference in references:
        cost[0] += np.abs(reference[:, :, None] - pixel[:, None, :]).sum(0, dtype=np.int64)
        cost[1] += np.abs(reference[:, :, None] + pixel[:, None, :]).sum(0, dtype=np.int64)
    orders = COLOR_ORDERS.astype(np.int64) if channels == 3 else np.zeros((1, 1), np.int64)
    least, doubt = cost.min(0), np.abs(cost[0] - cost[1])
    rows = np.arange(channels)
    totals = least[rows, orders].sum(1)
    first = int(np.argmin(totals))
    order = orders[first]
    # A doubtful colour order of a grey pixel costs little; a doubtful sign goes on to all that follow.
    margin = float(doubt[rows, order].min())
    sign = np.where(cost[0][rows, order] <= cost[1][rows, order], 1, -1)
    return order, sign, margin


def _raster(seen: Halves) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The published order: int (H, W, C) colours and signs."""
    _, height, width, channels = seen.shape
    index = np.tile(np.arange(channels), (height, width, 1))
    sign = np.ones((height, width, channels), np.int64)
    decoded = seen.copy()
    for y in range(height):
        for x in range(width):
            if y or x:
                reference = decoded[:, y - 1, x] if y else decoded[:, y, x - 1]
                index[y, x], sign[y, x], _ = _best(seen[:, y, x], [reference])
                decoded[:, y, x] = seen[:, y, x][:, index[y, x]] * sign[y, x]
    return index, sign


def _grown(seen: Halves, budget: Budget) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The surest pixel first, from the one that is farthest from the middle; then sweeps until none changes."""
    _, height, width, channels = seen.shape
    index = np.tile(np.arange(channels), (height, width, 1))
    sign = np.ones((height, width, channels), np.int64)
    decoded = seen.copy()
    done = np.zeros((height, width), bool)

    def around(y: int, x: int, only_done: bool) -> list[Halves]:
        near = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        inside = [(v, u) for v, u in near if 0 <= v < height and 0 <= u < width]
        return [decoded[:, v, u] for v, u in inside if done[v, u] or not only_done]

    heap: list[tuple[float, int, int]] = []
    start = int(np.abs(seen).astype(np.int64).min(3).sum(0).argmax())
    todo: list[tuple[int, int]] = [divmod(start, width)]
    heapq.heappush(heap, (0.0, *todo[0]))
    total = height * width
    placed = 0
    while heap:
        _, y, x = heapq.heappop(heap)
        if done[y, x]:
            continue
        references = around(y, x, True)
        if references:
            index[y, x], sign[y, x], _ = _best(seen[:, y, x], references)
            decoded[:, y, x] = seen[:, y, x][:, index[y, x]] * sign[y, x]
        done[y, x] = True
        placed += 1
        if placed % 256 == 0:
            budget.tell(0.8 * placed / total, "decoding pixels")
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= v < height and 0 <= u < width and not done[v, u]:
                heapq.heappush(heap, (-_best(seen[:, v, u], around(v, u, True))[2], v, u))
    for sweep in range(10):
        changed = 0
        for y in range(height):
            for x in range(width):
                order, signs, _ = _best(seen[:, y, x], around(y, x, False))
                if (order != index[y, x]).any() or (signs != sign[y, x]).any():
                    index[y, x], sign[y, x] = order, signs
                    decoded[:, y, x] = seen[:, y, x][:, order] * signs
                    changed += 1
        budget.tell(0.8 + 0.02 * sweep, f"sweep {sweep + 1}: {changed} pixels changed")
        if not changed or budget.over():
            break
    return index, sign


def _mended(
    observation: Observation, some: NDArray[np.intp], index: NDArray[np.int64], sign: NDArray[np.int64], budget: Budget
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same as a random field: the likeliest of the 48 states, then the likeliest key of each pixel."""
    layout = layout_of(observation)
    assert layout is not None  # why_not refuses the rest
    height, width, channels = index.shape
    if height * width > MOST_PIXELS or height * width < 2 or budget.over():
        return index, _together(_centred(observation.images[some]), index, sign)
    budget.tell(0.95, "weighing all pixels at once")
    keys = Keys.of(channels, shuffles=layout.shuffles == "colors", negates=layout.negates)
    model = NeighbourModel(observation.public, channels, budget.rng(5))
    field = PixelField(_centred(observation.images[some]), keys, model)
    chosen = field.likelier(field.in_likeliest_state(keys.nearest(index, sign)), budget)
    return keys.order[chosen].reshape(index.shape), keys.sign[chosen].reshape(sign.shape)


def _state_model(observation: Observation, budget: Budget) -> StateModel:
    return StateModel(observation.public, global_states(observation.images.shape, oriented=False), budget)


def _together(seen: Halves, index: NDArray[np.int64], sign: NDArray[np.int64]) -> NDArray[np.int64]:
    """Signs under which the decoded colours go up and down together."""
    decoded = np.take_along_axis(seen, index[None], axis=3) * sign.astype(np.int16)
    flat = decoded.reshape(-1, decoded.shape[3]).astype(np.float64)
    flat -= flat.mean(0)
    together = np.sign(np.linalg.eigh(flat.T @ flat)[1][:, -1])
    together[together == 0] = 1
    found: NDArray[np.int64] = sign * (together * together[0]).astype(np.int64)
    return found


def _with_state(
    seen: Halves, index: NDArray[np.int64], sign: NDArray[np.int64], model: StateModel
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Decodes, and chooses among the states in which colours still go together what public images say."""
    decoded = np.take_along_axis(seen, index[None], axis=3) * sign.astype(np.int16)
    images = ((decoded + 255) // 2).astype(np.uint8)
    state = model.likeliest(images)
    order = COLOR_ORDERS[state[2]].astype(np.int64) if decoded.shape[3] == 3 else np.zeros(1, np.int64)
    index, sign = index[..., order], sign[..., order] * (-1 if state[1] else 1)
    return in_state(images, state), index, sign


def _key(shape: tuple[int, ...], index: NDArray[np.int64], sign: NDArray[np.int64]) -> SignedPermutation:
    height, width, channels = shape
    grid = BlockGrid(height, width, channels, 1)
    mask = np.where(sign < 0, 255, 0).astype(np.uint8)
    return TilePermutation(grid, None, index.reshape(-1, channels), mask.reshape(-1, channels)).inverse()
