"""Scenarios: plain images, a scheme and a threat model in; what the attacker sees, and apart from it the truth, out."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.audit.threat import THREATS, Candidates, KnownPairs, LabelledSet, Observation, Oracle
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.images import encode_image, read_protected
from blindsight.owner.keys import SecretKey
from blindsight.owner.options import check_key_scope
from blindsight.owner.protection import Protection
from blindsight.owner.reductions import Reduction
from blindsight.profile import Codec, Profile, Scalar

__all__ = ["Scenario", "Truth", "make_scenario"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Truth:
    """What the attacker does not see.

    Attributes:
        images: uint8 (N, H, W, C), the originals of the observation's images, in its order.
        key: what encrypted them; None where images have keys of their own.
        labels: int64 (N,), or None.
    """

    images: Pixels
    key: SignedPermutation | None = None
    labels: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Scenario:
    """An observation and, for the scorer alone, the truth."""

    observation: Observation
    truth: Truth


def make_scenario(
    plain: Pixels,
    scheme: str,
    block: int,
    threat: str = "protected-set",
    *,
    seed: int = 0,
    parameters: dict[str, Scalar] | None = None,
    key_scope: str = "dataset",
    codec: Codec | None = None,
    pairs: int = 0,
    public: Pixels | None = None,
    labels: NDArray[np.int64] | None = None,
    candidates: Pixels | None = None,
    public_labels: NDArray[np.int64] | None = None,
    model: Any = None,
    checkpoint: Any = None,
    reductions: Sequence[str] = (),
) -> Scenario:
    """Protects images with a fresh key and says what an attacker of a kind sees.

    Args:
        plain: uint8 (N + pairs, H, W, C); the last ``pairs`` of them become the known pairs.
        scheme: a registered cipher.
        block: side of its blocks in pixels.
        threat: a name of :data:`blindsight.audit.threat.THREATS`.
        seed: of the key: another trial, another key.
        parameters: of the scheme.
        key_scope: ``dataset``, ``image`` or ``pool:K``.
        codec: how the protected images are published; PNG where None.
        pairs: how many known pairs a ``known-pairs`` attacker has.
        public: plain images that the attacker may have besides, none of them in ``plain``.
        labels: int64 (N,), for ``labelled-set``; kept in the truth in any case.
        candidates: uint8 (G, H, W, C), what a ``candidates`` attacker holds, with the originals or without them; it is
            handed over in an order that the seed draws, so that places say nothing.
        public_labels: int64 (P,), of the public images, for ``labelled-set``.
        model: for ``shared-model``.
        checkpoint: likewise.
        reductions: what the owner takes out of the images before they are encrypted, as ``protect --reduce`` does; see
            :mod:`blindsight.owner.reductions`. The truth is the images as they were.

    Raises:
        UnknownNameError: no such threat, scheme or reduction.
        ParameterError: arrays that do not go together, or no key scope.
    """
    if threat not in THREATS:
        raise UnknownNameError.of("threat model", threat, list(THREATS))
    if (threat == KnownPairs.name) != (pairs > 0):
        raise ParameterError(f"known-pairs needs pairs, and nothing else takes them; got {pairs} for {threat}")
    if (threat == Candidates.name) != (candidates is not None):
        raise ParameterError(f"the threat candidates needs candidates, and nothing else takes them; got {threat}")
    if threat == LabelledSet.name and labels is None:
        raise ParameterError("the threat labelled-set needs labels, one class index for each image; got none")
    check_key_scope(key_scope)
    key, codec = trial_key(seed), codec or Codec()
    profile = Profile(
        kind="cipher",
        scheme=scheme,
        parameters=parameters or {},
        block_size=block,
        channels=3 if plain.shape[3] == 3 else 1,
        size=(plain.shape[1], plain.shape[2]),
        codec=codec,
        key_scope=key_scope,
        key_id=key.id,
        reductions=tuple(str(Reduction.parse(text)) for text in reductions),
    )
    publish = publisher(profile, key)
    protected = np.stack([publish(image, f"image-{k}") for k, image in enumerate(plain)])
    n = len(plain) - pairs
    more: dict[str, Any] = {}
    if threat == "known-pairs":
        more = {"known_plain": plain[n:], "known_protected": protected[n:]}
    elif threat == "chosen-plaintext":
        asked = iter(range(1 << 62))
        more = {"encrypt": Oracle(lambda image: publish(image, f"query-{next(asked)}"))}
    elif candidates is not None:
        more = {"candidates": np.random.default_rng(seed).permutation(candidates)}
    elif threat == "labelled-set":
        more = {"labels": labels, "public_labels": public_labels}
    elif threat == "shared-model":
        more = {"model": model, "checkpoint": checkpoint}
    observation = THREATS[threat](profile=profile, images=protected[:n], public=public, **more)
    fixed = Protection(profile, key).permutation(*plain.shape[1:3]) if key_scope == "dataset" else None
    return Scenario(observation, Truth(plain[:n], fixed, labels))


def publisher(profile: Profile, key: SecretKey) -> Callable[[Pixels, str], Pixels]:
    """(plain image, id) -> the image as it is published and decoded again."""
    protection, code = Protection(profile, key), publisher_of_codec(profile)
    return lambda image, identifier: code(protection.encrypt(image, identifier))


def publisher_of_codec(profile: Profile) -> Callable[[Pixels], Pixels]:
    """Protected image -> the same as it is published and decoded again."""
    # Chroma that was halved is taken back block by block: it is the attacker who decodes.
    halved = profile.codec.subsampling == "4:2:0"

    def code(image: Pixels) -> Pixels:
        if profile.codec.lossless:
            return image
        return read_protected(encode_image(image, profile.codec), channels=profile.channels, box_upsampling=halved)

    return code


def trial_key(seed: int) -> SecretKey:
    """A key that anybody can make again. It protects nothing."""
    return SecretKey(hashlib.sha256(f"blindsight audit, trial {seed}: a key that anybody can make".encode()).digest())
