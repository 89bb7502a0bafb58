"""The report's figures, as SVG. Axes are labelled, chance is drawn, colours are told apart by their marks too."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from blindsight.audit.estimates import Estimate
from blindsight.audit.metrics import MEASURES
from blindsight.audit.similarity import REFERENCES

if TYPE_CHECKING:
    from blindsight.audit.mixing_results import Result
    from blindsight.audit.mixing_speed import Speed

__all__ = ["attack_figure", "likeness_figure", "speed_figure", "svg"]

INK, SOFT, LINE = "#1c1917", "#57534e", "#d6d3d1"
ORANGE, TEAL, BLUE = "#c2410c", "#0f766e", "#1d4ed8"
#: reference -> colour, line, mark.
STYLES = {
    "target": (ORANGE, "-", "o"),
    "nearest_donor": (TEAL, "-", "s"),
    "nearest_other": ("#78716c", "--", "D"),
    "same_class": ("#78716c", ":", "^"),
    "other_class": ("#a8a29e", ":", "v"),
}
RC: Any = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e7e5e4",
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "svg.hashsalt": "blindsight",  # else ids are random, and the same report has other bytes every time
}


def likeness_figure(results: "Sequence[Result]") -> str:
    """The four measures against the number of blocks, or one row of points where there is only one setting."""
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9.6, 7.2) if len(results) > 1 else (9.6, 4.8), layout="constrained")
        panels = figure.subplots(2, 2)
        for axes, measure in zip(panels.flat, MEASURES, strict=True):
            for name, (colour, line, mark) in STYLES.items():
                found = [result.likeness[measure.name][name] for result in results]
                if len(results) > 1:
                    _line(axes, results, found, REFERENCES[name], colour, line, mark)
                elif found[0] is not None:
                    _point(axes, list(STYLES).index(name), found[0], REFERENCES[name], colour, mark)
            axes.set_title(measure.title)
            if len(results) > 1:
                _block_axis(axes, results)
                axes.set_ylabel(f"{'up' if measure.more_is_alike else 'down'} is more alike")
            else:
                axes.set_yticks([])
                axes.xaxis.set_major_locator(MaxNLocator(5))
                axes.invert_yaxis()
                axes.set_xlabel(f"{'right' if measure.more_is_alike else 'left'} is more alike")
        handles, labels = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return svg(figure)


def attack_figure(results: "Sequence[Result]", names: dict[str, str]) -> str:
    """Re-identification and the pixels that stay in place against the number of blocks.

    Args:
        results: two settings or more.
        names: attack -> what to call it.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(9.6, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        styles = {"pixels": (ORANGE, "o"), "blocks": (BLUE, "s"), "folded_pixels": (TEAL, "D")}
        for name in results[0].attacks:
            colour, mark = styles[name]
            line = "-" if name == "pixels" else "--"
            found: list[Estimate | None] = [result.attacks[name].top1 for result in results]
            _line(left, results, found, names[name], colour, line, mark, scale=100)
        chance = 100 * results[0].attacks["pixels"].chance
        left.axhline(chance, color="#78716c", linestyle=":", label=f"chance, {chance:.2g} %")
        left.set_title("Originals found again")
        left.set_ylabel("% of mixed images traced")
        shares = [result.shares for result in results]
        _line(right, results, [s.true_pixels for s in shares], "true pixel, true place", BLUE, "--", "s", scale=100)
        _line(right, results, [s.in_place for s in shares], "the original's own", ORANGE, "-", "o", scale=100)
        _line(right, results, [s.true_by_chance for s in shares], "true by chance", "#78716c", ":", "^", scale=100)
        right.set_title("Pixels that are true")
        right.set_ylabel("% of published pixels")
        for axes in (left, right):
            axes.set_ylim(-4, 104)
            _block_axis(axes, results)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), fontsize=9, ncols=1)
        return svg(figure)


def speed_figure(rows: "Sequence[Speed]") -> str:
    """Throughput against the number of donors and, where there are blocks, their number."""
    own = next(row for row in rows if row.own)
    with matplotlib.rc_context(RC):
        by_sources = sorted((row for row in rows if row.block == own.block), key=lambda row: row.sources)
        by_blocks = sorted((row for row in rows if row.sources == own.sources), key=lambda row: row.blocks or 0)
        top = _speed_top(rows)
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        for axes, found, label, x in zip(
            figure.subplots(1, 2, sharey=True),
            (by_sources, by_blocks),
            ("donors an image", "blocks an image"),
            ([row.sources for row in by_sources], [row.blocks or 0 for row in by_blocks]),
            strict=True,
        ):
            axes.axhline(own.plain, color="#78716c", linestyle=":", label="no mixing: decode and encode")
            axes.plot(x, [row.mixed for row in found], "-o", color=ORANGE, label="mixing, each image decoded once")
            axes.plot(x, [row.cold for row in found], "--s", color=TEAL, label="mixing, from an empty cache")
            axes.set_xlabel(label)
            axes.set_ylim(0, top)
            if label.startswith("blocks"):
                axes.set_xscale("log", base=2)
            axes.set_xticks(x, [str(value) for value in x])
            axes.xaxis.set_minor_formatter(NullFormatter())
        figure.axes[0].set_ylabel("images a second")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return svg(figure)


def _speed_top(rows: "Sequence[Speed]") -> float:
    """Both panels share their axis: one that scaled itself would cut off what only the other shows."""
    return 1.08 * max(max(row.plain, row.mixed, row.cold) for row in rows)


def _line(
    axes: Axes,
    results: "Sequence[Result]",
    found: Sequence[Estimate | None],
    label: str,
    colour: str,
    line: str,
    mark: str,
    scale: float = 1,
) -> None:
    there = [(r.setting.blocks or 1, e) for r, e in zip(results, found, strict=True) if e is not None]
    if not there:
        return
    x = [blocks for blocks, _ in there]
    axes.fill_between(
        x, [scale * e.low for _, e in there], [scale * e.high for _, e in there], color=colour, alpha=0.13, linewidth=0
    )
    axes.plot(x, [scale * e.mean for _, e in there], line, marker=mark, markersize=5, color=colour, label=label)


def _point(axes: Axes, row: int, found: Estimate, label: str, colour: str, mark: str) -> None:
    spread = [[found.mean - found.low], [found.high - found.mean]]
    axes.errorbar([found.mean], [row], xerr=spread, fmt=mark, color=colour, capsize=3, label=label)


def _block_axis(axes: Axes, results: "Sequence[Result]") -> None:
    blocks = sorted({result.setting.blocks or 1 for result in results})
    axes.set_xscale("log", base=2)
    axes.set_xticks(blocks, [str(number) for number in blocks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("blocks an image")
    own = next(result.setting.blocks for result in results if result.setting.own)
    axes.axvline(own or 1, color=LINE, linewidth=6, zorder=0, alpha=0.6)


def svg(figure: Figure) -> str:
    """A figure as SVG, the same bytes every time."""
    with io.StringIO() as file:
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return file.getvalue()
