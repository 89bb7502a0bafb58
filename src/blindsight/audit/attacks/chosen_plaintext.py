"""Chosen plaintext: the key from as few images as can be that the attacker has encrypted."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attack import Attack, Budget, Reconstruction, register_attack
from blindsight.audit.attacks._codes import coarse_noise, code_images
from blindsight.audit.attacks._found import Found
from blindsight.audit.attacks._key_form import KeyForm, key_form
from blindsight.audit.attacks._match import match_pairs, why_no_match
from blindsight.audit.threat import ChosenPlaintext, Observation, Oracle

__all__ = ["ChosenPlaintextAttack"]

Pixels = NDArray[np.uint8]
_MOST_LOSSY = 8  # queries through a lossy codec before the attack gives up


@register_attack
class ChosenPlaintextAttack(Attack):
    """The whole encrypting signed permutation, verified on one more query.

    Facts: ``queries``, that the key was found from; ``checks``, further ones to verify it; ``verified``;
    ``share_of_key`` that the queries determine. A key that is not verified is not claimed: ``key`` is None, and the
    images are what it would give.
    """

    name: ClassVar[str] = "chosen-plaintext"
    title: ClassVar[str] = "the key from chosen images"
    reference: ClassVar[str] = (
        "Jolfaei, Wu & Muthukkumarasamy, IEEE TIFS 11, 2016, for permutation-only ciphers; here for signed "
        "permutations of bytes or nibbles, with the block structure of the scheme"
    )
    observes: ClassVar[type[Observation]] = ChosenPlaintext

    def why_not(self, observation: Observation) -> str | None:
        form = key_form(observation.profile, observation.images.shape[1:])
        return super().why_not(observation) or why_no_match(observation, form)

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        assert isinstance(observation, ChosenPlaintext)
        form = key_form(observation.profile, observation.images.shape[1:])
        budget.tell(0.0, "choosing images")
        attempt = _lossless if observation.profile.codec.lossless else _lossy
        found, queries, verified = attempt(form, observation.encrypt, budget)
        images = np.asarray(found.key.inverse().apply(observation.images))
        budget.tell(1.0, "done")
        return Reconstruction(
            images,
            key=found.key if verified else None,
            facts={"queries": queries, "checks": 1, "verified": verified, "share_of_key": found.share},
        )


def _lossless(form: KeyForm, encrypt: Oracle, budget: Budget) -> tuple[Found, int, bool]:
    """The key, how many queries it took, and whether it explains one more."""
    rng = budget.rng()
    chosen = code_images(form, rng)
    found = match_pairs(form, chosen, _ask(encrypt, chosen))
    check = rng.integers(0, 256, (1, *form.shape), np.uint8)
    return found, len(chosen), found.fits and np.array_equal(found.key.apply(check), _ask(encrypt, check))


def _lossy(form: KeyForm, encrypt: Oracle, budget: Budget) -> tuple[Found, int, bool]:
    """As :func:`_lossless`. What comes back is never equal: a key is verified by another image that gives it, too."""
    rng = budget.rng()
    chosen = coarse_noise(form, rng)
    seen = _ask(encrypt, chosen)
    while True:
        found = match_pairs(form, chosen, seen, lossless=False)
        check = coarse_noise(form, rng)
        answer = _ask(encrypt, check)
        verified = found.fits and match_pairs(form, check, answer, lossless=False).key == found.key
        if verified or len(chosen) == _MOST_LOSSY or budget.over():
            return found, len(chosen), verified
        chosen, seen = np.concatenate([chosen, check]), np.concatenate([seen, answer])


def _ask(encrypt: Oracle, images: Pixels) -> Pixels:
    return np.stack([encrypt(image) for image in images])
