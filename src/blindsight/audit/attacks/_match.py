"""Pairs in, key out, for any scheme: the forms of keys and who matches which."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from blindsight.audit.attacks._found import Found
from blindsight.audit.attacks._key_form import KeyForm
from blindsight.audit.attacks._match_lossy import nearest_states
from blindsight.audit.attacks._match_states import match_states
from blindsight.audit.attacks._match_tiles import match_tiles
from blindsight.audit.threat import Observation

__all__ = ["match_pairs", "why_no_match"]

Pixels = NDArray[np.uint8]


def match_pairs(
    form: KeyForm,
    plain: Pixels,
    protected: Pixels,
    targets: Pixels | None = None,
    *,
    lossless: bool = True,
    over: Callable[[], bool] = lambda: False,
) -> Found:
    """The key that pairs give.

    Args:
        form: of the scheme's keys.
        plain: uint8 (K, H, W, C).
        protected: uint8 (K, H, W, C), the same images as published.
        targets: uint8 (N, H, W, C), others under the same key: they choose where the pairs do not.
        lossless: whether publishing keeps every bit.
        over: whether the time is up; then no more is asked of the targets.
    """
    if form.kind != "states":
        return match_tiles(form, plain, protected, targets, over)
    if not lossless:
        return nearest_states(form, plain, protected, targets, over)
    return match_states(form, plain, protected, targets, over)


def why_no_match(observation: Observation, form: KeyForm) -> str | None:
    """Why pairs cannot give the key, in words; None where they can."""
    scope = observation.profile.key_scope or "dataset"
    if observation.profile.kind != "cipher":
        return "nothing was encrypted: there is no key to find"
    if scope == "image":
        return "each image, and each query, is protected with a key of its own: what opens one opens no other"
    if scope != "dataset":
        return f"images have one of several keys ({scope}), and which of them share one is not known"
    if not observation.profile.codec.lossless and form.kind != "states":
        return "the codec is lossy, and the key moves single samples; it needs blocks that move whole, or PNG"
    return None
