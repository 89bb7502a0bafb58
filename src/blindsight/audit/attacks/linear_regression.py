"""Ridge regression from protected to plain images: what known pairs give to somebody who ignores the scheme."""

from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.permutation import split_nibbles
from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.threat import KnownPairs, Observation

__all__ = ["LinearRegression"]

Pixels = NDArray[np.uint8]
FEWEST_PAIRS = 20
_FOLDS = 5
_MANY = 500  # pairs; with more, one fold tells enough, and each costs the cube of them
_PENALTIES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 100.0)  # times the mean square of a protected image
_BATCH = 256  # images at a time


class _Choice(NamedTuple):
    error: float
    features: str
    penalty: float


@register_attack
class LinearRegression(Attack):
    """A linear map fitted to the pairs, in the form that costs the cube of the pairs, not of the pixels.

    Every signed permutation is a linear map of nibbles, and of bytes where bytes move whole, so this is general. It
    gives back what is common to the pairs, with few of them little more than the mean image. Whether it reads bytes or
    nibbles, and the penalty, are chosen by pairs held out in turn (five folds; of more than 500 pairs one), never by
    the images to be reconstructed.

    Facts: ``pairs``; ``features``, bytes or nibbles; ``penalty``, times the mean square of a protected image;
    ``held_out_rmse``, on pairs that were held out, 0 to 255; ``mean_rmse``, that of the mean of the other pairs.
    """

    name: ClassVar[str] = "linear-regression"
    title: ClassVar[str] = "a linear map fitted to known pairs"
    reference: ClassVar[str] = (
        "Hoerl & Kennard, Technometrics 12(1), 1970 (ridge regression), in its dual form; no knowledge of the scheme"
    )
    observes: ClassVar[type[Observation]] = KnownPairs

    def why_not(self, observation: Observation) -> str | None:
        lack = super().why_not(observation)
        if lack is None and isinstance(observation, KnownPairs) and len(observation.known_plain) < FEWEST_PAIRS:
            return f"needs {FEWEST_PAIRS} known pairs, there are {len(observation.known_plain)}"
        return lack

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        assert isinstance(observation, KnownPairs)
        plain = observation.known_plain.reshape(len(observation.known_plain), -1).astype(np.float64)
        folds = budget.rng().permutation(len(plain)) % _FOLDS
        choices, products = [], {}
        for features in ("bytes", "nibbles"):
            budget.tell(0.1 if features == "bytes" else 0.4, f"fitting to {features}")
            a = _features(observation.known_protected, features)
            products[features] = a @ a.T
            choices += _held_out(products[features], plain, folds, features)
            if budget.over():
                break
        best = min(choices)
        budget.tell(0.7, "reconstructing")
        images = _predict(observation, plain, products[best.features], best)
        return Reconstruction(
            images,
            facts={
                "pairs": len(plain),
                "features": best.features,
                "penalty": best.penalty,
                "held_out_rmse": best.error,
                "mean_rmse": _mean_error(plain, folds),
            },
        )


def _features(images: Pixels, kind: str) -> NDArray[np.float64]:
    """(N, samples), about 0."""
    flat = images.reshape(len(images), -1)
    return split_nibbles(flat) - np.float64(7.5) if kind == "nibbles" else flat - np.float64(127.5)


def _held_out(
    product: NDArray[np.float64], plain: NDArray[np.float64], folds: NDArray[np.int64], features: str
) -> list[_Choice]:
    """The root mean squared error over pairs held out in turn, for each penalty."""
    squares, count = np.zeros(len(_PENALTIES)), 0
    for fold in _tried(plain):
        fitted, tried = folds != fold, folds == fold
        mean = plain[fitted].mean(axis=0)
        inner, cross = _centred(product[np.ix_(fitted, fitted)], product[np.ix_(tried, fitted)])
        values, vectors = np.linalg.eigh(inner)
        left, right = cross @ vectors, vectors.T @ (plain[fitted] - mean)
        for number, penalty in enumerate(_PENALTIES):
            scale = np.maximum(values, 0) + penalty * _size(inner)
            squares[number] += ((left / scale @ right + mean - plain[tried]) ** 2).sum()
        count += plain[tried].size
    errors = np.sqrt(squares / count)
    return [_Choice(float(error), features, penalty) for error, penalty in zip(errors, _PENALTIES, strict=True)]


def _predict(
    observation: KnownPairs, plain: NDArray[np.float64], product: NDArray[np.float64], chosen: _Choice
) -> Pixels:
    mean = plain.mean(axis=0)
    inner, _ = _centred(product, product)
    weights = np.linalg.solve(inner + chosen.penalty * _size(inner) * np.eye(len(inner)), plain - mean)
    known = _features(observation.known_protected, chosen.features)
    made = []
    for start in range(0, len(observation.images), _BATCH):
        part = _features(observation.images[start : start + _BATCH], chosen.features)
        made.append(_centred(product, part @ known.T)[1] @ weights + mean)
    images: Pixels = np.rint(np.concatenate(made)).clip(0, 255).astype(np.uint8)
    return images.reshape(observation.images.shape)


def _centred(inner: NDArray[np.float64], cross: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Products of images, as if the mean of the fitted ones had been taken from all."""
    middle = inner.mean(axis=0)
    return (
        inner - middle - middle[:, None] + middle.mean(),
        cross - cross.mean(axis=1, keepdims=True) - middle + middle.mean(),
    )


def _size(inner: NDArray[np.float64]) -> float:
    """Mean square of a centred protected image; 1 where all are the same, which nothing can be learned from."""
    return float(np.trace(inner) / len(inner)) or 1.0


def _mean_error(plain: NDArray[np.float64], folds: NDArray[np.int64]) -> float:
    rest = [plain[folds == fold] - plain[folds != fold].mean(axis=0) for fold in _tried(plain)]
    return float(np.sqrt((np.concatenate(rest) ** 2).mean()))


def _tried(plain: NDArray[np.float64]) -> range:
    """The folds that are held out."""
    return range(_FOLDS if len(plain) <= _MANY else 1)
