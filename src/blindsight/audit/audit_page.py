"""The page of an audit: one file with everything in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blindsight.audit._audit_figure import threats_figure
from blindsight.audit._page import SMALL, picture_uri, render, svg_uri
from blindsight.audit.metrics import reconstruction_measures
from blindsight.audit.results import LEVELS, AttackResult, Pictures
from blindsight.audit.scores import REFERENCES

if TYPE_CHECKING:
    from blindsight.audit.report import AuditReport

__all__ = ["picture_columns", "render_audit"]

#: Pictures of each threat model.
SHOWN = 6
#: Longest side of a picture on the page, in pixels; larger ones are shown at every second, third, ... pixel.
LONGEST = 320


def render_audit(report: "AuditReport") -> str:
    """The page as HTML.

    Args:
        report: the numbers, and the pictures of each threat model.
    """
    scored = [threat for threat in report.threats if threat.levels is not None]
    known = {measure.name: measure for measure in reconstruction_measures((1 << 10, 1 << 10, 3), lambda *_: 0.0)}
    used = [known[name] for name in scored[0].outcome.measures] if scored and scored[0].outcome is not None else []
    return render(
        "audit_page.html.j2",
        report=report,
        levels=LEVELS,
        measures=used,
        references=REFERENCES,
        who={threat.threat: threat.title for threat in report.threats},
        pictures={
            threat.threat: {name: picture_columns(found) for name, found in threat.pictures.items()}
            for threat in report.threats
        },
        small=_is_small(report),
        shown=min(SHOWN, max((len(p.found) for t in report.threats for p in t.pictures.values()), default=1)),
        tried={threat.threat: _by_worth(threat.attacks) for threat in report.threats},
        figure=svg_uri(threats_figure(report.threats)) if scored else None,
    )


def _by_worth(attacks: Sequence[AttackResult]) -> list[AttackResult]:
    """Those that were tried, the best first, those that failed last."""

    def worth(attack: AttackResult) -> float:
        return attack.scores.top.measures["ssim"].mean if attack.scores else -2.0

    return sorted((attack for attack in attacks if attack.why_not is None), key=worth, reverse=True)


def picture_columns(found: Pictures, shown: int = SHOWN) -> list[dict[str, str | None]]:
    """For each image shown: ``plain``, ``protected`` and ``found`` as data URIs; None where there is no original.

    Args:
        found: pictures of a case.
        shown: at most so many.
    """
    return [
        {
            "plain": None if found.plain is None else _uri(found.plain[k]),
            "protected": _uri(found.protected[k]),
            "found": _uri(found.found[k]),
        }
        for k in range(min(shown, len(found.found)))
    ]


def _uri(pixels: NDArray[np.uint8]) -> str:
    step = -(-max(pixels.shape[:2]) // LONGEST)
    return picture_uri(np.ascontiguousarray(pixels[::step, ::step]))


def _is_small(report: "AuditReport") -> bool:
    shapes = [found.protected.shape[1:3] for threat in report.threats for found in threat.pictures.values()]
    return any(min(shape) < SMALL for shape in shapes)
