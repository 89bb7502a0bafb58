"""The gap of a method: what it gives up against plain images and the plain recipe, and how much of the gap it closes.

Accuracies are compared seed by seed: a method's seeds with the same seeds of the plain cell and of the baseline, so
that a method with one seed is not compared with a mean of three.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from blindsight.bench.recipe import Gap, Recipe
from blindsight.bench.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Method", "gap_figure", "gap_section", "methods"]


@dataclass(frozen=True)
class Method:
    """A method beside plain images and the baseline.

    Attributes:
        cell: ROW/COLUMN.
        seeds: that it shares with the plain cell.
        top1: mean accuracy over these, 0 to 1.
        gaps: plain less own accuracy, by seed, in points of 0 to 1; negative where the method is better.
        closed: part of the baseline's gap that is gone, over the seeds that all three share; None where the baseline
            has no gap or shares no seed.
        asks: what it asks of whom.
    """

    cell: str
    seeds: tuple[int, ...]
    top1: float
    gaps: tuple[float, ...]
    closed: float | None
    asks: str

    @property
    def gap(self) -> float:
        return statistics.fmean(self.gaps)


def methods(recipe: Recipe, gap: Gap, results: Iterable[Result]) -> list[Method]:
    """The methods of a gap that share a seed with its plain cell, the smallest gap first."""
    by_cell: dict[str, dict[int, float]] = {}
    for result in results:
        by_cell.setdefault(f"{result.row}/{result.column}", {})[result.seed] = result.top1
    plain, base = by_cell.get(gap.plain, {}), by_cell.get(gap.base, {})
    row = gap.base.split("/")[0]
    found = []
    for name, column in recipe.columns.items():
        own = by_cell.get(f"{row}/{name}", {})
        seeds = tuple(sorted(own.keys() & plain.keys()))
        if not seeds or not any(fnmatchcase(name, pattern) for pattern in gap.columns):
            continue
        common = [seed for seed in seeds if seed in base]
        lost = statistics.fmean(plain[s] - base[s] for s in common) if common else 0.0
        won = statistics.fmean(own[s] - base[s] for s in common) if common else 0.0
        top1 = statistics.fmean(own[s] for s in seeds)
        closed = won / lost if lost > 0 else None
        found.append(Method(f"{row}/{name}", seeds, top1, tuple(plain[s] - own[s] for s in seeds), closed, column.asks))
    return sorted(found, key=lambda method: method.gap)


def gap_section(recipe: Recipe, results: Iterable[Result]) -> str | None:
    """Tables of gap against method in Markdown; None where the recipe asks for none, or nothing of them is measured."""
    results, tables = list(results), []
    for gap in recipe.gaps:
        rows = methods(recipe, gap, results)
        if not rows:
            continue
        lines = [
            f"| method | top-1 | gap to {gap.plain}, points | of the gap of {gap.base} closed | seeds | what it asks |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for method in rows:
            several = len(method.gaps) > 1
            span = f" ({100 * min(method.gaps):.1f} to {100 * max(method.gaps):.1f})" if several else ""
            closed = "" if method.cell == gap.base or method.closed is None else f"{100 * method.closed:.0f} %"
            lines.append(
                f"| `{method.cell}` | {100 * method.top1:.1f} | {100 * method.gap:.1f}{span} | {closed} "
                f"| {len(method.seeds)} | {method.asks} |"
            )
        tables.append("\n".join(lines))
    if not tables:
        return None
    said = (
        "Gaps are taken seed by seed: mean, and in brackets the smallest and the largest. One seed says little about "
        "differences of a point: two trainings of one cell differ by as much."
    )
    return "\n\n".join(["## The gap by method", *tables, said])


def gap_figure(recipe: Recipe, results: Iterable[Result], title: str) -> "Figure | None":
    """A panel for each gap: a point for each method's gap, thin ones for its seeds, a line at none."""
    from matplotlib import rc_context

    from blindsight.bench.figures import COLOURS, STYLE, new_figure

    results = list(results)
    panels = [(gap, rows) for gap in recipe.gaps if (rows := methods(recipe, gap, results))]
    if not panels:
        return None
    with rc_context(STYLE):
        figure = new_figure(5.4 * len(panels), 1.5 + 0.32 * max(len(rows) for _, rows in panels))
        every: Any = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (gap, rows) in zip(every, panels, strict=True):
            for place, method in enumerate(rows):
                colour = COLOURS[1] if method.cell == gap.base else COLOURS[2]
                if len(method.gaps) > 1:
                    axes.plot([100 * g for g in method.gaps], [place] * len(method.gaps), "|", color=colour, ms=9)
                axes.plot(100 * method.gap, place, "o", color=colour)
            axes.axvline(0, color="#a8a29e", ls=":")
            axes.set(title=f"against {gap.plain}", yticks=range(len(rows)))
            axes.set_yticklabels([method.cell.split("/")[1] for method in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
        figure.supxlabel("points of top-1 lost on encrypted images (dotted: as plain; strokes: seeds)", size=10)
        figure.suptitle(title, ha="left", x=0.01)
    return figure
