"""The page of a comparison of schemes: one file with everything in it."""

from typing import TYPE_CHECKING

from blindsight.audit._page import SMALL, render
from blindsight.audit.audit_page import picture_columns
from blindsight.audit.results import LEVELS
from blindsight.audit.threat import THREATS

if TYPE_CHECKING:
    from blindsight.audit.comparison import Comparison

__all__ = ["render_comparison"]

#: Pictures of each cell.
SHOWN = 3


def render_comparison(comparison: "Comparison") -> str:
    """The page as HTML.

    Args:
        comparison: the numbers, and the pictures of each cell's first trial.
    """
    pictures = {
        f"{cell.scheme} {cell.threat}": [
            column for found in cell.trials[0].pictures.values() for column in picture_columns(found, SHOWN)
        ]
        for cell in comparison.cells
    }
    # Ways of mixing draw images of their own, so each has a row of originals.
    plain = {}
    for scheme in comparison.setting.schemes:
        shown = [pictures[f"{scheme} {threat}"] for threat in comparison.threats]
        plain[scheme] = next((columns for columns in shown if columns), [])
    return render(
        "comparison_page.html.j2",
        comparison=comparison,
        threats={name: THREATS[name].title for name in comparison.threats},
        levels=LEVELS,
        pictures=pictures,
        plain=plain,
        small=min(comparison.shape[:2]) < SMALL,
    )
