"""Accuracy against privacy: the cells of a bench and the best attacks on their images, as a table and a Pareto plot.

    python benchmarks/frontier.py RESULTS... --scores scores.json --out frontier

RESULTS are work folders of ``bench run`` or files that ``bench table`` wrote. ``scores.json`` says for each row of the
bench what the best attack on its images reached, and what chance reaches:

    {"image": {"ssim": 0.21, "ssim_chance": 0.12, "attack": "jigsaw", "reid": 0.72, "reid_chance": 0.025}, ...}

``reid`` and ``reid_chance`` (people named again from other photographs) may be missing. ``only`` says of what the
figures are, where they are not of all images that a provider sees: the plot shows such cells as rings. Written are
frontier.md and frontier.png. A cell is on the front of a measure if no other is at least as accurate and gives the
attacker as little, and better in one of the two.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blindsight.bench.results import Average, averages, gather
from blindsight.errors import BlindsightError, CorruptDataError, OutputError

# The open aim: no more SSIM above chance than this, no more than so many times chance named, at no more points lost.
SSIM_MARGIN, REID_TIMES, POINTS = 0.05, 2.0, 0.10
#: Field of a score -> whether it must be there, and the least and largest value.
FIELDS = {
    "ssim": (True, -1.0, 1.0),
    "ssim_chance": (True, -1.0, 1.0),
    "reid": (False, 0.0, 1.0),
    "reid_chance": (False, 1e-9, 1.0),
}
#: Fields in words.
TEXTS = ("attack", "only")


@dataclass(frozen=True)
class Score:
    """What the best attack on the images of a row reached."""

    ssim: float
    ssim_chance: float
    attack: str = ""
    reid: float | None = None
    reid_chance: float | None = None
    only: str = ""

    @property
    def excess(self) -> float:
        """SSIM above chance; an attack below it has found nothing."""
        return max(0.0, self.ssim - self.ssim_chance)

    @property
    def times(self) -> float | None:
        """How many times chance people are named; None where nobody has measured it."""
        return None if self.reid is None or self.reid_chance is None else self.reid / self.reid_chance


@dataclass(frozen=True)
class Point:
    """A cell of the bench and the score of its row."""

    row: str
    column: str
    average: Average
    score: Score

    @property
    def name(self) -> str:
        return f"{self.row}/{self.column}"

    def leak(self, measure: str) -> float | None:
        return self.score.excess if measure == "excess" else self.score.times


def read_scores(path: Path) -> dict[str, Score]:
    """Row -> score.

    Raises:
        OutputError: the file cannot be read.
        CorruptDataError: it is not as described above; the message names the row and the field.
    """
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}; give the JSON file of attack scores") from None
    except ValueError as error:
        raise CorruptDataError(f"{path} is not JSON ({error})") from None
    if not isinstance(data, dict) or not all(isinstance(value, dict) for value in data.values()):
        raise CorruptDataError(f'{path} is not an object {{"row": {{"ssim": ..., "ssim_chance": ...}}}}')
    return {row: _score(path, row, value) for row, value in data.items()}


def _score(path: Path, row: str, value: dict[str, Any]) -> Score:
    unknown = sorted(value.keys() - FIELDS.keys() - set(TEXTS))
    if unknown:
        raise CorruptDataError(
            f"{path}: {row} has the unknown field '{unknown[0]}'; fields: {', '.join((*FIELDS, *TEXTS))}"
        )
    for field, (needed, low, high) in FIELDS.items():
        number = value.get(field)
        if number is None and not needed:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not low <= number <= high:
            raise CorruptDataError(f"{path}: {field} of {row} is a number from {low:g} to {high:g}, got {number!r}")
    if (value.get("reid") is None) != (value.get("reid_chance") is None):
        raise CorruptDataError(f"{path}: {row} needs both reid and reid_chance, or neither")
    return Score(**value)


def join(cells: dict[tuple[str, str], Average], scores: dict[str, Score]) -> list[Point]:
    """The cells whose row was attacked, most accurate first."""
    found = [Point(row, column, average, scores[row]) for (row, column), average in cells.items() if row in scores]
    return sorted(found, key=lambda point: -point.average.top1)


def front(points: Iterable[Point], measure: str) -> list[Point]:
    """The points that no other is better than, from the most accurate one on.

    Args:
        points: any.
        measure: ``excess`` (SSIM above chance) or ``times`` (chance of being named); those without it are left out.
    """
    known = [(point, leak) for point in points if (leak := point.leak(measure)) is not None]
    kept, least = [], math.inf
    # Of equal accuracies the more private one comes first, and hides the others.
    for point, leak in sorted(known, key=lambda pair: (-pair[0].average.top1, pair[1])):
        if leak < least:
            kept.append(point)
            least = leak
    return kept


def missed(point: Point, plain: float) -> list[str]:
    """What of the aim a point does not reach, in words; empty where it reaches all."""
    lost, score = plain - point.average.top1, point.score
    parts = [f"{100 * lost:.1f} points lost"] if lost > POINTS else []
    parts += [f"SSIM {score.excess:.2f} above chance"] if score.excess > SSIM_MARGIN else []
    if score.times is None:
        return [*parts, "re-identification not measured"]
    return parts + ([f"{score.times:.1f} times chance named"] if score.times > REID_TIMES else [])


def table(points: list[Point], plain: float) -> str:
    """Markdown, a cell a line."""
    lines = [
        "| images | network | top-1, % | below plain | best attack | SSIM | chance | named, % | chance, % | aim |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for point in points:
        score, top1 = point.score, point.average.top1
        named = (
            ["", ""]
            if score.times is None
            else [f"{100 * v:.1f}" for v in (score.reid or 0.0, score.reid_chance or 0.0)]
        )
        cells = [
            f"`{point.row}`",
            f"`{point.column}`",
            f"{100 * top1:.1f} ({100 * point.average.low:.1f} to {100 * point.average.high:.1f})",
            f"{100 * (plain - top1):.1f}",
            score.attack,
            f"{score.ssim:.3f}",
            f"{score.ssim_chance:.3f}",
            *named,
            "; ".join(missed(point, plain)) or (f"reached, of the {score.only}" if score.only else "reached"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(points: list[Point], plain: float, path: Path) -> None:
    """The Pareto plot, a panel a measure; a measure that no point has gets none."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    panels = [
        ("excess", "SSIM of the best attack above chance", SSIM_MARGIN),
        ("times", "people named, times chance", REID_TIMES),
    ]
    panels = [panel for panel in panels if any(point.leak(panel[0]) is not None for point in points)]
    figure, axes = plt.subplots(1, len(panels), figsize=(7 * len(panels), 6), squeeze=False, layout="constrained")
    for axis, (measure, title, aim) in zip(axes[0], panels, strict=True):
        best = front(points, measure)
        shown = [(point, leak) for point in points if (leak := point.leak(measure)) is not None]
        for point, leak in shown:
            low, high = (abs(100 * (bound - point.average.top1)) for bound in (point.average.low, point.average.high))
            colour = "tab:blue" if point in best else "tab:gray"
            ring = {"markerfacecolor": "white", "markersize": 6} if point.score.only else {"markersize": 4}
            axis.errorbar(leak, 100 * point.average.top1, [[low], [high]], fmt="o", color=colour, linewidth=0.8, **ring)
            axis.annotate(
                point.name,
                (leak, 100 * point.average.top1),
                (4, 3),
                textcoords="offset points",
                fontsize=7,
                color=colour,
            )
        # What can be had at no more than a leak: the accuracy of the best cell that leaks no more.
        corners = [(point.leak(measure), 100 * point.average.top1) for point in best]
        axis.step([x for x, _ in corners], [y for _, y in corners], where="pre", color="tab:blue", linewidth=1)
        axis.axhline(100 * plain, color="black", linewidth=0.6, linestyle=":")
        if measure == "times":
            axis.set_xscale("symlog", base=2, linthresh=0.5)  # nobody named is 0 times chance
        axis.margins(x=0.3)  # for the names
        axis.set_xlim(left=-0.05 if measure == "excess" else -0.25)
        axis.fill_between([0, aim], 100 * (plain - POINTS), 100 * plain, color="tab:green", alpha=0.15, linewidth=0)
        axis.set(xlabel=f"{title} (less is more private)", ylabel="top-1 on test images, %")
        kinds = sorted({point.score.only for point, _ in shown if point.score.only})
        rings = f"; rings: of the {', '.join(kinds)} alone" if kinds else ""
        axis.set_title(f"{len(shown)} cells; blue: the front; green: the aim{rings}", fontsize=9)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="work folders of bench run, or files of bench table")
    parser.add_argument("--scores", type=Path, required=True, help="JSON: row -> what the best attack reached")
    parser.add_argument("--out", type=Path, required=True, help="OUT.md and OUT.png are written")
    parser.add_argument(
        "--plain", default="plain/vit", help="the cell ROW/COLUMN of plain images that all is set against"
    )
    given = parser.parse_args(arguments)
    try:
        cells, scores = averages(gather(given.results)), read_scores(given.scores)
    except BlindsightError as error:
        parser.error(str(error))
    base = cells.get(tuple(given.plain.split("/")))  # type: ignore[arg-type]
    points = join(cells, scores)
    if base is None:
        parser.error(
            f"--plain {given.plain} is no cell of these results: {', '.join('/'.join(cell) for cell in cells)}"
        )
    if not points:
        parser.error(f"none of the rows {', '.join(sorted({row for row, _ in cells}))} has a score in {given.scores}")
    left_out = sorted({row for row, _ in cells} - scores.keys())
    if left_out:
        print(f"not attacked, so left out: {', '.join(left_out)}", file=sys.stderr)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.with_suffix(".md").write_text(table(points, base.top1))
    draw(points, base.top1, given.out.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
