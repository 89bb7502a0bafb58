"""Figures of a recipe's results: accuracy by scheme and model, and curves by epoch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindsight.bench.results import Average, Result
from blindsight.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "STYLE", "accuracy_figure", "curves_figure", "new_figure", "save_figure"]

INK = "#1c1917"
#: Told apart without colour too: by marks, and in the curves by their order in the legend.
COLOURS = ("#1c1917", "#c2410c", "#0f766e", "#1d4ed8", "#a16207", "#7e22ce", "#be123c", "#57534e", "#0369a1", "#4d7c0f")
ABREAST = 4
MARKS = "osD^vPX*<>"
STYLE: Any = {
    "font.size": 10,
    "axes.edgecolor": "#d6d3d1",
    "axes.labelcolor": "#57534e",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e7e5e4",
    "text.color": INK,
    "xtick.color": "#57534e",
    "ytick.color": "#57534e",
    "legend.frameon": False,
}


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure that needs no display.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError.of("matplotlib", "audit", "a figure") from None
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: "Figure", path: Path) -> None:
    """A PNG file; equal figures give equal bytes."""
    figure.savefig(path, dpi=110, metadata={"Software": None})


def accuracy_figure(cells: Mapping[tuple[str, str], Average], chance: float, title: str) -> "Figure":
    """A panel for each column: a point with its interval for each row, and a line at chance."""
    from matplotlib import rc_context

    rows, columns = _order(row for row, _ in cells), _order(column for _, column in cells)
    with rc_context(STYLE):
        figure, panels = _panels(len(columns), max(5.0, 2.9 * min(len(columns), ABREAST) + 1.2), 1.6 + 0.36 * len(rows))
        for axes, column in zip(panels, columns, strict=True):
            for place, row in enumerate(rows):
                cell = cells.get((row, column))
                if cell is None:
                    continue
                top1, low, high = 100 * cell.top1, 100 * cell.low, 100 * cell.high
                mark: dict[str, Any] = {
                    "fmt": MARKS[place % len(MARKS)],
                    "color": COLOURS[place % len(COLOURS)],
                    "capsize": 3,
                }
                axes.errorbar(top1, place, xerr=[[top1 - low], [high - top1]], **mark)
                axes.annotate(f"{top1:.1f}", (top1, place), (0, 6), textcoords="offset points", ha="center", size=8)
            axes.axvline(100 * chance, color="#a8a29e", ls=":")
            axes.set(title=column, yticks=range(len(rows)), yticklabels=rows)
            axes.set_xlim(0, 100)
            axes.set_ylim(len(rows) - 0.4, -0.7)
            axes.tick_params(length=0)
        figure.supxlabel("top-1, % (dotted: chance)", size=10)
        figure.suptitle(title, ha="left", x=0.01)
    return figure


def curves_figure(results: list[Result], title: str) -> "Figure":
    """A panel for each column: training loss by epoch, a line for each row; thinner ones for further seeds."""
    from matplotlib import rc_context
    from matplotlib.ticker import MaxNLocator

    rows, columns = _order(r.row for r in results), _order(r.column for r in results)
    with rc_context(STYLE):
        figure, panels = _panels(len(columns), max(5.6, 3.4 * min(len(columns), ABREAST)), 3.9, sharex=False)
        for axes, column in zip(panels, columns, strict=True):
            for result in (r for r in results if r.column == column):
                place, first = (
                    rows.index(result.row),
                    result.seed == min(r.seed for r in results if (r.row, r.column) == (result.row, column)),
                )
                points = [(row["epoch"], row["train_loss"]) for row in result.curves if "train_loss" in row]
                style: dict[str, Any] = {
                    "color": COLOURS[place % len(COLOURS)],
                    "marker": MARKS[place % len(MARKS)],
                    "ms": 3.5,
                }
                style |= {"label": result.row, "lw": 1.5} if first else {"alpha": 0.5, "lw": 0.8}
                axes.plot(*zip(*points, strict=True), **style)
            axes.set(title=column, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        figure.supylabel("training loss", size=10)
        _legend(figure, panels)
        figure.suptitle(title, ha="left", x=0.01)
    return figure


def _panels(count: int, width: float, height: float, *, sharex: bool = True) -> "tuple[Figure, list[Axes]]":
    """So many panels, at most ABREAST in a row that is so high; one scale for all."""
    abreast = min(count, ABREAST)
    rows = -(-count // abreast)
    figure = new_figure(width, height * rows)
    grid = figure.subplots(rows, abreast, squeeze=False, sharex=sharex, sharey=True).ravel()
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[max(0, count - abreast) : count]:
        axes.tick_params(labelbottom=True)  # also where the row below is not full
    return figure, list(grid[:count])


def _legend(figure: "Figure", panels: "Iterable[Axes]") -> None:
    """One legend below for all panels, each row once."""
    found: dict[str, Any] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=min(7, len(found)))


def _order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
