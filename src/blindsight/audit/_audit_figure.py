"""The figure of an audit: what the best attack of each threat model reaches, beside its chance levels."""

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from blindsight.audit._figures import BLUE, ORANGE, RC, SOFT, TEAL, svg
from blindsight.audit.estimates import Estimate
from blindsight.audit.results import ThreatResult

__all__ = ["threats_figure"]

#: Reference -> colour, mark, name. The attack's own mark is drawn over them.
MARKS = {
    "random_image": ("#a8a29e", "v", "another original"),
    "mean_image": ("#78716c", "^", "mean image"),
    "mean_colour": (TEAL, "s", "own mean colour"),
    "protected": (BLUE, "D", "as published"),
}


def threats_figure(threats: Sequence[ThreatResult]) -> str:
    """SSIM to the original, a row a threat model, as SVG.

    Args:
        threats: at least one that is scored.
    """
    scored = [threat for threat in threats if threat.levels is not None]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9.6, 1.3 + 0.55 * len(scored)), layout="constrained")
        axes = figure.subplots()
        for row, threat in enumerate(scored):
            assert threat.levels is not None
            assert threat.outcome is not None
            for name, (colour, mark, label) in MARKS.items():
                level = threat.levels.references.get(name)
                if level is not None:
                    axes.plot(level["ssim"].mean, row, mark, color=colour, markersize=6, label=None if row else label)
            best: Estimate = threat.outcome.measures["ssim"]
            spread = [[best.mean - best.low], [best.high - best.mean]]
            title = None if row else "the best attack"
            axes.errorbar(
                [best.mean], [row], xerr=spread, fmt="o", markersize=9, color=ORANGE, capsize=3, label=title, zorder=3
            )
        axes.set_yticks(range(len(scored)), [threat.title for threat in scored])
        axes.set_ylim(len(scored) - 0.5, -0.5)
        axes.set_xlim(min(0.0, axes.get_xlim()[0]), 1.02)
        axes.set_xlabel("SSIM to the original: 1 is the picture itself", color=SOFT)
        figure.legend(loc="outside lower center", ncols=5)
        return svg(figure)
