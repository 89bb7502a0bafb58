"""What mixing costs against decoding and encoding alone. One process, one thread, best of three."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from blindsight.audit.mixing_settings import Setting
from blindsight.images import encode_image
from blindsight.owner.mixing import Mixer, Target

__all__ = ["Speed", "measure_speed"]

SOURCES = (0, 1, 5, 10, 20)
REPEATS = 3


@dataclass(frozen=True)
class Speed:
    """Throughput of one setting, in images a second.

    Attributes:
        block: (height, width) in pixels, or None.
        blocks: N_b, or None.
        sources: N_s.
        own: whether it is the set's own setting.
        plain: the same images decoded, brought to size and encoded, without mixing.
        mixed: decoded, brought to size, mixed and encoded, each image decoded once: donors wait in the cache. It is
            the sum of two times measured apart, each the best of its rounds: decoding, and mixing with encoding.
        cold: the same from an empty cache, so that donors are decoded as they are drawn: how a run begins, and how one
            goes whose images do not fit the cache.
    """

    block: tuple[int, int] | None
    blocks: int | None
    sources: int
    own: bool
    plain: float
    mixed: float
    cold: float

    @property
    def ratio(self) -> float:
        """Throughput of mixing as a share of plain decoding and encoding."""
        return self.mixed / self.plain

    @property
    def cold_ratio(self) -> float:
        """The same from an empty cache."""
        return self.cold / self.plain


def measure_speed(mixer: Mixer, settings: Sequence[Setting], targets: Sequence[Target]) -> list[Speed]:
    """Times mixing against the number of donors, at the set's own blocks, and against the blocks, at its own donors.

    Args:
        mixer: of the set.
        settings: block shapes to time.
        targets: a small sample.

    Returns:
        The set's own setting first. A number of donors that some class is too small for is left out.
    """
    own = next(setting for setting in settings if setting.own)
    cases = [(own, mixer.options.donors)]
    if mixer.options.method == "pbm":
        cases += [(setting, mixer.options.donors) for setting in settings if not setting.own]
        cases += [(own, sources) for sources in SOURCES if sources != mixer.options.donors and _enough(mixer, sources)]
    mixers = [mixer.with_options(**_changes(setting, sources)) for setting, sources in cases]
    for target in targets:
        for other in mixers:
            other.make(target)  # fills the caches
    plain = decoding = float("inf")
    making = [float("inf")] * len(cases)
    cold = [float("inf")] * len(cases)
    # Round by round, so that whatever else the machine does in the meantime hits all alike.
    for _ in range(REPEATS):
        plain = min(plain, _plain_seconds(mixer.with_options(cold=True), targets))
        decoding = min(decoding, _decode_seconds(mixer.with_options(cold=True), targets))
        for number, ((setting, sources), other) in enumerate(zip(cases, mixers, strict=True)):
            making[number] = min(making[number], _mix_seconds(other, targets))
            fresh = mixer.with_options(cold=True, **_changes(setting, sources))
            cold[number] = min(cold[number], _mix_seconds(fresh, targets))
    count = len(targets)
    return [
        Speed(
            block=setting.block,
            blocks=setting.blocks,
            sources=sources,
            own=setting.own and sources == mixer.options.donors,
            plain=count / plain,
            mixed=count / (warm + decoding),
            cold=count / from_empty,
        )
        for (setting, sources), warm, from_empty in zip(cases, making, cold, strict=True)
    ]


def _changes(setting: Setting, sources: int) -> dict[str, Any]:
    return {"sources": sources} if setting.block is None else {"sources": sources, "block": setting.block}


def _enough(mixer: Mixer, sources: int) -> bool:
    options = mixer.options
    smallest = min(len(members) for members in mixer.members.values())
    return options.replacement or smallest >= sources + (not options.include_target)


def _plain_seconds(fresh: Mixer, targets: Sequence[Target]) -> float:
    return _timed(lambda target: encode_image(fresh.pixels(target.item), fresh.options.codec), targets)


def _decode_seconds(fresh: Mixer, targets: Sequence[Target]) -> float:
    return _timed(lambda target: fresh.pixels(target.item), targets)


def _mix_seconds(mixer: Mixer, targets: Sequence[Target]) -> float:
    return _timed(lambda target: encode_image(mixer.make(target).pixels, mixer.options.codec), targets)


def _timed(work: Callable[[Target], object], targets: Sequence[Target]) -> float:
    started = time.perf_counter()
    for target in targets:
        work(target)
    return max(time.perf_counter() - started, 1e-9)
