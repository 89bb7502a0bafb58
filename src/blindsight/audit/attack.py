"""What an attack is, what it gives back, and the register of attacks, ours and other people's."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from blindsight.algebra import SignedPermutation
from blindsight.audit.threat import Observation
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.profile import Scalar

__all__ = ["Attack", "Budget", "Reconstruction", "get_attack", "list_attacks", "register_attack"]

#: Modules of :mod:`blindsight.audit.attacks` that register attacks when they are imported.
BUILT_IN: tuple[str, ...] = (
    "block_statistics",
    "candidate_confirmation",
    "chosen_plaintext",
    "dataset_jigsaw",
    "feature_reconstruction",
    "gan",
    "instahide",
    "invariant_regression",
    "inverse_network",
    "jigsaw",
    "known_pairs",
    "label_clusters",
    "linear_regression",
    "minimum_difference",
    "model_inversion",
    "nibble_statistics",
    "pixel_statistics",
    "pool_jigsaw",
    "sia_gan",
    "weight_matching",
)
_attacks: dict[str, "Attack"] = {}
_loaded = False


class Budget:
    """How long an attack may take, where its chance comes from, and whom it tells how far it is.

    Args:
        seconds: wall clock. An attack ends soon after with the best that it has; None is no limit.
        seed: of everything that the attack draws; the same observation, seed and no limit give the same result.
        progress: called with (share done, what is done now).
    """

    def __init__(
        self,
        seconds: float | None = None,
        seed: int = 0,
        progress: Callable[[float, str], None] | None = None,
    ) -> None:
        if seconds is not None and not seconds > 0:
            raise ParameterError(f"a time budget is more than 0 seconds, got {seconds}")
        self.seconds, self.seed, self._progress = seconds, seed, progress
        self._began = time.perf_counter()

    def rng(self, *of: int) -> np.random.Generator:
        """A generator of its own for each use, told apart by ``of``."""
        return np.random.default_rng((self.seed, *of))

    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    def tell(self, share: float, what: str) -> None:
        """Says how far the attack is, 0 to 1, and what it does now."""
        if self._progress:
            self._progress(share, what)

    def over(self) -> bool:
        """Whether the time is up."""
        return self.seconds is not None and self.spent() >= self.seconds


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What an attack found.

    Attributes:
        images: uint8 (N, H, W, C): for each image of the observation, in order, the attacker's best guess.
        key: the signed permutation that encrypts, as far as the attack thinks to know it; None where it finds none or
            where images have keys of their own.
        symmetric: the images are found up to one global state for all (one of 8 orientations, a negation, one of 6
            colour orders), and the attack has chosen the likeliest. Scores then say beside it what the best of the
            states would have given: a person picks by eye.
        facts: numbers worth reporting, such as ``pairs``, ``queries``, ``share_of_key``.
    """

    images: NDArray[np.uint8]
    key: SignedPermutation | None = None
    symmetric: bool = False
    facts: dict[str, Scalar] = field(default_factory=dict)


class Attack(ABC):
    """An attack. Subclass it, set the class attributes, and register the class with :func:`register_attack`.

    Attributes:
        name: lower-case letters, digits and hyphens.
        title: for people, a short noun phrase that begins with a lower-case letter.
        reference: the paper it is from, and what was changed.
        observes: the least it needs to see; it works for observations of this type and of its subtypes.
        needs_public: whether it needs plain images of the same kind.
        learns: whether it trains a network: minutes to hours, not seconds.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reference: ClassVar[str]
    observes: ClassVar[type[Observation]]
    needs_public: ClassVar[bool] = False
    learns: ClassVar[bool] = False

    def why_not(self, observation: Observation) -> str | None:
        """Why the attack cannot be tried here, in words; None where it can. Subclasses add reasons of their own."""
        if not isinstance(observation, self.observes):
            return f"needs {self.observes.title}"
        if self.needs_public and observation.public is None:
            return "needs plain images of the same kind"
        return None

    @abstractmethod
    def run(self, observation: Observation, budget: Budget) -> Reconstruction:
        """Attacks.

        Args:
            observation: one for which :meth:`why_not` is None.
            budget: to be kept.
        """


Registered = TypeVar("Registered", bound=type[Attack])


def register_attack(attack: Registered) -> Registered:
    """Registers an attack; a decorator for subclasses of :class:`Attack`. An attack of the same name is replaced only
    by its own class defined anew, as a notebook does.

    A package ships attacks by naming its module under the entry point group ``blindsight.attacks``.

    Raises:
        ParameterError: the name is malformed or taken.
    """
    name = getattr(attack, "name", "")
    if not name or name.strip("-abcdefghijklmnopqrstuvwxyz0123456789"):
        raise ParameterError(f"an attack's name is lower-case letters, digits and hyphens, got {name!r}")
    taken = _attacks.get(name)
    if taken is not None and _origin(type(taken)) != _origin(attack):
        raise ParameterError(f"attack '{name}' is registered already; choose another name")
    _attacks[name] = attack()
    return attack


def _origin(attack: type[Attack]) -> tuple[str, str]:
    return attack.__module__, attack.__qualname__


def list_attacks() -> list[Attack]:
    """All attacks, by name."""
    _load()
    return [_attacks[name] for name in sorted(_attacks)]


def get_attack(name: str) -> Attack:
    """The attack of a name.

    Raises:
        UnknownNameError: there is none.
    """
    _load()
    if name not in _attacks:
        raise UnknownNameError.of("attack", name, sorted(_attacks))
    return _attacks[name]


def _load() -> None:
    global _loaded
    if not _loaded:
        for module in BUILT_IN:
            import_module(f"blindsight.audit.attacks.{module}")
        for entry in entry_points(group="blindsight.attacks"):
            entry.load()
        _loaded = True
