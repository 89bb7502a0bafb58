"""Which candidate is behind a protected image? Answered without any key, whatever the key scope."""

from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.algebra import BlockGrid
from blindsight.algebra.states import COLOR_ORDERS, orient
from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks.invariants import descriptor, freedom_of
from blindsight.audit.threat import Candidates, Observation
from blindsight.errors import ParameterError
from blindsight.profile import Scalar

__all__ = ["CandidateConfirmation", "block_match_cost"]

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

#: A root mean square difference of descriptors up to this is rounding of floating-point numbers.
ROUNDING = 1e-2
#: Candidates that are compared block by block where the codec is lossy, and the work on one image: multiplications.
SHORTLIST, WORK = 64, 3e9


@register_attack
class CandidateConfirmation(Attack):
    """Compares what no key changes; where JPEG blurs that, matches the blocks of the likeliest candidates one by one.

    The images given back are the chosen candidates. ``confirmed`` counts protected images whose descriptor a candidate
    has exactly, so that the attacker knows that it is there and not only which is nearest; lossless codecs only.
    """

    name: ClassVar[str] = "candidate-confirmation"
    title: ClassVar[str] = "recognition of candidate originals by what no key changes"
    reference: ClassVar[str] = (
        "orbit invariants of signed permutations; sliced Wasserstein distance of Rabin et al., 2011"
    )
    observes: ClassVar[type[Observation]] = Candidates

    def why_not(self, observation: Observation) -> str | None:
        if (reason := super().why_not(observation)) is None:
            try:
                freedom_of(observation.profile)
            except ParameterError as error:
                return str(error)
        return reason

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        seen = cast(Candidates, observation)
        profile, candidates = seen.profile, seen.candidates
        known, asked = descriptor(candidates, profile), descriptor(seen.images, profile)
        budget.tell(0.2, "comparing with candidates")
        # In whitened units a feature counts by what it tells candidates apart, not by its size.
        # Centred, for what all candidates have alike would else drown all differences in rounding.
        mean, scale = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-3)
        distances = _distances((asked - mean) / scale, (known - mean) / scale)
        chosen, confirmed = distances.argmin(axis=1), 0
        if profile.codec.lossless:
            difference = np.sqrt(np.mean((asked - known[chosen]) ** 2, axis=1))
            confirmed = int((difference <= ROUNDING).sum())
        elif freedom_of(profile).inside == "turns":
            chosen = _refined(seen, distances, budget)
        facts: dict[str, Scalar] = {"candidates": len(candidates), "confirmed": confirmed}
        return Reconstruction(candidates[chosen], facts=facts)


def _distances(asked: Values, known: Values) -> NDArray[np.float64]:
    """Squared distances, (N, G)."""
    inner = (asked @ known.T).astype(np.float64)
    squares = [(x.astype(np.float64) ** 2).sum(axis=1) for x in (asked, known)]
    found: NDArray[np.float64] = squares[0][:, None] + squares[1] - 2 * inner
    return found


def _refined(seen: Candidates, distances: NDArray[np.float64], budget: Budget) -> NDArray[np.int64]:
    """The best of each image's shortlist by its blocks; of images that time does not reach, the nearest descriptor."""
    height, width, channels = seen.images.shape[1:]
    grid = BlockGrid(height, width, channels, seen.profile.block_size or 1)
    many = int(np.clip(WORK / (96 * grid.blocks**2 * grid.block_samples), 2, min(SHORTLIST, len(seen.candidates))))
    chosen: NDArray[np.int64] = distances.argmin(axis=1)
    for place, row in enumerate(distances):
        if budget.over():
            break
        budget.tell(0.2 + 0.8 * place / len(distances), f"matching blocks, image {place + 1}")
        short = np.argpartition(row, many - 1)[:many]
        costs = block_match_cost(seen.images[place], seen.candidates[short], grid)
        chosen[place] = short[costs.argmin()]
    return chosen


def block_match_cost(image: Pixels, candidates: Pixels, grid: BlockGrid) -> NDArray[np.float64]:
    """How far the blocks of a protected image are from those of each candidate, under the best one-to-one match.

    Args:
        image: uint8 (H, W, C), protected by EtC or a part of it.
        candidates: uint8 (G, H, W, C).
        grid: block geometry.

    Returns:
        float64 (G,): squared distance, summed over blocks, each in the best of its 96 states (16 for grey images).
    """
    m, c = grid.block, grid.channels
    mine = grid.to_blocks(image[None])[0].reshape(-1, m, m, c).astype(np.float32) - np.float32(127.5)
    orders = COLOR_ORDERS if c == 3 else np.zeros((1, 1), np.uint8)
    states = [
        np.stack([orient(block, code) for block in mine])[..., order].reshape(len(mine), -1)
        for code in range(8)
        for order in orders
    ]
    turned = np.stack(states)  # (48 or 8, n, S); negation is the sign of the product
    square = (mine.reshape(len(mine), -1) ** 2).sum(axis=1)
    costs = np.empty(len(candidates))
    theirs = grid.to_blocks(candidates).astype(np.float32) - np.float32(127.5)
    for number, blocks in enumerate(theirs):
        alike = np.abs(turned.reshape(-1, turned.shape[2]) @ blocks.T).reshape(len(states), len(mine), -1).max(axis=0)
        cost = square[:, None] + (blocks**2).sum(axis=1) - 2 * alike
        costs[number] = cost[linear_sum_assignment(cost)].sum()
    return costs
