"""Scenarios of mixed sets: plain images and a way of mixing in; the mixed set with its labels, and the truth, out."""

import hashlib
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.scenario import Pixels, Scenario, Truth, publisher_of_codec, trial_key
from blindsight.audit.threat import THREATS, Candidates, LabelledSet, Observation, OneImage
from blindsight.errors import ParameterError, UnknownNameError
from blindsight.owner.mixing import Mixer, MixOptions
from blindsight.owner.mixing.options import mix_profile
from blindsight.owner.sources import Item, Source
from blindsight.profile import Codec

__all__ = ["WITHOUT_KEY", "make_mixed_scenario"]

#: Threat models that make no sense for a mixed set, and why.
WITHOUT_KEY = {
    "known-pairs": "a mixed set has no key that known pairs could give away",
    "chosen-plaintext": "a mixed set has no key that answers to chosen images could give away",
    "shared-model": "no model is encrypted for a mixed set: its models take plain images",
}


def make_mixed_scenario(
    plain: Pixels,
    labels: NDArray[np.int64],
    method: str = "pbm",
    block: int | tuple[int, int] | None = None,
    *,
    views: int = 1,
    seed: int = 0,
    codec: Codec | None = None,
    public: Pixels | None = None,
    threat: str = "labelled-set",
    candidates: Pixels | None = None,
    public_labels: NDArray[np.int64] | None = None,
    **options: Any,
) -> Scenario:
    """Mixes images as ``blindsight mix`` does and says what somebody sees who gets them.

    Args:
        plain: uint8 (N, H, W, C).
        labels: int64 (N,), class indices.
        method: ``pbm``, ``mixup``, ``cutmix`` or ``instahide``.
        block: side, or height and width, of the blocks of ``pbm``.
        views: mixed images that each original is the target of; above 1 all classes need equally many images.
        seed: of the key that draws everything: another trial, another mixture.
        codec: how the mixed images are published; PNG where None.
        public: plain images that the attacker may have besides, none of them in ``plain``.
        threat: ``protected-set``, ``labelled-set`` or ``candidates``.
        candidates: uint8 (G, H, W, C), of a ``candidates`` attacker; handed over in an order that the seed draws.
        public_labels: int64 (P,), of the public images, for ``labelled-set``.
        options: further fields of :class:`blindsight.owner.mixing.MixOptions`: ``sources``, ``probability``, …

    Returns:
        The observation holds ``views * N`` mixed images, in an order that says nothing; a :class:`LabelledSet` has the
        labels of their targets, too. The truth's images are the targets.

    Raises:
        ParameterError: arrays that do not go together, options that cannot work, or a threat that does not apply.
        UnknownNameError: no such method or threat.
    """
    kind = _observed(threat, candidates)
    if plain.ndim != 4 or plain.dtype != np.uint8 or labels.shape != (len(plain),):
        raise ParameterError(
            f"expected uint8 (N, H, W, C) and N labels, got {plain.dtype} {plain.shape}, {labels.shape}"
        )
    source = _ArraySource(plain, labels)
    sizes = set(Counter(labels.tolist()).values())
    if views < 1 or (views > 1 and len(sizes) > 1):
        raise ParameterError(f"views are 1 or more, and above 1 classes are equally large; got {views}, sizes {sizes}")
    if block is not None:
        options["block"] = (block, block) if isinstance(block, int) else block
    chosen = MixOptions(
        size=(plain.shape[1], plain.shape[2]),
        channels=plain.shape[3],
        method=method,
        codec=codec or Codec(),
        targets=None if views == 1 else views * sizes.pop(),
        **options,
    )
    mixer = Mixer(source, chosen, trial_key(seed))
    profile = mix_profile(chosen, mixer.size, {name: name for name in mixer.classes()}, views)
    targets = [mixer.targets[place] for place in np.random.default_rng(seed).permutation(len(mixer.targets))]
    publish = publisher_of_codec(profile)
    numbers = [target.item.number for target in targets]
    mixed = np.stack([publish(mixer.make(target).pixels) for target in targets])
    more: dict[str, Any] = {}
    if kind is LabelledSet:
        more = {"labels": labels[numbers], "public_labels": public_labels}
    elif candidates is not None:
        more = {"candidates": np.random.default_rng(seed).permutation(candidates)}
    seen = kind(profile=profile, images=mixed, public=public, **more)
    return Scenario(seen, Truth(plain[numbers], labels=labels[numbers]))


def _observed(threat: str, candidates: Pixels | None) -> type[Observation]:
    """The type of the observation."""
    if threat not in THREATS:
        raise UnknownNameError.of("threat model", threat, list(THREATS))
    if threat in WITHOUT_KEY:
        raise ParameterError(f"the threat {threat} does not apply: {WITHOUT_KEY[threat]}")
    if threat == OneImage.name:
        raise ParameterError("make a protected-set and give its images to OneImage one by one")
    if (threat == Candidates.name) != (candidates is not None):
        raise ParameterError(f"the threat candidates needs candidates, and nothing else takes them; got {threat}")
    return THREATS[threat]


class _ArraySource(Source):
    """Images in an array, for the mixer."""

    def __init__(self, images: Pixels, labels: NDArray[np.int64]) -> None:
        self.label, self.rejects, self._images = "audit", [], images
        self.uniform_size = (images.shape[1], images.shape[2])
        self._keep([Item(f"{label:03d}/{n:06d}", None, f"{label:03d}", n) for n, label in enumerate(labels.tolist())])

    def read(self, item: Item) -> Pixels:
        pixels: Pixels = self._images[item.number]
        return pixels

    def fingerprint(self, item: Item) -> str:
        return hashlib.sha256(self._images[item.number].tobytes()).hexdigest()
