"""The key of an encrypted model, read from its weights by somebody who knows the plain ones.

Encrypting a model permutes and signs the columns of its first layer and permutes its position embeddings. Whoever has
the plain checkpoint (public pretrained weights, a model that leaked) looks for each column among the plain ones, and
has the key. Weights that were trained further are looked for by likeness. A keyed embedding says besides, without any
plain weights, how the blocks of an image lie to each other.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from blindsight.algebra import SignedPermutation
from blindsight.errors import ParameterError
from blindsight.nets.first_layer import patch_embedding
from blindsight.nets.keyed_embedding import KeyedConv2d

__all__ = ["ColumnMatch", "ModelMatch", "match_columns", "match_models"]


@dataclass(frozen=True)
class ColumnMatch:
    """Which plain column each encrypted one is.

    Attributes:
        index: int64 (S,): column j of the encrypted matrix is ``sign[j]`` times column ``index[j]`` of the plain one.
        sign: int8 (S,), -1 or 1.
        likeness: float64 (S,): cosine between the two, 0 to 1.
        margin: float64 (S,): by how much the match is likelier than the next; 0 where two columns are alike.
    """

    index: NDArray[np.int64]
    sign: NDArray[np.int8]
    likeness: NDArray[np.float64]
    margin: NDArray[np.float64]


@dataclass(frozen=True)
class ModelMatch:
    """What the weights of an encrypted model give away.

    Attributes:
        permutation: what encrypts an image of the model's size, as far as it was read; its inverse reveals a query.
        columns: of the first layer's weight, in the gauge of its first position.
        positions: of the position embeddings; None where the model has none (blocks stay in their places).
    """

    permutation: SignedPermutation
    columns: ColumnMatch
    positions: ColumnMatch | None


def match_columns(plain: NDArray[Any], encrypted: NDArray[Any], *, signed: bool = True) -> ColumnMatch:
    """The one-to-one match of columns with the largest sum of likenesses (Kuhn, 1955).

    Args:
        plain: float (D, S).
        encrypted: float (D, S): the columns in another order, some negated, perhaps changed a little.
        signed: whether columns may be negated.

    Raises:
        ParameterError: matrices of different shapes.
    """
    if plain.ndim != 2 or plain.shape != encrypted.shape:
        raise ParameterError(f"expected two matrices of one shape, got {plain.shape} and {encrypted.shape}")
    a, b = (_unit(m.astype(np.float64)) for m in (plain, encrypted))
    cosine = b.T @ a
    alike = np.abs(cosine) if signed else cosine
    rows, index = linear_sum_assignment(-alike)
    best = alike[rows, index]
    others = alike.copy()
    others[rows, index] = -np.inf
    margin = best - others.max(axis=1) if len(rows) > 1 else best
    sign = np.where(signed & (cosine[rows, index] < 0), -1, 1).astype(np.int8)
    return ColumnMatch(index.astype(np.int64), sign, best, margin)


def match_models(plain: Any, encrypted: Any, size: tuple[int, int]) -> ModelMatch:
    """Reads the key of an encrypted model, for images of one size.

    Args:
        plain: the model that was encrypted, or what it began from; its images normalised with 0.5 and 0.5. (With
            another mean or std, fold it first: :func:`blindsight.owner.model_cipher.fold_normalisation`.)
        encrypted: what its owner handed over, trained further or not.
        size: (height, width) in pixels.

    Raises:
        IncompatibleModelError: a model without a patch embedding.
        ParameterError: two models of different shape.
    """
    _, before = patch_embedding(plain)
    _, after = patch_embedding(encrypted)
    columns = match_columns(*(_array(conv.weight).reshape(len(conv.weight), -1) for conv in (before, after)))
    height, width = size
    h, w = after.kernel_size
    rows, cols = height // h, width // w
    count = rows * cols
    positions = _match_positions(plain, encrypted, count)
    source = np.arange(count) if positions is None else positions.index
    index, sign = np.tile(columns.index, (count, 1)), np.tile(columns.sign, (count, 1))
    if isinstance(after, KeyedConv2d):
        # z[k] = s[v, k] y[t[v, k]] is in the gauge of the first state, where sample k is sign[k] x[index[k]].
        variant = _array(after.position_variant)
        taken, turned = _array(after.variant_index)[variant].astype(np.int64), _array(after.variant_sign)[variant]
        index, sign = np.empty_like(index), np.empty_like(sign)
        np.put_along_axis(index, taken, np.broadcast_to(columns.index, taken.shape), axis=1)
        np.put_along_axis(sign, taken, columns.sign * turned, axis=1)
    channels = after.in_channels
    every = np.arange(height * width * channels).reshape(rows, h, cols, w, channels)
    places = every.transpose(0, 2, 4, 1, 3).reshape(count, -1)
    flat, mask = np.empty(every.size, np.int64), np.empty(every.size, np.uint8)
    flat[places] = np.take_along_axis(places[source], index, axis=1)
    mask[places] = np.where(sign < 0, 255, 0)
    return ModelMatch(SignedPermutation((height, width, channels), flat, mask), columns, positions)


def _match_positions(plain: Any, encrypted: Any, count: int) -> ColumnMatch | None:
    tables = [model.state_dict().get("pos_embed") for model in (plain, encrypted)]
    if tables[0] is None or tables[1] is None or tables[0].shape[1] < count:
        return None
    before, after = (_array(table)[0, -count:].T for table in tables)
    return match_columns(before, after, signed=False)


def _unit(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(matrix, axis=0)
    return matrix / np.where(norms > 0, norms, 1.0)


def _array(tensor: Any) -> NDArray[Any]:
    found: NDArray[Any] = tensor.detach().cpu().numpy()
    return found
