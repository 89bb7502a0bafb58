"""The page and the headline figure of the JPEG measurement."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from blindsight.bench.figures import STYLE, new_figure
from blindsight.bench.jpeg import SUBSAMPLINGS, JpegRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["jpeg_figure", "jpeg_page"]

INK, ORANGE = "#1c1917", ("#c2410c", "#ea7c3c", "#f2b48a")
OTHERS = ("#0f766e", "#1d4ed8", "#7e22ce", "#a16207", "#be123c", "#0369a1", "#4d7c0f", "#57534e")
MARKS = "s^DvPX*<>"
#: The scheme that is drawn at every block size; of the others one block size is enough.
SHOWN = "etc"
SHOWN_BLOCK = 16


def jpeg_figure(rows: list[JpegRow]) -> "Figure":
    """Above bits a pixel, below PSNR of the revealed image, against quality; a column for each chroma subsampling."""
    from matplotlib import rc_context
    from matplotlib.ticker import NullFormatter

    with rc_context(STYLE):
        figure = new_figure(10.4, 8.2)
        panels = figure.subplots(2, 2, sharex=True, sharey="row")
        for place, sampling in enumerate(SUBSAMPLINGS):
            above, below = panels[0][place], panels[1][place]
            here = [row for row in rows if row.subsampling == sampling]
            for label, style, line in _lines(here):
                qualities = [row.quality for row in line]
                above.plot(qualities, [row.bits_per_pixel for row in line], label=label, **style)
                if all(row.psnr is not None for row in line):
                    below.plot(qualities, [row.psnr for row in line], **style)
            above.set_title(sampling)
            above.set_yscale("log")
            above.set_yticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
            above.yaxis.set_minor_formatter(NullFormatter())
            below.set_xlabel("JPEG quality")
        panels[0][0].set_ylabel("bits a pixel")
        panels[1][0].set_ylabel("PSNR when revealed, dB")
        _legend(figure, panels[0])
        figure.suptitle(f"What JPEG makes of protected photographs ({rows[0].photographs})", ha="left", x=0.01)
    return figure


def _lines(rows: list[JpegRow]) -> Iterable[tuple[str, dict[str, Any], list[JpegRow]]]:
    """(label, style, rows by quality) of each line of one column of the figure."""
    keys = _plain_first(rows)
    blocks = sorted({block for scheme, block in keys if scheme == SHOWN and block is not None})
    others = sorted({scheme for scheme, _ in keys if scheme not in (None, SHOWN)})
    for scheme, block in keys:
        line = sorted((r for r in rows if (r.scheme, r.block) == (scheme, block)), key=lambda row: row.quality or 0)
        if scheme is None:
            yield "plain", {"color": INK, "marker": "o", "lw": 2, "zorder": 5}, line
        elif scheme == SHOWN:
            refused = "" if line[0].allowed else ", refused"
            place = blocks.index(block or 0)
            style = {
                "color": ORANGE[-1 - place % 3],
                "marker": MARKS[place],
                "ls": "--" if refused else "-",
                "zorder": 4,
            }
            yield f"{scheme}, blocks of {block}{refused}", style, line
        elif block == SHOWN_BLOCK:
            refused = "" if line[0].allowed else ", refused"
            place = others.index(scheme)
            style = {"color": OTHERS[place % len(OTHERS)], "marker": MARKS[place % len(MARKS)], "ms": 4, "lw": 1}
            yield f"{scheme}, blocks of {block}{refused}", style | {"ls": "--" if refused else "-"}, line


def _legend(figure: "Figure", panels: "Iterable[Axes]") -> None:
    found: dict[str, tuple[Any, str]] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            # What one subsampling refuses and the other allows is one line of the legend; the dashes say the rest.
            found.setdefault(label.removesuffix(", refused"), (handle, label))
    handles, labels = zip(*found.values(), strict=True)
    figure.legend(handles, labels, loc="outside lower center", ncols=4)


def jpeg_page(measured: list[tuple[str, int, list[JpegRow]]], command: str, figure: str | None) -> str:
    """Markdown.

    Args:
        measured: for each set of photographs its name, how many there are, and the rows.
        command: what measured it, as typed.
        figure: file name.
    """
    parts = ["# JPEG and encryption", f"    {command}"]
    if figure:
        parts.append(f"![Bits a pixel and PSNR against JPEG quality, plain and encrypted]({figure})")
        parts.append(
            "Dashed: `protect` refuses this setting unless it is given `--allow-lossy`. The figure shows the first set "
            f"of photographs, EtC at every block size and the other schemes with blocks of {SHOWN_BLOCK}."
        )
    for name, count, rows in measured:
        parts.append(f"## {name}: {count} photographs")
        for sampling in SUBSAMPLINGS:
            shown = [row for row in rows if _in_tables(row) and row.subsampling in (sampling, None)]
            parts += [f"### {sampling}: bits a pixel, and in brackets the ratio to plain", _table(shown, _bits)]
            parts += [f"### {sampling}: PSNR of the revealed photograph, dB", _table(shown, _psnr)]
    parts += [
        "- *Italic*: refused without `--allow-lossy`. The JSON file beside this page holds every row, all blocks of "
        "all schemes among them, and the least and the largest ratio of single photographs.\n"
        "- *Bits a pixel*: of all photographs of a set together, headers of files counted. *Ratio*: those bits over "
        "the bits of the plain photographs under the same codec.\n"
        "- *PSNR*: mean over the photographs; `exact` is bit for bit. Plain files are decoded as any viewer does, with "
        "interpolated chroma; protected ones as `reveal` does, without.\n"
        "- Photographs are cut to whole blocks of the largest size, so every row is about the same pixels. One fixed "
        "key; schemes have the parameters that they have by default."
    ]
    return "\n\n".join(parts) + "\n"


def _in_tables(row: JpegRow) -> bool:
    return row.scheme in (None, SHOWN) or row.block == SHOWN_BLOCK


def _table(rows: list[JpegRow], text: Callable[[JpegRow], str]) -> str:
    """A line for each scheme and block size, a column for each quality."""
    qualities = sorted({row.quality for row in rows if row.quality is not None}, reverse=True)
    lines = [f"| images | PNG | {' | '.join(f'Q{quality}' for quality in qualities)} |"]
    lines.append(f"|{' --- |' * (len(qualities) + 2)}")
    for scheme, block in _plain_first(rows):
        line = {row.quality: row for row in rows if (row.scheme, row.block) == (scheme, block)}
        if len(line) == 1:
            continue  # PNG alone: this subsampling was not measured, since it is refused
        name = "plain" if scheme is None else f"{scheme}, {block}"
        texts = [text(line[q]) if q in line else "" for q in (None, *qualities)]
        texts = [
            t if q is None or line[q].allowed else f"*{t}*" for q, t in zip((None, *qualities), texts, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _bits(row: JpegRow) -> str:
    return f"{row.bits_per_pixel:.2f}" + (f" ({row.ratio:.2f})" if row.scheme else "")


def _psnr(row: JpegRow) -> str:
    return "exact" if row.psnr is None else f"{row.psnr:.1f}"


def _plain_first(rows: list[JpegRow]) -> list[tuple[str | None, int | None]]:
    """(scheme, block): plain, then the scheme that is shown in full, then the others."""
    keys = dict.fromkeys((row.scheme, row.block) for row in rows)
    return sorted(keys, key=lambda key: 0 if key[0] is None else 1 if key[0] == SHOWN else 2)
