"""The page of the report on a mixed set: one file with everything in it."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
from numpy.typing import NDArray

from blindsight.audit._figures import attack_figure, likeness_figure, speed_figure
from blindsight.audit.guessing import GUESSING_CAVEAT
from blindsight.audit.metrics import MEASURES
from blindsight.audit.mixing_verdict import ATTACKS, percent
from blindsight.audit.similarity import REFERENCES
from blindsight.images import encode_image
from blindsight.profile import Codec

if TYPE_CHECKING:
    from blindsight.audit.mixing_results import MixingReport

__all__ = ["Example", "render_page"]

TEMPLATE = Path(__file__).with_name("mixing_page.html.j2")
#: Smaller pictures are shown pixel by pixel, and losslessly.
SMALL = 96
LEVELS = {
    "open": "Not hidden",
    "recognised": "Originals can be found again",
    "broken": "A broken method",
    "not-broken": "Not broken by the attacks run",
}
#: Parameters of the profile that have another name on the page.
PARAMETERS = {"include_target": "original among its own donors"}


@dataclass(frozen=True)
class Example:
    """Pictures of one mixed image, uint8 (H, W, C).

    Attributes:
        target: the original it stands for.
        donors: in the order drawn.
        mixed: published, one a setting.
    """

    target: NDArray[np.uint8]
    donors: list[NDArray[np.uint8]]
    mixed: list[NDArray[np.uint8]]


def render_page(report: "MixingReport", examples: list[Example]) -> str:
    """The page as HTML.

    Args:
        report: the numbers.
        examples: pictures, for each a row.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "typeset": _typeset,
        "percent": percent,
        "number": _number,
        "tile": _tile,
        "pace": _pace,
        "shown": _shown,
    }
    several = len(report.results) > 1
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        own=report.own,
        measures=MEASURES,
        references=REFERENCES,
        attacks=ATTACKS,
        level=LEVELS[report.verdict.level],
        caveat=GUESSING_CAVEAT,
        small=min(examples[0].target.shape[:2]) < SMALL,
        examples=[
            {
                "target": _picture(example.target),
                "donors": [_picture(donor) for donor in example.donors],
                "mixed": [_picture(mixed) for mixed in example.mixed],
            }
            for example in examples
        ],
        likeness=_svg_uri(likeness_figure(report.results)),
        attacked=_svg_uri(attack_figure(report.results, ATTACKS)) if several else None,
        # By blocks, then donors; methods without blocks have one row.
        speeds=sorted(report.speed or (), key=lambda row: (row.blocks or 0, row.sources)),
        own_speed=next((row for row in report.speed or () if row.own), None),
        parameters=PARAMETERS,
        timed=_svg_uri(speed_figure(report.speed)) if report.speed and several else None,
    )


def _picture(pixels: NDArray[np.uint8]) -> str:
    lossless = min(pixels.shape[:2]) < SMALL
    codec = Codec(format="png") if lossless else Codec(format="jpeg", quality=90)
    data = base64.b64encode(encode_image(pixels, codec)).decode()
    return f"data:image/{codec.format};base64,{data}"


def _svg_uri(svg: str) -> str:
    # As a picture of its own: figures inline in one page would share ids.
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"  # adding zero takes the sign off minus zero


def _tile(share: float) -> str:
    """A share for a tile, with one decimal in all of them; never rounded up to all or down to none."""
    if 0 < share < 0.0005 or 0.9995 <= share < 1:
        return "<\u00a00.1\u00a0%" if share < 0.5 else ">\u00a099.9\u00a0%"
    return f"{100 * share:.1f}\u00a0%"


def _pace(ratio: float) -> str:
    """A share of a speed. Doing more work is never faster, so what is above 100 % is the noise of the machine."""
    return "as fast, within noise" if ratio > 1 else _tile(ratio)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _typeset(text: str) -> str:
    """Keeps a number and its per cent sign on one line."""
    return text.replace(" %", "\u00a0%")
