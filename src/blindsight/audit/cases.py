"""The cases that an attack is tried on: a threat model on one set, with the truth where the owner grants it.

The attacker who has one image is tried on several, each seen by itself: one picture says little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    SharedModel,
)
from blindsight.errors import ParameterError, UnknownNameError

__all__ = ["ALWAYS", "Case", "choose_threats", "keyless", "one_by_one"]

Pixels = NDArray[np.uint8]
#: The threat models that every protected set meets.
ALWAYS = (OneImage.name, ProtectedSet.name)
#: Images that the attacker with one image is tried on.
TRIES = 4
#: A scheme that a profile can name and that changes nothing: so small a share of the blocks is none.
UNCHANGED: Mapping[str, Any] = {"scheme": "rrp", "parameters": {"blocks": 1e-6, "samples": 0.0}, "reductions": ()}


@dataclass(frozen=True, eq=False)
class Case:
    """What attacks of one threat model are tried on.

    Attributes:
        threat: a name of :data:`~blindsight.audit.threat.THREATS`.
        observations: what is seen; several where each is attacked by itself.
        truths: as many, or none where nobody grants the truth.
        others: images that are no originals of those attacked: candidates to be taken for one.
        counted: int64 (M,), places of the images that are scored and shown, where several are of one original; None
            for all. Attacks see all.
    """

    threat: str
    observations: tuple[Observation, ...]
    truths: tuple[Truth, ...] = ()
    others: Pixels | None = None
    counted: NDArray[np.int64] | None = None

    @property
    def title(self) -> str:
        """The threat in words."""
        return self.observations[0].title

    @property
    def seen(self) -> Observation:
        """All that is scored, in one."""
        first = self.observations[0]
        if len(self.observations) == 1:
            if self.counted is None:
                return first
            return ProtectedSet(profile=first.profile, images=first.images[self.counted], public=first.public)
        images = np.concatenate([each.images for each in self.observations])
        return ProtectedSet(profile=first.profile, images=images, public=first.public)

    @property
    def truth(self) -> Truth | None:
        """What it is compared with; None where nobody grants it."""
        if len(self.truths) < 2:
            return _part(self.truths[0], self.counted) if self.truths else None
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
    return Case(OneImage.name, observations, tuple(_part(truth, np.array([k])) for k in each), others)


def _part(truth: Truth, places: NDArray[np.int64] | None) -> Truth:
    """The truth on some of the images; on all where None."""
    if places is None:
        return truth
    return Truth(truth.images[places], truth.key, None if truth.labels is None else truth.labels[places])


def keyless(case: Case, attack: Attack | None = None) -> Case:
    """The same case under a key that changes nothing: what an attack must solve for its failures to mean anything.

    The profile stays, so the attack is told of the same scheme; but one that learns makes itself what it learns from by
    the scheme that it is told of, under other keys, and is told of a scheme that changes nothing. The idea of flags
    that make an evaluation void is that of AutoAttack (Croce and Hein, arXiv 2003.01690).

    Args:
        case: one with the truth.
        attack: that it is for.
    """
    told = dict(UNCHANGED) if attack is not None and attack.learns else {}
    pairs: Sequence[tuple[Observation, Truth]] = list(zip(case.observations, case.truths, strict=True))
    observations = []
    for seen, truth in pairs:
        profile = seen.profile.model_copy(update=told) if seen.profile.kind == "cipher" else seen.profile
        plain = replace(seen, profile=profile, images=truth.images)
        if isinstance(plain, KnownPairs):
            plain = replace(plain, known_protected=plain.known_plain)
        elif isinstance(plain, ChosenPlaintext):
            plain = replace(plain, encrypt=Oracle(lambda image: image))
        elif isinstance(plain, SharedModel) and plain.checkpoint is not None:
            plain = replace(plain, model=plain.checkpoint)
        observations.append(plain)
    truths = [
        replace(truth, key=None if truth.key is None else SignedPermutation.identity(truth.key.shape))
        for _, truth in pairs
    ]
    return Case(case.threat, tuple(observations), tuple(truths), case.others, case.counted)


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
