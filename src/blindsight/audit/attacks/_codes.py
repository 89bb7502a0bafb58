"""Images to have encrypted: made so that their encryption leaves nothing of a key open.

Where a sample can come from c places, and masks from a group of g, q queries of samples with b values make ``b^q / g``
words, and the c samples need distinct ones (Jolfaei, Wu & Muthukkumarasamy, IEEE TIFS 11, 2016, for permutations,
g = 1). Blocks with states have a whole block for a word, tables that all blocks share a sample of every block: noise
does for both.
"""

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.permutation import merge_nibbles
from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.attacks._match import match_pairs
from blindsight.audit.attacks._signatures import words
from blindsight.errors import ParameterError

__all__ = ["coarse_noise", "code_images", "fewest_queries"]

Pixels = NDArray[np.uint8]
_DRAWS = 8  # sets of images to try before another query is added
_MOST = 32  # queries
_SMALL = 1 << 12  # so many words are shuffled whole for every part


def fewest_queries(form: KeyForm) -> int:
    """How many images it takes by counting words: a lower bound, mostly the number itself."""
    if form.kind == "states":
        return 1
    n, samples = form.places.shape
    values = form.levels ** (n if form.shared else 1)
    queries = 1
    while values**queries < _part(form, samples) * len(form.masks):
        queries += 1
    return queries


def code_images(form: KeyForm, rng: np.random.Generator) -> Pixels:
    """Images whose encryption determines the key: uint8 (q, H, W, C), q as small as was found.

    Whether they do is tried out beforehand with the key that changes nothing; it is the same with every key.

    Raises:
        ParameterError: 32 images are not enough, for a scheme that no pairs could determine.
    """
    for queries in range(fewest_queries(form), _MOST + 1):
        for _ in range(_DRAWS):
            images = _draw(form, queries, rng)
            if match_pairs(form, images, images).share == 1:
                return images
    raise ParameterError(f"{_MOST} images do not tell the samples of {form.shape} apart; attack smaller images")


def coarse_noise(form: KeyForm, rng: np.random.Generator) -> Pixels:
    """Noise that survives a lossy codec, uint8 (1, H, W, C): each block has 4 x 4 patches of one colour."""
    assert form.grid is not None
    height, width, channels = form.shape
    patch = max(1, form.grid.block // 4)
    colors = rng.integers(0, 256, (-(-height // patch), -(-width // patch), channels), np.uint8)
    whole = colors.repeat(patch, axis=0).repeat(patch, axis=1)
    return np.ascontiguousarray(whole[None, :height, :width])


def _part(form: KeyForm, samples: int) -> int:
    """Among how many samples of its block one can lie."""
    pixel = form.shape[2] * (2 if form.sample == "nibble" else 1)
    return {"sample": 1, "pixel": pixel, "block": samples}[form.reach]


def _draw(form: KeyForm, queries: int, rng: np.random.Generator) -> Pixels:
    if form.kind == "states" or form.shared:
        return rng.integers(0, 256, (queries, *form.shape), np.uint8)
    n, samples = form.places.shape
    part = _part(form, samples)
    first = _representatives(form)
    count = len(first) * form.levels ** (queries - 1)
    parts = n * samples // part
    if count <= _SMALL:
        number = rng.permuted(np.broadcast_to(np.arange(count), (parts, count)).copy(), axis=1)[:, :part]
    else:
        number = np.stack([rng.choice(count, part, replace=False) for _ in range(parts)])
    number = number.reshape(n, samples)
    digits = [first[number % len(first)]]
    rest = number // len(first)
    for _ in range(queries - 1):
        digits.append((rest % form.levels).astype(np.uint8))
        rest = rest // form.levels
    flat = np.empty((queries, n * samples), np.uint8)
    flat[:, form.places.reshape(-1)] = np.stack(digits).reshape(queries, -1)
    joined = merge_nibbles(flat) if form.sample == "nibble" else flat
    images: Pixels = joined.reshape(queries, *form.shape)
    return images


def _representatives(form: KeyForm) -> Pixels:
    """The first values of words: one of each that the masks make into each other."""
    values = np.arange(form.levels, dtype=np.uint8)
    first: Pixels = values[words(values[:, None], form.masks)[1] == 0]
    return first
