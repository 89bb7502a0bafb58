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
    environment.filters |= {"typeset": _typeset, "percent": percent, "number": _number, "brief": _brief}
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


def _brief(text: str) -> str:
    """A share for a tile, where there is little room."""
    return _typeset(text.replace("less than", "<").replace("more than", ">"))


def _typeset(text: str) -> str:
    """Keeps a number and its per cent sign on one line."""
    return text.replace(" %", "\u00a0%")
