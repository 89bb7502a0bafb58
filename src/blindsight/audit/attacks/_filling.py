"""Samples that the pairs cannot tell apart are chosen by the images to be reconstructed.

In a picture a sample is much like its neighbours of the same colour (and, of nibbles, of the same half). So each open
source place is predicted, in every image, by the neighbours that are known already, and the open destinations of one
word are assigned so that the squared error is smallest.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.audit.attacks._key_form import KeyForm

__all__ = ["Site", "fill_samples"]

_IMAGES = 64  # images to look at
_REPEATS = 64  # blocks to look at, where all share the table
_LARGEST = 400  # samples assigned at a time: the assignment takes the cube of it
_ROUNDS = 4  # each from what the last has filled in


class Site(NamedTuple):
    """Destinations and sources of one word. Row r of ``to`` and of ``of`` are the same sample of different blocks.

    Attributes:
        to: int64 (g, r), flat destination samples, r of each where blocks share the table.
        of: int64 (g, r), flat source samples.
        lead: uint8 (g,), of the destinations.
        source_lead: uint8 (g,), of the sources.
    """

    to: NDArray[np.int64]
    of: NDArray[np.int64]
    lead: NDArray[np.uint8]
    source_lead: NDArray[np.uint8]


def fill_samples(
    form: KeyForm,
    targets: NDArray[np.uint8],
    index: NDArray[np.int64],
    mask: NDArray[np.uint8],
    sure: NDArray[np.bool_],
    sites: list[Site],
) -> int:
    """Chooses among samples of one word, as far as neighbours tell; changes ``index`` and ``mask`` in place.

    Args:
        form: of the key.
        targets: uint8 (N, samples), encrypted images in the form's samples.
        index, mask: flat tables, consistent with the pairs.
        sure: bool (samples,), destinations whose source is known.
        sites: what is open.

    Returns:
        How many destinations were chosen so.
    """
    values = targets[np.linspace(0, len(targets) - 1, min(len(targets), _IMAGES)).astype(int)]
    known = np.zeros(index.size, bool)
    known[index[sure]] = True
    rest, chosen = sites, 0
    for _ in range(_ROUNDS):
        predicted, counted = _predict(form, _opened(values, index, mask), known)
        waiting: list[Site] = []
        for site in rest:
            if counted[site.of].any(axis=1).all() and len(site.to) <= _LARGEST:
                _assign(site, values, predicted, counted, index, mask)
                known[site.of] = True
                chosen += site.to.size
            else:
                waiting.append(site)
        if len(waiting) == len(rest):
            break
        rest = waiting
    return chosen


def _opened(values: NDArray[np.uint8], index: NDArray[np.int64], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Decrypts: float32 (N, samples)."""
    plain = np.empty(values.shape, np.float32)
    plain[:, index] = values ^ mask
    return plain


def _predict(
    form: KeyForm, opened: NDArray[np.float32], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The mean of the known neighbours above, below, left and right; and whether there are any."""
    height, width, _ = form.shape
    weight = known.reshape(1, height, width, -1).astype(np.float32)
    count = np.zeros_like(weight)
    values = opened.reshape(len(opened), height, width, -1) * weight
    total = np.zeros_like(values)
    for axis in (1, 2):
        for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            a, b = [slice(None)] * 4, [slice(None)] * 4
            a[axis], b[axis] = here, there
            total[tuple(a)] += values[tuple(b)]
            count[tuple(a)] += weight[tuple(b)]
    mean = total / np.maximum(count, 1)
    return mean.reshape(opened.shape), count.reshape(-1) > 0


def _assign(
    site: Site,
    values: NDArray[np.uint8],
    predicted: NDArray[np.float32],
    counted: NDArray[np.bool_],
    index: NDArray[np.int64],
    mask: NDArray[np.uint8],
) -> None:
    repeats = np.linspace(0, site.to.shape[1] - 1, min(site.to.shape[1], _REPEATS)).astype(int)
    seen = values[:, site.to[:, repeats]]
    cost = np.empty((len(site.to), len(site.of)))
    for column, (places, lead) in enumerate(zip(site.of, site.source_lead, strict=True)):
        there = places[repeats]
        weight = counted[there] if counted[there].any() else np.ones(len(there), bool)
        masked = seen ^ (site.lead ^ lead)[:, None]
        error = (masked[:, :, weight] - predicted[:, there[weight]][:, None]) ** 2
        cost[:, column] = error.mean(axis=(0, 2))
    rows, columns = linear_sum_assignment(cost)
    index[site.to[rows]] = site.of[columns]
    mask[site.to[rows]] = (site.lead[rows] ^ site.source_lead[columns])[:, None]
