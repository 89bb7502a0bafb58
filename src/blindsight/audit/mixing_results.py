"""What the report on a mixed set holds."""

import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from blindsight import __version__
from blindsight.audit.estimates import Estimate
from blindsight.audit.guessing import GUESSING_CAVEAT
from blindsight.audit.mixing_settings import Setting
from blindsight.audit.mixing_speed import Speed
from blindsight.audit.mixing_verdict import Verdict
from blindsight.audit.reidentification import Reidentification
from blindsight.audit.similarity import Likeness, PixelShares
from blindsight.profile import Profile

__all__ = ["FORMAT", "MixingReport", "Result"]

FORMAT = "blindsight-mixing-report/1"


@dataclass(frozen=True)
class Result:
    """What was measured at one setting.

    Attributes:
        setting: block shape, and whether it is the set's own.
        likeness: every measure to every reference.
        shares: pixels that are true and in place, before coding.
        attacks: name -> outcome: ``pixels``, ``blocks`` where blocks were copied without loss, ``folded_pixels`` for
            InstaHide.
        guessing_bits: the guessing bound of pixel block mixing, else None.
    """

    setting: Setting
    likeness: Likeness
    shares: PixelShares
    attacks: dict[str, Reidentification]
    guessing_bits: float | None


@dataclass(frozen=True)
class MixingReport:
    """The report.

    Attributes:
        profile: of the mixed set.
        published: images in the set.
        originals: images that were mixed.
        sample: images measured.
        seed: of every choice.
        results: one a setting, by number of blocks.
        speed: throughput, the set's own setting first; None where it was not timed.
        in_set: share of an original that the whole set publishes at its own place, in its own mixed images or as a
            donor's block, over the originals of the sample; None where it was not counted.
        verdict: in words.
        page: ``report.html``.
        data: ``report.json``.
    """

    profile: Profile
    published: int
    originals: int
    sample: int
    seed: int
    results: list[Result]
    speed: list[Speed] | None
    in_set: Estimate | None
    verdict: Verdict
    page: Path
    data: Path

    @property
    def own(self) -> Result:
        """What was measured at the set's own setting."""
        return next(result for result in self.results if result.setting.own)

    @property
    def versions(self) -> dict[str, str]:
        """Of everything that the numbers depend on."""
        packages = ("numpy", "scikit-image", "ImageHash", "pillow")
        return {"blindsight": __version__} | {name: version(name) for name in packages}

    def as_json(self) -> dict[str, Any]:
        """All numbers; no path, no name of a person or file."""
        return {
            "format": FORMAT,
            "versions": self.versions,
            "scheme": self.profile.scheme,
            "parameters": self.profile.parameters,
            "size": self.profile.size,
            "channels": self.profile.channels,
            "codec": self.profile.codec.model_dump(mode="json"),
            "classes": len(self.profile.classes),
            "published": self.published,
            "originals": self.originals,
            "sample": self.sample,
            "seed": self.seed,
            "settings": [
                {**asdict(result), "setting": asdict(result.setting) | {"name": result.setting.name}}
                for result in self.results
            ],
            "original_in_set": None if self.in_set is None else asdict(self.in_set),
            "guessing_caveat": GUESSING_CAVEAT if self.own.guessing_bits is not None else None,
            "speed": None if self.speed is None else [_speed_row(row) for row in self.speed],
            "verdict": asdict(self.verdict),
        }

    def to_json(self) -> str:
        """The text of ``report.json``."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _speed_row(row: Speed) -> dict[str, Any]:
    return asdict(row) | {"ratio": row.ratio, "cold_ratio": row.cold_ratio}
