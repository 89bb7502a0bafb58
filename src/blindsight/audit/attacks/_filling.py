"""Samples that the pairs cannot tell apart are chosen by the images to be reconstructed.

Each open source place is predicted, in every image, by the neighbours that are known already, and the open
destinations of one word are assigned so that they are likeliest: least squares, each in units of the error that such
predictions have. Then all are assigned anew, with neighbours on all sides.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.attacks._neighbours import Prediction, predict

__all__ = ["Site", "fill_samples"]

_IMAGES = 64  # images to look at
_REPEATS = 64  # blocks to look at, where all share the table
_LARGEST = 400  # samples assigned at a time: the assignment takes the cube of it
_ROUNDS = 50  # each from what the last has filled in
_POLISH = 3  # times that all are assigned anew


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
    over: Callable[[], bool] = lambda: False,
) -> NDArray[np.bool_]:
    """Chooses among samples of one word, as far as neighbours tell; changes ``index`` and ``mask`` in place.

    Args:
        form: of the key.
        targets: uint8 (N, samples), encrypted images in the form's samples.
        index, mask: flat tables, consistent with the pairs.
        sure: bool (samples,), destinations whose source is known.
        sites: what is open.
        over: whether the time is up; then it ends with what it has.

    Returns:
        bool (samples,), which destinations were chosen so.
    """
    values = targets[np.linspace(0, len(targets) - 1, min(len(targets), _IMAGES)).astype(int)]
    known = np.zeros(index.size, bool)
    known[index[sure]] = True
    rest, chosen = sites, list[Site]()
    enough = np.all  # first what is surrounded, then what has anything known beside it
    for _ in range(_ROUNDS):
        predicted = predict(form, _opened(values, index, mask), known)
        waiting: list[Site] = []
        for site in rest:
            if not over() and len(site.to) <= _LARGEST and enough(predicted.there[site.of].any(axis=1)):
                _assign(site, values, predicted, index, mask)
                chosen.append(site)
            else:
                waiting.append(site)
        for site in chosen:
            known[site.of] = True
        if len(waiting) == len(rest):
            if enough is np.any:
                break
            enough = np.any
        rest = waiting
    for _ in range(_POLISH):
        predicted = predict(form, _opened(values, index, mask), known)
        for site in chosen:
            if over():
                break
            _assign(site, values, predicted, index, mask)
    filled = np.zeros(index.size, bool)
    for site in chosen:
        filled[site.to] = True
    return filled


def _opened(values: NDArray[np.uint8], index: NDArray[np.int64], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Decrypts: float32 (N, samples)."""
    plain = np.empty(values.shape, np.float32)
    plain[:, index] = values ^ mask
    return plain


def _assign(
    site: Site,
    values: NDArray[np.uint8],
    predicted: Prediction,
    index: NDArray[np.int64],
    mask: NDArray[np.uint8],
) -> None:
    repeats = np.linspace(0, site.to.shape[1] - 1, min(site.to.shape[1], _REPEATS)).astype(int)
    seen = values[:, site.to[:, repeats]]
    cost = np.empty((len(site.to), len(site.of)))
    for column, (places, lead) in enumerate(zip(site.of, site.source_lead, strict=True)):
        there = places[repeats]
        masked = seen ^ (site.lead ^ lead)[:, None]
        error = (masked - predicted.values[:, there][:, None]) ** 2 / predicted.error[:, there][:, None]
        cost[:, column] = error.mean(axis=(0, 2))
    rows, columns = linear_sum_assignment(cost)
    index[site.to[rows]] = site.of[columns]
    mask[site.to[rows]] = (site.lead[rows] ^ site.source_lead[columns])[:, None]
