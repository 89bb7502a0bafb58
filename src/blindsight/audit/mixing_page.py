"""The page of the report on a mixed set: one file with everything in it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blindsight.audit._figures import attack_figure, likeness_figure, speed_figure
from blindsight.audit._page import SMALL, picture_uri, render, svg_uri
from blindsight.audit.guessing import GUESSING_CAVEAT
from blindsight.audit.metrics import MEASURES
from blindsight.audit.mixing_verdict import ATTACKS
from blindsight.audit.similarity import REFERENCES

if TYPE_CHECKING:
    from blindsight.audit.mixing_results import MixingReport

__all__ = ["Example", "render_page"]

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
    several = len(report.results) > 1
    return render(
        "mixing_page.html.j2",
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
                "target": picture_uri(example.target),
                "donors": [picture_uri(donor) for donor in example.donors],
                "mixed": [picture_uri(mixed) for mixed in example.mixed],
            }
            for example in examples
        ],
        likeness=svg_uri(likeness_figure(report.results)),
        attacked=svg_uri(attack_figure(report.results, ATTACKS)) if several else None,
        # By blocks, then donors; methods without blocks have one row.
        speeds=sorted(report.speed or (), key=lambda row: (row.blocks or 0, row.sources)),
        own_speed=next((row for row in report.speed or () if row.own), None),
        parameters=PARAMETERS,
        timed=svg_uri(speed_figure(report.speed)) if report.speed and several else None,
    )
