"""The cases that an attack is tried on: a threat model on one set, with the truth where the owner grants it.

The attacker who has one image is tried on several, each seen by itself: one picture says little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.audit.attack import Attack
from blindsight.audit.scenario import Truth
from blindsight.audit.threat import (
    THREATS,
    ChosenPlaintext,
    KnownPairs,
    Observation,
    OneImage,
    Oracle,
    ProtectedSet,
)
from blindsight.errors import ParameterError, UnknownNameError

__all__ = ["ALWAYS", "Case", "choose_threats", "keyless", "one_by_one"]

Pixels = NDArray[np.uint8]
#: The threat models that every protected set meets.
ALWAYS = (OneImage.name, ProtectedSet.name)
#: Images that the attacker with one image is tried on.
TRIES = 4


@dataclass(frozen=True, eq=False)
class Case:
    """What attacks of one threat model are tried on.

    Attributes:
        threat: a name of :data:`~blindsight.audit.threat.THREATS`.
        observations: what is seen; several where each is attacked by itself.
        truths: as many, or none where nobody grants the truth.
        others: originals of the same set that are not in the truths: candidates to be taken for one.
    """

    threat: str
    observations: tuple[Observation, ...]
    truths: tuple[Truth, ...] = ()
    others: Pixels | None = None

    @property
    def title(self) -> str:
        """The threat in words."""
        return self.observations[0].title

    @property
    def seen(self) -> Observation:
        """All that is to be reconstructed, in one."""
        first = self.observations[0]
        if len(self.observations) == 1:
            return first
        images = np.concatenate([each.images for each in self.observations])
        return ProtectedSet(profile=first.profile, images=images, public=first.public)

    @property
    def truth(self) -> Truth | None:
        """What it is compared with; None where nobody grants it."""
        if len(self.truths) < 2:
            return self.truths[0] if self.truths else None
        labels = [truth.labels for truth in self.truths if truth.labels is not None]
        known = np.concatenate(labels) if len(labels) == len(self.truths) else None
        return Truth(np.concatenate([truth.images for truth in self.truths]), None, known)


def one_by_one(seen: Observation, truth: Truth | None, tries: int = TRIES) -> Case:
    """The attacker who has one image, tried on the first few of a set.

    Args:
        seen: several images.
        truth: of these; None where nobody grants it.
        tries: at most so many of them.
    """
    each = range(min(tries, len(seen.images)))
    observations = tuple(
        OneImage(profile=seen.profile, images=seen.images[k : k + 1], public=seen.public) for k in each
    )
    if truth is None:
        return Case(OneImage.name, observations)
    others = truth.images[len(each) :] if len(truth.images) > len(each) else None
    return Case(OneImage.name, observations, tuple(_one_truth(truth, k) for k in each), others)


def _one_truth(truth: Truth, k: int) -> Truth:
    """The truth on one image of several."""
    return Truth(truth.images[k : k + 1], truth.key, None if truth.labels is None else truth.labels[k : k + 1])


def keyless(case: Case) -> Case:
    """The same case under a key that changes nothing: what an attack must solve for its failures to mean anything.

    The profile stays, so the attack is told of the same scheme. The idea of flags that make an evaluation void is that
    of AutoAttack (Croce and Hein, arXiv 2003.01690).

    Args:
        case: one with the truth.
    """
    pairs: Sequence[tuple[Observation, Truth]] = list(zip(case.observations, case.truths, strict=True))
    observations = []
    for seen, truth in pairs:
        plain = replace(seen, images=truth.images)
        if isinstance(plain, KnownPairs):
            plain = replace(plain, known_protected=plain.known_plain)
        elif isinstance(plain, ChosenPlaintext):
            plain = replace(plain, encrypt=Oracle(lambda image: image))
        observations.append(plain)
    truths = [
        replace(truth, key=None if truth.key is None else SignedPermutation.identity(truth.key.shape))
        for _, truth in pairs
    ]
    return Case(case.threat, tuple(observations), tuple(truths), case.others)


def choose_threats(wanted: Sequence[str], lacks: Mapping[str, str | None], attacks: Sequence[Attack]) -> list[str]:
    """The threat models to try, in the order of :data:`~blindsight.audit.threat.THREATS`.

    Args:
        wanted: names; where none is given, one image, the protected set, and what an attack uses besides.
        lacks: name -> what it lacks, in words, or None; of one that is not named nobody here can grant what it needs.
        attacks: those to be run.

    Raises:
        UnknownNameError: no such threat model.
        ParameterError: one that lacks something.
    """

    def lack(name: str) -> str | None:
        return lacks.get(name, "this command cannot grant what it needs; use blindsight.audit.scenario")

    for name in wanted:
        if name not in THREATS:
            raise UnknownNameError.of("threat model", name, list(THREATS))
        if lack(name):
            raise ParameterError(f"threat model {name} cannot be tried: {lack(name)}")
    used = {*ALWAYS, *(attack.observes.name for attack in attacks)}
    return [name for name in THREATS if (name in wanted if wanted else name in used and not lack(name))]
