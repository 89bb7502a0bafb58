"""What no key changes: descriptors that an image and every protected version of it share, for each scheme we know.

A cipher is a group that acts on images. Whatever function is constant on its orbits is published as it is, under a key
a data set or a key an image alike: the set of blocks up to turning, negation and colour order (EtC), the folded values
of a block (SHF, BPS, RRP), its folded halves of samples (LE, ELE), the folded colours of a pixel (PE, NP).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from blindsight.algebra import BlockGrid
from blindsight.algebra.permutation import split_nibbles
from blindsight.errors import ParameterError
from blindsight.profile import Profile

__all__ = ["LIGHTING", "Freedom", "block_features", "descriptor", "freedom_of"]

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Lighting = Literal["as-is", "image", "block"]

#: How much of the light is taken out before block features: nothing; mean and contrast of the image; of each block.
LIGHTING: tuple[Lighting, ...] = ("as-is", "image", "block")
#: Quantiles of folded values that stand for their histogram in block features.
QUANTILES = 8
#: Block features count frequencies up to this sum of row and column number.
FREQUENCIES = 6
#: Images at once: 96 MiB of 32x32 in blocks of 4.
CHUNK = 256


@dataclass(frozen=True)
class Freedom:
    """What the key may do to an image.

    Attributes:
        cell: ``block`` or ``pixel``: what is moved or changed as one.
        moves: whether cells change places.
        inside: what happens in a cell: ``turns`` (orientation, negation and colour order of the whole), ``samples``
            or ``nibbles`` change places.
        folded: whether samples or nibbles may be negated each for itself.
    """

    cell: Literal["block", "pixel"]
    moves: bool
    inside: Literal["turns", "samples", "nibbles", "nothing"]
    folded: bool = False


def freedom_of(profile: Profile) -> Freedom:
    """What the keys of a scheme may do, from the public profile.

    Raises:
        ParameterError: a scheme that is not one of ours, or a mixed set.
    """
    p = profile.parameters
    match profile.scheme if profile.kind == "cipher" else None:
        case "etc":
            return Freedom("block", moves=True, inside="turns")
        case "shf":
            return Freedom("block", moves=True, inside="samples", folded=bool(p.get("negation", True)))
        case "bps":
            return Freedom("block", moves=bool(p.get("scramble", False)), inside="samples")
        case "rrp":
            moves, shuffles = p.get("blocks", 0.5) != 0, p.get("samples", 0.5) != 0
            return Freedom("block", moves=moves, inside="samples" if shuffles else "nothing")
        case "le" | "ele" as name:
            return Freedom("block", moves=name == "ele", inside="nibbles", folded=True)
        case "pe":
            shuffles = bool(p.get("color_shuffle", True))
            return Freedom("pixel", moves=False, inside="samples" if shuffles else "nothing", folded=True)
        case "np":
            if p.get("per", "pixel") == "block":
                return Freedom("block", moves=False, inside="turns")
            return Freedom("pixel", moves=False, inside="nothing", folded=True)
    what = profile.scheme or profile.kind
    raise ParameterError(
        f"what the keys of '{what}' leave alone is not known here; known: bps ele etc le np pe rrp shf"
    )


def descriptor(images: Pixels, profile: Profile, *, lighting: Lighting = "as-is") -> Values:
    """A vector an image that no key of the scheme changes, up to rounding; under JPEG, changes little.

    Cells that move are compared as a multiset: every feature, and as many random mixtures of features (one fixed draw),
    is sorted over the cells, as in sliced Wasserstein distances (Rabin et al., 2011).

    Args:
        images: uint8 (N, H, W, C), plain or protected.
        profile: of the protected ones.
        lighting: one of :data:`LIGHTING`; others than ``as-is`` for schemes that leave blocks whole.

    Returns:
        float32 (N, D); Euclidean distances compare.

    Raises:
        ParameterError: an unknown scheme, or lighting taken out where samples change places.
    """
    freedom = freedom_of(profile)
    if lighting != "as-is" and freedom.inside != "turns":
        raise ParameterError(f"the light of a block cannot be taken out under {profile.scheme}; take lighting='as-is'")
    found = []
    for start in range(0, len(images), CHUNK):
        features = _features(images[start : start + CHUNK], freedom, profile.block_size or 1, lighting)
        if freedom.moves:
            mixtures = np.random.default_rng(0).normal(size=(features.shape[2],) * 2) / np.sqrt(features.shape[2])
            features = np.sort(np.concatenate([features, features @ mixtures.astype(np.float32)], axis=2), axis=1)
        found.append(features.reshape(len(features), -1).astype(np.float32))
    return np.concatenate(found)


def _features(images: Pixels, freedom: Freedom, block: int, lighting: Lighting) -> Values:
    """(N, H, W, C) -> (N, cells, F)."""
    height, width, channels = images.shape[1:]
    grid = BlockGrid(height, width, channels, block if freedom.cell == "block" else 1)
    cells = grid.to_blocks(images)
    if freedom.inside == "turns":
        return block_features(cells.reshape(*cells.shape[:2], grid.block, grid.block, grid.channels), lighting)
    if freedom.inside == "nibbles":
        halves = split_nibbles(cells)
        folded = np.minimum(halves, 15 - halves)
        return np.stack([(folded == value).sum(axis=2) for value in range(8)], axis=2).astype(np.float32)
    values = np.abs(2 * cells.astype(np.float32) - 255) if freedom.folded else cells.astype(np.float32)
    return np.sort(values, axis=2) if freedom.inside == "samples" else values


def block_features(blocks: Pixels, lighting: Lighting = "as-is") -> Values:
    """Features of blocks that turning, flipping, negating and shuffling the colours of the whole do not change.

    Energies of frequencies, (u, v) and (v, u) together, of the mean of the channels and of all channels; means and
    deviations of channels without their order; spread of the colours; quantiles of folded values.

    Args:
        blocks: uint8 (N, n, M, M, C), the n blocks of N images.
        lighting: one of :data:`LIGHTING`.

    Returns:
        float32 (N, n, F), in grey levels, or in units of the contrast where that was taken out.
    """
    x = blocks.astype(np.float32) - np.float32(127.5)
    if lighting != "as-is":
        axes = (1, 2, 3, 4) if lighting == "image" else (2, 3, 4)
        x = x - x.mean(axis=axes, keepdims=True)
        x = x / np.maximum(x.std(axis=axes, keepdims=True), 1.0)
    side, channels = x.shape[2], x.shape[4]
    u, v = np.array([(u, v) for u in range(side) for v in range(u, side) if u + v <= FREQUENCIES]).T
    energy = (dctn(x, axes=(2, 3), norm="ortho") / side) ** 2
    grey = (dctn(x.mean(axis=4), axes=(2, 3), norm="ortho") / side) ** 2
    both = energy.sum(axis=4)
    samples = x.reshape(*x.shape[:2], -1, channels)
    means, deviations = samples.mean(axis=2), samples.std(axis=2)
    centred = samples - means[:, :, None]
    spread = np.linalg.eigvalsh(np.einsum("nbsi,nbsj->nbij", centred, centred) / samples.shape[2])
    folded = np.sort(np.abs(samples).reshape(*x.shape[:2], -1), axis=2)
    places = np.linspace(0, folded.shape[2] - 1, QUANTILES).round().astype(int)
    parts = [
        np.sqrt(grey[:, :, u, v] + grey[:, :, v, u]),
        np.sqrt(both[:, :, u, v] + both[:, :, v, u]),
        np.sort(np.abs(means), axis=2),
        np.sort(deviations, axis=2),
        np.sqrt(np.maximum(spread, 0)),
        folded[:, :, places],
    ]
    return np.concatenate(parts, axis=2).astype(np.float32)
