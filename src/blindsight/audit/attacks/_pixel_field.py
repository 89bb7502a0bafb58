"""Pixels that stay in place as a Markov random field: which key each has, judged by all its neighbours at once.

A pixel's key is one of 48: an order of its colours and a sign for each. How likely two keys are side by side is told by
how neighbours in photographs differ: brightness more than colour, mostly little and sometimes much, which is Student's
t. It is not the same for every state of the whole image: colours that are negated one by one no longer go together.
Loopy belief propagation (Pearl, 1988; sums and products, all messages at once) then weighs all keys of all pixels.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from blindsight.algebra.states import COLOR_ORDERS
from blindsight.audit.attack import Budget

__all__ = ["Keys", "NeighbourModel", "PixelField"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

#: Without public images: covariance of neighbours' differences, in units of the whole range, and correlations of them.
_USUAL, _CORRELATION = 0.006, 0.94
_FREEDOM = 2.0
_DIFFERENCES = 100_000
_BINS = 16
#: What the values of single pixels count: neighbours share them, so they are no evidence each of its own.
_ALONE = 0.2
#: How much likelier than any other the key is taken to be that each pixel starts from, as a logarithm.
_TRUST = 2.0
#: Images from which on the field alone tells where to begin as well. Of fewer it would rather fold bright onto dark.
_ENOUGH = 4
_ROUNDS, _DAMPING, _STILL = 40, 0.3, 1e-3
_LEAST = 60.0  # of exponents; what is less likely is as good as impossible


@dataclass(frozen=True, eq=False)
class Keys:
    """The keys that a pixel may have.

    Attributes:
        order: int (L, C), which seen colour each decoded one is.
        sign: int (L, C), 1 or -1.
    """

    order: Ints
    sign: Ints

    @classmethod
    def of(cls, channels: int, *, shuffles: bool, negates: bool) -> "Keys":
        """All combinations of orders and signs."""
        orders = COLOR_ORDERS.astype(np.int64) if shuffles and channels == 3 else np.arange(channels)[None]
        signs = np.array(list(product((1, -1) if negates else (1,), repeat=channels)), np.int64)
        return cls(np.repeat(orders, len(signs), axis=0), np.tile(signs, (len(orders), 1)))

    @cached_property
    def then(self) -> Ints:
        """int (L, L): [state, key] is the key that decodes as ``key`` and brings the result into ``state``."""
        order = self.order[:, self.order].transpose(1, 0, 2)  # [state, key] = order[key][order[state]]
        sign = self.sign[:, self.order].transpose(1, 0, 2) * self.sign[:, None]
        same = (order[:, :, None] == self.order).all(3) & (sign[:, :, None] == self.sign).all(3)
        found: Ints = same.argmax(2)
        return found

    def decoded(self, seen: NDArray[np.int16]) -> Floats:
        """Pixels under every key: (N, H, W, C), centred at 0, -255 to 255 -> float32 (N, H W, L, C), -1 to 1."""
        flat = seen.reshape(len(seen), -1, seen.shape[3])
        found: Floats = flat[:, :, self.order].astype(np.float32) * (self.sign / 255).astype(np.float32)
        return found

    def nearest(self, index: Ints, sign: Ints) -> Ints:
        """The key of each pixel from its colours and signs, int (H, W, C) both: int (H W,)."""
        channels = index.shape[-1]
        agree = (index.reshape(-1, 1, channels) == self.order) & (sign.reshape(-1, 1, channels) == self.sign)
        found: Ints = agree.sum(2).argmax(1)
        return found


class NeighbourModel:
    """How unlikely pixels and pairs of neighbours are, as negative logarithms up to a constant.

    Args:
        public: uint8 (P, H, W, C), plain images to learn from; None takes usual values.
        channels: of the images.
        rng: for the draw of public pixels.
    """

    def __init__(self, public: NDArray[np.uint8] | None, channels: int, rng: np.random.Generator) -> None:
        spread = _USUAL * (_CORRELATION + (1 - _CORRELATION) * np.eye(channels))
        self._alone: NDArray[np.float64] | None = None
        if public is not None:
            images = public[rng.permutation(len(public))[:500]].astype(np.float32) / 127.5 - 1
            along = [np.diff(images, axis=axis).reshape(-1, channels) for axis in (1, 2)]
            differences = rng.permutation(np.concatenate(along))[:_DIFFERENCES].astype(np.float64)
            for _ in range(30):  # the likeliest spread (Lange, Little & Taylor, 1989)
                far = np.einsum("ni,ij,nj->n", differences, np.linalg.inv(spread), differences)
                weighted = differences * ((_FREEDOM + channels) / (_FREEDOM + far))[:, None]
                spread = weighted.T @ differences / len(differences) + 1e-7 * np.eye(channels)
            bins = [np.arange(_BINS + 1)] * channels
            counts = np.histogramdd((images.reshape(-1, channels) + 1) / 2 * (_BINS - 1e-3), bins=bins)[0]
            smooth = gaussian_filter(counts, 0.7) + 0.015 * counts.mean()
            self._alone = -np.log(smooth / smooth.mean())
        self._white = np.linalg.cholesky(np.linalg.inv(spread)).astype(np.float32)
        self._power = np.float32((_FREEDOM + channels) / 2)

    def alone(self, values: Floats) -> Floats:
        """Of pixels under every key, (N, P, L, C), added up over images: (P, L)."""
        if self._alone is None:
            return np.zeros(values.shape[1:3], np.float32)
        total = np.zeros(values.shape[1:3], np.float32)
        for image in values:
            cells = ((image + 1) / 2 * (_BINS - 1e-3)).astype(np.intp)
            total += _ALONE * self._alone[tuple(np.moveaxis(cells, -1, 0))].astype(np.float32)
        return total

    def beside(self, values: Floats, first: Ints, second: Ints) -> Floats:
        """Of pairs of pixels under all pairs of keys, added up over images: (pairs, L, L)."""
        total = np.zeros((len(first), values.shape[2], values.shape[2]), np.float32)
        for image in values:
            white = image @ self._white
            square = np.square(white).sum(-1)
            far = square[first][:, :, None] + square[second][:, None]
            far -= 2 * (white[first] @ white[second].transpose(0, 2, 1))
            total += self._power * np.log1p(np.maximum(far, 0) / np.float32(_FREEDOM))
        return total


class PixelField:
    """The field of a set of images under one key.

    Args:
        seen: int16 (N, H, W, C), as seen, centred at 0, -255 to 255.
        keys: what each pixel may have.
        model: how likely they are.
    """

    def __init__(self, seen: NDArray[np.int16], keys: Keys, model: NeighbourModel) -> None:
        values = keys.decoded(seen)
        number = np.arange(seen.shape[1] * seen.shape[2]).reshape(seen.shape[1:3])
        right = (number[:, :-1].reshape(-1), number[:, 1:].reshape(-1))
        down = (number[:-1].reshape(-1), number[1:].reshape(-1))
        self._images = len(seen)
        self._keys, self._every = keys, np.arange(number.size)
        self._first, self._second = (np.concatenate(pair) for pair in zip(right, down, strict=True))
        self._alone = model.alone(values)
        self._beside = model.beside(values, self._first, self._second)

    def energy(self, chosen: Ints) -> float:
        """How unlikely the pixels are with these keys, int (H W,)."""
        pairs = self._beside[np.arange(len(self._first)), chosen[self._first], chosen[self._second]]
        return float(self._alone[self._every, chosen].sum(dtype=np.float64) + pairs.sum(dtype=np.float64))

    def in_likeliest_state(self, chosen: Ints) -> Ints:
        """The same keys followed by one state of the whole, the likeliest of all."""
        every: list[Ints] = [then[chosen] for then in self._keys.then]
        return every[int(np.argmin([self.energy(each) for each in every]))]

    def likelier(self, chosen: Ints, budget: Budget) -> Ints:
        """The likeliest key of each pixel given all others, begun from ``chosen``; these where they are likelier."""
        trusting = self._alone.copy()
        trusting[self._every, chosen] -= _TRUST
        found = [chosen, self._believed(trusting, budget)]
        if self._images >= _ENOUGH and not budget.over():
            found.append(self._believed(self._alone, budget))
        return min(found, key=self.energy)

    def _believed(self, alone: Floats, budget: Budget) -> Ints:
        unlikely = self._beside - self._beside.min(axis=(1, 2), keepdims=True)
        pairs = np.exp(-np.minimum(unlikely, _LEAST))
        pixels = -np.minimum(alone - alone.min(1, keepdims=True), _LEAST)
        onward = np.full((len(self._first), alone.shape[1]), 1 / alone.shape[1], np.float32)  # from first to second
        backward = onward.copy()
        for _ in range(_ROUNDS):
            belief = self._belief(pixels, onward, backward)
            mine = _likelihood(belief[self._first] - np.log(backward))
            theirs = _likelihood(belief[self._second] - np.log(onward))
            new_onward = _message(np.matmul(mine[:, None], pairs)[:, 0])
            new_backward = _message(np.matmul(pairs, theirs[:, :, None])[:, :, 0])
            change = float(np.abs(new_onward - onward).max())
            onward = _DAMPING * onward + (1 - _DAMPING) * new_onward
            backward = _DAMPING * backward + (1 - _DAMPING) * new_backward
            if change < _STILL or budget.over():
                break
        found: Ints = self._belief(pixels, onward, backward).argmax(1)
        return found

    def _belief(self, pixels: Floats, onward: Floats, backward: Floats) -> Floats:
        belief = pixels.copy()
        np.add.at(belief, self._second, np.log(onward))
        np.add.at(belief, self._first, np.log(backward))
        return belief


def _likelihood(logarithm: Floats) -> Floats:
    raised = np.exp(logarithm - logarithm.max(1, keepdims=True))
    found: Floats = raised / raised.sum(1, keepdims=True)
    return found


def _message(sums: Floats) -> Floats:
    found: Floats = np.maximum(sums / sums.sum(1, keepdims=True), np.float32(1e-25))
    return found
