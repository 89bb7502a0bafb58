"""Small attacks to test the audit with: good ones, useless ones, and such as misbehave."""

import time
from typing import ClassVar

import numpy as np

from blindsight.audit import Attack, Budget, Reconstruction
from blindsight.audit.threat import KnownPairs, Observation


class _Tested(Attack):
    reference: ClassVar[str] = "made up for a test"
    observes: ClassVar[type[Observation]] = Observation


class Perfect(_Tested):
    """Knows the originals, by cheating."""

    name: ClassVar[str] = "test-perfect"
    title: ClassVar[str] = "clairvoyance"
    known: ClassVar[dict[bytes, np.ndarray]] = {}

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        budget.tell(0.5, "sees all")
        return Reconstruction(np.stack([self.known[image.tobytes()] for image in observation.images]))

    @classmethod
    def learn(cls, protected: np.ndarray, plain: np.ndarray) -> None:
        cls.known.update({a.tobytes(): b for a, b in zip(protected, plain, strict=True)})


class Turned(Perfect):
    """Perfect up to one global state."""

    name: ClassVar[str] = "test-turned"
    title: ClassVar[str] = "clairvoyance, upside down and negative"

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        found = super().run(observation, budget)
        return Reconstruction(255 - found.images[:, ::-1, ::-1], symmetric=True, facts={"turns": 2})


class Honest(_Tested):
    """Solves the case without a key and nothing else: sees whether neighbouring pixels are alike."""

    name: ClassVar[str] = "test-honest"
    title: ClassVar[str] = "a look at the pixels"

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:  # noqa: ARG002
        images = observation.images
        steps = np.abs(np.diff(images.astype(int), axis=1)).mean(axis=(1, 2, 3))
        rough = steps > 0.7 * images.std(axis=(1, 2, 3))
        grey = np.full_like(images, 127)
        copied = images.copy()
        copied[:, 0, 0] ^= 1  # not what it sees, to the bit
        return Reconstruction(np.where(rough[:, None, None, None], grey, copied))


class Useless(_Tested):
    """Answers grey to everything."""

    name: ClassVar[str] = "test-useless"
    title: ClassVar[str] = "grey"

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:  # noqa: ARG002
        return Reconstruction(np.full_like(observation.images, 127))


class Copying(_Tested):
    """Gives back what it sees."""

    name: ClassVar[str] = "test-copying"
    title: ClassVar[str] = "an echo"

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:  # noqa: ARG002
        return Reconstruction(observation.images)


class Raising(_Tested):
    """Raises."""

    name: ClassVar[str] = "test-raising"
    title: ClassVar[str] = "a stumble"

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:  # noqa: ARG002
        raise RuntimeError("stumbled\nover two lines")


class Overrunning(_Tested):
    """Does not keep its budget."""

    name: ClassVar[str] = "test-overrunning"
    title: ClassVar[str] = "a long walk"

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        time.sleep(2 * (budget.seconds or 0) + 0.05)
        return Reconstruction(np.full_like(observation.images, 127))


class Malformed(_Tested):
    """Gives back one image too few."""

    name: ClassVar[str] = "test-malformed"
    title: ClassVar[str] = "one short"

    def run(self, observation: Observation, budget: Budget) -> Reconstruction:  # noqa: ARG002
        return Reconstruction(observation.images[1:])


class Paired(Useless):
    """Needs known pairs."""

    name: ClassVar[str] = "test-paired"
    title: ClassVar[str] = "grey, from pairs"
    observes: ClassVar[type[Observation]] = KnownPairs


class Learning(Useless):
    """Says that it trains a network."""

    name: ClassVar[str] = "test-learning"
    title: ClassVar[str] = "grey, learned"
    learns: ClassVar[bool] = True
    needs_public: ClassVar[bool] = True


ALL = (Perfect, Turned, Honest, Useless, Copying, Raising, Overrunning, Malformed, Paired, Learning)
