"""Threat models as types: an observation holds exactly what an attacker of its kind may see.

Attacks are given an observation and nothing else: no key, no path, no truth. What a reconstruction is worth is found
out elsewhere (:mod:`blindsight.audit.scenario` keeps the truth, :mod:`blindsight.audit.scoring` compares).

Kerckhoffs's principle holds throughout: the scheme and its public parameters are known, the key is not.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra.permutation import frozen
from blindsight.errors import ParameterError
from blindsight.profile import Profile

__all__ = [
    "THREATS",
    "Candidates",
    "ChosenPlaintext",
    "KnownPairs",
    "LabelledSet",
    "Observation",
    "OneImage",
    "Oracle",
    "ProtectedSet",
    "SharedModel",
]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False, kw_only=True)
class Observation:
    """What every attacker sees: published images, and the profile beside them.

    Attributes:
        profile: the public facts: scheme, parameters, block size, geometry, codec, key scope.
        images: uint8 (N, H, W, C), as published and decoded; what is to be reconstructed.
        public: uint8 (P, H, W, C), plain images of the same kind that anybody can get; None where there are none. They
            are none of the originals of ``images``.

    Raises:
        ParameterError: arrays of another dtype or of shapes that do not go together.
    """

    profile: Profile
    images: Pixels
    public: Pixels | None = None

    name: ClassVar[str] = "observation"
    title: ClassVar[str] = "anything published"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, frozen(value))
        _check_images("images", self.images, None)
        if self.public is not None:
            _check_images("public", self.public, self.images.shape[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class OneImage(Observation):
    """One protected image and no other: the ciphertext-only attacker of the papers."""

    name: ClassVar[str] = "one-image"
    title: ClassVar[str] = "one protected image"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.images) != 1:
            raise ParameterError(f"this attacker sees one image, got {len(self.images)}; take ProtectedSet for more")


@dataclass(frozen=True, eq=False, kw_only=True)
class ProtectedSet(Observation):
    """The whole protected set under its key or keys: what a provider has."""

    name: ClassVar[str] = "protected-set"
    title: ClassVar[str] = "the protected set"


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelledSet(ProtectedSet):
    """The protected set with its labels: what a provider has who trains on it.

    Attributes:
        labels: int64 (N,), class indices of ``images``.
        public_labels: int64 (P,), class indices of ``public`` among the same classes; None where nobody knows them.
    """

    labels: NDArray[np.int64]
    public_labels: NDArray[np.int64] | None = None

    name: ClassVar[str] = "labelled-set"
    title: ClassVar[str] = "the protected set and its labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels.shape != (len(self.images),):
            raise ParameterError(f"{len(self.images)} images need as many labels, got shape {self.labels.shape}")
        count = 0 if self.public is None else len(self.public)
        if self.public_labels is not None and self.public_labels.shape != (count,):
            raise ParameterError(f"{count} public images need as many labels, got shape {self.public_labels.shape}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates(ProtectedSet):
    """The protected set, and images that may be originals: an employer has staff photographs, anybody a public album.

    Attributes:
        candidates: uint8 (G, H, W, C), in an order that says nothing. Of each protected image the original may be among
            them or not; the attacker is not told.
    """

    candidates: Pixels

    name: ClassVar[str] = "candidates"
    title: ClassVar[str] = "the protected set and candidate originals"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_images("candidates", self.candidates, self.images.shape[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class KnownPairs(ProtectedSet):
    """The protected set, and the originals of some images protected with the same key.

    Attributes:
        known_plain: uint8 (K, H, W, C), K at least 1.
        known_protected: uint8 (K, H, W, C), the same images as published. They are not among ``images``.
    """

    known_plain: Pixels
    known_protected: Pixels

    name: ClassVar[str] = "known-pairs"
    title: ClassVar[str] = "known pairs of plain and protected images"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("known_plain", "known_protected"):
            _check_images(name, getattr(self, name), self.images.shape[1:])
        if len(self.known_plain) != len(self.known_protected):
            raise ParameterError(f"{len(self.known_plain)} plain images, {len(self.known_protected)} protected ones")


class Oracle:
    """Encrypts what the attacker chooses, with the key of the protected set, and counts.

    Args:
        encrypt: uint8 (H, W, C) -> the same, as published.
    """

    def __init__(self, encrypt: Callable[[Pixels], Pixels]) -> None:
        self._encrypt = encrypt
        self.queries = 0

    def __call__(self, image: Pixels) -> Pixels:
        self.queries += 1
        return self._encrypt(image)


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenPlaintext(ProtectedSet):
    """The protected set, and images of the attacker's choice protected with the same key.

    Attributes:
        encrypt: asks for one image, uint8 (H, W, C).
    """

    encrypt: Oracle

    name: ClassVar[str] = "chosen-plaintext"
    title: ClassVar[str] = "images of the attacker's choice, protected"


@dataclass(frozen=True, eq=False, kw_only=True)
class SharedModel(ProtectedSet):
    """The protected set and a model that takes such images.

    Attributes:
        model: ``torch.nn.Module``, on the CPU, in evaluation mode; takes float (N, C, H, W) in -1 to 1.
        checkpoint: the public weights that the model began from, as a model of the same architecture; None where there
            are none.
    """

    model: Any
    checkpoint: Any | None = None

    name: ClassVar[str] = "shared-model"
    title: ClassVar[str] = "the protected set and the model"


#: The kinds of attackers, by name.
THREATS: dict[str, type[Observation]] = {
    kind.name: kind
    for kind in (OneImage, ProtectedSet, LabelledSet, Candidates, KnownPairs, ChosenPlaintext, SharedModel)
}


def _check_images(name: str, images: Pixels, shape: tuple[int, ...] | None) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise ParameterError(f"{name} are uint8 (N, H, W, C), at least one, got {images.dtype} {images.shape}")
    if shape is not None and images.shape[1:] != shape:
        raise ParameterError(f"{name} are of shape {images.shape[1:]}, the protected images of {shape}")
