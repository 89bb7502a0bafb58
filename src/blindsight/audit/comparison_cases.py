"""What the attackers of a comparison see: scheme and threat model in, a case or the reason why there is none out."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.cases import Case, one_by_one
from blindsight.audit.mixed_scenario import WITHOUT_KEY, make_mixed_scenario
from blindsight.audit.plain_images import PlainImages
from blindsight.audit.scenario import Scenario, Truth, make_scenario, trial_key
from blindsight.audit.scheme_choice import SchemeChoice
from blindsight.audit.threat import Candidates, KnownPairs, Observation, OneImage, ProtectedSet, SharedModel
from blindsight.errors import IncompatibleModelError, ParameterError
from blindsight.owner.options import check_key_scope
from blindsight.profile import Codec

__all__ = ["Setting", "case_of", "lacking", "note_on"]


@dataclass(frozen=True)
class Setting:
    """How the images are protected.

    Attributes:
        schemes: ciphers and ways of mixing, as :meth:`SchemeChoice.parse` reads them.
        block: side of the blocks in pixels.
        key_scope: ``dataset``, ``image`` or ``pool:K``.
        codec: how they are published.
        pairs: of the attacker with known pairs.
        reductions: what is taken out of the images before they are encrypted.

    Raises:
        ParameterError: no key scope.
    """

    schemes: tuple[str, ...]
    block: int
    key_scope: str = "dataset"
    codec: Codec = field(default_factory=Codec)
    pairs: int = 2
    reductions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_key_scope(self.key_scope)

    @property
    def choices(self) -> tuple[SchemeChoice, ...]:
        """The schemes, read."""
        return tuple(SchemeChoice.parse(text) for text in self.schemes)


def lacking(plain: PlainImages) -> dict[str, str | None]:
    """What each threat model lacks in these data, in words; None where it can be tried.

    Args:
        plain: of any trial.
    """
    packages = [name for name in ("torch", "timm") if find_spec(name) is None]
    return {
        "one-image": None,
        "protected-set": None,
        "known-pairs": None,
        "chosen-plaintext": None,
        "labelled-set": None if plain.labels is not None else "the data have no classes",
        "candidates": None if plain.decoys is not None else "no image is left for a candidate; give more images",
        "shared-model": f"it needs {packages[0]}; install 'blindsight[provider]'" if packages else None,
    }


def note_on(choice: SchemeChoice, threat: str) -> str:
    """What a reader has to know of a case besides; empty where nothing."""
    if choice.mixes:
        return f"{choice.views} mixed images of each original; scored is one of each." if choice.views > 1 else ""
    if threat == SharedModel.name:
        from blindsight.audit.untrained_model import NOTE

        return NOTE
    return ""


def case_of(plain: PlainImages, setting: Setting, choice: SchemeChoice, threat: str, seed: int) -> Case | str:
    """What is seen, and the truth.

    Args:
        plain: of this trial; where the choice mixes, drawn for mixing.
        setting: how images are protected.
        choice: one of its schemes.
        threat: a name of :data:`~blindsight.audit.threat.THREATS`.
        seed: of the key.

    Returns:
        A case; or why there is no such attacker, in words.

    Raises:
        ParameterError: images and scheme that do not go together.
    """
    made = (
        _mixed(plain, setting, choice, threat, seed)
        if choice.mixes
        else _ciphered(plain, setting, choice, threat, seed)
    )
    if isinstance(made, str):
        return made
    counted = None
    if choice.mixes and choice.views > 1:
        _, first = np.unique(made.truth.images.reshape(len(made.truth.images), -1), axis=0, return_index=True)
        counted = np.sort(first).astype(np.int64)
    if threat == OneImage.name:
        return one_by_one(*_each_once(made, counted))
    others = plain.decoys if threat == Candidates.name else None
    return Case(threat, (made.observation,), (made.truth,), others, counted)


def _each_once(made: Scenario, counted: NDArray[np.int64] | None) -> tuple[Observation, Truth]:
    """Observation and truth of one image of each original."""
    seen, truth = made.observation, made.truth
    if counted is None:
        return seen, truth
    labels = None if truth.labels is None else truth.labels[counted]
    part = ProtectedSet(profile=seen.profile, images=seen.images[counted], public=seen.public)
    return part, Truth(truth.images[counted], truth.key, labels)


def _ciphered(plain: PlainImages, setting: Setting, choice: SchemeChoice, threat: str, seed: int) -> Scenario | str:
    # The same images for all attackers: those of the pairs are nobody else's.
    pairs = setting.pairs if threat == KnownPairs.name else 0
    n = len(plain.images) - setting.pairs
    how: dict[str, Any] = {
        "seed": seed,
        "parameters": choice.parameters,
        "key_scope": setting.key_scope,
        "codec": setting.codec,
        "reductions": setting.reductions,
        "public": plain.public,
        "labels": None if plain.labels is None else plain.labels[:n],
    }

    def make(name: str, **more: Any) -> Scenario:
        return make_scenario(plain.images[: n + pairs], choice.name, setting.block, name, pairs=pairs, **how, **more)

    if threat == Candidates.name:
        assert plain.decoys is not None  # lacking() refuses the rest
        return make(threat, candidates=np.concatenate([plain.images[:n], plain.decoys]))
    if threat == SharedModel.name:
        from blindsight.audit.untrained_model import encrypted_and_plain

        try:
            model, checkpoint = encrypted_and_plain(make(ProtectedSet.name).observation.profile, trial_key(seed), seed)
        except (ParameterError, IncompatibleModelError) as error:
            return f"no encrypted model: {error}"
        return make(threat, model=model, checkpoint=checkpoint)
    if threat == "labelled-set":
        return make(threat, public_labels=plain.public_labels)
    return make(ProtectedSet.name if threat == OneImage.name else threat)


def _mixed(plain: PlainImages, setting: Setting, choice: SchemeChoice, threat: str, seed: int) -> Scenario | str:
    if threat in WITHOUT_KEY:
        return WITHOUT_KEY[threat]
    labels = np.zeros(len(plain.images), np.int64) if plain.labels is None else plain.labels
    more: dict[str, Any] = {}
    if threat == Candidates.name:
        assert plain.decoys is not None
        more["candidates"] = np.concatenate([plain.images, plain.decoys])
    elif threat == "labelled-set":
        more["public_labels"] = plain.public_labels
    return make_mixed_scenario(
        plain.images,
        labels,
        seed=seed,
        codec=setting.codec,
        public=plain.public,
        threat=ProtectedSet.name if threat == OneImage.name else threat,
        **choice.mixing(setting.block),
        **more,
    )
